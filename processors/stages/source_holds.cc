#include "processors/stages/source_holds.h"

#include <algorithm>
#include <utility>

namespace fiverate {

void SourceHolds::extend_to(std::vector<Input> sources) {
  if (sources.size() > sources_.size()) sources_ = std::move(sources);
}

bool SourceHolds::apply(const Progress& progress) {
  bool changed = false;
  for (const auto& reported : progress.holds()) {
    if (reported.source() < 0 || static_cast<std::size_t>(reported.source()) >= sources_.size()) continue;
    auto& known = holds_[reported.source()];
    known.set_source(reported.source());
    known.set_decided_until(std::max(known.decided_until(), reported.decided_until()));
    if (reported.has_held_offset() && reported.held_offset() >= known.decided_until() &&
        (!known.has_held_offset() || known.held_offset() < reported.held_offset())) {
      known.set_held_offset(reported.held_offset());
      changed = true;
    } else if (known.has_held_offset() && known.held_offset() < known.decided_until()) {
      known.clear_held_offset();
      changed = true;
    }
  }
  return changed;
}

DataQuality::Holds SourceHolds::records(Millis at) const {
  std::map<Input, std::int64_t> held;
  for (const auto& [source, hold] : holds_) {
    if (hold.has_held_offset()) held[sources_[static_cast<std::size_t>(source)]] = hold.held_offset();
  }
  DataQuality::Holds holds;
  holds.set_at_ms(at);
  for (const auto& [input, offset] : held) {
    auto& record = *holds.add_records();
    record.set_topic(std::string(name_of(input.topic)));
    record.set_partition(input.partition);
    record.set_offset(offset);
  }
  return holds;
}

void SourceHolds::save(ProgressState& state) const {
  for (const auto& [source, hold] : holds_) *state.add_holds() = hold;
}

void SourceHolds::load(const ProgressState& state) {
  for (const auto& hold : state.holds()) {
    if (static_cast<std::size_t>(hold.source()) < sources_.size()) holds_[hold.source()] = hold;
  }
}

}  // namespace fiverate
