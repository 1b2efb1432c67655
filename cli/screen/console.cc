#include "cli/screen/console.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "cli/screen/terminal.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::string_view kColumnSeparator = "  ";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kPlain = "\x1b[0m";

std::string_view code_of(RowStyle style) {
  constexpr std::array<std::string_view, 5> kCodes{"", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[32m"};
  return kCodes[static_cast<std::size_t>(style)];
}

// -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?
bool is_json_number(std::string_view text) {
  const auto digits = [&text] {
    const auto count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  const auto one_of = [&text](std::string_view characters) {
    const bool found = !text.empty() && characters.find(text.front()) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  one_of("-");
  if (!one_of("0") && digits() == 0) return false;
  if (one_of(".") && digits() == 0) return false;
  if (one_of("eE")) {
    one_of("+-");
    if (digits() == 0) return false;
  }
  return text.empty();
}

// Whether a spreadsheet evaluates the cell as a formula. It does so after some blanks and for full-width signs as well.
bool is_formula(std::string_view cell) {
  if (cell.empty() || is_json_number(cell)) return false;
  constexpr std::array<std::string_view, 4> kFullWidth{"＝", "＋", "－", "＠"};
  return std::string_view("=+-@\t\r\n").find(cell.front()) != std::string_view::npos ||
         std::any_of(kFullWidth.begin(), kFullWidth.end(), [&](auto sign) { return cell.starts_with(sign); });
}

void append_csv_field(std::string& out, std::string_view field) {
  if (field.find_first_of("\",\r\n") == std::string_view::npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

// ---- stdout

std::optional<OutputMode> output_mode(std::optional<std::string_view> flag, bool is_terminal) {
  if (!flag) return is_terminal ? OutputMode::table : OutputMode::json;
  if (*flag == "table") return OutputMode::table;
  if (*flag == "json") return OutputMode::json;
  if (*flag == "csv") return OutputMode::csv;
  return std::nullopt;
}

void ignore_sigpipe() {
  (void)std::signal(SIGPIPE, SIG_IGN);
}  // signal() fails only for invalid signal numbers

TextOutput::TextOutput(int descriptor) : descriptor_(descriptor), is_terminal_(is_capable_terminal(descriptor)) {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: counts if it is set and not empty
  has_colours_ = is_terminal_ && (no_color == nullptr || *no_color == '\0');
}

TextOutput::TextOutput(Size size, bool has_colours)
    : descriptor_(kMemory), is_terminal_(true), has_colours_(has_colours), memory_size_(size) {}

TextOutput::Size TextOutput::size() const {
  if (descriptor_ == kMemory) return memory_size_;
  winsize size{};
  if (::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return {size.ws_col, size.ws_row};
}

void TextOutput::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void TextOutput::write_json(std::string_view lines) {
  if (is_terminal_) return write(visible_lines(lines));
  write(lines);
}

void TextOutput::flush() {
  if (descriptor_ == kMemory) return;
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // another process has made the shared terminal or pipe non-blocking
      pollfd waiting{descriptor_, POLLOUT, 0};
      (void)::poll(&waiting, 1, -1);  // after an interruption the loop tries again
    } else if (errno == EPIPE) {
      std::_Exit(0);
    } else if (errno != EINTR) {
      std::fprintf(stderr, "fiverate: Cannot write to stdout: %s.\n", std::strerror(errno));
      std::_Exit(1);
    }
  }
  buffer_.clear();
}

// ---- lists

std::string coloured(const TextOutput& out, const std::string& text, RowStyle style) {
  const auto code = out.has_colours() ? code_of(style) : "";
  return code.empty() ? text : fmt::format("{}{}{}", code, text, kPlain);
}

TableWriter::TableWriter(TextOutput& out, OutputMode mode, std::vector<TableColumn> columns,
                         std::size_t rows_for_widths)
    : out_(out), mode_(mode), columns_(std::move(columns)), rows_for_widths_(rows_for_widths) {
  CHECK(!columns_.empty());
  for (const TableColumn& column : columns_) widths_.push_back(display_width(column.name));
}

void TableWriter::row(std::vector<TableCell> cells, RowStyle style) {
  CHECK(cells.size() == columns_.size(), cells.size(), columns_.size());
  if (mode_ == OutputMode::json) return write_json(cells);
  if (mode_ == OutputMode::csv) return write_csv(cells);
  std::vector<std::string> shown;
  std::vector<RowStyle> styles;
  shown.reserve(cells.size());
  for (const TableCell& cell : cells) {
    shown.push_back(cell.text() ? visible(*cell.text()) : "-");
    styles.push_back(cell.style());
  }
  for (std::size_t i = 0; i < shown.size(); ++i) widths_[i] = std::max(widths_[i], display_width(shown[i]));
  if (header_written_) return write_table_row({std::move(shown), std::move(styles), style}, false);
  waiting_.push_back({std::move(shown), std::move(styles), style});
  if (waiting_.size() >= rows_for_widths_) write_waiting();
}

void TableWriter::flush() {
  if (!waiting_.empty()) write_waiting();
  out_.flush();
}

void TableWriter::finish() {
  if (mode_ == OutputMode::csv) write_csv({});
  if (mode_ == OutputMode::table) write_waiting();
  out_.flush();
}

void TableWriter::write_json(const std::vector<TableCell>& cells) {
  std::string line = "{";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ", ";
    line += in_quotes(columns_[i].name);
    line += ": ";
    const auto& text = cells[i].text();
    if (!text) {
      line += "null";
    } else if (columns_[i].type == ColumnType::number && is_json_number(*text)) {
      line += *text;
    } else {
      line += in_quotes(*text);
    }
  }
  out_.write(line + "}\n");
}

// Without cells it writes the header alone, if that has not been written yet.
void TableWriter::write_csv(const std::vector<TableCell>& cells) {
  std::string lines;
  if (!header_written_) {
    header_written_ = true;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) lines += ',';
      append_csv_field(lines, columns_[i].name);
    }
    lines += "\r\n";
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) lines += ',';
    auto field = cells[i].text().value_or("");
    if (!out_.has_raw_csv() && is_formula(field)) field.insert(0, "'");
    append_csv_field(lines, out_.is_terminal() ? visible(field) : field);
    if (i + 1 == cells.size()) lines += "\r\n";
  }
  out_.write(lines);
}

void TableWriter::write_waiting() {
  if (!header_written_) {
    header_written_ = true;
    std::vector<std::string> names;
    for (const TableColumn& column : columns_) names.push_back(column.name);
    write_table_row({std::move(names), {}}, true);
  }
  for (const auto& row : waiting_) write_table_row(row, false);
  waiting_.clear();
}

void TableWriter::write_table_row(const ShownRow& row, bool is_header) {
  const auto& cells = row.cells;
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - std::min(widths_[i], display_width(cells[i])), ' ');
    const auto cell =
        row.style == RowStyle::plain && !row.styles.empty() ? coloured(out_, cells[i], row.styles[i]) : cells[i];
    if (i > 0) line += kColumnSeparator;
    if (columns_[i].type == ColumnType::number) {
      line += padding + cell;
    } else {
      line += cell;
      if (i + 1 < cells.size()) line += padding;  // a line does not end in blanks
    }
  }
  if (line_columns_ > 0) line = truncate_to(line, line_columns_);
  if (is_header && out_.is_terminal()) line = fmt::format("{}{}{}", kBold, line, kPlain);
  out_.write((is_header ? line : coloured(out_, line, row.style)) + "\n");
}

}  // namespace fiverate
