// Which records of internal topics are foreign, as a table.
#include "processors/stages/internal_records.h"

#include <gtest/gtest.h>

#include <vector>

#include "deltas.pb.h"
#include "processors/stages/progress.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

constexpr Millis kArrival = 1'772'424'000'000;

Definition small_definition() {
  return make_definition("Asia/Shanghai", PartitionCounts{.source = 1, .ledger = 2, .market = 2});
}

struct Written {
  Topic topic = Topic::ledger;
  std::string value = {};
  std::optional<Cause> cause = {};
  std::optional<Link> link = {};
  std::vector<Cause> depends_on = {};
  std::string key = {};
  Millis timestamp = kArrival;
  std::int64_t offset = 7;
};

std::string foreign_reason(const Written& written) {
  static const InternalRecords internal(small_definition());
  InRecord record;
  record.input = {written.topic, 0};
  record.offset = written.offset;
  record.timestamp = written.timestamp;
  record.key = written.key;
  record.value = written.value;
  record.cause = written.cause;
  record.link = written.link;
  record.depends_on = written.depends_on;
  return internal.foreign_reason(record).value_or("");
}

LedgerRecord progress() {
  LedgerRecord record;
  record.set_arrival_ms(kArrival);
  for (const auto& [source, arrival] : std::vector<std::pair<std::int32_t, Millis>>{{0, kArrival - 5}, {3, kArrival}}) {
    auto& entry = *record.mutable_progress()->add_entries();
    entry.set_source(source);
    entry.set_arrival_ms(arrival);
  }
  return record;
}

std::string empty_progress(Topic topic) {
  return internal_record(topic, [](auto& record) { record.mutable_progress(); });
}

TEST(InternalRecords, ATasksRecordHasTheCauseOfASenderAndALink) {
  const Cause first{"deliveries/0", {4, 0}};
  const Cause second{"deliveries/0", {9, 1}};
  for (const auto& [written, expected] : std::vector<std::pair<Written, const char*>>{
           {{Topic::ledger, "bytes", first, Link{{}, 0}}, ""},
           {{Topic::ledger, "bytes", second, Link{{4, 0}, 77}}, ""},
           {{Topic::ledger, "bytes", second, Link{{9, 0}, 77}}, ""},
           {{Topic::deltas, "bytes", Cause{"outlet/1", {9, 1}}, Link{{4, 0}, 77}, {{"reference/0", {3, 0}}}}, ""},
           {{Topic::ledger, "bytes", std::nullopt, std::nullopt}, "it has no cause"},
           {{Topic::ledger, "bytes", std::nullopt, Link{{4, 0}, 77}}, "it has no valid cause (header fiverate-cause)"},
           {{Topic::ledger, "bytes", second, std::nullopt},
            "it has no valid link (headers fiverate-previous and fiverate-chain)"},
           {{Topic::ledger, "bytes", Cause{"outlet/0", {4, 0}}, Link{{}, 0}},
            "its cause is outlet/0/4/0, but outlet/0 does not write to ledger partition 0"},
           {{Topic::ledger, "bytes", Cause{"commands/1", {4, 0}}, Link{{}, 0}},
            "its cause is commands/1/4/0, but commands/1 does not write to ledger partition 0"},
           {{Topic::deltas, "bytes", Cause{"outlet/1", {9, 1}}, Link{{4, 0}, 77}, {{"deliveries/0", {3, 0}}}},
            "it depends on deliveries/0/3/0, but deliveries/0 does not write to deltas partition 0"},
           {{Topic::ledger, "bytes", second, Link{{9, 1}, 77}}, "its cause and its link contradict each other"},
           {{Topic::ledger, "bytes", second, Link{{10, 0}, 77}}, "its cause and its link contradict each other"},
           {{Topic::ledger, "bytes", first, Link{{}, 77}}, "its cause and its link contradict each other"},
       }) {
    EXPECT_EQ(foreign_reason(written), expected);
  }
}

