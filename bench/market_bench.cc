// The market stage over the deltas of a simulated market, with and without LIVE rows: deltas and rows per second, including the FINAL
// rows of every day.
#include <benchmark/benchmark.h>

#include "bench/simulated_ledger.h"
#include "deltas.pb.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stream/memory_store.h"
#include "schemas/check.h"

namespace fiverate::bench {
namespace {

struct SimulatedDeltas {
  std::vector<LedgerLine> records;
  std::int64_t deltas = 0;

  static const SimulatedDeltas& shared() {
    static const SimulatedDeltas made;
    return made;
  }

 private:
  SimulatedDeltas() {
    const auto& ledger = SimulatedLedger::shared();
    for (const auto& region : ledger.regions) {
      DeltasRecord record;
      CHECK(record.mutable_reference()->ParseFromString(region));
      records.emplace_back().value = record.SerializeAsString();
    }
    MemoryStore store;
    OutletStage stage({definition(), 1, std::size_t{4} << 30}, calendar());
    CHECK(stage.open(store).has_value());
    std::vector<std::string> sent;
    CountingOutbox outbox;
    outbox.keep_deltas = &sent;
    std::int64_t offset = 0;
    for (const auto& line : ledger.records) {
      CHECK(stage.apply(in_record(Topic::ledger, offset++, line), outbox).has_value());
    }
    for (auto& value : sent) {
      DeltasRecord record;
      CHECK(record.ParseFromString(value));
      deltas += record.deltas().columns().values_size();
      const auto number = static_cast<std::int64_t>(records.size());
      auto& line = records.emplace_back();
      line.cause = {sender_name("outlet", 0), {number, 0}};
      line.value = std::move(value);
    }
  }
};

void market_stage(benchmark::State& state, bool live_rows) {
  const auto& simulated = SimulatedDeltas::shared();
  std::int64_t rows = 0;
  for (auto _ : state) {
    MemoryStore store;
    MarketStage stage({definition(), 0, 1, live_rows, std::size_t{4} << 30}, calendar());
    CHECK(stage.open(store).has_value());
    CountingOutbox outbox;
    std::int64_t offset = 0;
    for (const auto& line : simulated.records) {
      CHECK(stage.apply(in_record(Topic::deltas, offset++, line), outbox).has_value());
    }
    StoreBatch batch;
    stage.save(batch);
    CHECK(store.write(batch).has_value());
    rows = outbox.records;
  }
  const auto as_rate = benchmark::Counter::kIsRate | benchmark::Counter::kIsIterationInvariant;
  state.counters["deltas/s"] = benchmark::Counter(static_cast<double>(simulated.deltas), as_rate);
  state.counters["rows/s"] = benchmark::Counter(static_cast<double>(rows), as_rate);
  state.counters["rows"] = static_cast<double>(rows);
}
BENCHMARK_CAPTURE(market_stage, final_rows, false)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(market_stage, final_and_live_rows, true)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fiverate::bench
