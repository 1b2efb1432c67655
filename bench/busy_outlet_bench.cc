// One outlet with many documents: what a document costs, by the number of documents that the outlet has. The counter
// `cost_of_a_document` is a ratio to the first size of its family; it stays near 1 if the cost of an outlet is linear.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bench/simulated_ledger.h"
#include "processors/stages/outlet.h"
#include "processors/stages/state_codec.h"
#include "processors/stages/topology.h"
#include "processors/stream/memory_store.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "schemas/instant.h"
#include "tests/support/events.h"

namespace fiverate::bench {
namespace {

constexpr std::int32_t kSkus = 4;
constexpr std::size_t kAmple = std::size_t{4} << 30;
constexpr Millis kLateAtMost = 6 * kDayMs;

LedgerLine line_of(const Event& event, Millis arrival, std::int64_t offset) {
  LedgerRecord record;
  *record.mutable_event() = event;
  record.set_arrival_ms(arrival);
  LedgerLine line;
  line.cause = Cause{"intake/0", {offset, 0}};
  line.value = record.SerializeAsString();
  return line;
}

// When the version of the outlet comes.
enum class Version : std::uint8_t { first, last, never };

// Deliveries, visits with counts, and orders in turn, evenly over `days`; every tenth one arrives up to 6 days late if
// `late`.
std::vector<LedgerLine> documents_of(std::int32_t number, std::int32_t days, bool late,
                                     Version version = Version::first) {
  std::mt19937 random(7);
  const auto below = [&](std::int64_t limit) {
    return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random);
  };
  const auto begin = calendar().start_of(Day{20'000});
  std::vector<std::pair<Millis, Event>> events;
  for (std::int32_t i = 0; i < number; ++i) {
    const auto time = begin + days * kDayMs / number * i;
    const auto sku = fmt::format("S{}", below(kSkus));
    const auto id = fmt::format("{:07}", i);
    auto event = i % 3 == 0   ? test::delivery("D" + id, "R", time, {{sku, 5}})
                 : i % 3 == 1 ? test::visit("V" + id, "R", time)
                              : test::order("O" + id, "R", time, {{sku, 6}});
    if (i % 3 == 1) {
      auto& check = *event.mutable_visit()->add_checks();
      check.set_sku_id(sku);
      check.set_count(below(4));
    }
    events.emplace_back(late && below(10) == 0 ? time + below(kLateAtMost) : time, std::move(event));
  }
  std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<LedgerLine> lines;
  const auto add = [&](const Event& event, Millis arrival) {
    lines.push_back(line_of(event, arrival, std::ssize(lines)));
  };
  for (std::int32_t sku = 0; sku < kSkus; ++sku) {
    add(test::sku(fmt::format("S{}", sku), fmt::format("B{}", sku % 2)), begin);
  }
  const auto outlet = test::outlet("R", Day{19'000}, "north");
  if (version == Version::first) add(outlet, begin);
  for (const auto& [arrival, event] : events) add(event, arrival);
  if (version == Version::last) add(outlet, begin + days * kDayMs);
  return lines;
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// The progress record at which the pending documents of an unknown outlet have expired.
LedgerLine after_all_have_expired(std::int64_t offset) {
  LedgerRecord record;
  record.set_arrival_ms(calendar().start_of(Day{20'003}));
  for (std::size_t source = 0; source < source_inputs(definition()).size(); ++source) {
    auto& entry = *record.mutable_progress()->add_entries();
    entry.set_source(static_cast<std::int32_t>(source));
    entry.set_arrival_ms(record.arrival_ms());
  }
  LedgerLine line;
  line.cause = Cause{"intake/0", {offset, 0}};
  line.value = record.SerializeAsString();
  return line;
}

void busy_outlet(benchmark::State& state, std::int32_t days, bool late, Version version = Version::first) {
  static std::map<std::tuple<std::int32_t, bool, Version>, double> first_cost;
  const auto number = static_cast<std::int32_t>(state.range(0));
  auto lines = documents_of(number, days, late, version);
  if (version == Version::never) lines.push_back(after_all_have_expired(std::ssize(lines)));
  auto of_market = definition();
  of_market.set_outlet_day_documents_max(number);
  double seconds = 0;
  for (auto _ : state) {
    OutletStage stage({of_market, 1, kAmple}, calendar());
    const MemoryStore store;
    CHECK(stage.open(store).has_value());
    CountingOutbox outbox;
    const auto begun = cpu_seconds();
    std::int64_t offset = 0;
    for (const auto& line : lines) {
      CHECK(stage.apply(in_record(Topic::ledger, offset++, line), outbox).has_value());
    }
    seconds += cpu_seconds() - begun;
  }
  const auto cost = seconds / static_cast<double>(state.iterations() * number);
  const auto& first = first_cost.try_emplace({days, late, version}, cost).first->second;
  state.counters["us_a_document"] = cost * 1e6;
  state.counters["cost_of_a_document"] = cost / first;
}
void numbers_of_documents(benchmark::internal::Benchmark* family) {
  family->Arg(1'000)->Arg(10'000)->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(busy_outlet, sixty_days, 60, false)->Apply(numbers_of_documents);
BENCHMARK_CAPTURE(busy_outlet, sixty_days_every_tenth_late, 60, true)->Apply(numbers_of_documents);
BENCHMARK_CAPTURE(busy_outlet, one_day, 1, false)->Apply(numbers_of_documents);
BENCHMARK_CAPTURE(busy_outlet, one_day_before_its_outlet, 1, false, Version::last)->Apply(numbers_of_documents);
BENCHMARK_CAPTURE(busy_outlet, one_day_without_an_outlet, 1, false, Version::never)->Apply(numbers_of_documents);

// What a commit costs after one more document: the record of the outlet is written as a whole.
void busy_outlet_commit(benchmark::State& state) {
  const auto number = static_cast<std::int32_t>(state.range(0));
  const auto lines = documents_of(number, 60, false);
  auto of_market = definition();
  of_market.set_outlet_day_documents_max(number);
  OutletStage stage({of_market, 1, kAmple}, calendar());
  const MemoryStore store;
  CHECK(stage.open(store).has_value());
  CountingOutbox outbox;
  std::int64_t offset = 0;
  std::size_t bytes = 0;
  for (const auto& line : lines) {
    CHECK(stage.apply(in_record(Topic::ledger, offset++, line), outbox).has_value());
  }
  for (auto _ : state) {
    CHECK(stage.apply(in_record(Topic::ledger, offset++, lines.back()), outbox).has_value());
    StoreBatch batch;
    stage.save(batch);
    bytes = 0;
    for (const auto& [key, value] : batch.changes) bytes += value ? value->size() : 0;
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(busy_outlet_commit)->Arg(1'000)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fiverate::bench
