// All stages in one thread and in memory: source logs, tasks and result logs. A test runs the tasks in order until no
// task has a record left (run), or step by step with a crash between any two steps.
//
//   Rig rig({.source = 1, .ledger = 2, .market = 2});
//   rig.arrives(sku("s1", "B1"), noon(nth(0)));
//   rig.marks(noon(nth(30)));                  // every source partition is complete up to here
//   rig.run();
//   rig.final_lines();                         // the rows of metrics-final, as JSON lines
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "alerts.pb.h"
#include "metrics.pb.h"
#include "processors/stages/progress.h"
#include "processors/stages/topology.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task_context.h"
#include "tests/support/events.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {

// The operator of a task. Its cache is small, so that states are evicted and read again.
std::unique_ptr<Operator> make_operator(const Input& input, const Definition& definition, bool live_rows);
// The newest checkpoint of a task in the log; nothing: it has written none.
std::optional<Checkpoint> last_checkpoint(MemoryLog& log, const std::string& task);

// The data that survives a crash: the log and the offsets of the consumer group.
struct Durable {
  MemoryLog log;
  MemorySource::GroupOffsets group;
};

// One task in one process.
class Actor {
 public:
  // `state` is its store. Intake does not use it: its state is stored with the group's offset.
  Actor(Durable& durable, const Definition& definition, Input input, std::shared_ptr<MemoryStore::Content> state,
        bool live_rows);
  ~Actor();

  // Processes at most `records_max` further records. Returns their number, 0 at the end of the log.
  [[nodiscard]] Result<std::size_t> work(std::size_t records_max);
  // Writes the state and then the group's offset. Returns false, without a commit, if the task is not at a boundary.
  [[nodiscard]] Result<bool> commit();

  [[nodiscard]] const Input& input() const { return input_; }
  [[nodiscard]] const Task& task() const { return *context_.task; }
  // The clock of the operator at the last commit.
  [[nodiscard]] Millis acknowledged() const { return acknowledged_; }

 private:
  Result<void> start(const Definition& definition, bool live_rows);

  Durable& durable_;
  Input input_;
  std::shared_ptr<MemoryStore::Content> state_;
  MemorySink sink_;
  TaskContext context_;
  Result<void> started_;
  std::int64_t next_ = 0;
  Millis acknowledged_ = kNever;
};

class Rig {
 public:
  explicit Rig(const PartitionCounts& counts, bool live_rows = true, const Selection& selection = {});

  // Appends a record to a source topic: by default to that of the event, a document to the partition of its outlet.
  void arrives(const Event& event, Millis arrival);
  void arrives(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value);
  // Appends a mark to every source partition.
  void marks(Millis complete_through);
  // The next progress records report which record of a source partition is held, and up to where records are decided.
  void report_hold(const Input& input, std::int64_t decided_until, std::optional<std::int64_t> held);
  // Runs and commits all tasks in order until none has a record left. CHECKs that there is no error.
  void run();

  [[nodiscard]] const Definition& definition() const { return definition_; }
  [[nodiscard]] Durable& durable() { return durable_; }
  [[nodiscard]] std::vector<Input> inputs() const;  // of all tasks, sources first
  [[nodiscard]] std::unique_ptr<Actor> make_actor(Input input, std::shared_ptr<MemoryStore::Content> state);
  [[nodiscard]] Actor& actor(Input input) { return *actors_.at(input); }

  // All records of all partitions of a topic.
  [[nodiscard]] std::vector<InRecord> records(Topic topic);
  // FINAL rows by key, as bytes. `repeated_differently` gets a key that was written twice with different bytes.
  [[nodiscard]] std::map<std::string, std::string> final_rows(std::string* repeated_differently = nullptr);
  [[nodiscard]] std::vector<std::string> final_lines();
  // The transitions in signals, each once. `repeated_differently` gets a cause that was written twice with different
  // bytes.
  [[nodiscard]] std::vector<Transition> transitions(std::string* repeated_differently = nullptr);
  // The records of quarantine, as (event_id, reason).
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> quarantined();

 private:
  Durable durable_;
  Definition definition_;
  PartitionCounts counts_;
  bool live_rows_;
  std::map<Input, std::unique_ptr<Actor>> actors_;
  std::unique_ptr<ProgressTracker> progress_;
};

// The lines of rows, sorted.
std::vector<std::string> json_lines(const std::map<std::string, std::string>& rows);
// The confirmed stockouts after all transitions, as "outlet SKU end", sorted; the end of an open one is "never". (A
// start that moves has no transition.)
std::vector<std::string> confirmed_stockouts(const std::vector<Transition>& transitions);
// Describes the first differences of two sorted sets of lines; empty if they are equal.
std::string first_differences(const std::vector<std::string>& expected, const std::vector<std::string>& actual);

}  // namespace fiverate::test
