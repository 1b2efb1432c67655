// The states that a task reads when it starts, from our own disk: sound, or refused with a word to the person; never an abort. The
// first byte says which key of which stage the rest stands under.
#include <array>

#include "processors/stages/alert_manager.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stream/memory_log.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

struct Place {
  Topic topic;
  std::string_view key;
};
constexpr std::array kPlaces{
    Place{Topic::ledger, "task"},  Place{Topic::ledger, "progress"}, Place{Topic::ledger, "first_day"},
    Place{Topic::ledger, "seal"},  Place{Topic::ledger, "s/s1"},     Place{Topic::ledger, "c/*"},
    Place{Topic::ledger, "w/*"},   Place{Topic::deltas, "task"},     Place{Topic::deltas, "market"},
    Place{Topic::deltas, "s/s1"},  Place{Topic::deltas, "a/*"},      Place{Topic::deltas, "a/00004e20000000000000000a"},
    Place{Topic::deltas, "r/r1"},  Place{Topic::signals, "task"},    Place{Topic::signals, "desk"},
    Place{Topic::signals, "s/s1"}, Place{Topic::signals, "r/r1"},    Place{Topic::signals, "f/*"}};

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
  const auto& place = kPlaces[data[0] % kPlaces.size()];
  const auto bytes = fuzz::bytes_of(data + 1, size - 1);
  const auto content = std::make_shared<MemoryStore::Content>();
  if (place.key.ends_with('*')) {  // what there is to read is in the key
    (*content)[std::string(place.key.substr(0, 2)) + std::string(bytes)] = "";
  } else {
    (*content)[std::string(place.key)] = bytes;
  }
  MemoryStore store(content);
  MemoryLog log;
  MemorySink sink(log);
  const auto op = make_operator(place.topic, definition, calendar);
  Task task(std::string(name_of(stage_reading(place.topic))), {place.topic, 0}, definition_id(definition), *op, store,
            sink);
  const auto restored = task.restore();
  CHECK(restored || (restored.error().reaction == Reaction::stop && !restored.error().what.empty()));
  return 0;
}
