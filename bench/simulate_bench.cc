// The speed of the simulation without any output.
#include <benchmark/benchmark.h>

#include "bench/simulated_ledger.h"
#include "schemas/check.h"

namespace fiverate::bench {
namespace {

class NoOutput final : public MarketOutput {
 public:
  Result<void> record(const Arriving& record) override {
    bytes += static_cast<std::int64_t>(record.line.size());
    return {};
  }
  Result<void> truth(std::string_view) override { return {}; }
  Result<void> mark(Millis) override { return {}; }
  Result<void> finish() override { return {}; }
  std::int64_t bytes = 0;
};

void simulate_market(benchmark::State& state) {
  auto settings = simulated_market();
  settings.slice_ms = kDayMs;
  std::int64_t order_lines = 0;
  std::int64_t bytes = 0;
  for (auto _ : state) {
    NoOutput output;
    const auto summary = simulate(settings, calendar(), output);
    CHECK(summary.has_value());
    order_lines += summary->order_lines;
    bytes += output.bytes;
  }
  state.counters["order_lines/s"] = benchmark::Counter(static_cast<double>(order_lines), benchmark::Counter::kIsRate);
  state.SetBytesProcessed(bytes);
}
BENCHMARK(simulate_market)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fiverate::bench
