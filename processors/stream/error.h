// One type of error through core and edges, named by what someone should do about it.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "schemas/format.h"

namespace fiverate {

enum class Reaction : std::uint8_t {
  wait,       // another process holds what this task alone needs: it is tried again, the others go on
  retry,      // the other side is away or slow: the same again, later
  drop_task,  // what was sent is not known to have arrived: throw task and producer away, go back to the state's offset
  stop,       // a person has to look: a wrong configuration, a damaged state, a broken promise
};

struct Error {
  Reaction reaction;
  std::string what;  // a sentence for a person; run-time values last
};

template <typename T>
using Result = tl::expected<T, Error>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(Reaction reaction, fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{reaction, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace fiverate

// Returns the error of a Result from the calling function; otherwise goes on.
#define FIVERATE_TRY(result)                                                             \
  do {                                                                                   \
    if (auto&& tried = (result); !tried) return tl::make_unexpected(std::move(tried).error()); \
  } while (false)
