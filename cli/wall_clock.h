#pragma once

#include <chrono>

#include "schemas/time.h"

namespace fiverate {

// The present time by the clock of this machine.
inline Millis wall_clock() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace fiverate
