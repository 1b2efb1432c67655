// A sequence gap: a task has received a record whose predecessors, or other records that it depends on, have not come. It applies nothing
// behind them until their senders publish them again. One that stands is noted in the metadata of the task's group, where every process
// and every command finds it, also after a restart:
//
//   "epoch=2 checkpoint=1234 missing=deliveries/0:7-120,orders/1:0-5"
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fiverate {

// The missing records of one sender are caused by its input offsets `from` to `to`. At `from` some may have come.
struct MissingRange {
  std::string sender;  // "deliveries/0"
  std::int64_t from = 0;
  std::int64_t to = 0;
  friend bool operator==(const MissingRange&, const MissingRange&) = default;
};

// Publishes again what any task misses.
inline constexpr std::string_view kMendCommand = "fiverate tasks reset --missing";

// "deliveries/0 offsets 7 to 120, orders/1 offsets 0 to 5"
std::string sentence_part(const std::vector<MissingRange>& missing);

// The note in the metadata, with a blank before it; empty: nothing is missing. Kafka limits the metadata to 4,096 bytes: a note names the
// first ranges that fit, at least 80.
std::string missing_note(const std::vector<MissingRange>& missing);
// The part of the metadata that missing_note() wrote.
std::string_view missing_note_in(std::string_view metadata);
std::vector<MissingRange> parse_missing_note(std::string_view metadata);

}  // namespace fiverate
