// What intake tells the tasks behind it: per source partition, the arrival of the last record that has been read and whose
// outputs are acknowledged, and what the last of these was in each partition, so that whoever lacks one notices before a day is
// closed without it. Collected here from the intake tasks of one worker; sent by whoever owns the clock (every second while
// something moves, else every 10 s).
#pragma once

#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "processors/stages/internal_record.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"

namespace fiverate {

class ProgressBook {
 public:
  explicit ProgressBook(const Definition& definition)
      : ledger_partitions_(definition.ledger_partitions()), market_partitions_(definition.market_partitions()) {
    for (const auto& input : source_inputs(definition)) numbers_.emplace(input, static_cast<std::int32_t>(numbers_.size()));
  }

  using Said = std::shared_ptr<const Outputs::Acknowledged>;
  // `arrival` of a source partition is acknowledged, and with it what its task `said`. kNever says nothing.
  void acknowledge(const Input& input, Millis arrival, Said said = nullptr) {
    const auto number = numbers_.find(input);
    if (arrival == kNever || number == numbers_.end()) return;
    auto& known = known_.try_emplace(number->second, Known{sender_name(name_of(input.topic), input.partition), kNever, nullptr}).first->second;
    if (arrival > known.arrival) {
      known.arrival = arrival;
      moved_ = true;
    }
    if (said == known.said) return;
    moved_ |= said && (!known.said || *said != *known.said);
    known.said = std::move(said);
  }
  // A partition that went to someone else.
  void forget(const Input& input) {
    if (const auto number = numbers_.find(input); number != numbers_.end()) known_.erase(number->second);
  }

  [[nodiscard]] bool moved() const { return moved_; }

  // The records to send: one to each ledger partition, and one to each partition of deltas and signals to which something was said
  // since the last time, or ever (`again`: what was told last may have been lost). None if nothing is known yet.
  std::vector<OutRecord> take(bool again = true) {
    moved_ = false;
    std::vector<OutRecord> records;
    if (known_.empty()) return records;
    Progress progress;
    auto latest = kNever;
    for (const auto& [number, known] : known_) {
      auto& entry = *progress.add_entries();
      entry.set_source(number);
      entry.set_arrival_ms(known.arrival);
      latest = std::max(latest, known.arrival);
      // Nothing but copies goes from a source to deltas, and each to all of its partitions.
      if (!known.said) continue;
      if (const auto copy = known.said->find({Topic::deltas, 0}); copy != known.said->end())
        progress.set_copied_until(copy->second.offset + 1), progress.set_copied_index(copy->second.index);
    }
    for (const auto topic : kInternalTopics) {
      const auto value = value_of(topic, progress, latest);
      const auto partitions = topic == Topic::ledger ? ledger_partitions_ : market_partitions_;
      for (std::int32_t partition = 0; partition < partitions; ++partition) {
        auto said = said_to({topic, partition});
        if (topic != Topic::ledger) {
          const auto told = std::exchange(told_[{topic, partition}], positions_of(said));
          if (said.empty() || (!again && told == told_.at({topic, partition}))) continue;
        }
        records.push_back({topic, partition, latest, "", value, std::nullopt, std::nullopt, std::nullopt, std::move(said)});
      }
    }
    return records;
  }

 private:
  struct Known {
    std::string sender;
    Millis arrival = kNever;
    Said said;
  };

  // Behind the ledger nobody needs to know what time it is.
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

  [[nodiscard]] std::vector<Cause> said_to(const Input& target) const {
    std::vector<Cause> all;
    for (const auto& [number, known] : known_) {
      if (!known.said) continue;
      const auto last = known.said->find(target);
      if (last != known.said->end()) all.push_back({known.sender, last->second});
    }
    return all;
  }

  static std::vector<CausePosition> positions_of(const std::vector<Cause>& said) {
    std::vector<CausePosition> positions;
    for (const auto& one : said) positions.push_back(one.position);
    return positions;
  }

  std::int32_t ledger_partitions_;
  std::int32_t market_partitions_;
  std::map<Input, std::int32_t> numbers_;  // of the source partitions
  std::map<std::int32_t, Known> known_;  // by number
  std::map<Input, std::vector<CausePosition>> told_;  // of deltas and signals
  bool moved_ = false;
};

}  // namespace fiverate
