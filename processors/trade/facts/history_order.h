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
#include <utility>

#include "event.pb.h"
#include "schemas/reasons.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// The first part of the order of a line. Lines that are equal in it are ordered by HistoryTexts.
struct HistoryPosition {
  enum class Group : std::uint8_t { region, sku, outlet, other };
  Group group = Group::other;
  bool has_arrival = false;
  Millis arrival = 0;  // 0 without a readable arrival
  friend auto operator<=>(const HistoryPosition&, const HistoryPosition&) = default;
};
struct HistoryTexts {
  std::string_view event_id;
  std::string_view line;
  friend auto operator<=>(const HistoryTexts&, const HistoryTexts&) = default;
};

// Whether one line comes before another. `texts_of_both` returns the pair of their HistoryTexts; it is called only if
// the positions are equal.
template <typename TextsOfBoth>
bool precedes(const HistoryPosition& a, const HistoryPosition& b, TextsOfBoth&& texts_of_both) {
  if (const auto order = a <=> b; order != 0) return order < 0;
  const auto [texts_a, texts_b] = texts_of_both();
  return texts_a < texts_b;
}

// A line of a history after decode().
struct HistoryLine {
  HistoryPosition position;
  Topic topic =
      Topic::deliveries;  // The topic of its payload. A line whose payload is unknown belongs to the deliveries.
  std::string_view key;   // the outlet id, or empty; a view into the event
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
