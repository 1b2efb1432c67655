// One type of error through core and edges, named by what should be done about it. runtime/supervisor.h holds the one reaction to each.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "schemas/format.h"

namespace fiverate {

enum class Reaction : std::uint8_t {
  wait,       // another process holds the state of this one task: try the task again later, the other tasks continue
  retry,      // the other side is away or slow: try the same again later
  drop_task,  // a sent record may not have arrived: throw task and producer away, resume from the state's offset
  stop,       // a person has to act: a wrong configuration, a damaged state, a broken promise
};

struct Error {
  Reaction reaction;
  std::string what;  // a sentence for a person: what happened, in which object, what to do
};

template <typename T>
using Result = tl::expected<T, Error>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> fail(Reaction reaction, fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{reaction, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace fiverate

// TRY(status): returns the error of a Result from the calling function; otherwise continues.
#define TRY(...)                                                                                    \
  do {                                                                                              \
    if (auto&& tried = (__VA_ARGS__); !tried) return tl::make_unexpected(std::move(tried).error()); \
  } while (false)

// TRY_VALUE(name, result): the same, and defines `name` as the value of the Result.
#define TRY_VALUE(name, ...)                                                        \
  auto name##_result = (__VA_ARGS__);                                               \
  if (!name##_result) return tl::make_unexpected(std::move(name##_result).error()); \
  auto& name = *name##_result
