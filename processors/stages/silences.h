// The silences of one partition of alerts, from their command until they end. A silence applies to the firing alerts
// whose fields equal all of its matchers; a region includes all regions below it. An alert carries the silences that
// apply to it (Alert.silenced).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "alerts.pb.h"
#include "event.pb.h"
#include "processors/stream/ports.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class Silences {
 public:
  using Ids = std::set<std::string, std::less<>>;

  [[nodiscard]] Result<void> open(const Store& store);
  void save(StoreBatch& batch);

  // Adds the silence of a command, or replaces the one of its silence_id. nullopt, and no effect: it has no id, no
  // matchers, a matcher with an unknown field, or an end that has passed at `clock`.
  std::optional<Alert::Silenced> add(const Command& command, Millis clock);
  // nullopt: it is unknown.
  std::optional<Alert::Silenced> remove(const std::string& silence_id);
  // Removes the silences that have ended at `clock`, and returns their ids.
  Ids remove_ended(Millis clock);

  // `silence_id` names a silence of this partition.
  [[nodiscard]] bool matches(const std::string& silence_id, const Alert& alert) const;
  // Replaces the silences that the alert carries by those that match it; none if it does not fire.
  void attach_to(Alert& alert) const;

 private:
  std::map<std::string, SilenceState> silences_;  // by id
  StoreBatch unsaved_;
};

[[nodiscard]] bool is_silenced_by(const Alert& alert, std::string_view silence_id);
// Removes the silence from the alert. False: it did not carry it.
bool detach_silence(Alert& alert, std::string_view silence_id);

}  // namespace fiverate
