// The Kafka edge against a real broker, whose address is in FIVERATE_TEST_KAFKA. Every test creates its own topics.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"

namespace fiverate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class KafkaEdgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* servers = std::getenv("FIVERATE_TEST_KAFKA");
    if (servers == nullptr) GTEST_SKIP() << "FIVERATE_TEST_KAFKA names no broker";
    static int number = 0;
    settings_ = {{{"bootstrap.servers", servers}}, fmt::format("edge-{}-{}.", getpid(), ++number)};
    group_ = settings_.topic_prefix + "group";
  }

  TopicsMade create() {
    auto made = create_topics(settings_, plan_);
    EXPECT_TRUE(made) << made.error().what;
    return made ? *made : TopicsMade{};
  }
  std::unique_ptr<KafkaSink> sink() {
    auto made = KafkaSink::open(settings_);
    EXPECT_TRUE(made) << made.error().what;
    return std::move(*made);
  }
  std::unique_ptr<KafkaReader> reader(std::vector<Input> inputs, ReadFrom from = {}, bool until_end = true) {
    auto made = KafkaReader::open(settings_, {std::move(inputs), std::move(from), until_end});
    EXPECT_TRUE(made) << made.error().what;
    return std::move(*made);
  }
  std::unique_ptr<KafkaSource> source(std::vector<Topic> topics, ReadOrder order = ReadOrder::as_fetched) {
    std::vector<Input> all;
    for (const auto topic : topics) {
      for (std::int32_t partition = 0; partition < plan_.partitions.of(topic); ++partition)
        all.push_back({topic, partition});
    }
    auto made = KafkaSource::open(settings_, group_, all, {}, order);
    EXPECT_TRUE(made) << made.error().what;
    (*made)->listen({[](const std::vector<Input>& inputs) -> Result<std::map<Input, std::int64_t>> {
                       std::map<Input, std::int64_t> begin;
                       for (const auto& input : inputs) begin[input] = 0;
                       return begin;
                     },
                     {}});
    return std::move(*made);
  }
  static std::vector<InRecord> read_all(KafkaReader& reader) {
    std::vector<InRecord> records;
    const auto deadline = Clock::now() + seconds(20);
    while (!reader.finished() && Clock::now() < deadline) {
      const auto polled = reader.poll(milliseconds(50), records);
      EXPECT_TRUE(polled) << polled.error().what;
      if (!polled) break;
    }
    EXPECT_TRUE(reader.finished());
    return records;
  }
  static OutRecord record(Topic topic, std::int32_t partition, int i) {
    return {topic,
            partition,
            1'700'000'000'000 + i,
            "key" + std::to_string(i),
            "value" + std::to_string(i),
            Cause{"outlet/" + std::to_string(partition), {i, 0}},
            std::nullopt};
  }
  void fill(Topic topic, std::int32_t partition, int count) {
    const auto to = sink();
    for (int i = 0; i < count; ++i) ASSERT_TRUE(to->send(record(topic, partition, i)));
    const auto flushed = to->flush();
    ASSERT_TRUE(flushed) << flushed.error().what;
  }

  void read_through_rebalances(ReadOrder order);

  KafkaSettings settings_;
  TopicPlan plan_{{2, 3, 2}, false, 1, [](Topic topic) { return "definition of " + std::string(name_of(topic)); }};
  std::string group_;
};

// A listener that remembers which inputs are assigned to its source.
struct Share {
  std::set<Input> inputs;
  std::map<Input, std::int64_t> begin_at;  // other inputs begin at offset 0
  int assignments = 0;

  Source::Listener listener() {
    return {[this](const std::vector<Input>& given) -> Result<std::map<Input, std::int64_t>> {
              ++assignments;
              std::map<Input, std::int64_t> begin;
              for (const auto& input : given) {
                inputs.insert(input);
                begin[input] = begin_at[input];
              }
              return begin;
            },
            [this](const std::vector<Input>& revoked) {
              for (const auto& input : revoked) inputs.erase(input);
            }};
  }
};

// ---- topics --------------------------------------------------------------------------------------------------------

std::optional<Committed> committed_of(Source& source, const Input& input) {
  const auto found = source.committed({input}, seconds(10));
  EXPECT_TRUE(found) << found.error().what;
  if (!found || !found->contains(input)) return std::nullopt;
  return found->at(input);
}

