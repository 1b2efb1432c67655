// The summary of the files of a history: what a person sees before an import.
#include "processors/edge/history.h"

#include <gtest/gtest.h>

#include "tests/support/events.h"

namespace fiverate {
namespace {

using test::shanghai;

std::string visit_line(const std::string& id, const std::string& event_time, const std::string& arrival_time = {}) {
  return R"({"event_id":")" + id + R"(","source":"t","event_time":")" + event_time + R"(")" +
         (arrival_time.empty() ? "" : R"(,"arrival_time":")" + arrival_time + R"(")") + R"(,"visit":{"visit_id":")" +
         id + R"(","outlet_id":"R1","visitor_id":"v","outcome":"DONE","checks":[]}})" + "\n";
}

const std::string kRegion =
    R"({"event_id":"r","source":"t","event_time":"1999-01-01T00:00:00+08:00","region":{"region_id":"A","level":"COUNTY"}})"
    "\n";

History history_of(std::vector<MappedFile> files) {
  return History::read(std::move(files), shanghai()).value();
}

TEST(HistorySummary, CountsByFile) {
  const auto history = history_of(
      {MappedFile::of_text("a.jsonl", kRegion + visit_line("1", "2026-03-02T23:30:00Z") + "{\n"),
       MappedFile::of_text("b.jsonl", visit_line("2", "2026-03-05T12:00:00+08:00", "2026-03-06T08:00:00+08:00") +
                                          visit_line("3", "2026-01-01T12:00:00+08:00", "2026-03-07T08:00:00+08:00") +
                                          visit_line("4", "2206-03-07T12:00:00+08:00", "2026-03-07T09:00:00+08:00")),
       MappedFile::of_text("c.jsonl", "")});
  const auto& a = history.summaries().at(0);
  EXPECT_EQ(a.documents, 1);
  EXPECT_EQ(a.untimely, 0);
  EXPECT_EQ(a.others, 1);
  EXPECT_EQ(a.invalid, 1);
  EXPECT_EQ(a.first_arrival, test::at("2026-03-03T07:30:00")) << "the region has no arrival of its own";
  EXPECT_EQ(a.last_arrival, a.first_arrival);
  EXPECT_EQ(format_date(a.first_day), "2026-03-03");
  const auto& b = history.summaries().at(1);
  EXPECT_EQ(b.documents, 3);
  EXPECT_EQ(b.untimely, 2) << "one is late, one is in the future";
  EXPECT_EQ(b.first_arrival, test::at("2026-03-06T08:00:00"));
  EXPECT_EQ(b.last_arrival, test::at("2026-03-07T09:00:00"));
  EXPECT_EQ(format_date(b.first_day), "2026-01-01");
  EXPECT_EQ(format_date(b.last_day), "2206-03-07");
  EXPECT_EQ(history.summaries().at(2).first_arrival, kNever);
  ASSERT_EQ(history.invalid().size(), 1U);
  EXPECT_EQ(history.files()[history.invalid()[0].file].origin_of(history.invalid()[0].number), "a.jsonl:3");
}

TEST(HistorySummary, KeepsTheFirstInvalidLines) {
  std::string text;
  for (int i = 0; i < 15; ++i) text += "{\n";
  const auto history = history_of({MappedFile::of_text("a.jsonl", text)});
  EXPECT_EQ(history.summaries().at(0).invalid, 15);
  EXPECT_EQ(history.invalid().size(), History::kInvalidMax);
}

TEST(HistorySummary, AConvertedTextNamesThePlaceOfItsRow) {
  const auto file = MappedFile::of_text("events.jsonl", visit_line("1", "2026-03-02T12:00:00Z"),
                                        [](std::int64_t number) { return "sales.csv:" + std::to_string(number + 6); });
  const auto history = history_of({file});
  const auto record = history[0];
  EXPECT_EQ(history.files()[record.file].origin_of(record.number), "sales.csv:7");
  EXPECT_EQ(record.event_id, "1");
}

TEST(HistorySummary, OnlyRecordsWithAnArrivalOfTheirOwnHaveOne) {
  const auto history =
      history_of({MappedFile::of_text("a.jsonl", "{\n" + visit_line("1", "2026-03-02T12:00:00Z") + kRegion)});
  ASSERT_EQ(history.size(), 3U);
  EXPECT_FALSE(history[0].has_own_arrival) << "a region";
  EXPECT_FALSE(history[1].has_own_arrival) << "no readable arrival";
  EXPECT_TRUE(history[2].has_own_arrival);
}

}  // namespace
}  // namespace fiverate
