// A simulated market as one outlet task reads it, for benchmarks: made once a process and shared.
//
//   FIVERATE_BENCH_OUTLETS   1,000 by default; of 40 SKUs each, 60 days: weekly orders of some 10 lines, deliveries,
//   visits FIVERATE_BENCH_DAYS      60
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
// The value of an environment variable, if it is there.
std::int32_t setting(const char* name, std::int32_t otherwise);

struct LedgerLine {
  Cause cause;
  std::string value;       // a LedgerRecord
  bool reference = false;  // an outlet or SKU, or the passing of an hour: every market needs it
  bool delivery = false;
  std::int64_t lines = 0;  // of the document: order lines, delivery lines, checks
};

struct SimulatedLedger {
  std::vector<LedgerLine> records;
  std::vector<std::string> regions;  // LedgerRecords for market
  std::int64_t order_lines = 0;
  static const SimulatedLedger& shared();
};

// The record at a position of the log, valid as long as the line.
InRecord in_record(Topic topic, std::int64_t offset, const LedgerLine& line);

// Takes what a stage says and counts it.
class CountingOutbox final : public Outbox {
 public:
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::int64_t signals = 0;
  std::vector<std::string>* keep_deltas = nullptr;
  bool wanted = true;
  [[nodiscard]] bool outputs_enabled() const override { return wanted; }

 private:
  void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
               std::vector<Cause> said) override;
  void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override;
};

}  // namespace fiverate::bench
