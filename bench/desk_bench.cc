// Desk: transitions a second while so many silences hold, none of which matches; bytes an alert.
#include <benchmark/benchmark.h>

#include "alerts.pb.h"
#include "bench/simulated_ledger.h"
#include "processors/stages/alert_manager.h"
#include "processors/edge/memory_log.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate::bench {
namespace {

constexpr std::int64_t kAlerts = 10'000;
constexpr Millis kStart = 1'772'424'000'000;
constexpr std::int64_t kCommitRecords = 10'000;

// Alert after alert fires, then alert after alert resolves, and again.
Transition transition(std::int64_t number) {
  const auto round = number / kAlerts;
  const auto alert = number % kAlerts;
  Transition told;
  told.set_alert_id(fmt::format("{:016x}", alert * 7919));
  told.set_transition(round + 1);
  told.set_episode(static_cast<std::int32_t>(round / 2 + 1));
  told.set_rule("R1");
  told.set_severity(Transition::WARNING);
  told.set_state(round % 2 == 0 ? Transition::FIRING : Transition::RESOLVED);
  told.set_at_ms(kStart + number * 100);
  told.set_since_ms(kStart + number * 100);
  told.set_known_at_ms(kStart + number * 100);
  told.set_brand_id("B1");
  told.set_sku_id(fmt::format("B1-{:02}", alert % 40));
  told.set_outlet_id(fmt::format("R{:06}", alert / 40));
  told.set_region_id("P1C2-03");
  told.set_unit("count");
  auto& evidence = *told.add_evidence();
  evidence.set_event_id(fmt::format("V{:012}", number));
  evidence.set_topic("visits");
  evidence.set_offset(number);
  return told;
}

std::string silence(std::int64_t number) {
  SignalRecord signal;
  signal.mutable_event()->set_arrival_ms(kStart);
  auto& event = *signal.mutable_event()->mutable_event();
  event.set_event_id(fmt::format("silence {}", number));
  set_millis(*event.mutable_event_time(), kStart);
  auto& command = *event.mutable_command();
  command.set_command_id(fmt::format("silence {}", number));
  command.set_author("ann");
  command.set_verb(Command::SILENCE);
  auto& said = *command.mutable_silence();
  said.set_silence_id(fmt::format("silence {}", number));
  set_millis(*said.mutable_starts_at(), kStart);
  set_millis(*said.mutable_ends_at(), kStart + 3'650 * kDayMs);
  const std::pair<std::string, std::string> matchers[] = {{"rule", "R1"},
                                                          {"outlet_id", fmt::format("elsewhere {}", number)}};
  for (const auto& [field, value] : matchers) {
    auto& matcher = *said.add_matchers();
    matcher.set_field(field);
    matcher.set_value(value);
  }
  return signal.SerializeAsString();
}

void desk_transitions(benchmark::State& state) {
  AlertManager desk({definition(), 0});
  MemoryStore store;
  CHECK(desk.open(store).has_value());
  CountingOutbox outbox;
  std::int64_t offset = 0;
  const auto tell = [&](std::string value) {
    LedgerLine line;
    line.value = std::move(value);
    CHECK(desk.apply(in_record(Topic::signals, offset++, line), outbox).has_value());
  };
  const auto commit = [&] {
    StoreBatch batch;
    desk.save(batch);
    CHECK(store.write(batch).has_value());
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) tell(silence(i));

  std::int64_t number = 0;
  for (auto _ : state) {
    SignalRecord signal;
    *signal.mutable_transition() = transition(number);
    tell(signal.SerializeAsString());
    if (++number % kCommitRecords == 0) commit();
  }
  commit();
  state.counters["transitions/s"] = benchmark::Counter(static_cast<double>(number), benchmark::Counter::kIsRate);
  std::int64_t alerts = 0;
  std::int64_t bytes = 0;
  CHECK(store
            .scan("a/",
                  [&](std::string_view key, std::string_view value) {
                    ++alerts;
                    bytes += static_cast<std::int64_t>(key.size() + value.size());
                    return true;
                  })
            .has_value());
  state.counters["bytes/alert"] = static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(alerts, 1));
}
BENCHMARK(desk_transitions)->Arg(0)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fiverate::bench
