// Whether what we wrote ourselves can be read back: columns of one length, numbers of things that exist. Store and log keep
// checksums, so this fails only where another program, or a bug, has written; the decoders then say "damaged", instead of
// reading past an end and going on with what stands there.
#pragma once

#include <cstddef>

#include "deltas.pb.h"
#include "state.pb.h"

namespace fiverate {

// `skus`: how many numbers of SKUs the catalogue has given out.
[[nodiscard]] bool is_sound(const OutletState& state, std::size_t skus);
[[nodiscard]] bool is_sound(const SkuState& state);
[[nodiscard]] bool is_sound(const RegionState& state);
[[nodiscard]] bool is_sound(const CellState& state);
[[nodiscard]] bool is_sound(const CellDeltas& cell);

}  // namespace fiverate
