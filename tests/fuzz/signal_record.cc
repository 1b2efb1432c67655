// Records of signals for the alert stage, each after its length (2 bytes). The output with a restart after each record equals the
// output without restarts.
#include <algorithm>

#include "processors/stages/alert_manager.h"
#include "processors/stream/memory_store.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

class RecordedOutbox final : public Outbox {
 public:
  std::string output;

 private:
  void to_task(Topic, std::int32_t, Millis, std::string, std::string, std::vector<Cause>) override { CHECK(false); }
  void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override {
    output += fmt::format("{} {} {} {} {}\n", name_of(topic), partition, timestamp, key, value);
  }
};

// Intake writes to signals only valid timestamps and commands that decode() has accepted.
bool can_occur_in_signals(const SignalRecord& signal) {
  constexpr Millis kTimesEnd = 253'402'300'800'000;
  const auto is_time = [](Millis time) { return time >= 0 && time < kTimesEnd; };
  if (signal.has_event()) return is_time(signal.event().arrival_ms()) && !check_fields(signal.event().event());
  return !signal.has_transition() || is_time(signal.transition().known_at_ms());
}

std::string output_of(std::string_view bytes, bool with_restarts) {
  static const auto definition = make_definition("Asia/Shanghai", {1, 1, 1});
  MemoryStore store;
  auto desk = std::make_unique<AlertManager>(AlertManager::Settings{definition});
  CHECK(desk->open(store).has_value());
  RecordedOutbox outbox;
  constexpr std::size_t kLengthBytes = 2;
  for (std::int64_t offset = 0; bytes.size() >= kLengthBytes; ++offset) {
    const auto length =
        static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]));
    const auto value = bytes.substr(kLengthBytes, length);
    bytes.remove_prefix(std::min(bytes.size(), kLengthBytes + length));
    SignalRecord signal;
    if (signal.ParseFromArray(value.data(), static_cast<int>(value.size())) && !can_occur_in_signals(signal)) continue;
    InRecord record;
    record.input = {Topic::signals, 0};
    record.offset = offset;
    record.value = value;
    if (const auto applied = desk->apply(record, outbox); !applied) {
      CHECK(applied.error().reaction == Reaction::stop && !applied.error().what.empty());
      break;
    }
    if (!with_restarts) continue;
    StoreBatch batch;
    desk->save(batch);
    CHECK(store.write(batch).has_value());
    desk = std::make_unique<AlertManager>(AlertManager::Settings{definition});
    CHECK(desk->open(store).has_value());
  }
  return outbox.output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::bytes_of(data, size);
  CHECK(output_of(bytes, false) == output_of(bytes, true));
  return 0;
}
