// The log in memory: order, offsets, limits, and the source that reads it.

#include "readers/audit/memory_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/memory_sink.h"

namespace fiverate {
namespace {

using namespace std::chrono_literals;

const Input kInput{Topic::ledger, 0};

OutRecord ledger_record(std::string value, std::int32_t partition = 0) {
  return {Topic::ledger, partition, 7, "key", std::move(value), Cause{"outlet/0", {3, 1}}, Link{{2, 0}, 9}};
}

std::vector<std::string> values(const std::vector<InRecord>& records) {
  std::vector<std::string> result;
  for (const auto& one : records) result.emplace_back(one.value);
  return result;
}

TEST(MemoryLog, KeepsTheOrderOfAPartitionAndAllFieldsOfARecord) {
  MemoryLog log;
  log.append(ledger_record("a"));
  log.append(ledger_record("elsewhere", 1));
  log.append(ledger_record("b"));
  std::vector<InRecord> records;
  log.read(kInput, 0, 10, 0ms, records);
  ASSERT_EQ(values(records), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(records[1].offset, 1);
  EXPECT_EQ(records[1].timestamp, 7);
  EXPECT_EQ(records[1].key, "key");
  EXPECT_EQ(to_text(*records[1].cause), "outlet/0/3/1");
  EXPECT_EQ(records[1].link->chain, 9U);
  EXPECT_EQ(log.end_offset(kInput), 2);
}

TEST(MemoryLog, ReadsFromAnyOffsetAtMostTheGivenCount) {
  MemoryLog log;
  for (const auto* value : {"a", "b", "c"}) log.append(ledger_record(value));
  std::vector<InRecord> records;
  log.read(kInput, 1, 1, 0ms, records);
  EXPECT_EQ(values(records), (std::vector<std::string>{"b"}));
  log.read(kInput, 3, 1, 0ms, records);
  EXPECT_EQ(records.size(), 1U);
}

TEST(MemoryLog, ARecordThatWasReadOutlivesItsRemovalFromTheLog) {
  MemoryLog log({.drop_read = true});
  log.append(ledger_record("a"));
  std::vector<InRecord> records;
  log.read(kInput, 0, 10, 0ms, records);
  log.append(ledger_record("b"));
  log.read(kInput, 1, 10, 0ms, records);
  EXPECT_EQ(values(records), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(log.end_offset(kInput), 2) << "removal does not change offsets";
}

TEST(MemoryLog, EndsWhenClosedAndRead) {
  MemoryLog log;
  log.append(ledger_record("a"));
  EXPECT_FALSE(log.ended(kInput, 1));
  log.close(kInput);
  EXPECT_FALSE(log.ended(kInput, 0));
  EXPECT_TRUE(log.ended(kInput, 1));
}

TEST(MemoryLog, AWriterWaitsWhileTooMuchIsUnread) {
  MemoryLog log({.drop_read = true, .waiting_bytes_max = 200});
  std::atomic<int> written{0};
  std::jthread writer([&] {
    for (int i = 0; i < 20; ++i) {
      log.append(ledger_record(std::string(100, 'x')));
      ++written;
    }
  });
  std::vector<InRecord> records;
  for (std::int64_t offset = 0; offset < 20; offset = static_cast<std::int64_t>(records.size())) {
    log.read(kInput, offset, 1, 1s, records);
    EXPECT_LE(written, offset + 3) << "never far ahead of the reader";
  }
}

TEST(MemoryLog, AWaitingWriterReturnsWhenTheLogCloses) {
  MemoryLog log({.drop_read = true, .waiting_bytes_max = 1});
  log.append(ledger_record("a"));
  std::jthread writer([&] { log.append(ledger_record("b")); });
  log.close_all();
  writer.join();
  EXPECT_TRUE(log.ended(kInput, 0));
}

TEST(MemorySink, KnowsTheEndOfEachSendersRecordsInEachPartition) {
  MemoryLog log;
  MemorySink sink(log);
  ASSERT_TRUE(sink.send(ledger_record("a")).has_value());
  log.append(ledger_record("by another producer"));
  ASSERT_TRUE(sink.send(ledger_record("b")).has_value());
  EXPECT_EQ(sink.acknowledged_end(kInput, "outlet/0"), 3);
  EXPECT_EQ(sink.acknowledged_end(kInput, "outlet/1"), std::nullopt);
  EXPECT_EQ(sink.acknowledged_end({Topic::ledger, 1}, "outlet/0"), std::nullopt);
}

TEST(MemorySource, BeginsAtTheListenersOffsetAndKeepsTheGroupsOffsets) {
  MemoryLog log;
  for (const auto* value : {"a", "b", "c"}) log.append(ledger_record(value));
  MemorySource::GroupOffsets group;
  MemorySource source(log, {kInput}, group);
  source.listen({[](const std::vector<Input>&) {
                   return std::map<Input, std::int64_t>{{kInput, 1}};
                 },
                 [](const auto&) {}});
  std::vector<InRecord> records;
  ASSERT_TRUE(source.poll(0ms, records).has_value());
  EXPECT_EQ(values(records), (std::vector<std::string>{"b", "c"}));
  EXPECT_FALSE(source.finished());
  log.close(kInput);
  EXPECT_TRUE(source.finished());
  ASSERT_TRUE(source.commit({{kInput, {3, "text"}}}).has_value());
  MemorySource next(log, {kInput}, group);
  const auto committed = next.committed({kInput}, 0ms);
  EXPECT_EQ(committed->at(kInput).offset, 3);
  EXPECT_EQ(committed->at(kInput).metadata, "text");
}

}  // namespace
}  // namespace fiverate
