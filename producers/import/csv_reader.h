// Rows of a CSV file, one after another, in bounded memory: RFC 4180 with what real files do besides.
//
//   fields      separated by one delimiter; in quotes they may hold delimiters, line ends and "" for a quote
//   line ends   LF or CRLF, the last one may be missing; lines without anything are no rows
//   encoding    bytes as they are (fiverate takes UTF-8); a byte order mark is skipped, UTF-16 is refused
//   spaces      belong to the field; a quote inside a field that does not begin with one is an ordinary character
//
// What breaks these rules is a row with a `problem`, for the caller to report with its line; the next row is read all
// the same. Only an input that cannot be read, or a row beyond kRowBytesMax (a quote that nobody closed swallows the
// rest of the file), ends the reading. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"

namespace fiverate {

// Bytes of a table, from wherever.
class CsvInput {
 public:
  virtual ~CsvInput() = default;
  // How many bytes came; 0 is the end.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
  [[nodiscard]] virtual const std::string& name() const = 0;
  // For progress: bytes of the stored (compressed) file.
  [[nodiscard]] virtual std::size_t bytes_done() const = 0;
  [[nodiscard]] virtual std::size_t bytes_in_all() const = 0;

  // A file; gzip is recognised by its first bytes, whatever the name.
  static Result<std::unique_ptr<CsvInput>> open(const std::filesystem::path& path);
  static std::unique_ptr<CsvInput> of_text(std::string name, std::string text);
};

struct CsvRow {
  std::int64_t line = 0;                 // where it begins, from 1
  std::vector<std::string_view> fields;  // until the next row is read
  std::string_view problem;              // empty: none
};

class CsvReader {
 public:
  static constexpr std::size_t kRowBytesMax = 1 << 20;

  CsvReader(CsvInput& input, char delimiter) : input_(input), delimiter_(delimiter) {}

  // False: no more rows.
  Result<bool> next(CsvRow& row);

 private:
  enum class Ended : std::uint8_t { field, row, input };
  Result<int> peek();  // the next byte, or kEnd
  Result<void> refill();
  Result<void> skip_byte_order_mark();
  Result<Ended> read_field(CsvRow& row);
  Result<void> read_quoted(CsvRow& row);
  Result<void> read_plain();
  [[nodiscard]] bool too_long() const { return text_.size() > kRowBytesMax; }
  [[nodiscard]] const char* limit() const { return buffer_.data() + end_; }  // of what is read

  CsvInput& input_;
  char delimiter_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool begun_ = false;
  std::int64_t line_ = 1;
  std::string text_;               // of the row's fields, one behind the other
  std::vector<std::size_t> ends_;  // of each field in text_
};

}  // namespace fiverate
