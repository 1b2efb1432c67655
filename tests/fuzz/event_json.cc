// A source record as JSON. The corpus holds such records, so that the fuzzer tries similar ones.
#include "tests/fuzz/decoded_event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fiverate::fuzz::check_decoded(fiverate::fuzz::bytes_of(data, size));
  return 0;
}
