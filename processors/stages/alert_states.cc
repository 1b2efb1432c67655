#include "processors/stages/alert_states.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

namespace fiverate {
namespace {

constexpr std::string_view kFiringPrefix = "f/";
constexpr std::string_view kWrittenPrefix = "w/";
constexpr std::int32_t kWrittenAgainTimes = 3;  // after an alert has changed

// If two episodes fire, the later one is the present one.
bool is_later(const Transition& a, const Transition& b) {
  return std::tuple(a.since_ms(), a.episode()) > std::tuple(b.since_ms(), b.episode());
}

bool is_firing(const Transition& transition) {
  return transition.state() == Transition::FIRING;
}

}  // namespace

bool fires(const Alert& alert) {
  return is_firing(alert.last());
}

void add_transition(Transition transition, Alert& alert) {
  alert.set_transitions(transition.transition());
  auto& others = *alert.mutable_also_firing();
  others.erase(std::remove_if(others.begin(), others.end(),
                              [&](const Transition& other) { return other.episode() == transition.episode(); }),
               others.end());
  const bool known = alert.has_last();
  if (known && fires(alert) && alert.last().episode() != transition.episode()) *others.Add() = alert.last();
  if (!known || alert.last().episode() == transition.episode() || is_later(transition, alert.last()) ||
      is_firing(transition)) {
    *alert.mutable_last() = transition;
  }
  if (is_firing(transition)) *others.Add() = std::move(transition);
  // While episodes fire, `last` is the latest of them.
  const auto present = std::max_element(others.begin(), others.end(),
                                        [](const Transition& a, const Transition& b) { return is_later(b, a); });
  if (present == others.end()) return;
  *alert.mutable_last() = std::move(*present);
  others.erase(present);
  std::sort(others.begin(), others.end(), [](const Transition& a, const Transition& b) { return is_later(b, a); });
}

AlertStates::AlertStates(std::int32_t partition, const MarketCalendar& calendar, std::size_t cache_bytes)
    : partition_(partition), calendar_(calendar), alerts_("a/", {}, cache_bytes) {}

Result<void> AlertStates::open(const Store& store, Day written_again) {
  alerts_.open(store);
  written_again_ = written_again;
  TRY(read_all(store, kWrittenPrefix, [&](std::string_view alert_id, std::string_view times) {
    std::int32_t left = 0;
    const auto* const end = times.data() + times.size();
    if (std::from_chars(times.data(), end, left).ptr != end) return false;
    to_write_.emplace(alert_id, left);
    return true;
  }));
  return store.scan(kFiringPrefix, [&](std::string_view key, std::string_view) {
    firing_.emplace(key.substr(kFiringPrefix.size()));
    return true;
  });
}

void AlertStates::save(StoreBatch& batch) {
  alerts_.save(batch);
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
}

void AlertStates::write(const Alert& alert, Millis timestamp, Outbox& outbox) {
  const auto& alert_id = alert.last().alert_id();
  const auto firing_key = std::string(kFiringPrefix) + alert_id;
  if (fires(alert)) {
    if (firing_.insert(alert_id).second) unsaved_.put(firing_key, "1");
  } else if (firing_.erase(alert_id) > 0) {
    unsaved_.erase(firing_key);
  }
  if (std::exchange(to_write_[alert_id], kWrittenAgainTimes) != kWrittenAgainTimes)
    unsaved_.put(std::string(kWrittenPrefix) + alert_id, std::to_string(kWrittenAgainTimes));
  publish(alert_id, alert, timestamp, outbox);
}

Result<void> AlertStates::write_again(Day today, Outbox& outbox) {
  if (today <= written_again_) return {};
  written_again_ = today;
  auto alert_ids = firing_;
  for (auto at = to_write_.begin(); at != to_write_.end();) {
    auto& [alert_id, left] = *at;
    alert_ids.insert(alert_id);
    if (--left > 0) {
      unsaved_.put(std::string(kWrittenPrefix) + alert_id, std::to_string(left));
      ++at;
    } else {
      unsaved_.erase(std::string(kWrittenPrefix) + alert_id);
      at = to_write_.erase(at);
    }
  }
  for (const auto& alert_id : alert_ids) {
    TRY_VALUE(alert, alerts_.get(alert_id));
    publish(alert_id, *alert, calendar_.start_of(today), outbox);
  }
  return {};
}

void AlertStates::publish(const std::string& alert_id, const Alert& alert, Millis timestamp, Outbox& outbox) const {
  outbox.to_result(Topic::alerts, partition_, timestamp, alert_id, alert.SerializeAsString());
}

}  // namespace fiverate
