// A source record in the schema registry's frame. The Protobuf inside a valid frame decodes as it does without one.
#include "tests/fuzz/decoded_event.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fiverate;
  const auto frame = std::string(1, '\0') + std::string(fuzz::bytes_of(data, size));
  fuzz::check_decoded(frame);
  Event framed;
  Event bare;
  constexpr std::size_t kFrameBytes = 6;
  if (!decode(frame, framed) && frame[kFrameBytes - 1] == '\0') {
    CHECK(!decode(std::string_view(frame).substr(kFrameBytes), bare));
    CHECK(framed.SerializeAsString() == bare.SerializeAsString());
  }
  return 0;
}