TEST_F(KafkaEdgeTest, TheBrokerIsReached) {
  const auto reached = reach(settings_);
  EXPECT_TRUE(reached) << reached.error().what;
}

TEST_F(KafkaEdgeTest, TopicsAreCreatedOnceAndAsPlanned) {
  const auto missing = check_topics(settings_, plan_);
  ASSERT_TRUE(missing) << missing.error().what;
  EXPECT_EQ(missing->size(), kTopicCount);
  EXPECT_EQ(missing->front().found, "missing");

  const auto made = create();
  EXPECT_EQ(made.created.size(), kTopicCount);
  EXPECT_EQ(made.definitions_written, 3 + 2 + 2);
  for (const auto& finding : made.findings) ADD_FAILURE() << to_text(finding);

  const auto again = create();
  EXPECT_TRUE(again.created.empty());
  EXPECT_EQ(again.definitions_written, 0);
  EXPECT_TRUE(again.findings.empty());

  const auto checked = check_topics(settings_, plan_);
  ASSERT_TRUE(checked) << checked.error().what;
  for (const auto& finding : *checked) ADD_FAILURE() << to_text(finding);

  const auto first = reader({{Topic::signals, 1}});
  const auto records = read_all(*first);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].offset, 0);
  EXPECT_EQ(records[0].timestamp, 1);
  EXPECT_EQ(records[0].value, "definition of signals");
}

TEST_F(KafkaEdgeTest, ATopicThatDiffersIsReportedAndNotChanged) {
  create();
  auto other = plan_;
  other.partitions.ledger = 5;
  other.definition = [](Topic topic) {
    return topic == Topic::deltas ? "another" : "definition of " + std::string(name_of(topic));
  };
  const auto made = create_topics(settings_, other);
  ASSERT_TRUE(made) << made.error().what;
  EXPECT_TRUE(made->created.empty());
  std::set<std::string> texts;
  for (const auto& finding : made->findings) texts.insert(to_text(finding));
  const auto& prefix = settings_.topic_prefix;
  EXPECT_TRUE(texts.contains(prefix + "ledger: partitions is 3, expected 5"));
  EXPECT_TRUE(texts.contains(
      prefix + "deltas: definition in partition 1 is a different one, expected the one of this configuration"));
  // Partitions of ledger, seals and quarantine; two partitions of deltas.
  EXPECT_EQ(texts.size(), 3U + 2U) << fmt::format("{}", fmt::join(texts, "\n"));
}

TEST_F(KafkaEdgeTest, OfALiveMarketKafkaStampsAllSourceTopics) {
  create();
  ASSERT_TRUE(let_kafka_stamp(settings_));
  ASSERT_TRUE(let_kafka_stamp(settings_)) << "a second time changes nothing";
  const auto on_marks = check_topics(settings_, plan_);
  ASSERT_TRUE(on_marks) << on_marks.error().what;
  EXPECT_EQ(on_marks->size(), 5U) << "each source topic";
  plan_.live = true;
  const auto findings = check_topics(settings_, plan_);
  ASSERT_TRUE(findings) << findings.error().what;
  EXPECT_TRUE(findings->empty()) << to_text(findings->front());
}

// ---- records -------------------------------------------------------------------------------------------------------

TEST_F(KafkaEdgeTest, ARecordComesBackAsItWasSent) {
  create();
  const auto to = sink();
  const std::string binary("\0\xff\n key", 7);
  constexpr Millis k2012 = 1'325'376'000'000;
  constexpr Millis kFarFuture = 253'402'300'799'000;
  ASSERT_TRUE(to->send({Topic::deltas, 1, k2012, binary, binary + "v", Cause{"outlet/2", {12, 3}}, Link{{-1, 0}, 0}}));
  ASSERT_TRUE(to->send({Topic::deltas, 1, kFarFuture, "", "x", Cause{"outlet/2", {13, 0}}, Link{{12, 3}, ~0ULL}}));
  ASSERT_TRUE(to->send({Topic::deltas, 1, 0, "k", "", std::nullopt, std::nullopt}));
  ASSERT_TRUE(to->send({Topic::deltas, 1, kNever, "k", std::string(7 << 20, 'z'), std::nullopt, std::nullopt}));
  const auto flushed = to->flush();
  ASSERT_TRUE(flushed) << flushed.error().what;

  const auto from = reader({{Topic::deltas, 1}}, FromOffsets{{{Topic::deltas, 1}, 1}});
  const auto records = read_all(*from);
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(records[0].offset, 1);
  EXPECT_EQ(records[0].timestamp, k2012);
  EXPECT_EQ(records[0].key, binary);
  EXPECT_EQ(records[0].value, binary + "v");
  EXPECT_EQ(records[0].cause->sender, "outlet/2");
  EXPECT_EQ(records[0].cause->position, (CausePosition{12, 3}));
  EXPECT_EQ(records[0].link->previous, CausePosition{});
  EXPECT_EQ(records[1].timestamp, kFarFuture);
  EXPECT_EQ(records[1].link->previous, (CausePosition{12, 3}));
  EXPECT_EQ(records[1].link->chain, ~0ULL);
  EXPECT_EQ(records[2].timestamp, 1);
  EXPECT_TRUE(records[2].value.empty());
  EXPECT_FALSE(records[2].cause);
  EXPECT_EQ(records[3].timestamp, 1);
  EXPECT_EQ(records[3].value.size(), std::size_t{7} << 20);
}

