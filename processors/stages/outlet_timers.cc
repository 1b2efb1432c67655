#include "processors/stages/outlet_timers.h"

#include <charconv>
#include <string_view>

#include "processors/stream/state_table.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kTimerPrefix = "c/";
constexpr std::size_t kDueDigits = 16;

std::string timer_key(const OutletTimers::Timer& timer) {
  return fmt::format("{}{:0{}x}{}", kTimerPrefix, timer.due, kDueDigits, timer.outlet_id);
}

}  // namespace

Result<void> OutletTimers::open(const Store& store) {
  return read_all(store, kTimerPrefix, [&](std::string_view key, std::string_view) {
    if (key.size() < kDueDigits) return false;
    Millis due = 0;
    std::from_chars(key.data(), key.data() + kDueDigits, due, 16);
    timers_.insert({due, std::string(key.substr(kDueDigits))});
    return true;
  });
}

void OutletTimers::save(StoreBatch& batch) {
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
}

void OutletTimers::schedule(const std::string& outlet_id, Millis before, Millis due) {
  if (due == before) return;
  if (before != kNever) {
    const Timer timer{before, outlet_id};
    timers_.erase(timer);
    unsaved_.erase(timer_key(timer));
  }
  if (due != kNever) {
    Timer timer{due, outlet_id};
    unsaved_.put(timer_key(timer), "");
    timers_.insert(std::move(timer));
  }
}

std::optional<OutletTimers::Timer> OutletTimers::first_due(Millis clock) const {
  if (timers_.empty() || timers_.begin()->due > clock) return std::nullopt;
  return *timers_.begin();
}

}  // namespace fiverate
