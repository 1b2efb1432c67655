// What intake tells the tasks behind it about time: per source partition, the arrival of the last record that has been read
// and whose ledger records are acknowledged. Collected here from the intake tasks of one worker; sent by whoever owns the
// clock (every second while something moves, else every 10 s).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ledger.pb.h"
#include "processors/stages/topology.h"

namespace fiverate {

class ProgressBook {
 public:
  explicit ProgressBook(const Definition& definition) {
    const auto inputs = source_inputs(definition);
    for (std::size_t i = 0; i < inputs.size(); ++i) numbers_[inputs[i]] = static_cast<std::int32_t>(i);
  }

  // `arrival` of a source partition is acknowledged. kNever says nothing.
  void acknowledge(const Input& input, Millis arrival) {
    const auto number = numbers_.find(input);
    if (number == numbers_.end() || arrival == kNever) return;
    auto& known = arrivals_.try_emplace(number->second, kNever).first->second;
    if (arrival <= known) return;
    known = arrival;
    moved_ = true;
  }
  // A partition that went to someone else.
  void forget(const Input& input) {
    if (const auto number = numbers_.find(input); number != numbers_.end()) arrivals_.erase(number->second);
  }

  [[nodiscard]] bool moved() const { return moved_; }

  // The record to append to every ledger partition; nothing if nothing is known yet.
  std::optional<LedgerRecord> take() {
    moved_ = false;
    if (arrivals_.empty()) return std::nullopt;
    LedgerRecord record;
    auto latest = kNever;
    for (const auto& [number, arrival] : arrivals_) {
      auto& entry = *record.mutable_progress()->add_entries();
      entry.set_source(number);
      entry.set_arrival_ms(arrival);
      latest = std::max(latest, arrival);
    }
    record.set_arrival_ms(latest);
    return record;
  }

 private:
  std::map<Input, std::int32_t> numbers_;
  std::map<std::int32_t, Millis> arrivals_;
  bool moved_ = false;
};

}  // namespace fiverate
