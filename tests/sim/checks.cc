#include "tests/sim/checks.h"

#include <algorithm>
#include <set>

#include "deltas.pb.h"
#include "metrics.pb.h"
#include "processors/stages/task_names.h"
#include "processors/stages/topology.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/sim/stranger.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

class CollectingSink final : public Sink {
 public:
  Result<void> send(OutRecord record) override {
    sent[{record.topic, record.partition}].push_back(std::make_shared<const OutRecord>(std::move(record)));
    return {};
  }
  Result<void> flush() override { return {}; }

  std::vector<Checkpoint> drain_checkpoints() {
    std::vector<Checkpoint> checkpoints;
    for (const auto& record : sent[kCheckpointsPartition]) {
      CHECK(checkpoints.emplace_back().ParseFromString(record->value), record->key);
    }
    sent.erase(kCheckpointsPartition);
    return checkpoints;
  }

  std::map<Input, SimLog::Records> sent;
};

bool same(const OutRecord& a, const OutRecord& b) {
  const auto as_text = [](const Cause& cause) { return to_text(cause); };
  const auto link_of = [](const OutRecord& record) {
    return record.link ? std::pair(record.link->previous, record.link->chain)
                       : std::pair(CausePosition{}, std::uint64_t{0});
  };
  return a.cause->position == b.cause->position && a.key == b.key && a.value == b.value && a.timestamp == b.timestamp &&
         a.link.has_value() == b.link.has_value() && link_of(a) == link_of(b) &&
         std::ranges::equal(a.depends_on, b.depends_on, {}, as_text, as_text);
}

using LastOfKeys = std::map<std::string_view, std::string_view>;

class Comparison {
 public:
  Comparison(const SimLog& log, const Definition& definition, bool live_rows, const std::optional<Input>& reordered,
             std::size_t most)
      : log_(log), definition_(definition), live_rows_(live_rows), reordered_(reordered), most_(most) {}

  std::vector<std::string> run() {
    sort_by_sender();
    for (const auto& [input, records] : log_.partitions()) {
      if (is_source(input.topic) || is_internal(input.topic)) fold(input);
    }
    for (const auto& [sender, partitions] : written_) {
      add(fmt::format("{} has written to {}, and should have written nothing", sender,
                      named(partitions.begin()->first)));
    }
    return std::move(found_);
  }

 private:
  // Groups all records with a cause by sender and partition.
  void sort_by_sender() {
    for (const auto& [input, records] : log_.partitions()) {
      if (is_source(input.topic) || input.topic == Topic::checkpoints) continue;
      for (const auto& record : ours(log_, input, definition_)) {
        if (record->cause) written_[record->cause->sender][input].push_back(record);
      }
    }
  }

