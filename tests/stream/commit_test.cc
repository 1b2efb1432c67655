// The steps of a commit, for several tasks together: what is written before what, and what a failing step leaves behind.
#include "processors/stream/commit.h"

#include "tests/stream/engine_fixture.h"

namespace fiverate::test {
namespace {

const Input kCommitted{Topic::ledger, 0};
const Input kCommittedToo{Topic::ledger, 1};

// Notes each flush and each checkpoint, and fails at the flush of a given number.
class NotingSink final : public MemorySink {
 public:
  using MemorySink::MemorySink;
  Result<void> send(OutRecord record) override {
    if (record.topic == Topic::checkpoints) notes.push_back("checkpoint of " + record.key);
    return MemorySink::send(std::move(record));
  }
  Result<void> flush() override {
    notes.emplace_back("flush");
    if (--flushes_before_failure < 0) return fail(Reaction::drop_task, "A record was not acknowledged.");
    return {};
  }
  Values notes;
  int flushes_before_failure = 1000;
};

class NotingStore final : public MemoryStore {
 public:
  NotingStore(std::shared_ptr<Content> content, Values& notes) : MemoryStore(std::move(content)), notes_(notes) {}
  Result<void> write(const StoreBatch& batch) override {
    notes_.emplace_back("state");
    return MemoryStore::write(batch);
  }

 private:
  Values& notes_;
};

class CommitTest : public EngineTest {
 protected:
  TaskContext make(const Input& input) {
    auto& content = here[input];
    if (!content) content = std::make_shared<MemoryStore::Content>();
    TaskContext context;
    context.store = std::make_unique<NotingStore>(content, noting.notes);
    context.op = std::make_unique<Adder>();
    context.task = std::make_unique<Task>("outlet", input, "d1", *context.op, *context.store, noting);
    EXPECT_TRUE(context.task->restore().has_value());
    append(input, "1");
    EXPECT_TRUE(context.task->process(read(input)[0]).has_value());
    return context;
  }
  Result<void> commit() { return fiverate::commit({&one, &other}, noting, source); }

  NotingSink noting{log};
  MemorySource source{log, {}, group};
  TaskContext one = make(kCommitted);
  TaskContext other = make(kCommittedToo);
};

TEST_F(CommitTest, AwaitsAcknowledgementsTwiceHoweverManyTasksThereAre) {
  ASSERT_TRUE(commit().has_value());
  EXPECT_EQ(noting.notes,
            (Values{"flush", "state", "state", "checkpoint of outlet/0", "checkpoint of outlet/1", "flush"}));
  EXPECT_EQ(group.at(kCommitted).offset, 1);
  EXPECT_EQ(group.at(kCommittedToo).offset, 1);
}

TEST_F(CommitTest, TheGroupsPositionsLeadToTheCheckpoints) {
  ASSERT_TRUE(commit().has_value());
  for (const auto& [input, task] : {std::pair(kCommitted, "outlet/0"), std::pair(kCommittedToo, "outlet/1")}) {
    const auto found = LogCheckpoints(log).find({{task, pointer(input)}});
    EXPECT_EQ(found->at(task).offset(), 1);
    EXPECT_EQ(read(kCheckpointsPartition, pointer(input).offset).front().key, task);
  }
}

TEST_F(CommitTest, WithoutAcknowledgementsNothingIsWritten) {
  noting.flushes_before_failure = 0;
  EXPECT_FALSE(commit().has_value());
  EXPECT_EQ(saved_sum(here, kCommitted), "-");
  EXPECT_TRUE(read(kCheckpointsPartition).empty());
  EXPECT_TRUE(group.empty());
}

TEST_F(CommitTest, TheGroupNeverPointsToACheckpointThatIsNotAcknowledged) {
  noting.flushes_before_failure = 1;
  EXPECT_FALSE(commit().has_value());
  EXPECT_EQ(saved_sum(here, kCommittedToo), "1");
  EXPECT_TRUE(group.empty());
}

TEST_F(CommitTest, ASuppressedTaskWritesItsStateAndNeitherCheckpointNorGroupPosition) {
  other.task->suppress_outputs();
  ASSERT_TRUE(commit().has_value());
  EXPECT_EQ(saved_sum(here, kCommittedToo), "1");
  EXPECT_EQ(read(kCheckpointsPartition).size(), 1U);
  EXPECT_FALSE(group.contains(kCommittedToo));
}

TEST_F(CommitTest, AStandingSequenceGapIsNotedInTheGroupAlsoBetweenCommits) {
  ASSERT_TRUE(commit().has_value());
  const auto before = group.at(kCommitted);
  Tasks tasks;
  tasks.emplace(kCommitted, std::move(one));
  auto& context = tasks.at(kCommitted);
  context.missing_for_long = {{"intake/0", 3, 9}};
  ASSERT_TRUE(note_missing(tasks, source).has_value());
  EXPECT_EQ(group.at(kCommitted).offset, before.offset);
  EXPECT_EQ(group.at(kCommitted).metadata, before.metadata + " missing=intake/0:3-9");
  ASSERT_TRUE(fiverate::commit({&context}, noting, source).has_value());
  EXPECT_EQ(parse_missing_note(group.at(kCommitted).metadata), context.missing_for_long) << "a commit keeps the note";
  group.clear();
  ASSERT_TRUE(note_missing(tasks, source).has_value());
  EXPECT_TRUE(group.empty()) << "nothing has changed";
  context.missing_for_long.clear();
  ASSERT_TRUE(note_missing(tasks, source).has_value());
  EXPECT_TRUE(parse_missing_note(group.at(kCommitted).metadata).empty());
}

TEST_F(CommitTest, WithoutTasksThereIsNothingToAwait) {
  EXPECT_TRUE(fiverate::commit({}, noting, source).has_value());
  EXPECT_TRUE(noting.notes.empty());
}

}  // namespace
}  // namespace fiverate::test
