// One task: one partition of one topic, folded by one operator into one store. A task's outputs are a pure function of its
// input partition, including where they are cut; that is what makes "exactly once" possible without transactions:
//
//   crash, restart      the task goes on from its state's offset and sends again, identically, what it had sent since;
//                       receivers drop repetitions by their cause
//   two at once         the same: whatever both send, one of them is a repetition
//   something lost      the receiver sees that the predecessor is missing and applies nothing until it has come; at the latest by
//                       the next progress record, which tells what each source's task had said in this partition
//   determinism broken  the chained hash differs at the next new record: the receiver stops
//
// The state is never ahead of what was sent: outputs acknowledged, then one batch with state and offset (commit()).
// Belongs to its worker's thread.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/stream/result_marks.h"
#include "processors/stream/result_window.h"

namespace fiverate {

// Under this key a store holds the task's own part of its state, a TaskState.
inline constexpr std::string_view kTaskKey = "task";

class Continuation;  // continuation.h

// Where an operator puts what it has to say; each record gets the next cause of the input record at hand.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // To the tasks behind: chained, so that the receiver notices gaps and divergence.
  // `said`: what the receiver has to have from others before it applies this one.
  virtual void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
                       std::vector<Cause> said = {}) = 0;
  // Without a chain: to result topics (left out if a result partition already holds it).
  virtual void plain(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) = 0;
  // False: nothing of what this record causes is wanted, nor are sums and chains of it, which will come from elsewhere (resume()).
  [[nodiscard]] virtual bool is_wanted() const { return true; }
};

// A stage: the core behind a task. No I/O, no clock, no threads in it.
class Operator {
 public:
  virtual ~Operator() = default;
  // Loads what it keeps in memory. Called once, before anything else.
  [[nodiscard]] virtual Result<void> open(const Store& store) = 0;
  // Folds one record. Repetitions have been dropped.
  [[nodiscard]] virtual Result<void> apply(const InRecord& record, Outbox& outbox) = 0;
  // Nothing is held back that the next record would be merged with: a commit is possible here.
  [[nodiscard]] virtual bool at_boundary() const = 0;
  // Adds all that has changed since the last save.
  virtual void save(StoreBatch& batch) = 0;
  // What time it is for this operator: intake, the highest arrival of its partition; behind it, the watermark.
  [[nodiscard]] virtual Millis clock() const = 0;
  // What it has to know, beside what it folds of each record, to go on from here: what follows from its outputs. `facts_until`: from
  // this offset on all has to be worked out, wanted or not. Nothing: all has to be from the beginning.
  struct Said {
    std::string tally;
    std::int64_t facts_until = std::numeric_limits<std::int64_t>::max();
  };
  [[nodiscard]] virtual std::optional<Said> said() const { return std::nullopt; }
  // Takes what said() told at this offset in a task that had worked out all; whatever is held back is part of that and is dropped.
  [[nodiscard]] virtual Result<void> resume(std::string_view tally);
  // What else `status` is to show, as a member of a JSON object ("\"alerts_open\":3"); empty: nothing.
  [[nodiscard]] virtual std::string report() const { return {}; }
};

struct TaskCounters {
  std::int64_t records = 0;
  std::int64_t repetitions = 0;  // dropped
  std::int64_t gaps = 0;         // not applied, predecessor missing
  std::int64_t outputs = 0;
  std::int64_t rewritten = 0;    // results that something older had overwritten
  std::int64_t quarantined = 0;  // outputs to the topic quarantine
};

class Task final : private Outbox {
 public:
  // `stage`: sender name of the outputs, and identity of the store. All outlive the task.
  Task(std::string stage, Input input, std::string definition_id, Operator& op, Store& store, Sink& sink);
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() override;

  // Reads the state. Refuses a store of another task or another definition. Returns the offset to read from: one before the
  // next if there is one, to see that the log still holds it.
  [[nodiscard]] Result<std::int64_t> restore();
  // Sees whose results they are. From now on guard_results() watches over them.
  [[nodiscard]] Result<void> read_tails(const std::vector<Topic>& result_topics);
  // Results that others write there too: only check_results() looks at them.
  void write_with_others(const std::vector<Input>& targets);
  // What the group knows: of the results, if that is later than what the state knows; and what was read by whoever committed.
  void learn(const Continuation& continuation);
  // Whether they still hold what was acknowledged. Error: stop, and have it said again. By that order (`speak_from`) what is not known
  // to be there is said again from then on, whatever stands behind it.
  [[nodiscard]] Result<void> check_results(std::optional<std::int64_t> speak_from);
  // Says nothing that an input record before `offset` causes: all of it is in the log already, for a group that committed this
  // offset had it acknowledged before. Unless catch_up() says how to go on, it is computed all the same: state, causes and chains go
  // on from it.
  void stay_silent_until(std::int64_t offset) { speak_from_ = offset; }
  // Folds facts alone up to its offset and goes on there as it says. No effect if the task is there already.
  void catch_up(const Continuation& continuation);
  // A copy of a task that others own: says nothing, watches over nothing.
  void stand_by();
  // The same where no group remembers: leaves out what the task is found to have said, last in each of these partitions and of its results,
  // so that a rebuilt task repeats no history.
  [[nodiscard]] Result<void> read_last_words(std::vector<Input> targets);
  // Nothing that the next record causes would be said.
  [[nodiscard]] bool is_silent() const { return next_offset_ < speak_from_ || continuation_; }

