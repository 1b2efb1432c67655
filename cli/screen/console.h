// What every command prints with. Results go to stdout through one TextOutput: as a table for people, as JSON lines or
// CSV for programs. Progress goes to stderr. Wall clock and terminals are allowed here and nowhere further in.
//
//   ignore_sigpipe();                                       // first thing in main
//   TextOutput out(STDOUT_FILENO);
//   TableWriter rows(out, output_mode(flag, out.is_terminal()).value(), {{"brand_id"}, {"value", ColumnType::number}});
//   rows.row({"B1", "0.691667"});
//   rows.finish();
//
// When the reader of stdout goes away (`fiverate alerts ls | head`), the process ends quietly with exit code 0.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fiverate {

enum class OutputMode : std::uint8_t { table, json, csv };

// `flag` is the argument of -o; without one a terminal gets a table and everything else JSON lines. Nothing if the flag
// is none of "table", "json", "csv".
std::optional<OutputMode> output_mode(std::optional<std::string_view> flag, bool is_terminal);

// A write to a closed pipe reports EPIPE instead of killing the process (sockets of Kafka and HTTP as well).
void ignore_sigpipe();

// Buffered bytes to a file descriptor, for one thread; does not own the descriptor. If the reader is gone (EPIPE), ends
// the process with 0; on any other failure (disk full) with 1 and a message. Both without destructors: print only what
// is already safe elsewhere.
class TextOutput {
 public:
  // Columns and lines of the terminal; 80 and 24 where it does not say.
  struct Size {
    std::size_t columns = 80;
    std::size_t lines = 24;
    bool operator==(const Size&) const = default;
  };

  explicit TextOutput(int descriptor);
  // Into memory, as for a terminal of that size: a picture that is shown as a whole (picture.h).
  TextOutput(Size size, bool has_colours);
  ~TextOutput() { flush(); }
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  void write(std::string_view text);
  void flush();
  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  // A terminal whose user has not said NO_COLOR.
  [[nodiscard]] bool has_colours() const { return has_colours_; }
  [[nodiscard]] Size size() const;
  // What was written into memory.
  [[nodiscard]] const std::string& text() const { return buffer_; }

 private:
  static constexpr int kMemory = -1;

  int descriptor_;
  bool is_terminal_;
  bool has_colours_;
  Size memory_size_;
  std::string buffer_;
};

enum class ColumnType : std::uint8_t { text, number };

struct TableColumn {
  std::string name;  // the field name of contract and JSON
  ColumnType type = ColumnType::text;
};

// How a row or a cell looks where there are colours.
enum class RowStyle : std::uint8_t { plain, red, yellow, faint, green };
// The text as it goes to `out`: as it is where there are none.
std::string coloured(const TextOutput& out, const std::string& text, RowStyle style);

// A value, or none (table "-", JSON null, CSV empty). Decimals come as text, since they are made from integers.
class TableCell {
 public:
  TableCell(std::nullopt_t) {}                             // NOLINT(google-explicit-constructor)
  TableCell(std::string text) : text_(std::move(text)) {}  // NOLINT(google-explicit-constructor)
  TableCell(std::string_view text) : text_(text) {}        // NOLINT(google-explicit-constructor)
  TableCell(const char* text) : text_(text) {}             // NOLINT(google-explicit-constructor)
  template <std::integral Number>
  requires(!std::same_as<Number, bool> && !std::same_as<Number, char>) TableCell(Number number)
      : text_(std::to_string(number)) {}  // NOLINT(google-explicit-constructor)
  template <typename Value>
  TableCell(const std::optional<Value>& value)
      : TableCell(value ? TableCell(*value) : TableCell(std::nullopt)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] const std::optional<std::string>& text() const { return text_; }
  // Of this cell alone; the row's goes before.
  TableCell& colour(RowStyle style) {
    style_ = style;
    return *this;
  }
  [[nodiscard]] RowStyle style() const { return style_; }

 private:
  std::optional<std::string> text_;
  RowStyle style_ = RowStyle::plain;
};

// A list, row by row. JSON: one object a line, keys in the order of the columns. CSV: RFC 4180 with a header. Table:
// the first `rows_for_widths` rows wait until the widths are known (or until flush()); a wider cell that comes later
// widens its column from there on. Control characters never reach a terminal in a table or in JSON; bytes that are no
// UTF-8 become U+FFFD.
class TableWriter {
 public:
  TableWriter(TextOutput& out, OutputMode mode, std::vector<TableColumn> columns, std::size_t rows_for_widths = 500);

  // As many cells as columns.
  void row(std::vector<TableCell> cells, RowStyle style = RowStyle::plain);
  // Longer lines of a table are cut, so that they do not wrap.
  void cut_lines_at(std::size_t columns) { line_columns_ = columns; }
  void flush();                            // live feeds: what there is, now
  void finish();                           // after the last row; the header appears even if there was none

 private:
  void write_json(const std::vector<TableCell>& cells);
  void write_csv(const std::vector<TableCell>& cells);
  struct ShownRow {
    std::vector<std::string> cells;
    std::vector<RowStyle> styles;  // of the cells; none: all plain
    RowStyle style = RowStyle::plain;
  };
  void write_table_row(const ShownRow& row, bool is_header);
  void write_waiting();

  TextOutput& out_;
  OutputMode mode_;
  std::vector<TableColumn> columns_;
  std::size_t rows_for_widths_;
  std::vector<std::size_t> widths_;
  std::vector<ShownRow> waiting_;
  std::size_t line_columns_ = 0;  // 0: no limit
  bool header_written_ = false;
};

// Columns that a text takes on a terminal: 2 for wide East Asian characters and pictures, 0 for combining marks and our
// colours.
std::size_t display_width(std::string_view utf8);

std::string human_count(std::int64_t count);  // "999", "1.23 M"
std::string human_bytes(std::int64_t bytes);  // "512 B", "1.50 MiB"
// "450 ms", "4.2 s", "3 m 05 s", "2 h 07 m", "3 d 04 h"
std::string human_duration(std::chrono::milliseconds duration);

// How far a long command is. On a terminal one line, redrawn at most ten times a second; otherwise a plain line every
// 10 s. For one thread. The rate is the recent one (smoothed over about 5 s), in the last line that of the whole run.
class ProgressBar {
 public:
  // Where it draws; the defaults are the real ones, tests bring their own.
  struct Screen {
    bool is_terminal = false;
    std::function<void(std::string_view)> write;
    std::function<std::chrono::steady_clock::time_point()> now;
    std::function<std::size_t()> columns;  // width of the terminal

    static Screen of_stderr();
  };

  // label "import", noun "events"; without a total there is no percentage, no bar and no ETA.
  ProgressBar(std::string label, std::string noun, std::optional<std::int64_t> total,
              Screen screen = Screen::of_stderr());
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void advance(std::int64_t more = 1) {
    set(count_ + more);
  }  // looks at the clock: call it per batch where speed matters
  void set(std::int64_t count);
  void finish();  // the last line; once

 private:
  [[nodiscard]] std::string line() const;
  [[nodiscard]] std::string last_line() const;
  void draw(const std::string& text, bool is_last);
  void update_rate(std::chrono::steady_clock::time_point now);

  std::string label_;
  std::string noun_;
  std::optional<std::int64_t> total_;
  Screen screen_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
  std::int64_t count_ = 0;
  std::int64_t drawn_count_ = 0;
  std::optional<double> rate_;  // a second
  bool finished_ = false;
};

}  // namespace fiverate
