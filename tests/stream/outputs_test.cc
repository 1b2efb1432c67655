// Causes, links and chains of a task's outputs.
#include "processors/stream/outputs.h"

#include <gtest/gtest.h>

#include "tests/support/memory_sink.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kDeltas{Topic::deltas, 0};
const Input kRows{Topic::metrics, 2};

class OutputsTest : public testing::Test {
 protected:
  std::vector<InRecord> read(const Input& input) {
    std::vector<InRecord> records;
    log.read(input, 0, 100, 0ms, records);
    return records;
  }
  void publish(Outputs& to, std::int64_t offset, const std::string& value, bool enabled = true, bool published = true) {
    to.begin(offset, enabled, published);
    to.to_task(kDeltas.topic, 0, 7, "k", value, {});
    to.to_result(kRows.topic, 2, 7, "k", value);
  }
  MemoryLog log;
  MemorySink sink{log};
  Outputs outputs{"outlet/3", sink};
};

TEST_F(OutputsTest, GiveEachRecordItsCauseAndItsLinkToTheRecordBefore) {
  publish(outputs, 10, "a");
  publish(outputs, 12, "b");
  const auto deltas = read(kDeltas);
  ASSERT_EQ(deltas.size(), 2U);
  EXPECT_EQ(to_text(*deltas[0].cause), "outlet/3/10/0");
  EXPECT_EQ(to_text(*deltas[1].cause), "outlet/3/12/0");
  EXPECT_EQ(deltas[0].link->previous, CausePosition{});
  EXPECT_EQ(deltas[1].link->previous, (CausePosition{10, 0}));
  EXPECT_EQ(deltas[1].link->chain, chained(0, "k", "a"));
  const auto rows = read(kRows);
  EXPECT_EQ(to_text(*rows[1].cause), "outlet/3/12/1");
  EXPECT_FALSE(rows[1].link.has_value());
}

TEST_F(OutputsTest, ASuppressedOutputIsChainedAsIfItHadBeenSent) {
  publish(outputs, 10, "a", true, false);
  EXPECT_TRUE(read(kDeltas).empty());
  publish(outputs, 12, "b");
  EXPECT_EQ(read(kDeltas)[0].link->previous, (CausePosition{10, 0}));
  EXPECT_EQ(read(kDeltas)[0].link->chain, chained(0, "k", "a"));
}

TEST_F(OutputsTest, AreDisabledInAStateOnlyReplay) {
  outputs.begin(1, false, false);
  EXPECT_FALSE(outputs.outputs_enabled());
  outputs.begin(2, true, false);
  EXPECT_TRUE(outputs.outputs_enabled());
}

TEST_F(OutputsTest, SavedChainsContinueIdentically) {
  publish(outputs, 10, "a");
  outputs.to_task(Topic::deltas, 1, 7, "k", "other", {});
  const auto saved = outputs.chains(11);
  Outputs loaded("outlet/3", sink);
  ASSERT_TRUE(loaded.load(saved, 11));
  publish(outputs, 12, "b");
  publish(loaded, 12, "b");
  const auto deltas = read(kDeltas);
  ASSERT_EQ(deltas.size(), 3U);
  EXPECT_EQ(deltas[1].link->previous, deltas[2].link->previous);
  EXPECT_EQ(deltas[1].link->chain, deltas[2].link->chain);
  EXPECT_EQ(loaded.chains(13).SerializeAsString(), outputs.chains(13).SerializeAsString());
}

TEST_F(OutputsTest, ColumnsOfDifferentLengthsAreRefused) {
  publish(outputs, 10, "a");
  for (int column = 0; column < 5; ++column) {
    auto damaged = outputs.chains(11);
    switch (column) {
      case 0:
        damaged.add_topics(1);
        break;
      case 1:
        damaged.add_partitions(1);
        break;
      case 2:
        damaged.add_behind(1);
        break;
      case 3:
        damaged.add_indexes(1);
        break;
      default:
        damaged.add_chains(1);
    }
    EXPECT_FALSE(outputs.load(damaged, 11)) << column;
  }
}

TEST_F(OutputsTest, AcknowledgedPositionsAndResultEndsChangeOnlyAfterAFlush) {
  outputs.expect_result_end(kRows, 30);
  outputs.expect_result_end(kRows, 40);  // of a later checkpoint: another process owned the task in between
  outputs.expect_result_end({Topic::metrics, 3}, 50);
  publish(outputs, 10, "a");
  EXPECT_TRUE(outputs.acknowledged()->empty());
  EXPECT_EQ(outputs.result_ends().at(kRows), 40);
  const auto before = outputs.acknowledged();
  outputs.note_acknowledged();
  EXPECT_TRUE(before->empty()) << "a reader keeps what it has";
  EXPECT_EQ(outputs.acknowledged()->at(kDeltas), (CausePosition{10, 0}));
  EXPECT_EQ(outputs.result_ends().at(kRows), 1);
  EXPECT_EQ(outputs.result_ends().at({Topic::metrics, 3}), 50) << "no record was sent there";
}

class BrokenSink final : public Sink {
 public:
  Result<void> send(OutRecord) override {
    ++sends;
    return fail(Reaction::drop_task, "Error {}.", sends);
  }
  Result<void> flush() override { return {}; }
  int sends = 0;
};

TEST_F(OutputsTest, KeepTheFirstErrorAndSendNothingAfterIt) {
  BrokenSink broken;
  Outputs failing("outlet/3", broken);
  publish(failing, 10, "a");
  ASSERT_TRUE(failing.error().has_value());
  EXPECT_EQ(failing.error()->what, "Error 1.");
  EXPECT_EQ(broken.sends, 1);
}

}  // namespace
}  // namespace fiverate::test
