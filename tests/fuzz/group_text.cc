// The metadata text of a consumer group's offset: the checkpoint of a task, the progress of intake, or nothing. A text that is
// read and written again stays the same.
#include "processors/stages/outlet.h"
#include "processors/stream/continuation.h"
#include "processors/stream/memory_store.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

void check_continuation(const Continuation& continuation) {
  const auto text = to_group_text(continuation);
  if (text.empty()) return;  // too long
  const auto again = continuation_in(text + R"( {"clock_ms":1})");
  CHECK(again && again->SerializeAsString() == continuation.SerializeAsString());
  static const MarketCalendar calendar("Asia/Shanghai");
  OutletStage stage({make_definition("Asia/Shanghai", {1, 1, 1})}, calendar);
  if (!stage.resume(continuation.tally())) return;
  CHECK(stage.said().has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto continuation = continuation_in(text)) check_continuation(*continuation);
  const GroupStore store(Committed{1, text});
  const auto kept = store.group_text();
  CHECK(kept.has_value());
  CHECK(GroupStore(Committed{1, *kept}).group_text() == kept);
  return 0;
}
