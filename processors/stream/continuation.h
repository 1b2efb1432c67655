// What a task needs to go on from an offset of its input, beside the facts that it keeps: how its outputs are chained, and what its
// operator counts of them. Whoever commits an offset to the group leaves this with it. A task that has lost its state then folds
// facts alone up to there, says and works out nothing, and goes on as if it had said it all itself: several times as fast.
//
// A function of the input alone, so it does not matter who committed it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "state.pb.h"

namespace fiverate {

// "continue=<base64>", for the text kept with a group's offset; nothing if it is longer than kContinuationMax: without it, all is
// worked out again.
std::string to_group_text(const Continuation& continuation);
// Kafka keeps 4,096 bytes with an offset (offset.metadata.max.bytes), and the task's status stands there too.
inline constexpr std::size_t kContinuationMax = 3'400;
// Nothing if there is none, or none that can be read.
std::optional<Continuation> continuation_in(std::string_view group_text);

}  // namespace fiverate
