// The clock of a task behind the ledger: the minimum over all source partitions of what is known to be read. A stuck source
// holds it back instead of making false alarms; it passes when nothing else happens.
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

  // Lower after higher is ignored; so are sources that the definition does not know.
  void apply(const Progress& progress) {
    for (const auto& entry : progress.entries()) {
      if (entry.source() < 0 || static_cast<std::size_t>(entry.source()) >= arrivals_.size()) continue;
      auto& arrival = arrivals_[static_cast<std::size_t>(entry.source())];
      arrival = std::max(arrival, entry.arrival_ms());
    }
  }

  // kNever until every source was heard of.
  [[nodiscard]] Millis value() const {
    return arrivals_.empty() ? kNever : *std::min_element(arrivals_.begin(), arrivals_.end());
  }
  [[nodiscard]] const std::vector<Millis>& arrivals() const { return arrivals_; }

  void save(ProgressState& state) const {
    for (const auto arrival : arrivals_) state.add_arrivals(arrival);
  }
  void load(const ProgressState& state) {
    for (int i = 0; i < state.arrivals_size() && static_cast<std::size_t>(i) < arrivals_.size(); ++i) {
      arrivals_[static_cast<std::size_t>(i)] = state.arrivals(i);
    }
  }

 private:
  std::vector<Millis> arrivals_;
};

}  // namespace fiverate
