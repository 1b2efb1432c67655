// Output of all commands. Results go to stdout through one TextOutput: as a table for people, as JSON lines or CSV for
// programs. Progress goes to stderr.
//
//   ignore_sigpipe();                                       // first thing in main
//   TextOutput out(STDOUT_FILENO);
//   TableWriter rows(out, output_mode(flag, out.is_terminal()).value(), {{"brand_id"}, {"value", ColumnType::number}});
//   rows.row({"B1", "0.691667"});
//   rows.finish();
//
// When the reader of stdout closes the pipe (`fiverate alerts ls | head`), the process ends with exit code 0.
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

// `flag` is the argument of -o. Without it a terminal gets a table, and a pipe or file gets JSON lines. Nothing if the
// flag is not "table", "json" or "csv".
std::optional<OutputMode> output_mode(std::optional<std::string_view> flag, bool is_terminal);

// The options -o and --csv-raw.
struct OutputArguments {
  std::string mode;
  bool raw_csv = false;
};

// Makes a write to a closed pipe or socket return EPIPE instead of killing the process.
void ignore_sigpipe();

// Buffered output to a file descriptor, for one thread. The descriptor is not owned. On EPIPE the process ends with
// exit code 0, on any other error (disk full) with 1 and a message. No destructors run then.
class TextOutput {
 public:
  // Columns and lines of the terminal; 80 and 24 if the terminal does not report its size.
  struct Size {
    std::size_t columns = 80;
    std::size_t lines = 24;
    bool operator==(const Size&) const = default;
  };

  explicit TextOutput(int descriptor);
  // Writes into memory as for a terminal of this size: a page of a LiveScreen.
  TextOutput(Size size, bool has_colours);
  ~TextOutput() { flush(); }
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  // `text` may hold colour codes, so data in it has to be visible() already.
  void write(std::string_view text);
  // Lines of JSON. A terminal gets their control characters escaped, which does not change the values.
  void write_json(std::string_view lines);
  void flush();
  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  // True for a terminal, unless NO_COLOR is set.
  [[nodiscard]] bool has_colours() const { return has_colours_; }
  [[nodiscard]] Size size() const;
  // Whether CSV keeps cells that a spreadsheet evaluates as formulas (--csv-raw); otherwise they get an apostrophe.
  [[nodiscard]] bool has_raw_csv() const { return has_raw_csv_; }
  void set_raw_csv(bool is_raw) { has_raw_csv_ = is_raw; }
  // The text that was written into memory.
  [[nodiscard]] const std::string& text() const { return buffer_; }

 private:
  static constexpr int kMemory = -1;

  int descriptor_;
  bool is_terminal_;
  bool has_colours_;
  Size memory_size_;
  bool has_raw_csv_ = false;
  std::string buffer_;
};

enum class ColumnType : std::uint8_t { text, number };

struct TableColumn {
  std::string name;  // the key in JSON, the header of a table
  ColumnType type = ColumnType::text;
};

// The colour of a row or a cell, on outputs with colours.
enum class RowStyle : std::uint8_t { plain, red, yellow, faint, green };
// The text with its colour codes; unchanged if `out` has no colours.
std::string coloured(const TextOutput& out, const std::string& text, RowStyle style);

// A value, or none (table "-", JSON null, CSV empty). Decimal numbers are passed as text.
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
  // Colours this cell; a colour of the whole row takes precedence.
  TableCell& colour(RowStyle style) {
    style_ = style;
    return *this;
  }
  [[nodiscard]] RowStyle style() const { return style_; }

 private:
  std::optional<std::string> text_;
  RowStyle style_ = RowStyle::plain;
};

// Writes a list row by row. JSON: one object per line, keys in the order of the columns. CSV: RFC 4180 with a header.
// Table: the column widths come from the first `rows_for_widths` rows, or those before flush(); a wider cell later widens
// its column from there on. Control characters are escaped in tables, JSON and CSV on a terminal; CSV in files keeps them.
class TableWriter {
 public:
  TableWriter(TextOutput& out, OutputMode mode, std::vector<TableColumn> columns, std::size_t rows_for_widths = 500);

  // Takes as many cells as there are columns.
  void row(std::vector<TableCell> cells, RowStyle style = RowStyle::plain);
  // Truncates the lines of a table so that they do not wrap.
  void truncate_lines_at(std::size_t columns) { line_columns_ = columns; }
  void flush();   // writes the rows so far, for live output
  void finish();  // after the last row; writes the header even if there was no row

 private:
  void write_json(const std::vector<TableCell>& cells);
  void write_csv(const std::vector<TableCell>& cells);
  struct ShownRow {
    std::vector<std::string> cells;
    std::vector<RowStyle> styles;  // one for each cell; empty if all are plain
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

// The width of a text on a terminal: 2 columns for East Asian wide characters and emoji, 0 for combining marks and colour
// codes.
std::size_t display_width(std::string_view utf8);

std::string human_count(std::int64_t count);  // "999", "1.23 M"
// "450 ms", "4.2 s", "3 min 05 s", "2 h 07 min", "3 d 04 h"
std::string human_duration(std::chrono::milliseconds duration);

// The progress of a long command. On a terminal one line, redrawn at most ten times a second; otherwise one line every
// 10 s. For one thread. The rate is smoothed over about 5 s; the last line has the average rate.
class ProgressBar {
 public:
  // Output and clock; of_stderr() is the real one, tests use their own.
  struct Screen {
    bool is_terminal = false;
    std::function<void(std::string_view)> write;
    std::function<std::chrono::steady_clock::time_point()> now;
    std::function<std::size_t()> columns;  // width of the terminal

    static Screen of_stderr();
  };

  // `label` is such as "import", `noun` such as "events". Without a total there is no percentage and no time left.
  ProgressBar(std::string label, std::string noun, std::optional<std::int64_t> total,
              Screen screen = Screen::of_stderr());
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void advance(std::int64_t more = 1) { set(count_ + more); }  // reads the clock: call it per batch in fast loops
  void set(std::int64_t count);
  void finish();  // writes the last line; later calls do nothing

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
  std::chrono::steady_clock::time_point rated_;
  std::int64_t count_ = 0;
  std::int64_t rated_count_ = 0;
  std::optional<double> rate_;  // per second
  bool finished_ = false;
};

}  // namespace fiverate
