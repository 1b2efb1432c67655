// Builds the progress records of intake. For each source partition they publish the arrival of the last record that is
// read and whose outputs are acknowledged, and in the header of each target partition the position of the last output
// there: a receiver that has not applied that output has a sequence gap, and detects it before a day closes without the
// output.
//
// They also name the records that are held because they would move the clock of their partition too far, and up to where such records are
// decided. Receivers of a later or repeated record know the same, so a record that is lost or skipped costs only time.
//
// One ProgressTracker collects the state of all intake tasks of a worker. The caller sends its records: every second
// while something changes, else every 10 seconds.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "processors/stages/internal_record.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"

namespace fiverate {

class ProgressTracker {
 public:
  explicit ProgressTracker(const Definition& definition)
      : ledger_partitions_(definition.ledger_partitions()), market_partitions_(definition.market_partitions()) {
    for (const auto& input : source_inputs(definition)) {
      numbers_.emplace(input, static_cast<std::int32_t>(numbers_.size()));
    }
  }

  using Positions = std::shared_ptr<const Outputs::Acknowledged>;
  // Up to `arrival`, the source partition is read and its outputs are acknowledged; `outputs` are the last ones of its
  // task. kNever and inputs that are no source partition have no effect.
  void acknowledge(const Input& input, Millis arrival, Positions outputs = nullptr) {
    const auto number = numbers_.find(input);
    if (arrival == kNever || number == numbers_.end()) return;
    auto& source = sources_[number->second];
    source.sender = sender_name(name_of(input.topic), input.partition);
    if (arrival > source.arrival) {
      source.arrival = arrival;
      changed_ = true;
    }
    if (outputs == source.outputs) return;
    changed_ |= outputs && (!source.outputs || *outputs != *source.outputs);
    source.outputs = std::move(outputs);
  }

  // No record of the source partition before `decided_until` waits for a decision; `held`: the offset of one that does.
  void report_hold(const Input& input, std::int64_t decided_until, std::optional<std::int64_t> held) {
    const auto number = numbers_.find(input);
    if (number == numbers_.end() || (decided_until == 0 && !held)) return;
    const auto [known, is_new] = holds_.try_emplace(number->second);
    if (!is_new && known->second == std::pair(decided_until, held)) return;
    known->second = {decided_until, held};
    changed_ = holds_changed_ = true;
  }

  // Removes a partition that another worker owns now.
  void remove(const Input& input) {
    const auto number = numbers_.find(input);
    if (number == numbers_.end()) return;
    sources_.erase(number->second);
    holds_.erase(number->second);
  }

  // True if something has changed since the last records().
  [[nodiscard]] bool changed() const { return changed_; }

  // The records to send: one to each ledger partition, and one to each partition of deltas and signals that has new
  // outputs since the last call. `repeat` includes those without new outputs, since earlier records may have been lost.
  // Empty before the first acknowledge().
  std::vector<OutRecord> records(bool repeat = true) {
    changed_ = false;
    std::vector<OutRecord> records;
    if (sources_.empty()) return records;
    Progress progress;
    auto latest = kNever;
    for (const auto& [number, source] : sources_) {
      auto& entry = *progress.add_entries();
      entry.set_source(number);
      entry.set_arrival_ms(source.arrival);
      latest = std::max(latest, source.arrival);
      // Only the reference stage writes to deltas here, and it copies each record to all partitions.
      if (!source.outputs) continue;
      if (const auto copy = source.outputs->find({Topic::deltas, 0}); copy != source.outputs->end()) {
        progress.set_copied_until(copy->second.offset + 1);
        progress.set_copied_index(copy->second.index);
      }
    }
    if (std::exchange(holds_changed_, false) || repeat) add_holds(progress);
    for (const auto topic : kInternalTopics) {
      const auto value = value_of(topic, progress, latest);
      const auto partitions = topic == Topic::ledger ? ledger_partitions_ : market_partitions_;
      for (std::int32_t partition = 0; partition < partitions; ++partition) {
        auto outputs = outputs_to({topic, partition});
        if (topic != Topic::ledger) {
          auto& published = published_[{topic, partition}];
          const auto before = std::exchange(published, positions_of(outputs));
          if (outputs.empty() || (!repeat && before == published)) continue;
        }
        records.push_back({topic, partition, latest, "", value, std::nullopt, std::nullopt, std::move(outputs)});
      }
    }
    return records;
  }

 private:
  struct Source {
    std::string sender;
    Millis arrival = kNever;
    Positions outputs;
  };

  void add_holds(Progress& progress) const {
    for (const auto& [number, known] : holds_) {
      const auto& [decided_until, held] = known;
      auto& hold = *progress.add_holds();
      hold.set_source(number);
      hold.set_decided_until(decided_until);
      if (held) hold.set_held_offset(*held);
    }
  }

  // Only the ledger needs the time; in deltas and signals the headers are enough.
  static std::string value_of(Topic topic, const Progress& progress, Millis latest) {
    return internal_record(topic, [&]<typename Record>(Record& record) {
      if constexpr (std::is_same_v<Record, LedgerRecord>) {
        record.set_arrival_ms(latest);
        *record.mutable_progress() = progress;
      } else {
        record.mutable_progress();
      }
    });
  }

  // The last output of each source task to this partition.
  [[nodiscard]] std::vector<Cause> outputs_to(const Input& target) const {
    std::vector<Cause> outputs;
    for (const auto& [number, source] : sources_) {
      if (!source.outputs) continue;
      const auto last = source.outputs->find(target);
      if (last != source.outputs->end()) outputs.push_back({source.sender, last->second});
    }
    return outputs;
  }

  static std::vector<CausePosition> positions_of(const std::vector<Cause>& causes) {
    std::vector<CausePosition> positions;
    positions.reserve(causes.size());
    for (const auto& cause : causes) positions.push_back(cause.position);
    return positions;
  }

  std::int32_t ledger_partitions_;
  std::int32_t market_partitions_;
  std::map<Input, std::int32_t> numbers_;                                               // of all source partitions
  std::map<std::int32_t, Source> sources_;                                              // of this worker, by number
  std::map<std::int32_t, std::pair<std::int64_t, std::optional<std::int64_t>>> holds_;  // likewise, as reported
  bool holds_changed_ = false;                                                          // since the last records()
  std::map<Input, std::vector<CausePosition>>
      published_;  // outputs in the last record to this partition of deltas or signals
  bool changed_ = false;
};

}  // namespace fiverate
