// What is derived from the facts of a SKU does not depend on the checkpoints of its walks.
#include "processors/trade/book/sku_facts.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "schemas/format.h"
#include "tests/support/events.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

constexpr std::int32_t kDays = 20;

std::string text_of(const std::vector<Stockout>& stockouts) {
  std::string text;
  for (const auto& one : stockouts) {
    text += fmt::format("{}..{} {} {}\n", one.start, one.end, one.begun_by.event_id,
                        one.ended_by ? one.ended_by->event_id : "midnight");
  }
  return text;
}

std::string text_of(const Book& book) {
  const auto& state = book.state();
  return fmt::format("{} {} {} {} {} {}", state.level, state.rate, state.moved_since_accepted, state.rejected,
                     state.zero_since.number, state.accepted ? state.accepted->event.event_id : "not counted");
}

// A SKU that is busy enough for several checkpoints. Documents come in order, late, at the same instants, and go.
class BusySku {
 public:
  explicit BusySku(unsigned seed) : random_(seed) {}

  SkuFacts facts;
  const std::vector<PopulationFrom> population{{nth(0), true}, {nth(9), false}, {nth(11), true}};

  std::int64_t below(std::int64_t limit) { return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random_); }
  Day some_day() { return nth(static_cast<std::int32_t>(below(kDays))); }
  const Document& some_document() { return *documents_[static_cast<std::size_t>(below(std::ssize(documents_)))]; }

  void add(Millis time) {
    auto& document = *documents_.emplace_back(std::make_unique<Document>());
    const auto kind = below(10);
    document.kind = kind < 5 ? DocumentKind::delivery : kind < 9 ? DocumentKind::visit : DocumentKind::order;
    document.is_return = kind == 4;
    document.id = fmt::format("{:04}-{}", below(10'000), documents_.size());
    document.revisions.push_back({1, time, 0, {document.id}});
    document.counts = true;
    quantities_.push_back(kind < 5 ? 1 + below(6) : below(2) * below(9));
    change(documents_.size() - 1, [&](const auto& fact) { facts.insert(fact); });
    facts.add_checkpoints(population, shanghai());
  }
  void remove_one() {
    const auto i = static_cast<std::size_t>(below(std::ssize(documents_)));
    change(i, [&](const auto& fact) { facts.erase(fact); });
    facts.add_checkpoints(population, shanghai());
    documents_.erase(documents_.begin() + static_cast<std::ptrdiff_t>(i));
    quantities_.erase(quantities_.begin() + static_cast<std::ptrdiff_t>(i));
  }

  // The same facts without any walk.
  [[nodiscard]] SkuFacts without_walks() const {
    SkuFacts other;
    for (const auto& fact : facts.facts()) other.append(fact);
    for (const auto& request : facts.requests()) other.append(request);
    other.sort();
    return other;
  }

 private:
  template <typename Change>
  void change(std::size_t i, Change&& change) {
    const auto& document = *documents_[i];
    const auto time = document.counted().event_time;
    const auto day = shanghai().day_of(time);
    switch (document.kind) {
      case DocumentKind::delivery:
        return change(
            Fact{time, day, document.is_return ? FactKind::returned : FactKind::out, quantities_[i], &document});
      case DocumentKind::visit:
        return change(Fact{time, day, FactKind::counted, quantities_[i], &document});
      case DocumentKind::order:
        return change(Request{time, day, quantities_[i] > 3, &document});
    }
  }

  std::mt19937 random_;
  std::vector<std::unique_ptr<Document>> documents_;
  std::vector<std::int64_t> quantities_;
};

TEST(SkuFacts, CheckpointsChangeNothing) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    BusySku busy(seed);
    std::size_t most = 0;
    for (std::int32_t i = 0; i < 2'000; ++i) {
      // Ascending, with every sixth one late, and many at the noon of their day.
      auto time = shanghai().start_of(nth(0)) + i * (kDays * kDayMs / 2'000);
      if (busy.below(6) == 0) time -= busy.below(5) * kDayMs / 3;
      if (busy.below(3) == 0) time = noon(shanghai().day_of(time));
      busy.add(time);
      if (busy.below(9) == 0) busy.remove_one();
      most = std::max(most, busy.facts.checkpoints().size());
      if (i % 25 != 0) continue;

      const auto plain = busy.without_walks();
      ASSERT_TRUE(plain.checkpoints().empty());
      ASSERT_EQ(timeline_of(busy.facts), timeline_of(plain)) << "seed " << seed << ", document " << i;
      const StockoutContext context{busy.facts, busy.population, shanghai()};
      const StockoutContext without{plain, busy.population, shanghai()};
      const auto all = stockouts(without);
      ASSERT_EQ(text_of(stockouts(context)), text_of(all));
      if (!all.empty()) {
        const auto after = all[static_cast<std::size_t>(busy.below(std::ssize(all)))].start;
        ASSERT_EQ(text_of(stockouts(context, after)), text_of(stockouts(without, after)));
      }
      ASSERT_EQ(text_of(busy.facts.latest(busy.population, shanghai()).book), text_of(book_until(kEndOfDays, plain)));
      const auto day = busy.some_day();
      ASSERT_EQ(text_of(book_until(day, busy.facts)), text_of(book_until(day, plain)));
      ASSERT_EQ(busy.facts.first_request(day), plain.first_request(day));
      const auto& document = busy.some_document();
      ASSERT_EQ(is_count_accepted(context, document), is_count_accepted(without, document));
    }
    EXPECT_GE(most, 4U);
  }
}

// All facts of one instant are one stretch of a walk, which a checkpoint may divide anywhere.
TEST(SkuFacts, CheckpointsWithinAnInstantChangeNothing) {
  BusySku busy(5);
  for (std::int32_t i = 0; i < 900; ++i) {
    busy.add(noon(nth(1)));
    const auto plain = busy.without_walks();
    ASSERT_EQ(text_of(stockouts({busy.facts, busy.population, shanghai()})),
              text_of(stockouts({plain, busy.population, shanghai()})))
        << i;
    ASSERT_EQ(text_of(busy.facts.latest(busy.population, shanghai()).book), text_of(book_until(kEndOfDays, plain)))
        << i;
  }
  EXPECT_GE(busy.facts.checkpoints().size(), 3U);
}

TEST(SkuFacts, EveryFactBeforeTheOthersDropsAllCheckpoints) {
  BusySku busy(6);
  for (std::int32_t i = 0; i < 900; ++i) {
    busy.add(noon(nth(9)) - i * kMinuteMs);
    ASSERT_EQ(text_of(book_until(kEndOfDays, busy.facts)), text_of(book_until(kEndOfDays, busy.without_walks()))) << i;
  }
}

TEST(SkuFacts, FoldingKeepsTheCheckpointsOfTheRest) {
  BusySku busy(4);
  for (std::int32_t i = 0; i < 2'000; ++i) busy.add(shanghai().start_of(nth(0)) + i * (kDays * kDayMs / 2'000));
  const auto before = text_of(book_until(kEndOfDays, busy.facts));
  fold_before(busy.facts, nth(5), busy.population, shanghai());
  EXPECT_EQ(busy.facts.facts().front().day, nth(5));
  EXPECT_EQ(busy.facts.checkpoints().size(), busy.facts.facts().size() / SkuFacts::kCheckpointEvery);
  EXPECT_EQ(text_of(book_until(kEndOfDays, busy.facts)), before);
}

}  // namespace
}  // namespace fiverate::test