  void fold(const Input& input) {
    MemoryStore store;
    CollectingSink sink;
    const auto op = make_operator(input, definition_, live_rows_);
    Task task(std::string(sender_of(input)), input, definition_id(definition_), *op, store, sink);
    const auto restored = task.restore();
    CHECK(restored.has_value(), restored.error().what);
    if (auto* const guard = op->jump_guard()) load_decisions(task.name(), *guard);
    std::vector<InRecord> records;
    log_.read(input, 0, static_cast<std::size_t>(log_.end_offset(input)), records);
    std::size_t commits = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (const auto done = task.process(records[i]); !done) return add(done.error().what);
      if (!task.at_boundary() || commits == 2 || i < (commits + 1) * records.size() / 3) continue;
      if (const auto done = commit(task, sink); !done) return add(done.error().what);
      ++commits;
    }
    const auto checkpoints = sink.drain_checkpoints();
    if (checkpoints.size() == 2 && checkpoints.front().has_resume())
      fold_state_only(input, records, checkpoints[0], checkpoints[1], sink.sent);
    if (task.counters().sequence_gaps > 0) {
      add(fmt::format("{}: {} records are not applied, because one before them is missing", named(input),
                      task.counters().sequence_gaps));
    }
    auto& written = written_[task.name()];
    for (const auto& [target, expected] : sink.sent) compare(task.name(), target, expected, written[target]);
    for (const auto& [target, actual] : written) {
      if (!sink.sent.contains(target))
        add(fmt::format("{} has written to {}, and should not have", task.name(), named(target)));
    }
    written_.erase(task.name());
  }

  // What was decided about held records is no function of their partition; the checkpoints have it.
  void load_decisions(const std::string& name, JumpGuard& guard) const {
    std::vector<InRecord> records;
    log_.read(kCheckpointsPartition, 0, static_cast<std::size_t>(log_.end_offset(kCheckpointsPartition)), records);
    for (const auto& record : records) {
      const auto checkpoint = parse_checkpoint(record);
      if (checkpoint && checkpoint->task() == name) guard.load(checkpoint->source_clock());
    }
  }

  static Result<void> commit(Task& task, Sink& sink) {
    TRY(task.save());
    if (task.is_suppressed()) return {};
    TRY_VALUE(checkpoint, task.checkpoint());
    return sink.send(std::move(checkpoint));
  }

  // Runs two tasks in turn from a checkpoint each; the second continues with the state of the first. From its checkpoint on, the second
  // sends the same records as the undisturbed task.
  void fold_state_only(const Input& input, const std::vector<InRecord>& records, const Checkpoint& first,
                       const Checkpoint& second, const std::map<Input, SimLog::Records>& expected) {
    MemoryStore store;
    CollectingSink sink;
    std::size_t next = 0;
    const auto fold_on = [&](const Checkpoint& checkpoint, std::size_t end) -> Result<void> {
      const auto op = make_operator(input, definition_, live_rows_);
      Task task(std::string(sender_of(input)), input, definition_id(definition_), *op, store, sink);
      TRY(task.restore());
      task.resume_from(checkpoint);
      for (; next < records.size() && (next < end || !task.at_boundary()); ++next) TRY(task.process(records[next]));
      return task.at_boundary() ? commit(task, sink) : Result<void>();
    };
    // The first task stops half way to the second checkpoint, which may be before its own checkpoint.
    const auto half = static_cast<std::size_t>(second.offset() / 2);
    auto done = fold_on(first, half);
    if (done && half > static_cast<std::size_t>(first.offset())) sink.sent.clear();
    if (done) done = fold_on(second, records.size());
    if (!done) return add(fmt::format("{}, state-only: {}", named(input), done.error().what));
    static_cast<void>(sink.drain_checkpoints());
    for (const auto& [target, all] : expected) {
      const auto from =
          std::ranges::find_if(all, [&](const auto& one) { return one->cause->position.offset >= second.offset(); });
      const auto& found = sink.sent[target];
      const auto equal = std::ranges::equal(std::ranges::subrange(from, all.end()), found,
                                            [](const auto& one, const auto& other) { return same(*one, *other); });
      if (!equal)
        add(fmt::format("{}, state-only up to {}: sends other records to {}", named(input), second.offset(),
                        named(target)));
    }
  }

  void compare(const std::string& sender, const Input& target, const SimLog::Records& expected,
               const SimLog::Records& actual) {
    const auto where = fmt::format("{} to {}", sender, named(target));
    std::vector<bool> found(expected.size());
    std::size_t next = 0;  // how many were found
    LastOfKeys last_actual;
    for (const auto& record : actual) {
      if (holds_latest(target.topic)) last_actual[record->key] = record->value;
      const auto known =
          std::lower_bound(expected.begin(), expected.end(), record->cause->position,
                           [](const auto& one, CausePosition position) { return one->cause->position < position; });
      const bool is_one = known != expected.end() && (*known)->cause->position == record->cause->position;
      const auto number = static_cast<std::size_t>(known - expected.begin());
      if (is_one && same(**known, *record)) {
        if (found[number]) continue;  // a repetition
        if (number == next || target == reordered_) {
          found[number] = true;
          ++next;
          continue;
        }
      }
      return add(fmt::format("{}: at {} stands {}, expected was {}", where, to_text(*record->cause),
                             is_one ? "something else" : "what should not be there",
                             next < expected.size() ? to_text(*expected[next]->cause) : "nothing more"));
    }
    if (next < expected.size()) {
      const auto missing = static_cast<std::size_t>(std::ranges::find(found, false) - found.begin());
      return add(fmt::format("{}: {} records are missing, the first at {}", where, expected.size() - next,
                             to_text(*expected[missing]->cause)));
    }
    if (!holds_latest(target.topic)) return;
    LastOfKeys last_expected;
    for (const auto& record : expected) last_expected[record->key] = record->value;
    const auto [newest, last] = std::ranges::mismatch(last_expected, last_actual);
    if (newest != last_expected.end())
      add(fmt::format("{}: the last record of key {} is not the newest", where, newest->first));
  }

  static std::string named(const Input& input) {
    return fmt::format("{} partition {}", name_of(input.topic), input.partition);
  }
  void add(std::string line) {
    if (found_.size() < most_) found_.push_back(std::move(line));
  }

  const SimLog& log_;
  const Definition& definition_;
  bool live_rows_;
  std::optional<Input> reordered_;
  std::size_t most_;
  std::map<std::string, std::map<Input, SimLog::Records>> written_;
  std::vector<std::string> found_;
};

template <typename Visit>
void each_record(const SimLog& log, const Definition& definition, Topic topic, Visit visit) {
  for (const auto& [input, records] : log.partitions()) {
    if (input.topic != topic) continue;
    for (const auto& record : ours(log, input, definition)) visit(*record);
  }
}

}  // namespace

std::vector<std::string> differences_to_fresh_folds(const SimLog& log, const Definition& definition, bool live_rows,
                                                    const std::optional<Input>& reordered, std::size_t most) {
  return Comparison(log, definition, live_rows, reordered, most).run();
}

std::map<std::string, std::string> final_rows_of(const SimLog& log, const Definition& definition) {
  std::map<std::string, std::string> rows;
  each_record(log, definition, Topic::metrics_final,
              [&](const OutRecord& record) { rows.try_emplace(record.key, record.value); });
  return rows;
}

std::vector<Transition> transitions_of(const SimLog& log, const Definition& definition) {
  std::set<std::string> causes;
  std::vector<Transition> transitions;
  each_record(log, definition, Topic::signals, [&](const OutRecord& record) {
    SignalRecord signal;
    CHECK(signal.ParseFromString(record.value));
    if (signal.has_transition() && causes.insert(to_text(*record.cause)).second)
      transitions.push_back(signal.transition());
  });
  return transitions;
}

std::vector<std::pair<std::string, std::string>> quarantined_of(const SimLog& log, const Definition& definition) {
  std::vector<std::pair<std::string, std::string>> found;
  each_record(log, definition, Topic::quarantine, [&](const OutRecord& record) {
    Quarantined quarantined;
    CHECK(quarantined.ParseFromString(record.value));
    found.emplace_back(quarantined.event_id(), quarantined.reason());
  });
  return found;
}

}  // namespace fiverate::test
