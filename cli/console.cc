#include "cli/console.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::string_view kColumnGap = "  ";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kPlain = "\x1b[0m";

std::string_view code_of(RowStyle style) {
  constexpr std::array<std::string_view, 4> kCodes{"", "\x1b[31m", "\x1b[33m", "\x1b[2m"};
  return kCodes[static_cast<std::size_t>(style)];
}

bool is_capable_terminal(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && (kind == nullptr || std::string_view(kind) != "dumb");
}

// ------------------------------------------------------------------------------------------------ characters

constexpr char32_t kReplacement = 0xFFFD;

// Takes one character from the left; a byte that begins none is U+FFFD.
char32_t take_character(std::string_view& rest) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 1) {
    rest.remove_prefix(1);
    return lead;
  }
  char32_t character = length == 2 ? lead & 0x1FU : length == 3 ? lead & 0x0FU : lead & 0x07U;
  bool good = length != 0 && rest.size() >= length;
  for (std::size_t i = 1; good && i < length; ++i) {
    good = (byte(i) & 0xC0U) == 0x80U;
    character = character << 6U | (byte(i) & 0x3FU);
  }
  good = good && !(length == 3 && (character < 0x800 || (character >= 0xD800 && character <= 0xDFFF))) &&
         !(length == 4 && (character < 0x10000 || character > 0x10FFFF));
  rest.remove_prefix(good ? length : 1);
  return good ? character : kReplacement;
}

void append_utf8(std::string& out, char32_t character) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | (character >> shift & 0x3FU)); };
  if (character < 0x80) {
    out += static_cast<char>(character);
  } else if (character < 0x800) {
    out += static_cast<char>(0xC0U | character >> 6U);
    tail(0);
  } else if (character < 0x10000) {
    out += static_cast<char>(0xE0U | character >> 12U);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0U | character >> 18U);
    tail(12), tail(6), tail(0);
  }
}

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t Size>
bool within(const std::array<Range, Size>& ranges, char32_t character) {
  const auto next = std::upper_bound(ranges.begin(), ranges.end(), character,
                                     [](char32_t each, const Range& range) { return each < range.first; });
  return next != ranges.begin() && character <= std::prev(next)->last;
}

// The blocks of Unicode's EastAsianWidth.txt (W and F) and the combining marks (Mn, Cf) that names and notes contain.
// wcwidth() would ask the locale, which is often "C" on servers.
constexpr std::array<Range, 21> kWide{{{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
                                       {0x2E80, 0x303E},   {0x3041, 0x3247},   {0x3250, 0x4DBF},   {0x4E00, 0xA4CF},
                                       {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},
                                       {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18DFF},
                                       {0x1B000, 0x1B2FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF},
                                       {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 15> kZeroWidth{{{0x0300, 0x036F},
                                            {0x0483, 0x0489},
                                            {0x0591, 0x05BD},
                                            {0x064B, 0x065F},
                                            {0x1AB0, 0x1AFF},
                                            {0x1DC0, 0x1DFF},
                                            {0x200B, 0x200F},
                                            {0x202A, 0x202E},
                                            {0x2060, 0x206F},
                                            {0x20D0, 0x20FF},
                                            {0x302A, 0x302D},
                                            {0x3099, 0x309A},
                                            {0xFE00, 0xFE0F},
                                            {0xFEFF, 0xFEFF},
                                            {0xE0100, 0xE01EF}}};

std::size_t width_of(char32_t character) {
  if (character < 0x300) return 1;
  if (within(kZeroWidth, character)) return 0;
  return within(kWide, character) ? 2 : 1;
}

std::string cut_to(std::string_view text, std::size_t columns) {
  std::string out;
  for (std::size_t used = 0; !text.empty();) {
    const char32_t character = take_character(text);
    used += width_of(character);
    if (used > columns) break;
    append_utf8(out, character);
  }
  return out;
}

// Would move the cursor, change colours or turn the direction of writing: data must not do that to a terminal.
bool is_control(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0) || (character >= 0x2028 && character <= 0x202E) ||
         (character >= 0x2066 && character <= 0x2069);
}

std::string visible(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    const char32_t character = take_character(raw);
    if (character == U'\n') {
      out += "\\n";
    } else if (character == U'\t') {
      out += "\\t";
    } else if (is_control(character)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character));
    } else {
      append_utf8(out, character);
    }
  }
  return out;
}

void append_json_text(std::string& out, std::string_view raw) {
  out += '"';
  while (!raw.empty()) {
    const char32_t character = take_character(raw);
    if (character == U'"' || character == U'\\') {
      out += '\\';
      out += static_cast<char>(character);
    } else if (character == U'\n') {
      out += "\\n";
    } else if (is_control(character)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character));
    } else {
      append_utf8(out, character);
    }
  }
  out += '"';
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

