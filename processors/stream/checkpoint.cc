#include "processors/stream/checkpoint.h"

#include <charconv>
#include <tuple>

namespace fiverate {
namespace {

constexpr std::string_view kEpoch = "epoch=";
constexpr std::string_view kCheckpoint = "checkpoint=";

std::optional<std::int64_t> number_after(std::string_view name, std::string_view text) {
  const auto at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  std::int64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace

std::string to_text(const CheckpointPointer& pointer) {
  return fmt::format("{}{} {}{}", kEpoch, pointer.reset_epoch, kCheckpoint, pointer.offset);
}

CheckpointPointer parse_checkpoint_pointer(std::string_view text) {
  const auto epoch = number_after(kEpoch, text);
  const auto offset = number_after(kCheckpoint, text);
  if (!epoch || !offset) return {};
  return {*epoch, *offset};
}

OutRecord checkpoint_record(const Checkpoint& checkpoint, Millis timestamp) {
  return {kCheckpointsPartition.topic,
          kCheckpointsPartition.partition,
          timestamp,
          checkpoint.task(),
          checkpoint.SerializeAsString(),
          Cause{checkpoint.task(), {checkpoint.offset(), 0}},
          std::nullopt};
}

std::optional<Checkpoint> parse_checkpoint(const InRecord& record) {
  Checkpoint checkpoint;
  if (!checkpoint.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) return std::nullopt;
  if (checkpoint.task().empty() || checkpoint.task() != record.key) return std::nullopt;
  if (record.cause != Cause{checkpoint.task(), {checkpoint.offset(), 0}}) return std::nullopt;
  return checkpoint;
}

bool is_newer(const Checkpoint& one, const Checkpoint& other) {
  return std::tuple(one.reset_epoch(), one.offset()) >= std::tuple(other.reset_epoch(), other.offset());
}

}  // namespace fiverate
