// Reads the rows of a CSV file one after another in bounded memory: RFC 4180 and its usual variations.
//
//   fields      separated by one delimiter; in quotes they may hold delimiters, line ends and "" for a quote
//   line ends   LF or CRLF; the last one may be missing; empty lines are not rows
//   encoding    bytes are passed on as they are (events must be UTF-8); a byte order mark is skipped, UTF-16 is rejected
//   spaces      belong to the field; a quote inside a field that does not begin with one is an ordinary character
//
// A row that breaks these rules has a `problem`, which the caller reports with its line; reading continues with the next row.
// Reading stops only at an input error and at a row beyond kRowBytesMax (after a quote that is not closed, the rest of the file
// is one row). One thread.
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

// The bytes of a table: a file or a text.
class CsvInput {
 public:
  virtual ~CsvInput() = default;
  // Returns the number of bytes read; 0 at the end.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
  [[nodiscard]] virtual const std::string& name() const = 0;
  // For progress, in bytes of the file as it is stored (compressed).
  [[nodiscard]] virtual std::size_t bytes_done() const = 0;
  [[nodiscard]] virtual std::size_t bytes_in_all() const = 0;

  // Opens a file. Gzip is recognised by its first bytes, not by its name.
  static Result<std::unique_ptr<CsvInput>> open(const std::filesystem::path& path);
  static std::unique_ptr<CsvInput> of_text(std::string name, std::string text);
};

struct CsvRow {
  std::int64_t line = 0;                 // of its first byte, from 1
  std::vector<std::string_view> fields;  // valid until the next row is read
  std::string_view problem;              // empty: none
};

class CsvReader {
 public:
  static constexpr std::size_t kRowBytesMax = 1 << 20;

  CsvReader(CsvInput& input, char delimiter) : input_(input), delimiter_(delimiter) {}

  // False: there are no more rows.
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
  [[nodiscard]] const char* limit() const { return buffer_.data() + end_; }  // the end of the bytes in the buffer

  CsvInput& input_;
  char delimiter_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool begun_ = false;
  std::int64_t line_ = 1;
  std::string text_;               // of all fields of the row, without separators
  std::vector<std::size_t> ends_;  // of each field in text_
};

}  // namespace fiverate
