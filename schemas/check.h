// CHECK(condition, values...) stops the process if an invariant is broken, in release builds too: a bug must not write wrong state.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "schemas/format.h"
#include "schemas/visible_text.h"

namespace fiverate::internal {

template <typename... Values>
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const Values&... values) {
  std::string shown;
  ((shown += fmt::format(" {}", values)), ...);
  std::fprintf(stderr, "%s:%d: invariant broken: %s%s\n", file, line, condition, visible(shown).c_str());
  std::abort();
}

}  // namespace fiverate::internal

#define CHECK(condition, ...)                                                                        \
  do {                                                                                               \
    if (!(condition)) [[unlikely]] {                                                                 \
      ::fiverate::internal::check_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__); \
    }                                                                                                \
  } while (false)
