// The stored states that a task reads when it starts: each is accepted, or rejected with a message, and never causes an abort. The
// first byte selects the stage and the key under which the other bytes are stored.
#include <array>

#include "processors/stages/alert_manager.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_sink.h"

namespace {

using namespace fiverate;

struct StoredKey {
  Topic topic;
  std::string_view key;
};
constexpr std::array kStoredKeys{
    StoredKey{Topic::ledger, "task"},      StoredKey{Topic::ledger, "progress"},
    StoredKey{Topic::ledger, "first_day"}, StoredKey{Topic::ledger, "seal"},
    StoredKey{Topic::ledger, "s/s1"},      StoredKey{Topic::ledger, "c/*"},
    StoredKey{Topic::ledger, "w/*"},       StoredKey{Topic::deltas, "task"},
    StoredKey{Topic::deltas, "market"},    StoredKey{Topic::deltas, "s/s1"},
    StoredKey{Topic::deltas, "a/*"},       StoredKey{Topic::deltas, "a/00004e20000000000000000a"},
    StoredKey{Topic::deltas, "r/r1"},      StoredKey{Topic::signals, "task"},
    StoredKey{Topic::signals, "desk"},     StoredKey{Topic::signals, "s/s1"},
    StoredKey{Topic::signals, "r/r1"},     StoredKey{Topic::signals, "f/*"}};

std::unique_ptr<Operator> make_operator(Topic topic, const Definition& definition, const MarketCalendar& calendar) {
  if (topic == Topic::ledger) return std::make_unique<OutletStage>(OutletStage::Settings{definition}, calendar);
  if (topic == Topic::deltas) return std::make_unique<MarketStage>(MarketStage::Settings{definition}, calendar);
  return std::make_unique<AlertManager>(AlertManager::Settings{definition});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MarketCalendar calendar("Asia/Shanghai");
  static const auto definition = make_definition("Asia/Shanghai", {1, 1, 1});
  if (size == 0) return 0;
  const auto& stored = kStoredKeys[data[0] % kStoredKeys.size()];
  const auto bytes = fuzz::bytes_of(data + 1, size - 1);
  const auto content = std::make_shared<MemoryStore::Content>();
  if (stored.key.ends_with('*')) {  // the information is in the key
    (*content)[std::string(stored.key.substr(0, 2)) + std::string(bytes)] = "";
  } else {
    (*content)[std::string(stored.key)] = bytes;
  }
  MemoryStore store(content);
  MemoryLog log;
  MemorySink sink(log);
  const auto op = make_operator(stored.topic, definition, calendar);
  Task task(std::string(name_of(stage_reading(stored.topic))), {stored.topic, 0}, definition_id(definition), *op, store,
            sink);
  const auto restored = task.restore();
  CHECK(restored || (restored.error().reaction == Reaction::stop && !restored.error().what.empty()));
  return 0;
}
