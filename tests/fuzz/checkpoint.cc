// A record of the topic `checkpoints` and the pointer in the group's metadata, as a starting task reads them: resumed from, or refused with
// a message; never an abort.
#include "processors/stream/checkpoint.h"

#include "processors/stages/outlet.h"
#include "processors/stages/topology.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

class DroppingSink final : public Sink {
 public:
  Result<void> send(OutRecord) override { return {}; }
  Result<void> flush() override { return {}; }
};

void check_pointer(const std::string& text) {
  const auto pointer = parse_checkpoint_pointer(text);
  CHECK(parse_checkpoint_pointer(to_text(pointer)) == pointer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check_pointer(bytes);
  Checkpoint decoded;
  if (!decoded.ParseFromString(bytes)) return 0;
  InRecord record;
  const auto key = decoded.task();
  record.key = key;
  record.value = bytes;
  record.cause = Cause{key, {decoded.offset(), 0}};
  const auto checkpoint = parse_checkpoint(record);
  if (!checkpoint) return 0;
  static const MarketCalendar calendar("Asia/Shanghai");
  static const auto definition = make_definition("Asia/Shanghai", {1, 1, 1});
  OutletStage stage({definition}, calendar);
  CheckpointStore store(checkpoint);
  DroppingSink sink;
  Task task("outlet", {Topic::ledger, 0}, definition_id(definition), stage, store, sink);
  if (!task.restore()) return 0;
  task.resume_from(*checkpoint);
  InRecord next;
  next.offset = std::max<std::int64_t>(0, checkpoint->offset());
  static_cast<void>(task.process(next));
  return 0;
}
