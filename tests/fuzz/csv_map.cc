// The map of an import: it is read or rejected with a message.
#include "producers/import/csv_map.h"

#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fiverate;
  try {
    const auto map = CsvMap::parse(fuzz::bytes_of(data, size), "map.toml");
    CHECK(!map.sections.empty());
    for (const auto& section : map.sections) {
      CHECK(section.shape != nullptr);
      for (const auto& field : section.fields)
        CHECK(field.shape != nullptr && section.find(field.shape->key) != nullptr);
    }
  } catch (const MapError& error) {
    CHECK(!std::string_view(error.what()).empty());
  }
  return 0;
}
