// Alert manager: transitions per second with a number of active silences of which none matches; bytes of state per alert.
#include <benchmark/benchmark.h>

#include "alerts.pb.h"
#include "bench/simulated_ledger.h"
#include "processors/stages/alert_manager.h"
#include "processors/stream/memory_store.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate::bench {
namespace {

constexpr std::int64_t kAlerts = 10'000;
constexpr Millis kStart = 1'772'424'000'000;
constexpr std::int64_t kCommitRecords = 10'000;

// Transitions of all alerts in turn: first each of them fires, then each resolves, and so on.
Transition make_transition(std::int64_t number) {
  const auto round = number / kAlerts;
  const auto alert = number % kAlerts;
  Transition transition;
  transition.set_alert_id(fmt::format("{:016x}", alert * 7919));
  transition.set_transition(round + 1);
  transition.set_episode(static_cast<std::int32_t>(round / 2 + 1));
  transition.set_rule("R1");
  transition.set_severity(Transition::WARNING);
  transition.set_state(round % 2 == 0 ? Transition::FIRING : Transition::RESOLVED);
  transition.set_at_ms(kStart + number * 100);
  transition.set_since_ms(kStart + number * 100);
  transition.set_known_at_ms(kStart + number * 100);
  transition.set_brand_id("B1");
  transition.set_sku_id(fmt::format("B1-{:02}", alert % 40));
  transition.set_outlet_id(fmt::format("R{:06}", alert / 40));
  transition.set_region_id("P1C2-03");
  transition.set_unit("count");
  auto& evidence = *transition.add_evidence();
  evidence.set_event_id(fmt::format("V{:012}", number));
  evidence.set_topic("visits");
  evidence.set_offset(number);
  return transition;
}

std::string silence_record(std::int64_t number) {
  SignalRecord signal;
  signal.mutable_event()->set_arrival_ms(kStart);
  auto& event = *signal.mutable_event()->mutable_event();
  event.set_event_id(fmt::format("silence {}", number));
  set_millis(*event.mutable_event_time(), kStart);
  auto& command = *event.mutable_command();
  command.set_command_id(fmt::format("silence {}", number));
  command.set_author("ann");
  command.set_verb(Command::SILENCE);
  auto& silence = *command.mutable_silence();
  silence.set_silence_id(fmt::format("silence {}", number));
  set_millis(*silence.mutable_starts_at(), kStart);
  set_millis(*silence.mutable_ends_at(), kStart + 3'650 * kDayMs);
  const std::pair<std::string, std::string> matchers[] = {{"rule", "R1"},
                                                          {"outlet_id", fmt::format("elsewhere {}", number)}};
  for (const auto& [field, value] : matchers) {
    auto& matcher = *silence.add_matchers();
    matcher.set_field(field);
    matcher.set_value(value);
  }
  return signal.SerializeAsString();
}

void alert_manager_transitions(benchmark::State& state) {
  AlertManager manager({definition(), 0});
  MemoryStore store;
  CHECK(manager.open(store).has_value());
  CountingOutbox outbox;
  std::int64_t offset = 0;
  const auto apply = [&](std::string value) {
    LedgerLine line;
    line.value = std::move(value);
    CHECK(manager.apply(in_record(Topic::signals, offset++, line), outbox).has_value());
  };
  const auto commit = [&] {
    StoreBatch batch;
    manager.save(batch);
    CHECK(store.write(batch).has_value());
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) apply(silence_record(i));

  std::int64_t number = 0;
  for (auto _ : state) {
    SignalRecord signal;
    *signal.mutable_transition() = make_transition(number);
    apply(signal.SerializeAsString());
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
BENCHMARK(alert_manager_transitions)->Arg(0)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fiverate::bench
