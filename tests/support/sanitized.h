// With sanitizers everything takes several times as long: what tries many cases tries fewer.
#pragma once

namespace fiverate::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace fiverate::test