  // Reads on in the results that hold the latest of each key, and writes again what was overwritten by something older.
  [[nodiscard]] Result<void> guard_results();

  [[nodiscard]] Result<void> process(const InRecord& record);
  [[nodiscard]] bool at_boundary() const { return op_.at_boundary(); }
  [[nodiscard]] bool changed() const { return next_offset_ != committed_offset_; }
  // Flushes the sink and writes the batch. Only at a boundary.
  [[nodiscard]] Result<void> commit();

  [[nodiscard]] const Input& input() const { return input_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::int64_t next_offset() const { return next_offset_; }
  [[nodiscard]] const TaskCounters& counters() const { return counters_; }
  // What has not come though others came behind it, as the orders for those who have to say it again: "outlet-3:1234,reference-0:7".
  // Empty: nothing is missing.
  [[nodiscard]] std::string lacks() const;
  // Up to where what it has sent to other tasks is acknowledged: the last record of each partition, as of the last commit.
  using Acknowledged = std::map<Input, CausePosition>;
  [[nodiscard]] std::shared_ptr<const Acknowledged> acknowledged() const { return acknowledged_; }
  // To be left with the group's offset, at a boundary: with what another can go on from here.
  [[nodiscard]] std::string continuation_text();
  // For whoever asks the group how it is doing: clock, counters, size of the state (JSON).
  [[nodiscard]] std::string status() const;

 private:
  struct Place {  // of a sender, as seen; of a target, as sent
    CausePosition position;
    std::uint64_t chain = 0;
  };
  enum class Admission : std::uint8_t { apply, repetition, gap };

  void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
               std::vector<Cause> said) override;
  void plain(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override;
  [[nodiscard]] bool is_wanted() const override;
  [[nodiscard]] Result<void> go_on();
  // Where what the group had read is read too: it has to be the same. Error: stop.
  [[nodiscard]] Result<void> check_read();
  void note_acknowledged();
  void note_results();
  // The newest mark whose record still stands; its end is 0 if none does.
  [[nodiscard]] Result<std::optional<ResultMark>> last_standing(const Input& target);
  CausePosition next_position();
  [[nodiscard]] bool is_said(const Input& target, CausePosition position) const;
  void send(OutRecord record);

  [[nodiscard]] bool has(const Cause& said) const;
  void note_gap(const InRecord& record);
  [[nodiscard]] Result<Admission> admit(const InRecord& record) const;
  void remember_sender(const InRecord& record);
  [[nodiscard]] Result<void> check_fingerprint(const InRecord& record) const;

  std::string name_;
  Input input_;
  std::string definition_id_;
  Operator& op_;
  Store& store_;
  Sink& sink_;

  std::int64_t next_offset_ = 0;
  std::int64_t committed_offset_ = 0;
  std::int64_t fingerprint_timestamp_ = 0;  // of the record before next_offset_
  std::uint64_t fingerprint_hash_ = 0;
  bool chains_what_it_reads_;               // inputs of ours: dense, never compacted
  std::uint64_t read_chain_ = 0;
  struct Read {
    std::int64_t until = 0;
    std::uint64_t chain = 0;
  };
  std::optional<Read> read_by_group_;  // not there yet
  std::map<std::string, Place> senders_;
  std::map<std::string, CausePosition> lacking_;  // by sender: up to here something is missing
  std::map<Input, Place> targets_;
  std::shared_ptr<const Acknowledged> acknowledged_ = std::make_shared<const Acknowledged>();
  std::map<Input, CausePosition> written_;  // what goes there is in the log already, up to here
  struct Sent {                             // to a result partition
    bool anything = false;                  // since the last commit
    std::int64_t said = 0;                  // as in ResultMark
  };
  std::map<Input, Sent> sent_;  // all its result partitions
  ResultMarks results_;
  std::int64_t speak_from_ = 0;
  std::unique_ptr<const Continuation> continuation_;  // not there yet
  struct Guarded {
    Input target;
    std::int64_t end = 0;  // when it began
    Sink::ReadOn read_on;
    ResultWindow window;
  };
  std::vector<Guarded> guarded_;

  std::int64_t current_offset_ = 0;  // cause of the outputs of the record at hand
  std::int32_t next_index_ = 0;
  std::optional<Error> send_error_;
  TaskCounters counters_;
};

}  // namespace fiverate