TEST_F(KafkaEdgeTest, RecordsOfAPartitionComeInOrderAndOnce) {
  create();
  fill(Topic::metrics_final, 0, 20'000);
  const auto from = reader({{Topic::metrics_final, 0}, {Topic::metrics_final, 1}});
  const auto records = read_all(*from);
  ASSERT_EQ(records.size(), 20'000U);
  for (std::size_t i = 0; i < records.size(); ++i) ASSERT_EQ(records[i].offset, static_cast<std::int64_t>(i));
}

TEST_F(KafkaEdgeTest, AMissingTopicStops) {
  const auto from = reader({{Topic::ledger, 0}});
  std::vector<InRecord> records;
  const auto polled = from->poll(milliseconds(100), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop);
  EXPECT_TRUE(contains(polled.error().what, "topics create")) << polled.error().what;
  const auto sent = sink()->send(record(Topic::ledger, 0, 1));
  ASSERT_FALSE(sent);
  EXPECT_TRUE(contains(sent.error().what, settings_.topic_prefix + "ledger")) << sent.error().what;
}

TEST_F(KafkaEdgeTest, AMissingPartitionIsNamed) {
  create();
  const auto to = sink();
  const auto sent = to->send(record(Topic::ledger, 17, 1));
  const auto flushed = sent ? to->flush() : sent;
  ASSERT_FALSE(flushed);
  EXPECT_TRUE(contains(flushed.error().what, "partition 17")) << flushed.error().what;
}

// ---- reader --------------------------------------------------------------------------------------------------------

TEST_F(KafkaEdgeTest, AReaderBeginsAndEndsWhereRequested) {
  create();
  fill(Topic::metrics, 0, 100);
  const Input input{Topic::metrics, 0};
  {
    const auto from = reader({input, {Topic::metrics, 1}});
    std::vector<InRecord> records;
    ASSERT_TRUE(from->poll(milliseconds(0), records));
    fill(Topic::metrics, 0, 50);  // after the end at the first poll, so not read
    while (!from->finished()) ASSERT_TRUE(from->poll(milliseconds(50), records));
    EXPECT_EQ(records.size(), 100U);
  }
  EXPECT_EQ(read_all(*reader({input})).size(), 150U);
  EXPECT_EQ(read_all(*reader({input}, FromLast{7})).front().offset, 143);
  EXPECT_EQ(read_all(*reader({input}, FromLast{1000})).front().offset, 0);
  EXPECT_EQ(read_all(*reader({input}, FromTime{1'700'000'000'090})).front().offset, 90);
  EXPECT_TRUE(read_all(*reader({input}, FromTime{1'800'000'000'000})).empty());
  EXPECT_EQ(read_all(*reader({input}, FromOffsets{{input, 149}})).size(), 1U);
  EXPECT_TRUE(read_all(*reader({input}, FromOffsets{{input, 150}})).empty());

  const auto with_listener = reader({input}, FromLast{1});
  Share share{{}, {{input, 140}}, 0};
  with_listener->listen(share.listener());
  EXPECT_EQ(read_all(*with_listener).size(), 10U);
  EXPECT_EQ(share.assignments, 1);
  EXPECT_EQ(committed_of(*with_listener, input), std::nullopt);
}

TEST_F(KafkaEdgeTest, AReaderOutsideTheLogStops) {
  create();
  fill(Topic::alerts, 0, 10);
  const Input input{Topic::alerts, 0};
  const auto from = reader({input}, FromOffsets{{input, 11}});
  std::vector<InRecord> records;
  const auto polled = from->poll(milliseconds(100), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop);
  EXPECT_TRUE(contains(polled.error().what, "0 to 10")) << polled.error().what;
}

// ---- group ---------------------------------------------------------------------------------------------------------

TEST_F(KafkaEdgeTest, ASourceBeyondTheEndOfItsLogStops) {
  create();
  fill(Topic::ledger, 1, 10);  // after the definition
  Share share{{}, {{{Topic::ledger, 1}, 500}}, 0};
  const auto from = source({Topic::ledger});
  from->listen(share.listener());
  std::vector<InRecord> records;
  Result<void> polled;
  for (int i = 0; i < 200 && polled; ++i) polled = from->poll(milliseconds(100), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop);
  EXPECT_TRUE(contains(polled.error().what, "ledger partition 1")) << polled.error().what;
  EXPECT_TRUE(contains(polled.error().what, "0 to 11")) << polled.error().what;
  EXPECT_FALSE(from->poll(milliseconds(0), records)) << "every later poll returns the error";
}

TEST_F(KafkaEdgeTest, CommittedOffsetsKeepTheirMetadata) {
  create();
  fill(Topic::orders, 1, 30);
  const Input input{Topic::orders, 1};
  {
    const auto from = source({Topic::orders, Topic::deliveries});
    EXPECT_EQ(committed_of(*from, input), std::nullopt);
    Share share;
    from->listen(share.listener());
    std::vector<InRecord> records;
    for (int i = 0; i < 100 && records.size() < 30; ++i) ASSERT_TRUE(from->poll(milliseconds(100), records));
    ASSERT_EQ(records.size(), 30U);
    EXPECT_EQ(share.inputs.size(), 4U);
    EXPECT_EQ(from->lag().at(input), 0);
    const auto committed = from->commit({{input, {17, "arrival 5"}}, {{Topic::deliveries, 0}, {0, ""}}});
    ASSERT_TRUE(committed) << committed.error().what;
    EXPECT_EQ(committed_of(*from, input)->offset, 17);
  }
  const auto from = source({Topic::orders});
  const auto kept = committed_of(*from, input);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->offset, 17);
  EXPECT_EQ(kept->metadata, "arrival 5");
  EXPECT_EQ(committed_of(*from, {Topic::deliveries, 0})->offset, 0);
  EXPECT_EQ(committed_of(*from, {Topic::deliveries, 1}), std::nullopt);
}

TEST_F(KafkaEdgeTest, AGroupAssignsAndReassignsPartitions) {
  create();
  for (std::int32_t p = 0; p < 2; ++p) {
    fill(Topic::orders, p, 1000);
    fill(Topic::deliveries, p, 1000);
  }
  Share first_share;
  Share second_share;
  auto first = source({Topic::orders, Topic::deliveries});
  first->listen(first_share.listener());
  std::vector<InRecord> first_records;
  for (int i = 0; i < 100 && first_share.inputs.size() < 4; ++i)
    ASSERT_TRUE(first->poll(milliseconds(50), first_records));
  EXPECT_EQ(first_share.inputs.size(), 4U);

  auto second = source({Topic::orders, Topic::deliveries});
  second->listen(second_share.listener());
  std::vector<InRecord> second_records;
  for (int i = 0; i < 300 && (first_share.inputs.size() != 2 || second_share.inputs.size() != 2); ++i) {
    ASSERT_TRUE(first->poll(milliseconds(20), first_records));
    ASSERT_TRUE(second->poll(milliseconds(20), second_records));
  }
  ASSERT_EQ(first_share.inputs.size(), 2U);
  ASSERT_EQ(second_share.inputs.size(), 2U);
  // The same partition number of both topics belongs to one member.
  for (const auto* share : {&first_share, &second_share}) {
    EXPECT_EQ(share->inputs.begin()->partition, share->inputs.rbegin()->partition);
  }
  for (int i = 0; i < 100 && second_records.size() < 2000; ++i)
    ASSERT_TRUE(second->poll(milliseconds(20), second_records));
  EXPECT_EQ(second_records.size(), 2000U);
  for (const auto& read : second_records) ASSERT_TRUE(second_share.inputs.contains(read.input));

  first.reset();  // leaves the group, so the other gets all partitions without waiting for a timeout
  const auto begin = Clock::now();
  while (second_share.inputs.size() < 4 && Clock::now() - begin < seconds(20)) {
    ASSERT_TRUE(second->poll(milliseconds(50), second_records));
  }
  EXPECT_EQ(second_share.inputs.size(), 4U);
  EXPECT_LT(Clock::now() - begin, seconds(5));
  EXPECT_TRUE(second->commit({{{Topic::orders, 0}, {5, {}}}}));
}

TEST_F(KafkaEdgeTest, AMemberFencesTheOneBeforeOfItsName) {
  create();
  Share share;
  const auto open = [&] {
    auto opened = std::move(*KafkaSource::open(settings_, group_, {{Topic::orders, 0}, {Topic::orders, 1}}, "twice"));
    opened->listen(share.listener());
    return opened;
  };
  const auto polls_until = [](KafkaSource& from, const auto& done) {
    std::vector<InRecord> records;
    Result<void> polled;
    for (const auto until = Clock::now() + seconds(30); polled && !done() && Clock::now() < until;) {
      polled = from.poll(milliseconds(50), records);
    }
    return polled;
  };
  const auto first = open();
  ASSERT_TRUE(polls_until(*first, [&] { return first->assigned(); }));
  const auto second = open();
  ASSERT_TRUE(polls_until(*second, [&] { return second->assigned(); }));
  const auto ended = polls_until(*first, [] { return false; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().reaction, Reaction::retry) << "the other member may be an earlier request of this process";
  EXPECT_TRUE(contains(ended.error().what, "under the name of this process, twice")) << ended.error().what;
  const auto committed = first->commit({{{Topic::orders, 0}, {5, {}}}});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().reaction, Reaction::retry) << committed.error().what;
}

// An input that the listener leaves out is assigned later; the others are read meanwhile, in either order of reading.
TEST_F(KafkaEdgeTest, AnInputThatTheListenerLeavesOutIsAssignedLater) {
  create();
  for (std::int32_t p = 0; p < 2; ++p) fill(Topic::orders, p, 30'000);
  for (const auto order : {ReadOrder::as_fetched, ReadOrder::by_arrival}) {
    const auto from = source({Topic::orders}, order);
    bool held = true;
    std::map<Input, std::int64_t> expected;
    from->listen({[&](const std::vector<Input>& given) -> Result<std::map<Input, std::int64_t>> {
                    std::map<Input, std::int64_t> begin;
                    for (const auto& input : given) {
                      if (held && input.partition == 1) continue;
                      expected[input] = begin[input] = 100 * input.partition;
                    }
                    return begin;
                  },
                  {}});
    std::map<std::int32_t, std::size_t> read;
    const auto poll = [&] {
      std::vector<InRecord> records;
      const auto polled = from->poll(milliseconds(20), records);
      ASSERT_TRUE(polled) << polled.error().what;
      for (const auto& record : records) {
        ASSERT_EQ(record.offset, expected[record.input]++);
        ++read[record.input.partition];
      }
    };
    auto until = Clock::now() + seconds(30);
    while (read[0] < 5'000 && Clock::now() < until) poll();
    EXPECT_GE(read[0], 5'000U);
    EXPECT_EQ(read[1], 0U);
    EXPECT_FALSE(from->assigned());
    held = false;  // while the other one is being read
    until = Clock::now() + seconds(30);
    while ((read[0] < 30'000 || read[1] < 29'900) && Clock::now() < until) poll();
    EXPECT_EQ(read[0], 30'000U);
    EXPECT_EQ(read[1], 29'900U);
    EXPECT_TRUE(from->assigned());
  }
}

// At whatever moment a rebalance happens, the records of each partition follow the offset that the listener chose.
void KafkaEdgeTest::read_through_rebalances(ReadOrder order) {
  create();
  for (std::int32_t p = 0; p < 2; ++p) fill(Topic::orders, p, 60'000);
  std::map<Input, std::int64_t> expected;
  int assignments = 0;
  Source::Listener listener{[&](const std::vector<Input>& given) -> Result<std::map<Input, std::int64_t>> {
                              std::map<Input, std::int64_t> begin;
                              ++assignments;
                              for (const auto& input : given) {
                                expected[input] =
                                    std::max<std::int64_t>(0, expected[input] - 700);  // as if from an older state
                                begin[input] = expected[input];
                              }
                              return begin;
                            },
                            {}};
  const auto from = source({Topic::orders}, order);
  from->listen(listener);
  std::atomic<bool> disturbed = false;
  const std::jthread disturbing([&] {
    for (int round = 0; round < 8; ++round) {
      const auto other = source({Topic::orders});
      bool joined = false;
      other->listen({[&](const std::vector<Input>& given) -> Result<std::map<Input, std::int64_t>> {
                       joined = true;
                       std::map<Input, std::int64_t> begin;
                       for (const auto& input : given) begin[input] = 60'000;  // the end
                       return begin;
                     },
                     {}});
      std::vector<InRecord> records;
      const auto until = Clock::now() + seconds(5);
      while (!joined && Clock::now() < until) static_cast<void>(other->poll(milliseconds(20), records));
    }
    disturbed = true;
  });
  std::size_t read = 0;
  const auto until = Clock::now() + seconds(40);
  while ((!disturbed || read < 10'000) && Clock::now() < until) {
    std::vector<InRecord> records;
    const auto polled = from->poll(milliseconds(20), records);
    ASSERT_TRUE(polled) << polled.error().what;
    for (const auto& record : records) ASSERT_EQ(record.offset, expected[record.input]++);
    read += records.size();
    std::this_thread::sleep_for(milliseconds(10));  // so that there are always fetched records
  }
  EXPECT_GT(assignments, 3);
  EXPECT_GT(read, 10'000U);
}

TEST_F(KafkaEdgeTest, RecordsFollowTheAssignedOffsetsThroughRebalances) {
  read_through_rebalances(ReadOrder::as_fetched);
}
TEST_F(KafkaEdgeTest, RecordsByArrivalFollowTheAssignedOffsetsThroughRebalances) {
  read_through_rebalances(ReadOrder::by_arrival);
}

TEST_F(KafkaEdgeTest, ABacklogIsReadByArrivalAndLiveRecordsAtOnce) {
  create();
  // One partition has far more records than its queue holds, a second one has few, the others none.
  constexpr int kMany = 5 * kQueueRecords;
  constexpr int kFew = 20;
  fill(Topic::orders, 0, kMany);
  {
    const auto to = sink();
    for (int i = 0; i < kFew; ++i) ASSERT_TRUE(to->send(record(Topic::deliveries, 1, i * (kMany / kFew))));
    ASSERT_TRUE(to->flush());
  }
  const auto from = source({Topic::orders, Topic::deliveries}, ReadOrder::by_arrival);
  std::map<Input, std::int64_t> next;
  Millis last = 0;
  int read = 0;
  const auto until = Clock::now() + seconds(30);
  while (read < kMany + kFew && Clock::now() < until) {
    std::vector<InRecord> records;
    const auto polled = from->poll(milliseconds(50), records);
    ASSERT_TRUE(polled) << polled.error().what;
    for (const auto& record : records) {
      ASSERT_EQ(record.offset, next[record.input]++);
      ASSERT_GE(record.timestamp, last) << name_of(record.input.topic) << " offset " << record.offset;
      last = record.timestamp;
    }
    read += static_cast<int>(records.size());
  }
  ASSERT_EQ(read, kMany + kFew);
  for (const auto& [input, lag] : from->lag()) EXPECT_EQ(lag, 0);

  // Now every record is the last one of its partition. Empty partitions do not delay it.
  for (int i = 0; i < 3; ++i) {
    fill(Topic::deliveries, 1, 1);
    const auto sent = Clock::now();
    std::vector<InRecord> records;
    while (records.empty() && Clock::now() - sent < seconds(10)) ASSERT_TRUE(from->poll(milliseconds(50), records));
    ASSERT_EQ(records.size(), 1U);
    EXPECT_LT(Clock::now() - sent, milliseconds(500));
  }
}

// ---- checkpoints ---------------------------------------------------------------------------------------------------

Checkpoint checkpoint_of(const std::string& task, std::int64_t offset, std::int64_t epoch = 0) {
  Checkpoint checkpoint;
  checkpoint.set_task(task);
  checkpoint.set_offset(offset);
  checkpoint.set_reset_epoch(epoch);
  return checkpoint;
}

TEST_F(KafkaEdgeTest, ACheckpointIsFoundByItsPointerOrAsTheNewestOfItsTask) {
  create();
  const auto to = sink();
  std::map<std::string, CheckpointPointer> pointers;
  for (std::int64_t i = 1; i <= 300; ++i) {
    for (const std::string task : {"outlet/0", "outlet/1"}) {
      ASSERT_TRUE(to->send(checkpoint_record(checkpoint_of(task, i), 1)));
      if (task == "outlet/1" && i == 7) {
        ASSERT_TRUE(to->flush());
        pointers[task] = {0, *to->acknowledged_end(kCheckpointsPartition, task) - 1};
      }
    }
  }
  ASSERT_TRUE(to->flush());
  EXPECT_EQ(to->acknowledged_end(kCheckpointsPartition, "outlet/1"), 600);
  pointers["outlet/0"] = {};           // unknown: the newest
  pointers["market/0"] = {0, 5};       // another task's record: none of its own follows
  pointers["outlet/2"] = {0, 99'999};  // beyond the end
  auto reader_of = KafkaCheckpointReader::open(settings_);
  ASSERT_TRUE(reader_of) << reader_of.error().what;
  const auto found = (*reader_of)->find(pointers);
  ASSERT_TRUE(found) << found.error().what;
  EXPECT_EQ(found->size(), 2U);
  EXPECT_EQ(found->at("outlet/0").offset(), 300);
  EXPECT_GE(found->at("outlet/1").offset(), 7);
  ASSERT_TRUE(to->send(checkpoint_record(checkpoint_of("outlet/0", 4, 1), 1)));
  ASSERT_TRUE(to->flush());
  EXPECT_EQ((*reader_of)->find({{"outlet/0", {}}}).value().at("outlet/0").offset(), 4)
      << "a reset counts, though its offset is lower";
}

// An open transaction of another program with `count` records in partition 0.
std::shared_ptr<KafkaClient> open_transaction(const KafkaSettings& settings, Topic topic, int count) {
  auto role = producer_role(settings);
  role.fixed.emplace_back("transactional.id", settings.topic_prefix + "t");
  role.fixed.emplace_back("transaction.timeout.ms", "30000");
  std::erase_if(role.fixed, [](const auto& property) { return property.first == "message.timeout.ms"; });
  auto client = KafkaClient::open(settings, std::move(role));
  EXPECT_TRUE(client) << client.error().what;
  auto* handle = (*client)->get();
  EXPECT_FALSE(KafkaError(rd_kafka_init_transactions(handle, 10'000)));
  EXPECT_FALSE(KafkaError(rd_kafka_begin_transaction(handle)));
  const auto name = topic_name(settings, topic);
  for (int i = 0; i < count; ++i) {
    std::array<rd_kafka_vu_t, 3> arguments{};
    arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    arguments[0].u.cstr = name.c_str();
    arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[1].u.i32 = 0;
    arguments[2].vtype = RD_KAFKA_VTYPE_KEY;
    arguments[2].u.mem = {const_cast<char*>("k"), 1};
    EXPECT_FALSE(KafkaError(rd_kafka_produceva(handle, arguments.data(), arguments.size())));
  }
  rd_kafka_flush(handle, 10'000);
  return std::move(*client);
}

// It delays its partition only. The lag does not show the waiting records, because Kafka reports the offset of the transaction as the end.
TEST_F(KafkaEdgeTest, AnOpenTransactionDelaysItsPartitionOnly) {
  create();
  fill(Topic::orders, 0, 5);
  const auto client = open_transaction(settings_, Topic::orders, 3);
  fill(Topic::orders, 0, 5);
  fill(Topic::orders, 1, 5);
  const auto from = reader({{Topic::orders, 0}, {Topic::orders, 1}});
  EXPECT_EQ(read_all(*from).size(), 10U) << "five of each";
  ASSERT_FALSE(KafkaError(rd_kafka_commit_transaction(client->get(), 10'000)));
  // The marker reaches the partition a little after the commit.
  std::size_t read = 0;
  for (const auto deadline = Clock::now() + seconds(20); read < 13 && Clock::now() < deadline;) {
    read = read_all(*reader({{Topic::orders, 0}})).size();
  }
  EXPECT_EQ(read, 13U);
}

}  // namespace
}  // namespace fiverate
