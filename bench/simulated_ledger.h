// The ledger of a simulated market with one outlet task, for benchmarks. It is made once per process and shared.
// Each outlet has 40 SKUs, weekly orders of about 10 lines, deliveries and visits. Environment:
//
//   FIVERATE_BENCH_OUTLETS   number of outlets, by default 1,000
//   FIVERATE_BENCH_DAYS      number of days, by default 60
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "processors/stream/task.h"
#include "producers/simulate/simulate.h"

namespace fiverate::bench {

const MarketCalendar& calendar();
const Definition& definition();
SimulateSettings simulated_market();
// The value of an environment variable, or `otherwise` if it is not set.
std::int32_t setting(const char* name, std::int32_t otherwise);

struct LedgerLine {
  Cause cause;
  std::string value;       // a LedgerRecord
  bool reference = false;  // an outlet, a SKU or hourly progress; fed in every case
  bool delivery = false;
  std::int64_t lines = 0;  // of the document: order lines, delivery lines, checks
};

struct SimulatedLedger {
  std::vector<LedgerLine> records;
  std::vector<std::string> regions;  // LedgerRecords for market
  std::int64_t order_lines = 0;
  static const SimulatedLedger& shared();
};

// The record at an offset of the log; valid as long as the line.
InRecord in_record(Topic topic, std::int64_t offset, const LedgerLine& line);

// Counts the outputs of a stage and drops them.
class CountingOutbox final : public Outbox {
 public:
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::int64_t signals = 0;
  std::vector<std::string>* keep_deltas = nullptr;
  bool enabled = true;
  [[nodiscard]] bool outputs_enabled() const override { return enabled; }

 private:
  void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
               std::vector<Cause> depends_on) override;
  void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override;
};

}  // namespace fiverate::bench
