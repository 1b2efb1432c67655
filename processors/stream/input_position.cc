#include "processors/stream/input_position.h"

#include <xxhash.h>

namespace fiverate {
namespace {

std::uint64_t hash_of(const InRecord& record) {
  return chained(0, record.key, record.value);
}

}  // namespace

void InputPosition::advance(const InRecord& record) {
  next_offset_ = record.offset + 1;
  last_timestamp_ = record.timestamp;
  last_hash_ = hash_of(record);
  if (is_internal(input_.topic)) read_chain_ = XXH3_64bits_withSeed(&last_hash_, sizeof last_hash_, read_chain_);
}

Result<void> InputPosition::verify_previous(const InRecord& record, const std::string& state_location) const {
  if (record.timestamp == last_timestamp_ && hash_of(record) == last_hash_) return {};
  return fail(Reaction::stop,
              "{} partition {} holds another record at offset {} than the state in {} was built from: the topic was "
              "truncated or created again. Remove that folder to rebuild the state from the log.",
              name_of(input_.topic), input_.partition, record.offset, state_location);
}

Result<void> InputPosition::verify(const Checkpoint& checkpoint) const {
  if (last_timestamp_ == checkpoint.last_timestamp() && last_hash_ == checkpoint.last_hash() &&
      read_chain_ == checkpoint.read_chain()) {
    return {};
  }
  return fail(Reaction::stop,
              "{} partition {} holds other records before offset {} than {} had read when it wrote its checkpoint: the "
              "topic was truncated or created again. Nothing is computed from another log.",
              name_of(input_.topic), input_.partition, checkpoint.offset(), checkpoint.task());
}

void InputPosition::load(const TaskState& state) {
  next_offset_ = state.next_offset();
  last_timestamp_ = state.last_timestamp();
  last_hash_ = state.last_hash();
  read_chain_ = state.read_chain();
}

void InputPosition::save(TaskState& state) const {
  state.set_next_offset(next_offset_);
  state.set_last_timestamp(last_timestamp_);
  state.set_last_hash(last_hash_);
  state.set_read_chain(read_chain_);
}

void InputPosition::save(Checkpoint& checkpoint) const {
  checkpoint.set_offset(next_offset_);
  checkpoint.set_last_timestamp(last_timestamp_);
  checkpoint.set_last_hash(last_hash_);
  checkpoint.set_read_chain(read_chain_);
}

}  // namespace fiverate
