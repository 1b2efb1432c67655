// The cost of evaluating the rules of one SKU, and those of a whole outlet at midnight, by the number of days of facts.
#include <benchmark/benchmark.h>

#include "schemas/check.h"
#include "schemas/format.h"
#include "tests/support/watched_shop.h"

namespace fiverate::bench {
namespace {

using namespace fiverate::test;

constexpr std::int32_t kSkus = 40;
constexpr std::int64_t kOrdered = 20;
constexpr std::int64_t kCounted = 4;

// A shop that for so many days orders every SKU once a week, receives it two days later and is counted once a week.
Shop busy_shop(std::int32_t days) {
  Shop shop;
  Lines ordered;
  Lines counts;
  for (std::int32_t i = 0; i < kSkus; ++i) {
    const auto id = fmt::format("s{}", i);
    shop.knows_sku(id, fmt::format("B{}", i % 8));
    ordered.emplace_back(id, kOrdered);
    counts.emplace_back(id, kCounted + i % 3);
  }
  shop.version(outlet("shop", nth(0), "north"));
  const auto receive = [&](const Event& event) { CHECK(shop.receives(event).outcome == Outcome::accepted); };
  for (std::int32_t d = 0; d + 7 <= days; d += 7) {
    receive(order(fmt::format("O{}", d), "shop", noon(nth(d)), ordered));
    receive(delivery(fmt::format("D{}", d), "shop", noon(nth(d + 2)), ordered));
    receive(counted(fmt::format("V{}", d), noon(nth(d + 6)), counts));
  }
  return shop;
}

void evaluate_one_sku(benchmark::State& state) {
  const auto days = static_cast<std::int32_t>(state.range(0));
  const auto shop = busy_shop(days);
  const auto sku = *shop.context.catalogue.find("s0");
  const EvaluationMoment moment{"shop", noon(nth(days)), true};
  OutletAlerts alerts;
  std::vector<Transition> transitions;
  for (auto _ : state) {
    evaluate_skus(shop.facts, {sku}, moment, shop.context, alerts, transitions);
    transitions.clear();
  }
  state.counters["SKUs/s"] = benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(evaluate_one_sku)->Arg(28)->Arg(196);

void midnight_of_an_outlet(benchmark::State& state) {
  const auto days = static_cast<std::int32_t>(state.range(0));
  const auto shop = busy_shop(days);
  const auto midnight = shanghai().start_of(nth(days));
  OutletAlerts all_due;
  for (const auto& [sku, facts] : shop.facts.skus) all_due[sku].due = midnight;
  std::vector<Transition> transitions;
  for (auto _ : state) {
    auto alerts = all_due;
    evaluate_due(shop.facts, "shop", midnight, shop.context, alerts, transitions);
    transitions.clear();
  }
  state.counters["SKUs/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kSkus, benchmark::Counter::kIsRate);
}
BENCHMARK(midnight_of_an_outlet)->Arg(28)->Arg(196);

}  // namespace
}  // namespace fiverate::bench
