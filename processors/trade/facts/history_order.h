// The canonical order of a file replay: one sequence for a set of lines, in whatever files and order they are. `replay
// --in` and `import` both follow it, so that a replay from files and one through Kafka read the same sequence.
//
//   order     Regions, then SKUs, then outlets, then all other lines; each group by (arrival, event_id bytes, line
//             bytes). Lines without a readable arrival come first in their group.
//   arrival   A region, SKU or outlet arrives at the earliest arrival of the set, because documents refer to it. Any
//             other line arrives at its arrival_time, else at its event_time. Without a readable arrival it arrives at
//             the earliest arrival of the set. An arrival from 9999-12-01 on counts as unreadable, since its days
//             would become final after the last day; such a document is in the future and quarantined.
//
// Marks are not part of a history: the reader of a history writes its own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "event.pb.h"
#include "schemas/reasons.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// The order of a line.
struct HistoryPosition {
  enum class Group : std::uint8_t { region, sku, outlet, other };
  Group group = Group::other;
  bool has_arrival = false;
  Millis arrival = 0;         // 0 without a readable arrival
  std::string_view event_id;  // a view into the event
  std::string_view line;
  friend auto operator<=>(const HistoryPosition&, const HistoryPosition&) = default;
};

// A line of a history after decode().
struct HistoryLine {
  HistoryPosition position;
  Topic topic = Topic::deliveries;  // of its payload; deliveries, if that is unknown
  std::string_view key;             // the outlet id, or empty; a view into the event
  // The market day of a document that is neither late nor in the future by its own arrival; otherwise nullopt.
  std::optional<Day> day;
};

// `event` and `rejected` are the results of decode(line, event). Returns nullopt for a mark.
std::optional<HistoryLine> history_line(std::string_view line, const Event& event,
                                        const std::optional<Rejected>& rejected, const MarketCalendar& calendar);

// The arrival with which the line is replayed. `earliest` is the earliest readable arrival of the set, or 0 if there is
// none.
Millis replay_arrival(const HistoryPosition& position, Millis earliest);

}  // namespace fiverate
