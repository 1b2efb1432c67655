// Sanitizers make tests several times slower, so tests that try many cases try fewer with them.
#pragma once

namespace fiverate::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace fiverate::test
