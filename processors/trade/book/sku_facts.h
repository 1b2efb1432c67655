// All facts of one SKU at an outlet, in order.
//
// What is derived from them (timeline, stockouts, book) is a fold over them, called a walk. A walk does not begin at
// the first fact: the walks after each kCheckpointEvery facts are kept. A fact that is added at the end costs a walk
// over fewer facts than that. A late one drops the checkpoints after it, so it costs a walk over the facts after it.
// The results do not depend on the checkpoints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "processors/trade/book/book.h"
#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/book/stockout.h"

namespace fiverate {

// What remains of facts that have been dropped.
struct Opening {
  Book book;
  std::optional<Millis> out_since;  // start of the stockout that was open at that time (stockout.h)
  EventRef out_event;               // the count of 0 that began it
  Day requested_on = kNoDay;        // the first request since book.zero_since(), if the latest fact is a count of 0
  bool last_request_short = false;
};

class SkuFacts {
 public:
  static constexpr std::size_t kCheckpointEvery = 256;  // most SKUs of most outlets have fewer facts
  struct Checkpoint {
    TimelineWalk timeline;
    StockoutWalk stockouts;
  };

  // Everything before facts(); without a book if nothing was folded.
  [[nodiscard]] const Opening& opening() const;
  [[nodiscard]] bool is_folded() const { return folded_ != nullptr; }
  [[nodiscard]] const std::vector<Fact>& facts() const { return facts_; }
  [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }
  // checkpoints()[i] are the walks after the first (i + 1) * kCheckpointEvery facts.
  [[nodiscard]] const std::vector<Checkpoint>& checkpoints() const { return checkpoints_; }

  // The number of facts, and of requests, of days up to `day`.
  [[nodiscard]] std::size_t facts_until(Day day) const;
  [[nodiscard]] std::size_t requests_until(Day day) const;
  // Whether an SKU was ever counted, also before facts().
  [[nodiscard]] bool was_counted() const { return counts_ > 0 || opening().book.accepted(); }
  // The first day on which 1 unit or more was requested since a count of 0 on day `since`; kEndOfDays if there is none
  // yet.
  [[nodiscard]] Day first_request(Day since) const;

  void insert(const Fact& fact);
  void insert(const Request& request);
  // The fact or request must be there.
  void erase(const Fact& fact);
  void erase(const Request& request);
  // Inserts at the end. Call sort() before anything is read.
  void append(const Fact& fact);
  void append(const Request& request) { requests_.push_back(request); }
  void sort();

  // Replaces all facts and requests of days before `day` by the opening.
  void fold(Opening opening, Day day);
  void restore(Opening opening) { folded_ = std::make_unique<const Opening>(std::move(opening)); }

  // Drops all checkpoints: the days on which the outlet is in the population have changed.
  void drop_checkpoints() { checkpoints_.clear(); }
  // Adds the checkpoints that are due.
  void add_checkpoints(std::span<const PopulationFrom> population, const MarketCalendar& calendar);
  [[nodiscard]] bool is_checkpoint_due() const { return facts_.size() / kCheckpointEvery > checkpoints_.size(); }

 private:
  // Drops the checkpoints after the first `facts` facts, which alone are unchanged.
  void drop_checkpoints_after(std::size_t facts);

  std::unique_ptr<const Opening> folded_;
  std::vector<Fact> facts_;
  std::vector<Request> requests_;
  std::vector<Checkpoint> checkpoints_;
  std::size_t counts_ = 0;  // number of facts that are counts
};

// The book after the first `facts` facts, and after those of all days up to `day`.
Book book_after(std::size_t facts, const SkuFacts& sku);
Book book_until(Day day, const SkuFacts& sku);

}  // namespace fiverate
