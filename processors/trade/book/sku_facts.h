// All facts of one SKU at an outlet, in order.
//
// What is derived from them (timeline, stockouts, book) is a fold over them, called a walk (sku_walk.h). The walk after
// the last fact is kept, so a fact that is added at the end costs one step. The walks after each kCheckpointEvery facts
// are kept as well: a late fact drops those after it, so it costs a walk over the facts after it. The results do not
// depend on what is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "processors/trade/book/sku_walk.h"

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
    SkuWalk walk;
    SkuTimeline past;  // the days before the last fact of the walk
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

  // The day of the last fact, also of one before facts(); kNoDay: there was none.
  [[nodiscard]] Day last_day() const;

  // Adds the walks after each kCheckpointEvery facts that are due. `population`: the days on which the outlet is in the
  // population.
  void add_checkpoints(std::span<const PopulationFrom> population, const MarketCalendar& calendar);
  [[nodiscard]] bool is_checkpoint_due() const { return facts_.size() / kCheckpointEvery > checkpoints_.size(); }
  // Drops all walks: the days on which the outlet is in the population have changed.
  void drop_walks();

  // The walk after the last fact. It applies only the facts that it has not applied yet.
  [[nodiscard]] const SkuWalk& latest(std::span<const PopulationFrom> population, const MarketCalendar& calendar) const;
  // The last walk that is kept with its past and for which `is_early` holds, and the number of its facts. `is_early`
  // must hold for no walk after one for which it does not.
  template <typename IsEarly>
  [[nodiscard]] std::pair<SkuWalk, std::size_t> walk_before(IsEarly&& is_early) const {
    const auto end = std::partition_point(checkpoints_.begin(), checkpoints_.end(),
                                          [&](const Checkpoint& one) { return is_early(one.walk); });
    const auto known = static_cast<std::size_t>(end - checkpoints_.begin());
    return {known == 0 ? SkuWalk(opening()) : checkpoints_[known - 1].walk, known * kCheckpointEvery};
  }

 private:
  // Drops the walks over more than the first `facts` facts, which alone are unchanged.
  void drop_walks_after(std::size_t facts);

  std::unique_ptr<const Opening> folded_;
  std::vector<Fact> facts_;
  std::vector<Request> requests_;
  std::vector<Checkpoint> checkpoints_;
  // Made when it is needed first: most SKUs of an outlet that is read from the store never need it.
  mutable std::unique_ptr<SkuWalk> latest_;
  mutable std::size_t steps_ = 0;  // number of facts that `latest_` has applied
  std::size_t counts_ = 0;         // number of facts that are counts
};

// The book after the first `facts` facts, and after those of all days up to `day`.
Book book_after(std::size_t facts, const SkuFacts& sku);
Book book_until(Day day, const SkuFacts& sku);

}  // namespace fiverate
