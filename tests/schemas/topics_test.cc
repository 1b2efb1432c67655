#include "schemas/topics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

namespace fiverate {
namespace {

constexpr std::array<Topic, 6> kResultTopics{Topic::metrics,   Topic::metrics_final, Topic::alerts,
                                             Topic::alert_log, Topic::seals,         Topic::quarantine};

std::map<std::string, std::string> settings(Topic topic, bool live) {
  const TopicSettings list = settings_of(topic, live);
  std::map<std::string, std::string> map(list.begin(), list.end());
  EXPECT_EQ(map.size(), list.size()) << "a repeated setting: " << name_of(topic);
  return map;
}

TEST(Topics, NamesRoundTrip) {
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    const auto topic = static_cast<Topic>(i);
    EXPECT_EQ(topic_named(name_of(topic)), topic);
  }
  EXPECT_EQ(topic_named("alert-log"), Topic::alert_log);
  EXPECT_EQ(topic_named("alert_log"), std::nullopt);
  EXPECT_EQ(topic_named(""), std::nullopt);
}

TEST(Topics, HomesOfPayloads) {
  EXPECT_EQ(home_of(Event::kOrder), Topic::orders);
  EXPECT_EQ(home_of(Event::kDelivery), Topic::deliveries);
  EXPECT_EQ(home_of(Event::kVisit), Topic::visits);
  for (const auto payload : {Event::kOutlet, Event::kSku, Event::kRegion, Event::kPolicy, Event::kTarget, Event::kPlan,
                             Event::kAllocation, Event::kCalendar}) {
    EXPECT_EQ(home_of(payload), Topic::reference);
    EXPECT_FALSE(is_document(payload));
  }
  EXPECT_EQ(home_of(Event::kCommand), Topic::commands);
  EXPECT_EQ(home_of(Event::kMark), std::nullopt);
  EXPECT_EQ(home_of(Event::PAYLOAD_NOT_SET), std::nullopt);
  for (const auto payload : {Event::kOrder, Event::kDelivery, Event::kVisit}) EXPECT_TRUE(is_document(payload));
  for (const auto payload : {Event::kCommand, Event::kMark, Event::PAYLOAD_NOT_SET}) EXPECT_FALSE(is_document(payload));
}

TEST(Topics, PartitionCounts) {
  const PartitionCounts counts{.source = 6, .ledger = 5, .market = 3};
  const std::map<Topic, std::int32_t> expected{{Topic::orders, 6},        {Topic::deliveries, 6}, {Topic::visits, 6},
                                               {Topic::reference, 1},     {Topic::commands, 1},   {Topic::ledger, 5},
                                               {Topic::deltas, 3},        {Topic::signals, 3},    {Topic::metrics, 3},
                                               {Topic::alerts, 3},        {Topic::alert_log, 3},  {Topic::seals, 5},
                                               {Topic::metrics_final, 3}, {Topic::quarantine, 5}};
  for (const auto& [topic, partitions] : expected) EXPECT_EQ(counts.of(topic), partitions) << name_of(topic);
  EXPECT_EQ((PartitionCounts{.source = 1, .ledger = 2, .market = 7}.of(Topic::seals)), 7);
}

TEST(Topics, NothingIsEverDeleted) {
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    for (const bool live : {false, true}) {
      auto of = settings(static_cast<Topic>(i), live);
      EXPECT_EQ(of["retention.ms"], "-1");
      EXPECT_EQ(of["retention.bytes"], "-1");
      EXPECT_EQ(of["segment.ms"], "9223372036854775807");
      EXPECT_EQ(of["message.timestamp.before.max.ms"], "9223372036854775807");
      EXPECT_EQ(of["message.timestamp.after.max.ms"], "9223372036854775807");
    }
  }
}

TEST(Topics, OnlyLatestStatesAreCompacted) {
  for (std::size_t i = 0; i < kTopicCount; ++i) {
    const auto topic = static_cast<Topic>(i);
    const bool compacted = topic == Topic::metrics || topic == Topic::alerts || topic == Topic::checkpoints;
    EXPECT_EQ(settings(topic, false)["cleanup.policy"], compacted ? "compact" : "delete") << name_of(topic);
  }
}

TEST(Topics, BrokersStampSourcesOnWallClock) {
  for (const Topic topic : kSourceTopics) {
    EXPECT_EQ(settings(topic, true)["message.timestamp.type"], "LogAppendTime");
    EXPECT_EQ(settings(topic, false)["message.timestamp.type"], "CreateTime");
    EXPECT_EQ(settings(topic, false).count("max.message.bytes"), 0U);
  }
  for (const Topic topic : kInternalTopics) {
    EXPECT_EQ(settings(topic, true)["message.timestamp.type"], "CreateTime");
    EXPECT_EQ(settings(topic, true)["max.message.bytes"], "8388608");
  }
  for (const Topic topic : kResultTopics) {
    EXPECT_EQ(settings(topic, true)["message.timestamp.type"], "CreateTime");
    EXPECT_EQ(settings(topic, true).count("max.message.bytes"), topic == Topic::quarantine ? 1U : 0U);
  }
}

// Values of the Java client's own test (org.apache.kafka.common.utils.UtilsTest). A prime modulus near 2^31 shows all
// bits of the hash but the sign.
TEST(Partitioner, IsTheJavaClients) {
  const std::map<std::string, std::int32_t> java{{"21", -973932308},
                                                 {"foobar", -790332482},
                                                 {"a-little-bit-long-string", -985981536},
                                                 {"a-little-bit-longer-string", -1486304829},
                                                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                                                 {"abc", 479470107}};
  for (const auto& [key, hash] : java) {
    const std::int32_t positive = hash & 0x7fffffff;
    for (const std::int32_t partitions : {1, 2, 4, 7, 12, 2'147'483'647}) {
      EXPECT_EQ(partition_of(key, partitions), positive % partitions) << key;
    }
  }
}

TEST(Partitioner, TakesAnyBytes) {
  std::string key;
  for (int i = 0; i < 300; ++i) {
    const std::int32_t partition = partition_of(key, 12);
    EXPECT_GE(partition, 0);
    EXPECT_LT(partition, 12);
    key += static_cast<char>(i * 37);
  }
}

}  // namespace
}  // namespace fiverate
