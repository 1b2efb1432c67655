#include "cli/screen/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <vector>

#include "cli/screen/live_screen.h"

namespace fiverate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A pipe in the place of stdout. The test reads back what was written, which has to fit into the pipe's buffer.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    close_reader();
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  std::string read_now() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string text;
    std::array<char, 4096> chunk{};
    for (ssize_t got = 0; (got = ::read(ends_[0], chunk.data(), chunk.size())) > 0;) {
      text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

using Rows = std::vector<std::vector<TableCell>>;

std::string printed(OutputMode mode, std::vector<TableColumn> columns, const Rows& rows,
                    std::size_t rows_for_widths = 500) {
  Pipe pipe;
  TextOutput out(pipe.writer());
  TableWriter table(out, mode, std::move(columns), rows_for_widths);
  for (const auto& row : rows) table.row(row);
  table.finish();
  return pipe.read_now();
}

const std::vector<TableColumn> kColumns{{"brand_id"}, {"value", ColumnType::number}, {"name"}};

TEST(TableWriterTest, TruncatesLongLinesByTheirWidth) {
  Pipe pipe;
  TextOutput out(pipe.writer());
  TableWriter table(out, OutputMode::table, {{"a"}, {"b"}});
  table.truncate_lines_at(7);
  table.row({"断货", "断货"}, RowStyle::red);
  table.finish();
  EXPECT_EQ(pipe.read_now(), "a     b\n断货  \n") << "a wide character is not split, and a pipe has no colours";
}

TEST(OutputModeTest, ATerminalGetsATableEverythingElseJson) {
  EXPECT_EQ(output_mode(std::nullopt, true), OutputMode::table);
  EXPECT_EQ(output_mode(std::nullopt, false), OutputMode::json);
  EXPECT_EQ(output_mode("table", false), OutputMode::table);
  EXPECT_EQ(output_mode("csv", true), OutputMode::csv);
  EXPECT_EQ(output_mode("json", true), OutputMode::json);
  EXPECT_EQ(output_mode("xml", true), std::nullopt);
  EXPECT_EQ(output_mode("", true), std::nullopt);
}

TEST(TableWriterTest, TableAlignsNumbersRightAndCountsWideCharactersTwice) {
  EXPECT_EQ(
      printed(OutputMode::table, kColumns, {{"中华", 12, "x"}, {"B-long", "0.691667", "y"}, {"é", std::nullopt, "z"}}),
      "brand_id     value  name\n"
      "中华            12  x\n"
      "B-long    0.691667  y\n"
      "é                -  z\n");
}

TEST(TableWriterTest, TheHeaderIsBoldOnATerminalOnly) {
  ::setenv("TERM", "xterm", 1);
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(::grantpt(terminal), 0);
  ASSERT_EQ(::unlockpt(terminal), 0);
  const int program = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(program, 0);
  TextOutput out(program);
  EXPECT_TRUE(out.is_terminal());
  TableWriter table(out, OutputMode::table, {{"a"}});
  table.row({"1"});
  table.finish();
  std::array<char, 100> shown{};
  const ssize_t got = ::read(terminal, shown.data(), shown.size());
  EXPECT_EQ(std::string(shown.data(), got > 0 ? static_cast<std::size_t>(got) : 0U), "\x1b[1ma\x1b[0m\r\n1\r\n");
  ::close(program);
  ::close(terminal);
}

TEST(TableWriterTest, LinesDoNotEndInBlanks) {
  EXPECT_EQ(printed(OutputMode::table, {{"a"}, {"long_name"}}, {{"1", "2"}}), "a  long_name\n1  2\n");
}

TEST(TableWriterTest, WidthsComeFromTheFirstRowsAndGrow) {
  EXPECT_EQ(printed(OutputMode::table, {{"a"}, {"b"}}, {{"1", "x"}, {"22", "x"}, {"4444", "x"}, {"5", "x"}}, 2),
            "a   b\n"
            "1   x\n"
            "22  x\n"
            "4444  x\n"
            "5     x\n");
}

TEST(TableWriterTest, FlushWritesTheRowsSoFar) {
  Pipe pipe;
  TextOutput out(pipe.writer());
  TableWriter table(out, OutputMode::table, {{"a"}});
  table.flush();
  EXPECT_EQ(pipe.read_now(), "");
  table.row({"1"});
  EXPECT_EQ(pipe.read_now(), "");
  table.flush();
  EXPECT_EQ(pipe.read_now(), "a\n1\n");
  table.row({"2"});
  table.finish();
  EXPECT_EQ(pipe.read_now(), "2\n");
}

TEST(TableWriterTest, NoRows) {
  EXPECT_EQ(printed(OutputMode::table, {{"a"}, {"b"}}, {}), "a  b\n");
  EXPECT_EQ(printed(OutputMode::csv, {{"a"}, {"b"}}, {}), "a,b\r\n");
  EXPECT_EQ(printed(OutputMode::json, {{"a"}, {"b"}}, {}), "");
}

TEST(TableWriterTest, DataCannotDriveTheTerminal) {
  EXPECT_EQ(printed(OutputMode::table, {{"a"}},
                    {{"x\x1b[2Jy\nz\tw\xc2\x9b"
                      "1m\xe2\x80\xae!"}}),
            "a\nx\\u001b[2Jy\\nz\\tw\\u009b1m\\u202e!\n");
  EXPECT_EQ(printed(OutputMode::json, {{"a"}}, {{"\x1b\x7f\xc2\x9b"}}), "{\"a\": \"\\u001b\\u007f\\u009b\"}\n");
}

TEST(TableWriterTest, JsonKeepsTheOrderOfColumnsAndTypes) {
  EXPECT_EQ(
      printed(OutputMode::json, kColumns,
              {{"B\"1\\", std::int64_t{LLONG_MIN}, "中\n\xff"}, {"7", "-0.500000", std::optional<std::string>()}}),
      "{\"brand_id\": \"B\\\"1\\\\\", \"value\": -9223372036854775808, \"name\": \"中\\n\xef\xbf\xbd\"}\n"
      "{\"brand_id\": \"7\", \"value\": -0.500000, \"name\": null}\n");
}

TEST(TableWriterTest, TextThatIsNotANumberIsAStringInJson) {
  for (const auto* text : {"", "nan", "1.", ".5", "01", "+1", "1e", "0x1", "1 ", "--1", "∞"}) {
    EXPECT_EQ(printed(OutputMode::json, {{"n", ColumnType::number}}, {{text}}),
              "{\"n\": \"" + std::string(text) + "\"}\n");
  }
  for (const auto* text : {"0", "-0", "10", "0.5", "1e9", "1.5E-3"}) {
    EXPECT_EQ(printed(OutputMode::json, {{"n", ColumnType::number}}, {{text}}), "{\"n\": " + std::string(text) + "}\n");
  }
}

TEST(TableWriterTest, CsvFollowsRfc4180) {
  EXPECT_EQ(printed(OutputMode::csv, kColumns, {{"a,b", 1, "the \"x\""}, {"two\nlines", std::nullopt, ""}}),
            "brand_id,value,name\r\n"
            "\"a,b\",1,\"the \"\"x\"\"\"\r\n"
            "\"two\nlines\",,\r\n");
}

TEST(TableWriterTest, CsvCellsThatASpreadsheetEvaluatesGetAnApostrophe) {
  const std::vector<TableColumn> columns{{"a"}};
  for (const auto* formula : {"=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\tx", "-", "＝A1", "+5", "-x"}) {
    EXPECT_EQ(printed(OutputMode::csv, columns, {{formula}}), "a\r\n'" + std::string(formula) + "\r\n");
  }
  EXPECT_EQ(printed(OutputMode::csv, columns, {{"\rx"}, {"=\"a\",b"}}), "a\r\n\"'\rx\"\r\n\"'=\"\"a\"\",b\"\r\n");
  for (const auto* plain : {"-5", "-0.500000", "12", "", "a=b", "x-1", "a@b", "-1e9"}) {
    EXPECT_EQ(printed(OutputMode::csv, columns, {{plain}}), "a\r\n" + std::string(plain) + "\r\n");
    EXPECT_EQ(printed(OutputMode::csv, {{"a", ColumnType::number}}, {{plain}}), "a\r\n" + std::string(plain) + "\r\n");
  }
}

TEST(TableWriterTest, RawCsvKeepsFormulas) {
  Pipe pipe;
  TextOutput out(pipe.writer());
  out.set_raw_csv(true);
  TableWriter table(out, OutputMode::csv, {{"a"}});
  table.row({"=cmd"});
  table.finish();
  EXPECT_EQ(pipe.read_now(), "a\r\n=cmd\r\n");
}

TEST(TextOutputTest, OnATerminalJsonAndCsvCannotDriveIt) {
  TextOutput screen({80, 24}, false);
  screen.write_json("{\"a\":\"\xc2\x9b\x7f\xe2\x80\xae\"}\n");
  TableWriter table(screen, OutputMode::csv, {{"a"}});
  table.row({"\x1b[2J\nforged"});
  table.finish();
  EXPECT_EQ(screen.text(), "{\"a\":\"\\u009b\\u007f\\u202e\"}\na\r\n\\u001b[2J\\nforged\r\n");
  Pipe pipe;
  TextOutput out(pipe.writer());
  out.write_json("{\"a\":\"\x7f\"}\n");
  out.flush();
  EXPECT_EQ(pipe.read_now(), "{\"a\":\"\x7f\"}\n") << "other programs get the canonical bytes";
}

TEST(TableWriterDeathTest, ARowHasAsManyCellsAsColumns) {
  EXPECT_DEATH(printed(OutputMode::csv, kColumns, {{"a"}}), "invariant broken");
}

TEST(TextOutputDeathTest, AClosedPipeEndsTheProcessWithoutAMessage) {
  EXPECT_EXIT(
      {
        ignore_sigpipe();
        Pipe pipe;
        pipe.close_reader();
        TextOutput out(pipe.writer());
        out.write("not read");
        out.flush();
        std::_Exit(3);
      },
      testing::ExitedWithCode(0), "^$");
}

TEST(TextOutputDeathTest, AFullDiskIsAFailure) {
  EXPECT_EXIT(
      {
        TextOutput out(::open("/dev/full", O_WRONLY));
        out.write("x");
        out.flush();
        std::_Exit(3);
      },
      testing::ExitedWithCode(1), "Cannot write to stdout: No space left");
}

TEST(DisplayWidthTest, WideCombiningAndBroken) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("é"), 1U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);
  EXPECT_EQ(display_width("中华烟"), 6U);
  EXPECT_EQ(display_width("（软）"), 6U);
  EXPECT_EQ(display_width("한국"), 4U);
  EXPECT_EQ(display_width("🚬"), 2U);
  EXPECT_EQ(display_width("𠮷"), 2U);
  EXPECT_EQ(display_width("\xe4\xb8"), 2U);          // an incomplete character: two replacement characters
  EXPECT_EQ(display_width("\xed\xa0\x80"), 3U);      // a surrogate
  EXPECT_EQ(display_width("\xf4\x90\x80\x80"), 4U);  // beyond the last character
}