TEST(InternalRecords, WithoutACauseOnlyProgressAndDefinitionsAreOurs) {
  const auto valid = progress();
  const auto changed = [&](auto change) {
    auto record = valid;
    change(record);
    return record.SerializeAsString();
  };
  EXPECT_EQ(foreign_reason({Topic::ledger, valid.SerializeAsString()}), "");
  for (const auto topic : kInternalTopics) {
    EXPECT_EQ(foreign_reason({topic, definition_record(topic, small_definition())}), "") << name_of(topic);
    const auto other = definition_record(topic, make_definition("Europe/Berlin", {9, 9, 9}));
    EXPECT_EQ(foreign_reason({topic, other}), "") << "the stage compares it";
  }
  EXPECT_EQ(foreign_reason({Topic::deltas, empty_progress(Topic::deltas), {}, {}, {{"reference/0", {3, 0}}}}), "");
  EXPECT_EQ(foreign_reason({Topic::signals, empty_progress(Topic::signals), {}, {}, {{"commands/0", {3, 0}}}}), "");

  const std::vector<std::pair<const char*, Written>> foreign{
      {"nothing", {Topic::ledger, ""}},
      {"seven bytes", {Topic::ledger, "rubbish"}},
      {"an empty definition", {Topic::ledger, std::string("\x12\x00", 2)}},
      {"a document", {Topic::ledger, ledger(mark(kArrival), kArrival).SerializeAsString()}},
      {"progress with a key", {Topic::ledger, valid.SerializeAsString(), {}, {}, {}, "key"}},
      {"progress at another time", {Topic::ledger, valid.SerializeAsString(), {}, {}, {}, "", kArrival + 1}},
      {"progress with another arrival", {Topic::ledger, changed([](auto& r) { r.set_arrival_ms(kArrival - 1); })}},
      {"progress of nothing", {Topic::ledger, changed([](auto& r) { r.mutable_progress()->clear_entries(); })}},
      {"progress of an unknown source",
       {Topic::ledger, changed([](auto& r) { r.mutable_progress()->mutable_entries(0)->set_source(5000); })}},
      {"progress of a negative source",
       {Topic::ledger, changed([](auto& r) { r.mutable_progress()->mutable_entries(0)->set_source(-1); })}},
      {"progress before 1970",
       {Topic::ledger, changed([](auto& r) { r.mutable_progress()->mutable_entries(0)->set_arrival_ms(-1); })}},
      {"a hold of an unknown source",
       {Topic::ledger, changed([](auto& r) { r.mutable_progress()->add_holds()->set_source(5000); })}},
      {"a hold at a negative offset",
       {Topic::ledger, changed([](auto& r) { r.mutable_progress()->add_holds()->set_held_offset(-1); })}},
      {"progress without dependencies", {Topic::deltas, empty_progress(Topic::deltas)}},
      {"deltas without a cause",
       {Topic::deltas, internal_record(Topic::ledger, [](auto& r) { r.mutable_progress(); })}},
      {"a transition without a cause", {Topic::signals, "rubbish"}},
  };
  for (const auto& [title, written] : foreign) EXPECT_EQ(foreign_reason(written), "it has no cause") << title;
}

// What intake writes is never foreign.
TEST(InternalRecords, TheProgressOfIntakeIsOurs) {
  const auto definition = small_definition();
  ProgressTracker tracker(definition);
  Outputs::Acknowledged outputs{
      {{Topic::ledger, 0}, {4, 0}}, {{Topic::deltas, 0}, {4, 1}}, {{Topic::signals, 1}, {4, 2}}};
  tracker.acknowledge({Topic::reference, 0}, 0, std::make_shared<const Outputs::Acknowledged>(outputs));
  tracker.report_hold({Topic::deliveries, 0}, 4, 9);
  const InternalRecords internal(definition);
  for (const auto arrival : {Millis{0}, kArrival}) {
    tracker.acknowledge({Topic::deliveries, 0}, arrival);
    const auto written = tracker.records();
    ASSERT_EQ(written.size(), 4U);
    for (const auto& out : written) {
      InRecord record;
      record.input = {out.topic, out.partition};
      record.value = out.value;
      record.depends_on = out.depends_on;
      for (const auto timestamp : {out.timestamp, std::max<Millis>(out.timestamp, 1)}) {  // as Kafka has it
        record.timestamp = timestamp;
        EXPECT_FALSE(internal.foreign_reason(record).has_value()) << name_of(out.topic) << " " << arrival;
      }
    }
  }
}

}  // namespace
}  // namespace fiverate::test
