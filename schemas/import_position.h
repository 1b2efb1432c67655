// The position of a source record among those that one import or simulation writes into its partition, as a header:
//
//   fiverate-import    "3f2a9c1b7d5e8f00/17": the import, and the number of the record in its partition, from 1.
//                      "3f2a9c1b7d5e8f00/17/end": a mark that ends the import in this partition. It has a number of its own if it makes
//                      all days final, else that of the record before it: the import may continue behind it.
//
// The records of an import are a function of its content, so an import that was interrupted continues behind the highest number of
// each partition (producers/import_start.h). Intake ignores the header.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

inline constexpr std::string_view kImportHeader = "fiverate-import";

using ImportId = std::uint64_t;  // a hash of the content

struct ImportPosition {
  ImportId import = 0;
  std::int64_t number = 0;
  bool is_end = false;
  friend auto operator<=>(const ImportPosition&, const ImportPosition&) = default;
};

std::string to_text(const ImportPosition& position);
std::optional<ImportPosition> parse_import_position(std::string_view text);

}  // namespace fiverate