TEST(HumanTest, Counts) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1.00 k");
  EXPECT_EQ(human_count(12'345), "12.3 k");
  EXPECT_EQ(human_count(123'456), "123 k");
  EXPECT_EQ(human_count(999'499), "999 k");
  EXPECT_EQ(human_count(999'500), "1.00 M");
  EXPECT_EQ(human_count(1'234'567), "1.23 M");
  EXPECT_EQ(human_count(-1'234'567), "-1.23 M");
  EXPECT_EQ(human_count(-5), "-5");
  EXPECT_EQ(human_count(INT64_MAX), "9.22 E");
  EXPECT_EQ(human_count(INT64_MIN), "-9.22 E");
}

TEST(HumanTest, Durations) {
  EXPECT_EQ(human_duration(milliseconds(-1)), "0 ms");
  EXPECT_EQ(human_duration(milliseconds(450)), "450 ms");
  EXPECT_EQ(human_duration(milliseconds(4'290)), "4.2 s");
  EXPECT_EQ(human_duration(seconds(59)), "59 s");
  EXPECT_EQ(human_duration(seconds(185)), "3 min 05 s");
  EXPECT_EQ(human_duration(seconds(7'640)), "2 h 07 min");
  EXPECT_EQ(human_duration(std::chrono::hours(76)), "3 d 04 h");
}

// A screen that records every write, and a clock that the test moves.
class ProgressTest : public testing::Test {
 protected:
  ProgressBar::Screen screen(bool is_terminal) {
    return {is_terminal, [this](std::string_view text) { drawn_.emplace_back(text); }, [this] { return now_; },
            [this] { return columns_; }};
  }

  std::vector<std::string> drawn_;
  std::chrono::steady_clock::time_point now_{seconds(1000)};
  std::size_t columns_ = 100;
};

TEST_F(ProgressTest, ATerminalIsRedrawnAtMostTenTimesASecond) {
  ProgressBar progress("import", "events", 10'000, screen(true));
  for (int i = 0; i < 1000; ++i) {  // one second
    now_ += milliseconds(1);
    progress.advance();
  }
  EXPECT_EQ(drawn_.size(), 10U);
  EXPECT_EQ(drawn_.back(),
            "\rimport  [==                  ]   10 %  1.00 k of 10.0 k events, 1.00 k events/s, 9.0 s left\x1b[K");
  progress.finish();
  progress.finish();
  EXPECT_EQ(drawn_.size(), 11U);
  EXPECT_EQ(drawn_.back(), "\rimport  1.00 k events in 1.0 s, 1.00 k events/s\x1b[K\n");
}

TEST_F(ProgressTest, WithoutATerminalAPlainLineEveryTenSeconds) {
  {
    ProgressBar progress("replay", "records", std::nullopt, screen(false));
    for (int i = 0; i < 250; ++i) {
      now_ += milliseconds(100);
      progress.advance(20);
    }
  }
  EXPECT_EQ(drawn_, (std::vector<std::string>{"replay  2.00 k records, 200 records/s\n",
                                              "replay  4.00 k records, 200 records/s\n",
                                              "replay  5.00 k records in 25 s, 200 records/s\n"}));
}

TEST_F(ProgressTest, TheRateFollowsTheLastSeconds) {
  ProgressBar progress("import", "events", std::nullopt, screen(true));
  for (int i = 0; i < 100; ++i) now_ += milliseconds(100), progress.advance(100);
  for (int i = 0; i < 300; ++i) now_ += milliseconds(100), progress.advance(1);
  EXPECT_EQ(drawn_.back(), "\rimport  10.3 k events, 12 events/s\x1b[K");
}

TEST_F(ProgressTest, ALineIsTruncatedToTheTerminal) {
  columns_ = 12;
  ProgressBar progress("导入导入", "events", std::nullopt, screen(true));
  now_ += seconds(1);
  progress.set(5);
  EXPECT_EQ(drawn_.back(), "\r导入导入  5\x1b[K");
}

TEST_F(ProgressTest, ASlowCountKeepsItsRateBetweenSteps) {
  ProgressBar progress("simulate", "days", 450, screen(true));
  for (int day = 1; day <= 3; ++day) {
    for (int i = 0; i < 100; ++i) now_ += milliseconds(100), progress.set(i < 99 ? day - 1 : day);
    for (int i = 0; i < 50; ++i) now_ += milliseconds(100), progress.set(day);
    now_ -= seconds(5);
  }
  EXPECT_NE(drawn_.back().find("3 of 450 days, 0.1 days/s, 1 h 14 min left"), std::string::npos) << drawn_.back();
}

TEST_F(ProgressTest, NothingDoneOrMoreThanAnnounced) {
  ProgressBar progress("import", "events", 0, screen(false));
  now_ += seconds(10);
  progress.set(0);
  EXPECT_EQ(drawn_.back(), "import  100 %  0 of 0 events, 0 events/s\n");
  now_ += seconds(10);
  progress.set(5);
  EXPECT_NE(drawn_.back().find("import  100 %  5 of 0 events"), std::string::npos);
}

// ---- live screens

TEST(LiveScreen, FitsAndClearsThePageBefore) {
  Pipe pipe;  // no terminal: 80 columns and 24 lines
  TextOutput out(pipe.writer());
  {
    LiveScreen screen(out);
    auto page = screen.page();
    page.write("\x1b[31m" + std::string(79, 'a') + "断\x1b[0m\nb\n");
    screen.show(page);
    EXPECT_EQ(pipe.read_now(), std::string(24, '\n') + "\x1b[?25l\x1b[H\x1b[31m" + std::string(79, 'a') +
                                   "\x1b[0m\x1b[K\nb\x1b[K\n\x1b[J");
    TextOutput full({80, 24}, true);
    for (int i = 0; i < 30; ++i) full.write(std::string(100, 'x') + "\n");
    screen.show(full);
    std::string expected = "\x1b[?25l\x1b[H" + std::string(80, 'x');
    for (int i = 1; i < 24; ++i) expected += "\n" + std::string(80, 'x');
    EXPECT_EQ(pipe.read_now(), expected);
  }
  EXPECT_EQ(pipe.read_now(), "\x1b[?25h\n");
}

}  // namespace
}  // namespace fiverate
