#include "processors/stream/watermark.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

Progress progress(std::initializer_list<std::pair<std::int32_t, Millis>> entries) {
  Progress result;
  for (const auto& [source, arrival] : entries) {
    auto& entry = *result.add_entries();
    entry.set_source(source);
    entry.set_arrival_ms(arrival);
  }
  return result;
}

TEST(Watermark, IsTheMinimumOverAllSources) {
  Watermark watermark(3);
  EXPECT_EQ(watermark.value(), kNever);
  watermark.apply(progress({{0, 50}, {2, 30}}));
  EXPECT_EQ(watermark.value(), kNever) << "one source has reported nothing";
  watermark.apply(progress({{1, 40}}));
  EXPECT_EQ(watermark.value(), 30);
  watermark.apply(progress({{2, 60}}));
  EXPECT_EQ(watermark.value(), 40) << "a stuck source holds it back";
}

TEST(Watermark, NeverGoesBack) {
  Watermark watermark(1);
  watermark.apply(progress({{0, 50}}));
  watermark.apply(progress({{0, 20}}));
  EXPECT_EQ(watermark.value(), 50);
}

TEST(Watermark, IgnoresSourcesThatItDoesNotKnow) {
  Watermark watermark(1);
  watermark.apply(progress({{0, 50}, {1, 10}, {-1, 10}}));
  EXPECT_EQ(watermark.value(), 50);
}

TEST(Watermark, StandsStillUntilNewSourcesHaveComeAsFar) {
  Watermark watermark(2);
  watermark.apply(progress({{0, 50}, {1, 40}}));
  watermark.extend_to(4);
  EXPECT_EQ(watermark.value(), 40);
  watermark.apply(progress({{0, 90}, {1, 90}, {2, 90}}));
  EXPECT_EQ(watermark.value(), 40) << "one of the new sources has reported nothing";
  watermark.apply(progress({{3, 30}}));
  EXPECT_EQ(watermark.value(), 40) << "its first records are from before the extension";
  watermark.extend_to(2);
  watermark.apply(progress({{3, 70}}));
  EXPECT_EQ(watermark.value(), 70) << "an extension that is repeated, or an older one, changes nothing";
}

TEST(Watermark, BeforeAllSourcesAreKnownAnExtensionGivesNoTime) {
  Watermark watermark(2);
  watermark.apply(progress({{0, 50}}));
  watermark.extend_to(3);
  watermark.apply(progress({{1, 50}}));
  EXPECT_EQ(watermark.value(), kNever);
  watermark.apply(progress({{2, 45}}));
  EXPECT_EQ(watermark.value(), 45);
}

TEST(Watermark, AStateKeepsTheSourcesOfAnExtension) {
  Watermark watermark(2);
  watermark.apply(progress({{0, 50}, {1, 50}}));
  watermark.extend_to(3);
  ProgressState state;
  watermark.save(state);
  Watermark loaded(2);
  loaded.load(state);
  EXPECT_EQ(loaded.arrivals(), watermark.arrivals());
  loaded.apply(progress({{0, 90}, {1, 90}}));
  EXPECT_EQ(loaded.value(), 50);
}

TEST(Watermark, WithoutSourcesThereIsNoTime) {
  EXPECT_EQ(Watermark(0).value(), kNever);
}

TEST(Watermark, SavedAndLoadedItIsTheSame) {
  Watermark watermark(2);
  watermark.apply(progress({{1, 50}}));
  ProgressState state;
  watermark.save(state);
  Watermark loaded(2);
  loaded.load(state);
  EXPECT_EQ(loaded.arrivals(), watermark.arrivals());
  EXPECT_EQ(loaded.value(), kNever);
  loaded.apply(progress({{0, 70}}));
  EXPECT_EQ(loaded.value(), 50);
}

}  // namespace
}  // namespace fiverate
