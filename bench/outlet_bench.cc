// The outlet stage over a simulated market: cost of a document line with and without alerts, cost of reading and writing the state.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <memory>
#include <unordered_map>

#include "bench/simulated_ledger.h"
#include "processors/edge/rocks_store.h"
#include "processors/stages/outlet.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/memory_store.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/timeline.h"
#include "processors/trade/rules/outlet_alerts.h"
#include "schemas/check.h"
#include "schemas/decode.h"

namespace fiverate::bench {
namespace {

// About the records of half a second while a task replays, and of one week of this market.
constexpr std::int64_t kCommitRecords = 2'000;
constexpr std::size_t kAmple = std::size_t{4} << 30;
constexpr std::size_t kScarce = 1 << 20;  // most outlets are evicted after a commit and decoded again from the store

using benchmark::Counter;

Counter rate(std::int64_t count) {
  return {static_cast<double>(count), Counter::kIsRate | Counter::kIsIterationInvariant};
}

struct Folded {
  std::int64_t documents = 0;
  std::int64_t lines = 0;
  std::int64_t transitions = 0;
};

// Feeds the whole market through the stage and commits as a task does.
Folded fold(const SimulatedLedger& ledger, bool deliveries_only, bool state_only, std::size_t cache_bytes,
            Store& store) {
  Folded folded;
  OutletStage stage({definition(), 1, cache_bytes}, calendar());
  CHECK(stage.open(store).has_value());
  CountingOutbox outbox;
  outbox.enabled = !state_only;
  std::int64_t offset = 0;
  std::int64_t since_commit = 0;
  const auto commit = [&] {
    StoreBatch batch;
    stage.save(batch);
    CHECK(store.write(batch).has_value());
    since_commit = 0;
  };
  for (const auto& line : ledger.records) {
    if (deliveries_only && !line.reference && !line.delivery) continue;
    CHECK(stage.apply(in_record(Topic::ledger, offset++, line), outbox).has_value());
    if (line.lines > 0) {
      ++folded.documents;
      folded.lines += line.lines;
    }
    if (++since_commit >= kCommitRecords && stage.at_boundary()) commit();
  }
  commit();
  folded.transitions = outbox.signals;
  return folded;
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// CPU time per line of the cheapest case, with which the others are compared; 0: that case has not run.
double cheapest = 0;

void report(benchmark::State& state, const Folded& folded, double seconds, double& base) {
  state.counters["documents/s"] = rate(folded.documents);
  state.counters["lines/s"] = rate(folded.lines);
  state.counters["transitions"] = static_cast<double>(folded.transitions);
  const auto a_line = seconds / static_cast<double>(state.iterations() * folded.lines);
  if (base == 0) base = a_line;
  state.counters["cost_of_a_line"] = a_line / base;  // 1 = the first of its family
}

// ---- the stage ------------------------------------------------------------------------------------------------------

void outlet_stage(benchmark::State& state, bool deliveries_only, bool rocks, std::size_t cache_bytes,
                  bool state_only = false) {
  const auto& ledger = SimulatedLedger::shared();
  const auto folder = std::filesystem::temp_directory_path() / ("fiverate-bench-" + std::to_string(getpid()));
  Folded folded;
  std::int64_t state_bytes = 0;
  const auto begun = cpu_seconds();
  for (auto _ : state) {
    std::filesystem::remove_all(folder);
    const RocksMemory memory(32 << 20);
    std::unique_ptr<Store> store = std::make_unique<MemoryStore>();
    if (rocks) {
      auto opened = RocksStore::open(folder, memory);
      CHECK(opened.has_value());
      store = std::move(*opened);
    }
    folded = fold(ledger, deliveries_only, state_only, cache_bytes, *store);
    state_bytes = 0;
    CHECK(store
              ->scan("o/",
                     [&](std::string_view, std::string_view value) {
                       state_bytes += static_cast<std::int64_t>(value.size());
                       return true;
                     })
              .has_value());
  }
  report(state, folded, cpu_seconds() - begun, cheapest);
  state.counters["bytes/outlet"] = static_cast<double>(state_bytes) / simulated_market().size.outlets;
  std::filesystem::remove_all(folder);
}
BENCHMARK_CAPTURE(outlet_stage, deliveries_only, true, false, kAmple)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(outlet_stage, all, false, false, kAmple)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(outlet_stage, all_rocks, false, true, kAmple)->Iterations(1)->Unit(benchmark::kMillisecond);
// State-only replay: a task without its state replays up to its checkpoint without outputs.
BENCHMARK_CAPTURE(outlet_stage, all_rocks_state_only, false, true, kAmple, true)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(outlet_stage, all_uncached, false, false, kScarce)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(outlet_stage, all_uncached_rocks, false, true, kScarce)->Iterations(1)->Unit(benchmark::kMillisecond);

// ---- a market's first stock: one delivery of all SKUs to each outlet, as in bench/recovery ------------------------------

constexpr std::int32_t kStockedOutlets = 10'000;
constexpr std::int32_t kStockedSkus = 40;

std::vector<LedgerLine> stocking() {
  std::vector<LedgerLine> lines;
  std::int64_t offset = 0;
  const auto add = [&](std::string_view json) {
    LedgerRecord record;
    auto& event = *record.mutable_event();
    CHECK(!decode(json, event), json);
    record.set_arrival_ms(event_time_of(event) + kMinuteMs);
    auto& line = lines.emplace_back();
    line.cause = Cause{"intake/0", {offset++, 0}};
    line.value = record.SerializeAsString();
    line.reference = !event.has_delivery();
    line.delivery = event.has_delivery();
    line.lines = event.delivery().lines_size();
  };
  const auto envelope = [](std::string_view id, std::string_view body) {
    return fmt::format(R"({{"event_id":"{}","event_time":"2025-03-01T09:00:00Z",{}}})", id, body);
  };
  std::vector<std::string> lines_json;
  for (std::int32_t sku = 0; sku < kStockedSkus; ++sku) {
    add(envelope(fmt::format("s{}", sku),
                 fmt::format(R"("sku":{{"sku_id":"S{}","brand_id":"B{}","valid_from":"2020-01-01"}})", sku, sku % 8)));
    lines_json.push_back(fmt::format(R"({{"sku_id":"S{}","quantity":10}})", sku));
  }
  for (std::int32_t outlet = 0; outlet < kStockedOutlets; ++outlet) {
    add(envelope(
        fmt::format("o{}", outlet),
        fmt::format(R"("outlet":{{"outlet_id":"R{:07}","valid_from":"2020-01-01","region_id":"c{}","state":"ACTIVE"}})",
                    outlet, outlet % 100)));
  }
  for (std::int32_t outlet = 0; outlet < kStockedOutlets; ++outlet) {
    add(envelope(
        fmt::format("d{}", outlet),
        fmt::format(R"("delivery":{{"delivery_id":"d{}","outlet_id":"R{:07}","direction":"OUT","lines":[{}]}})", outlet,
                    outlet, fmt::join(lines_json, ","))));
  }
  return lines;
}

void first_stock(benchmark::State& state, bool state_only) {
  static const auto lines = stocking();
  static double cheapest_stock = 0;
  SimulatedLedger ledger;
  ledger.records = lines;
  Folded folded;
  const auto begun = cpu_seconds();
  for (auto _ : state) {
    MemoryStore store;
    folded = fold(ledger, false, state_only, kAmple, store);
  }
  report(state, folded, cpu_seconds() - begun, cheapest_stock);
}
BENCHMARK_CAPTURE(first_stock, live, false)->Iterations(3)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(first_stock, state_only, true)->Iterations(3)->Unit(benchmark::kMillisecond);

// ---- the trade folder alone: the same documents with and without alerts ---------------------------------------------

struct CoreOutlet {
  OutletFacts facts;
  OutletAlerts alerts;
};

struct Core {
  explicit Core(bool with_alerts) : alerts(with_alerts) {}
  const bool alerts;
  MarketContext context{calendar(), {}, {}};
  AcceptanceLimits limits;
  std::unordered_map<std::string, CoreOutlet> outlets;
  std::vector<Transition> transitions;
  Millis clock = kNever;
  Folded folded;

  void apply(const LedgerLine& line) {
    thread_local LedgerRecord record;
    CHECK(record.ParseFromString(line.value));
    if (record.has_progress()) return advance_to(record.arrival_ms());
    const auto& event = record.event();
    if (event.has_sku()) {
      context.catalogue.apply(event.sku());
    } else if (event.has_outlet()) {
      apply_version(outlets[event.outlet().outlet_id()].facts, event, kNoDay, context);
    } else if (is_document(event.payload_case())) {
      apply_document(event, record.arrival_ms());
      folded.lines += line.lines;
      ++folded.documents;
    }
    folded.transitions += static_cast<std::int64_t>(transitions.size());
    transitions.clear();
  }

  void advance_to(Millis time) {
    const bool midnight = clock == kNever || calendar().day_of(time) > calendar().day_of(clock);
    clock = time;
    if (!alerts || !midnight) return;
    for (auto& [id, outlet] : outlets) evaluate_due(outlet.facts, id, clock, context, outlet.alerts, transitions);
  }

  void apply_document(const Event& event, Millis arrival) {
    const auto& id = outlet_id_of(event);
    const auto found = outlets.find(id);
    if (found == outlets.end()) return;
    auto& [facts, published] = found->second;
    for (const auto sku_id : sku_ids_of(event)) {
      if (!context.catalogue.find(sku_id)) return;
    }
    if (alerts) evaluate_due(facts, id, arrival, context, published, transitions);
    ArrivedDocument arrived(event, arrival, context.catalogue);
    if (validate(facts, arrived, kNoDay, limits, context).outcome != Outcome::accepted) return;
    const auto affected = affected_by(facts, arrived, context);
    const auto& skus = affected.skus;
    const EventRef ref{event.event_id()};
    const FactsChange change(facts, context, affected);
    const auto& document = remember(facts, std::move(arrived), ref, context);
    Differences differences;
    change.append_differences(&document, differences);
    benchmark::DoNotOptimize(differences);
    if (!alerts) return;
    for (const auto& line : document.lines) {
      if (line.count != kAbsent)
        benchmark::DoNotOptimize(
            is_count_accepted({facts.skus.at(line.sku), facts.population, context.calendar}, document));
    }
    const EvaluationMoment moment{id, std::max(clock, arrival), true, &ref};
    evaluate_skus(facts, skus, moment, context, published, transitions);
  }
};

double cheapest_core = 0;

void trade_core(benchmark::State& state, bool alerts) {
  const auto& ledger = SimulatedLedger::shared();
  Folded folded;
  const auto begun = cpu_seconds();
  for (auto _ : state) {
    Core core(alerts);
    for (const auto& line : ledger.records) core.apply(line);
    folded = core.folded;
  }
  report(state, folded, cpu_seconds() - begun, cheapest_core);
}
BENCHMARK_CAPTURE(trade_core, facts_only, false)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(trade_core, facts_and_alerts, true)->Iterations(1)->Unit(benchmark::kMillisecond);

// ---- one outlet, from the store and back ----------------------------------------------------------------------------

// The states of the market's last day, and what they refer to.
struct States {
  MarketContext context{calendar(), {}, {}};
  std::vector<std::string> outlets;
  std::int64_t bytes = 0;

  static States& shared() {
    static States states;
    return states;
  }

 private:
  States() {
    MemoryStore store;
    fold(SimulatedLedger::shared(), false, false, kAmple, store);
    CHECK(store
              .scan("s/",
                    [&](std::string_view, std::string_view value) {
                      SkuState sku;
                      CHECK(sku.ParseFromString(std::string(value)));
                      restore(sku, context.catalogue);
                      return true;
                    })
              .has_value());
    CHECK(store
              .scan("o/",
                    [&](std::string_view, std::string_view value) {
                      outlets.emplace_back(value);
                      bytes += static_cast<std::int64_t>(value.size());
                      return true;
                    })
              .has_value());
  }
};

void report_states(benchmark::State& state, const States& states) {
  state.counters["outlets/s"] = Counter(static_cast<double>(state.iterations()), Counter::kIsRate);
  state.counters["bytes/outlet"] = static_cast<double>(states.bytes) / static_cast<double>(states.outlets.size());
}

void outlet_decode(benchmark::State& state) {
  auto& states = States::shared();
  const OutletRecordCodec codec{&states.context};
  std::size_t next = 0;
  for (auto _ : state) {
    auto outlet = codec.decode(states.outlets[next++ % states.outlets.size()]);
    CHECK(outlet.has_value());
    benchmark::DoNotOptimize(outlet);
  }
  report_states(state, states);
}
BENCHMARK(outlet_decode)->Unit(benchmark::kMicrosecond);

void outlet_encode(benchmark::State& state) {
  constexpr std::size_t kOutlets = 200;
  auto& states = States::shared();
  const OutletRecordCodec codec{&states.context};
  std::vector<OutletRecord> outlets;
  for (std::size_t i = 0; i < std::min(kOutlets, states.outlets.size()); ++i) {
    outlets.push_back(*codec.decode(states.outlets[i]));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(codec.encode(outlets[next++ % outlets.size()]));
  }
  report_states(state, states);
}
BENCHMARK(outlet_encode)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fiverate::bench
