// The cause of a record. Every record that fiverate writes has its cause in headers. With it a receiver drops repetitions, finds
// sequence gaps and verifies that a restarted sender has sent the same records again.
//
//   fiverate-cause     "outlet/3/1234/0": stage, partition and offset of the input record, index among its
//                      outputs. In a record of intake it is the source position: "deliveries/3/1234/0".
//   fiverate-previous  "1230/2": the sender's cause before this one to the same partition; "-" for the first.
//   fiverate-chain     16 hex digits: the chained hash of all earlier outputs of this sender to this partition.
// The last two are headers of records between tasks (ledger, deltas, signals).
//
//   fiverate-depends-on  the cause of a record of another sender that has to be applied before this one; may occur several times.
//                      Progress records, which have no cause, name the last record of each sender that was acknowledged in this
//                      partition before the progress was sent. Records of deltas name the last copy of a reference record before them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

inline constexpr std::string_view kCauseHeader = "fiverate-cause";
inline constexpr std::string_view kPreviousHeader = "fiverate-previous";
inline constexpr std::string_view kChainHeader = "fiverate-chain";
inline constexpr std::string_view kDependsOnHeader = "fiverate-depends-on";
// Claims an arrival. It is ignored and counted: no producer sets the arrival of a record.
inline constexpr std::string_view kArrivalHeader = "fiverate-arrival";

// The position of a record among the outputs of one sender, in the order of sending.
struct CausePosition {
  std::int64_t offset = -1;  // -1: before all records
  std::int32_t index = 0;
  friend constexpr auto operator<=>(const CausePosition&, const CausePosition&) = default;
};

struct Cause {
  std::string sender;  // "outlet/3"
  CausePosition position;
  friend bool operator==(const Cause&, const Cause&) = default;
};

// The values that a receiver verifies in addition to the order of positions.
struct Link {
  CausePosition previous;
  std::uint64_t chain = 0;
};

std::string sender_name(std::string_view stage_or_topic, std::int32_t partition);
std::string to_text(const Cause& cause);
std::optional<Cause> parse_cause(std::string_view text);
std::string to_text(CausePosition position);  // "-" for none
std::optional<CausePosition> parse_position(std::string_view text);
std::string chain_text(std::uint64_t chain);
std::optional<std::uint64_t> parse_chain(std::string_view text);

// The chained hash after one more output.
std::uint64_t chained(std::uint64_t chain, std::string_view key, std::string_view value);

}  // namespace fiverate
