// The stored record of an outlet: restored in another process, and refused if it is damaged.
#include "processors/stages/outlet_codec.h"

#include <gtest/gtest.h>

#include "processors/stages/flat_record.h"
#include "tests/support/watched_shop.h"

namespace fiverate::test {
namespace {

OutletRecord busy_outlet(Shop& shop) {
  OutletRecord outlet;
  outlet.facts = std::move(shop.facts);
  outlet.latest_arrival = noon(nth(4));
  outlet.due = noon(nth(9));
  return outlet;
}

// Knows the same SKUs, but its segments have other numbers.
MarketContext another_process() {
  Shop other;
  other.context.segments.number_of("elsewhere", {});
  other.knows_sku("s1", "B1");
  other.knows_sku("s2", "B2");
  return other.context;
}

TEST(OutletCodec, RestoresAnOutletInAnotherProcess) {
  auto shop = busy_shop();
  const auto facts = derived_facts(shop.facts);
  EXPECT_NE(facts, "");
  const auto bytes = OutletRecordCodec{&shop.context}.encode(busy_outlet(shop));
  auto context = another_process();
  const OutletRecordCodec codec{&context};
  const auto loaded = codec.decode(bytes);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(codec.encode(*loaded), bytes);
  EXPECT_EQ(derived_facts(loaded->facts), facts);
  EXPECT_TRUE(loaded->facts.known);
  EXPECT_EQ(loaded->due, noon(nth(9)));
}

TEST(OutletCodec, RestoresPublishedAlerts) {
  WatchedShop watched;
  watched.gets(delivery("D", "shop", noon(nth(1)), {{"s1", 10}}));
  watched.gets(counted("V1", noon(nth(2)), {{"s1", 5}}));
  watched.gets(counted("V2", noon(nth(4)), {{"s1", 0}}));
  ASSERT_EQ(watched.log(), "R1 e1 FIRING 4d12:00\n");
  watched.restarts();
  watched.gets(delivery("D2", "shop", noon(nth(5)), {{"s1", 10}}));
  EXPECT_EQ(watched.log(), "R1 e1 FIRING 4d12:00\nR1 e1 RESOLVED 5d12:00\n");
}

TEST(OutletCodec, RefusesAShorterOrLongerRecord) {
  auto shop = busy_shop();
  const auto bytes = OutletRecordCodec{&shop.context}.encode(busy_outlet(shop));
  auto context = another_process();
  const OutletRecordCodec codec{&context};
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(codec.decode(bytes.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(codec.decode(bytes + '\0').has_value());
}

TEST(OutletCodec, RefusesAnotherFormatAndUnknownSkus) {
  auto shop = busy_shop();
  auto bytes = OutletRecordCodec{&shop.context}.encode(busy_outlet(shop));
  MarketContext without_skus{shanghai(), {}, {}};
  EXPECT_FALSE((OutletRecordCodec{&without_skus}).decode(bytes).has_value());
  bytes[0] = 2 * 63;
  auto context = another_process();
  EXPECT_FALSE(OutletRecordCodec{&context}.decode(bytes).has_value());
}

// ---- the fields of a flat record --------------------------------------------------------------------------------------

TEST(FlatRecord, KeepsTheExtremesOfEachField) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kGreatest = std::numeric_limits<std::int64_t>::max();
  FlatWriter writer;
  writer.begin();
  for (const auto value : {kLeast, std::int64_t{-1}, std::int64_t{0}, kGreatest}) writer.integer(value);
  for (const auto value : {kNever, Millis{5}, kGreatest, kNever}) writer.time(value);
  for (const auto value : {kNoDay, kEndOfDays, Day{3}, kNoDay}) writer.day(value);
  writer.text(std::string_view("a\0b", 3));
  writer.hash(0xFFFF'FFFF'FFFF'FFFF);
  const std::string bytes(writer.bytes());
  FlatReader reader(bytes);
  for (const auto value : {kLeast, std::int64_t{-1}, std::int64_t{0}, kGreatest}) {
    std::int64_t read = 7;
    reader.integer(read);
    EXPECT_EQ(read, value);
  }
  for (const auto value : {kNever, Millis{5}, kGreatest, kNever}) {
    Millis read = 7;
    reader.time(read);
    EXPECT_EQ(read, value);
  }
  for (const auto value : {kNoDay, kEndOfDays, Day{3}, kNoDay}) {
    Day read;
    reader.day(read);
    EXPECT_EQ(read, value);
  }
  std::string text;
  reader.text(text);
  EXPECT_EQ(text, std::string("a\0b", 3));
  std::uint64_t hash = 0;
  reader.hash(hash);
  EXPECT_EQ(hash, 0xFFFF'FFFF'FFFF'FFFF);
  EXPECT_TRUE(reader.is_complete());
}

TEST(FlatRecord, RefusesValuesThatTheTypeDoesNotHold) {
  FlatWriter writer;
  writer.begin();
  writer.integer(300);
  std::uint8_t small = 0;
  FlatReader narrow(writer.bytes());
  narrow.integer(small);
  EXPECT_FALSE(narrow.is_valid());
  FlatReader bounded(writer.bytes());
  std::int64_t wide = 0;
  bounded.integer(wide, 0, 299);
  EXPECT_FALSE(bounded.is_valid());
  EXPECT_EQ(wide, 0);
  // A list that claims more elements than there are bytes.
  FlatReader list(writer.bytes());
  std::vector<std::int64_t> values;
  list.list(values, [&](std::int64_t& value) { list.integer(value); });
  EXPECT_FALSE(list.is_valid());
}

}  // namespace
}  // namespace fiverate::test
