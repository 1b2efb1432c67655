// The watermark of a task that reads the ledger: the minimum arrival over all source partitions up to which intake has read them. While a
// source is stuck, the watermark stands still, so no false alarm is raised. Progress records advance it also when no event arrives.
// The number of source partitions follows from the log: the definition in it may be extended.
#pragma once

#include <algorithm>
#include <vector>

#include "ledger.pb.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class Watermark {
 public:
  explicit Watermark(std::size_t sources) : arrivals_(sources, kNever) {}

  // New sources begin at the watermark: it stands still until their progress comes. Fewer sources than before have no effect.
  void extend_to(std::size_t sources) {
    if (sources > arrivals_.size()) arrivals_.resize(sources, value());
  }

  // Ignores an arrival that is lower than an earlier one, and sources that the definition does not name.
  void apply(const Progress& progress) {
    for (const auto& entry : progress.entries()) {
      if (entry.source() < 0 || static_cast<std::size_t>(entry.source()) >= arrivals_.size()) continue;
      auto& arrival = arrivals_[static_cast<std::size_t>(entry.source())];
      arrival = std::max(arrival, entry.arrival_ms());
    }
  }

  // kNever until the progress of every source is known.
  [[nodiscard]] Millis value() const {
    return arrivals_.empty() ? kNever : *std::min_element(arrivals_.begin(), arrivals_.end());
  }
  [[nodiscard]] const std::vector<Millis>& arrivals() const { return arrivals_; }

  void save(ProgressState& state) const {
    for (const auto arrival : arrivals_) state.add_arrivals(arrival);
  }
  void load(const ProgressState& state) {
    extend_to(static_cast<std::size_t>(state.arrivals_size()));
    std::ranges::copy(state.arrivals(), arrivals_.begin());
  }

 private:
  std::vector<Millis> arrivals_;
};

}  // namespace fiverate
