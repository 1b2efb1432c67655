// What goes wrong between an outlet and the log. Takes a document as it should be, and makes the records that arrive:
// as a rule that one, some seconds later; at set rates something worse. The truth is not touched: whatever happens
// here, what the document should have said is what was so, and the same seed has the same truth at all rates.
//
//   duplicate      comes again, half of them under another event_id
//   correction     revision 1 has wrong quantities, revision 2 the right ones
//   cancellation   a document that should not be, and its cancellation
//   delayed        comes hours or days after it happened, but in time
//   late           comes after the lateness allowed
//   future         first from a clock that runs ahead, then right
//   broken         first as what cannot be accepted (kBreakages in turn), as a rule then right
//   conflict       the same document and revision again, with other quantities
//   miscount, misdeclared, misprice      single numbers within a document
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "event.pb.h"
#include "producers/simulate/random.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// A record on its way.
struct Arriving {
  Millis arrival = 0;
  Topic topic = Topic::orders;
  std::string key;       // outlet id
  std::string event_id;  // as in the line
  std::string line;      // as it will be read; at times not JSON
};

enum class Mishap : std::uint8_t {
  duplicate,
  correction,
  cancellation,
  delayed,
  late,
  future,
  broken,
  conflict,  // at most one of a document
  miscount,
  misdeclared,
  misprice  // of each number
};
inline constexpr std::size_t kMishapCount = 11;
inline constexpr std::array<std::string_view, kMishapCount> kMishapNames{
    "duplicate", "correction", "cancellation", "delayed",     "late",    "future",
    "broken",    "conflict",   "miscount",     "misdeclared", "misprice"};
std::optional<Mishap> mishap_named(std::string_view name);

struct TroubleRates {
  // Millionths of the documents, or of the numbers.
  std::array<std::int64_t, kMishapCount> share{6'000, 6'000, 2'000,  15'000, 2'500, 600,
                                               4'000, 400,   25'000, 30'000, 1'000};

  [[nodiscard]] std::int64_t of(Mishap mishap) const { return share[static_cast<std::size_t>(mishap)]; }
  // All rates times this, in thousandths; none above certain.
  void scale(std::int64_t factor);
};

class Trouble {
 public:
  using Send = std::function<void(Arriving record)>;

  Trouble(std::uint64_t seed, const TroubleRates& rates, const MarketCalendar& calendar)
      : seed_(seed), rates_(rates), calendar_(&calendar) {}

  // The records of a document as shop.h makes it: an order, delivery or visit; an outlet's version only takes its time.
  // Works on the document itself and leaves it in any state.
  void pass(Event& document, const Send& send) const;

 private:
  class Passing;

  std::uint64_t seed_;
  TroubleRates rates_;
  const MarketCalendar* calendar_;
};

}  // namespace fiverate