// Three digits and a unit; `step` from one unit to the next.
std::string three_digits(std::int64_t number, double step, std::string_view one,
                         const std::vector<std::string_view>& units) {
  const bool is_negative = number < 0;
  double value = std::abs(static_cast<double>(number));
  if (value < step) return fmt::format("{}{}", number, one);
  std::size_t unit = 0;
  for (value /= step; unit + 1 < units.size() && value >= (step > 1000.0 ? step - 0.5 : 999.5); ++unit) value /= step;
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{}{:.{}f} {}", is_negative ? "-" : "", value, decimals, units[unit]);
}

}  // namespace

// -------------------------------------------------------------------------------------------------- stdout

std::optional<OutputMode> output_mode(std::optional<std::string_view> flag, bool is_terminal) {
  if (!flag) return is_terminal ? OutputMode::table : OutputMode::json;
  if (*flag == "table") return OutputMode::table;
  if (*flag == "json") return OutputMode::json;
  if (*flag == "csv") return OutputMode::csv;
  return std::nullopt;
}

void ignore_sigpipe() {
  (void)std::signal(SIGPIPE, SIG_IGN);
}  // fails only for signals that do not exist

TextOutput::TextOutput(int descriptor) : descriptor_(descriptor), is_terminal_(is_capable_terminal(descriptor)) {
  const char* refused = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  has_colours_ = is_terminal_ && (refused == nullptr || *refused == '\0');
}

TextOutput::Size TextOutput::size() const {
  winsize told{};
  if (::ioctl(descriptor_, TIOCGWINSZ, &told) != 0 || told.ws_col == 0) return {};
  return {told.ws_col, told.ws_row};
}

void TextOutput::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void TextOutput::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // someone made the shared terminal or pipe non-blocking
      pollfd waiting{descriptor_, POLLOUT, 0};
      (void)::poll(&waiting, 1, -1);  // an interruption only means another try
    } else if (errno == EPIPE) {
      std::_Exit(0);
    } else if (errno != EINTR) {
      std::fprintf(stderr, "fiverate: cannot write the output: %s\n", std::strerror(errno));
      std::_Exit(1);
    }
  }
  buffer_.clear();
}

// -------------------------------------------------------------------------------------------------- lists

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
  shown.reserve(cells.size());
  for (const TableCell& cell : cells) shown.push_back(cell.text() ? visible(*cell.text()) : "-");
  for (std::size_t i = 0; i < shown.size(); ++i) widths_[i] = std::max(widths_[i], display_width(shown[i]));
  if (header_written_) return write_table_row({std::move(shown), style}, false);
  waiting_.push_back({std::move(shown), style});
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
    append_json_text(line, columns_[i].name);
    line += ": ";
    const auto& text = cells[i].text();
    if (!text) {
      line += "null";
    } else if (columns_[i].type == ColumnType::number && is_json_number(*text)) {
      line += *text;
    } else {
      append_json_text(line, *text);
    }
  }
  out_.write(line + "}\n");
}

// Without cells only the header, if it is still missing.
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
    append_csv_field(lines, cells[i].text().value_or(""));
    if (i + 1 == cells.size()) lines += "\r\n";
  }
  out_.write(lines);
}

void TableWriter::write_waiting() {
  if (!header_written_) {
    header_written_ = true;
    std::vector<std::string> names;
    for (const TableColumn& column : columns_) names.push_back(column.name);
    write_table_row({std::move(names)}, true);
  }
  for (const auto& row : waiting_) write_table_row(row, false);
  waiting_.clear();
}

void TableWriter::write_table_row(const ShownRow& row, bool is_header) {
  const auto& cells = row.cells;
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - std::min(widths_[i], display_width(cells[i])), ' ');
    if (i > 0) line += kColumnGap;
    if (columns_[i].type == ColumnType::number) {
      line += padding + cells[i];
    } else {
      line += cells[i];
      if (i + 1 < cells.size()) line += padding;  // no blanks at the end of a line
    }
  }
  if (line_columns_ > 0) line = cut_to(line, line_columns_);
  const auto code = is_header ? (out_.is_terminal() ? kBold : "") : out_.has_colours() ? code_of(row.style) : "";
  out_.write(code.empty() ? line + "\n" : fmt::format("{}{}{}\n", code, line, kPlain));
}

// -------------------------------------------------------------------------------------------------- for people

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  while (!utf8.empty()) width += width_of(take_character(utf8));
  return width;
}

std::string human_count(std::int64_t count) {
  return three_digits(count, 1000.0, "", {"k", "M", "G", "T", "P", "E"});
}

