#include "bench/simulated_ledger.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>

#include "processors/stages/topology.h"
#include "schemas/check.h"
#include "schemas/decode.h"

namespace fiverate::bench {
namespace {

constexpr Millis kProgressEvery = kDayMs / 24;

// Makes ledger records of the events of a simulated market, as intake does.
class LedgerOutput final : public MarketOutput {
 public:
  explicit LedgerOutput(SimulatedLedger& ledger) : ledger_(ledger) {}

  Result<void> record(const Arriving& record) override {
    Event event;
    if (decode(record.line, event)) return {};  // intake would quarantine it
    LedgerLine line;
    line.cause = {sender_name(name_of(record.topic), 0), {offsets_[record.topic]++, 0}};
    line.reference = record.topic == Topic::reference;
    line.delivery = event.has_delivery();
    line.lines = event.order().lines_size() + event.delivery().lines_size() + event.visit().checks_size();
    LedgerRecord ledger;
    ledger.set_arrival_ms(record.arrival);
    *ledger.mutable_event() = event;
    line.value = ledger.SerializeAsString();
    if (event.has_region()) ledger_.regions.push_back(line.value);
    if (line.reference && !event.has_outlet() && !event.has_sku()) return {};
    ledger_.records.push_back(std::move(line));
    return {};
  }
  Result<void> truth(std::string_view) override { return {}; }
  Result<void> mark(Millis complete_through) override {
    LedgerRecord ledger;
    ledger.set_arrival_ms(complete_through);
    for (std::size_t i = 0; i < source_inputs(definition()).size(); ++i) {
      auto& entry = *ledger.mutable_progress()->add_entries();
      entry.set_source(static_cast<std::int32_t>(i));
      entry.set_arrival_ms(complete_through);
    }
    LedgerLine line;
    line.value = ledger.SerializeAsString();
    line.reference = true;
    ledger_.records.push_back(std::move(line));
    return {};
  }
  Result<void> finish() override { return {}; }

 private:
  SimulatedLedger& ledger_;
  std::map<Topic, std::int64_t> offsets_;
};

}  // namespace

std::int32_t setting(const char* name, std::int32_t otherwise) {
  const auto* const text = std::getenv(name);
  if (text == nullptr) return otherwise;
  std::int32_t value = 0;
  const auto* const end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  CHECK(parsed.ec == std::errc{} && parsed.ptr == end && value > 0, name);
  return value;
}

const MarketCalendar& calendar() {
  static const MarketCalendar shanghai("Asia/Shanghai");
  return shanghai;
}

const Definition& definition() {
  static const auto one_partition = make_definition("Asia/Shanghai", {1, 1, 1});
  return one_partition;
}

SimulateSettings simulated_market() {
  SimulateSettings settings;
  settings.size.outlets = setting("FIVERATE_BENCH_OUTLETS", 1'000);
  settings.size.days = setting("FIVERATE_BENCH_DAYS", 60);
  settings.size.first_day = parse_date("2026-01-05").value_or(kNoDay);
  settings.slice_ms = kProgressEvery;
  return settings;
}

const SimulatedLedger& SimulatedLedger::shared() {
  static const auto ledger = [] {
    SimulatedLedger made;
    LedgerOutput output(made);
    const auto summary = simulate(simulated_market(), calendar(), output);
    CHECK(summary.has_value());
    made.order_lines = summary->order_lines;
    return made;
  }();
  return ledger;
}

InRecord in_record(Topic topic, std::int64_t offset, const LedgerLine& line) {
  InRecord record;
  record.input = {topic, 0};
  record.offset = offset;
  record.value = line.value;
  record.cause = line.cause;
  return record;
}

void CountingOutbox::to_task(Topic topic, std::int32_t, Millis, std::string, std::string value, std::vector<Cause>) {
  ++records;
  bytes += static_cast<std::int64_t>(value.size());
  if (topic == Topic::signals) ++signals;
  if (topic == Topic::deltas && keep_deltas != nullptr) keep_deltas->push_back(std::move(value));
}

void CountingOutbox::to_result(Topic, std::int32_t, Millis, std::string, std::string value) {
  ++records;
  bytes += static_cast<std::int64_t>(value.size());
}

}  // namespace fiverate::bench
