// The whole flow in one thread and in memory: source logs, tasks of all stages, result logs. What runs when is up to
// the test: in order until nothing moves (run), or step by step with crashes between any two steps.
//
//   Rig rig({.source = 1, .ledger = 2, .market = 2});
//   rig.arrives(sku("s1", "B1"), noon(nth(0)));
//   rig.marks(noon(nth(30)));                  // every source partition is complete up to here
//   rig.run();
//   rig.final_lines();                         // what stands in metrics-final, as JSON lines
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
#include "processors/edge/memory_log.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"
#include "tests/support/events.h"

namespace fiverate::test {

// The operator of a task, with a small cache, so that states are evicted and read again.
std::unique_ptr<Operator> make_operator(const Input& input, const Definition& definition, bool live_rows);
// The newest checkpoint of a task in the log; nothing: it has written none.
std::optional<Checkpoint> last_checkpoint(MemoryLog& log, const std::string& task);

// What outlives a process: the log, the group's offsets, the folders with states.
struct Durable {
  MemoryLog log;
  MemorySource::GroupOffsets group;
};

// One instance of one task in one process.
class Actor {
 public:
  // `state` is its folder; intake has none, its state is in its checkpoints.
  Actor(Durable& durable, const Definition& definition, Input input, std::shared_ptr<MemoryStore::Content> state,
        bool live_rows);
  ~Actor();

  // Reads on, at most so many records. The number of those read; 0: at the end.
  [[nodiscard]] Result<std::size_t> work(std::size_t records_max);
  // If at a boundary: writes state, checkpoint and the group's offset.
  [[nodiscard]] Result<bool> commit();

  [[nodiscard]] const Input& input() const { return input_; }
  [[nodiscard]] const Task& task() const { return *task_; }
  // As acknowledged: of the last commit.
  [[nodiscard]] Millis acknowledged() const { return acknowledged_; }

 private:
  Result<void> start(const Definition& definition, bool live_rows);

  Durable& durable_;
  Input input_;
  std::shared_ptr<MemoryStore::Content> state_;
  MemorySink sink_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Operator> op_;
  std::unique_ptr<Task> task_;
  Result<void> started_;
  std::int64_t next_ = 0;
  Millis acknowledged_ = kNever;
};

class Rig {
 public:
  explicit Rig(const PartitionCounts& counts, bool live_rows = true);

  // A record of a source topic, the event's own by default; of documents to a partition by outlet.
  void arrives(const Event& event, Millis arrival);
  void arrives(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value);
  // In every source partition: nothing earlier is still to come.
  void marks(Millis complete_through);
  // Everything in order, until nothing moves. CHECKs that there is no error.
  void run();

  [[nodiscard]] const Definition& definition() const { return definition_; }
  [[nodiscard]] Durable& durable() { return durable_; }
  [[nodiscard]] std::vector<Input> inputs() const;  // of all tasks, in the order of the flow
  [[nodiscard]] std::unique_ptr<Actor> make_actor(Input input, std::shared_ptr<MemoryStore::Content> state);
  [[nodiscard]] Actor& actor(Input input) { return *actors_.at(input); }

  // All records of a partition, or of all partitions of a topic.
  [[nodiscard]] std::vector<InRecord> records(Topic topic);
  // FINAL rows by key, as bytes. A key that was written twice with other bytes is told in `repeated_differently`.
  [[nodiscard]] std::map<std::string, std::string> final_rows(std::string* repeated_differently = nullptr);
  [[nodiscard]] std::vector<std::string> final_lines();
  // What stands in signals, each transition once. A cause that said two things is told in `repeated_differently`.
  [[nodiscard]] std::vector<Transition> transitions(std::string* repeated_differently = nullptr);
  // Quarantined, as (event_id, reason).
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> quarantined();

 private:
  Durable durable_;
  Definition definition_;
  PartitionCounts counts_;
  bool live_rows_;
  std::map<Input, std::unique_ptr<Actor>> actors_;
  std::unique_ptr<ProgressBook> book_;
};

// The lines of rows, sorted.
std::vector<std::string> json_lines(const std::map<std::string, std::string>& rows);
// The confirmed stockouts that are left when all is said, "outlet SKU end", sorted; an open one ends never. (A start that moves is
// not said.)
std::vector<std::string> confirmed_stockouts(const std::vector<Transition>& transitions);
// The first few differences of two sets of lines, for messages; empty if equal.
std::string first_differences(const std::vector<std::string>& expected, const std::vector<std::string>& actual);

}  // namespace fiverate::test