std::string human_bytes(std::int64_t bytes) {
  return three_digits(bytes, 1024.0, " B", {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"});
}

std::string human_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = std::max<std::int64_t>(duration.count(), 0);
  const std::int64_t seconds = ms / 1000;
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (seconds < 10) return fmt::format("{}.{} s", seconds, ms % 1000 / 100);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} m {:02} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {:02} m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {:02} h", seconds / 86'400, seconds / 3600 % 24);
}

// -------------------------------------------------------------------------------------------------- progress

namespace {

using std::chrono::steady_clock;

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kPlainLineEvery = std::chrono::seconds(10);
constexpr double kRateMemorySeconds = 5.0;
constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kTerminalColumns = 80;  // where the terminal does not say

double seconds_of(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::chrono::milliseconds milliseconds_of(double seconds) {
  constexpr double kTenYears = 315e6;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(seconds, 0.0, kTenYears) * 1000.0));
}

std::string per_second(double rate) {
  return human_count(static_cast<std::int64_t>(std::llround(rate))) + "/s";
}

std::string bar_of(double share) {
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarColumns));
  return fmt::format("[{}{}]", std::string(full, '='), std::string(kBarColumns - full, ' '));
}

}  // namespace

ProgressBar::Screen ProgressBar::Screen::of_stderr() {
  return {is_capable_terminal(STDERR_FILENO),
          [](std::string_view text) {
            // Progress is a courtesy: whether stderr takes it does not matter.
            (void)std::fwrite(text.data(), 1, text.size(), stderr);
          },
          [] { return steady_clock::now(); },
          [] {
            winsize size{};
            const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
            return known ? std::size_t{size.ws_col} : kTerminalColumns;
          }};
}

ProgressBar::ProgressBar(std::string label, std::string noun, std::optional<std::int64_t> total, Screen screen)
    : label_(std::move(label)),
      noun_(std::move(noun)),
      total_(total),
      screen_(std::move(screen)),
      started_(screen_.now()),
      drawn_(started_) {}

void ProgressBar::set(std::int64_t count) {
  count_ = count;
  const auto now = screen_.now();
  if (now - drawn_ <
      (screen_.is_terminal ? steady_clock::duration(kRedrawEvery) : steady_clock::duration(kPlainLineEvery))) {
    return;
  }
  update_rate(now);
  drawn_ = now;
  drawn_count_ = count_;
  draw(line(), false);
}

void ProgressBar::finish() {
  if (std::exchange(finished_, true)) return;
  draw(last_line(), true);
}

void ProgressBar::update_rate(steady_clock::time_point now) {
  const double elapsed = seconds_of(now - drawn_);
  const double recent = static_cast<double>(count_ - drawn_count_) / elapsed;
  const double weight = rate_ ? 1.0 - std::exp(-elapsed / kRateMemorySeconds) : 1.0;
  rate_ = rate_.value_or(0.0) * (1.0 - weight) + recent * weight;
}

// import  [=====               ]  27 %  1.23 M / 4.50 M events  152 k/s  ETA 21 s
std::string ProgressBar::line() const {
  const double rate = rate_.value_or(0.0);
  if (!total_) return fmt::format("{}  {} {}  {}", label_, human_count(count_), noun_, per_second(rate));
  const double share =
      *total_ > 0 ? std::clamp(static_cast<double>(count_) / static_cast<double>(*total_), 0.0, 1.0) : 1.0;
  const auto left = static_cast<double>(std::max<std::int64_t>(*total_ - count_, 0));
  return fmt::format("{}  {}{:3} %  {} / {} {}  {}  ETA {}", label_, screen_.is_terminal ? bar_of(share) + "  " : "",
                     static_cast<int>(share * 100.0), human_count(count_), human_count(*total_), noun_,
                     per_second(rate), rate > 0.0 ? human_duration(milliseconds_of(left / rate)) : "-");
}

// import  4.50 M events in 29 s, 155 k/s
std::string ProgressBar::last_line() const {
  const double elapsed = seconds_of(screen_.now() - started_);
  const double rate = elapsed > 0.0 ? static_cast<double>(count_) / elapsed : 0.0;
  return fmt::format("{}  {} {} in {}, {}", label_, human_count(count_), noun_,
                     human_duration(milliseconds_of(elapsed)), per_second(rate));
}

void ProgressBar::draw(const std::string& text, bool is_last) {
  if (!screen_.is_terminal) return screen_.write(text + "\n");
  const std::size_t columns =
      std::max<std::size_t>(screen_.columns(), 2) - 1;  // a full line would wrap on some terminals
  screen_.write(fmt::format("\r{}\x1b[K{}", cut_to(text, columns), is_last ? "\n" : ""));
}

}  // namespace fiverate
