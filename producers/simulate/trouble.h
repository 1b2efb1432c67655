// Errors between an outlet and the log. Each correct document becomes the records that arrive: usually the document itself some
// seconds later, and at configured rates one of the mishaps below. Mishaps never change the truth, so a seed has the same truth
// at all rates.
//
//   duplicate      the document arrives twice, half of the time under another event_id
//   correction     revision 1 has wrong quantities, revision 2 the right ones
//   cancellation   a document of something that did not happen, and its cancellation
//   delayed        arrives hours or days later, but within the lateness allowed
//   late           arrives after the lateness allowed
//   future         arrives first with an event time in the future, then with the right one
//   broken         arrives first with a fault for which intake rejects it (Breakage), then usually correct
//   conflict       the same document and revision arrives again with other quantities
//   miscount, misdeclared, misprice      single wrong numbers within a document
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

// A record before its arrival.
struct Arriving {
  Millis arrival = 0;
  Topic topic = Topic::orders;
  std::string key;       // outlet id
  std::string event_id;  // that of the line
  std::string line;      // JSON, or a truncated one
};

enum class Mishap : std::uint8_t {
  duplicate,
  correction,
  cancellation,
  delayed,
  late,
  future,
  broken,
  conflict,  // of these at most one happens to a document
  miscount,
  misdeclared,
  misprice  // of these each number is drawn by itself
};
inline constexpr std::size_t kMishapCount = 11;
inline constexpr std::array<std::string_view, kMishapCount> kMishapNames{
    "duplicate", "correction", "cancellation", "delayed",     "late",    "future",
    "broken",    "conflict",   "miscount",     "misdeclared", "misprice"};
std::optional<Mishap> mishap_named(std::string_view name);

struct TroubleRates {
  // In millionths of the documents or of the numbers.
  std::array<std::int64_t, kMishapCount> share{6'000, 6'000, 2'000,  15'000, 2'500, 600,
                                               4'000, 400,   25'000, 30'000, 1'000};

  [[nodiscard]] std::int64_t of(Mishap mishap) const { return share[static_cast<std::size_t>(mishap)]; }
  // Multiplies all rates by this factor in thousandths, up to 100 %.
  void scale(std::int64_t factor);
};

class Trouble {
 public:
  using Send = std::function<void(Arriving record)>;

  Trouble(std::uint64_t seed, const TroubleRates& rates, const MarketCalendar& calendar)
      : seed_(seed), rates_(rates), calendar_(&calendar) {}

  // Sends the records of an order, delivery or visit of shop.h; of an outlet version only its arrival is drawn. Changes the
  // document, whose content is undefined afterwards.
  void pass(Event& document, const Send& send) const;

 private:
  class Passing;

  std::uint64_t seed_;
  TroubleRates rates_;
  const MarketCalendar* calendar_;
};

}  // namespace fiverate
