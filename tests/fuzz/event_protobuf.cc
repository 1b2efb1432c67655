// A source record in bare Protobuf: the corpus is Protobuf, so what is tried is near it.
#include "tests/fuzz/decoded_event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fiverate::fuzz::check_decoded(fiverate::fuzz::bytes_of(data, size));
  return 0;
}
