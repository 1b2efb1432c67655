// The canonical order of a file replay, as tables.
#include "processors/trade/facts/history_order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

struct Read {
  std::string line;
  Event event;
  std::optional<HistoryLine> decoded;
};

Read read(std::string line) {
  Read result{std::move(line), {}, {}};
  const auto rejected = decode(result.line, result.event);
  result.decoded = history_line(result.line, result.event, rejected, shanghai());
  return result;
}

std::string arriving(Event event, Millis arrival) {
  set_millis(*event.mutable_arrival_time(), arrival);
  return to_json(event);
}

// The event ids of the lines in canonical order, each with the day and time of its replay arrival.
std::string replayed(const std::vector<std::string>& lines) {
  std::vector<Read> history;
  for (const auto& line : lines) {
    if (auto one = read(line); one.decoded) history.push_back(std::move(one));
  }
  std::sort(history.begin(), history.end(),
            [](const Read& a, const Read& b) { return a.decoded->position < b.decoded->position; });
  std::optional<Millis> earliest;
  for (const auto& one : history) {
    const auto& position = one.decoded->position;
    if (position.has_arrival && (!earliest || position.arrival < *earliest)) earliest = position.arrival;
  }
  std::string text;
  for (const auto& one : history) {
    const auto since = replay_arrival(one.decoded->position, earliest.value_or(0)) - shanghai().start_of(nth(0));
    text += fmt::format("{} {}d{:02} | ", one.event.event_id(), since / kDayMs, since % kDayMs / (60 * kMinuteMs));
  }
  return text;
}

TEST(HistoryOrder, RegionsThenSkusThenOutletsThenTheRestEachByArrival) {
  const std::vector<std::string> lines{arriving(delivery("D2", "shop", noon(nth(4)), {{"s1", 1}}), noon(nth(5))),
                                       arriving(delivery("D1", "shop", noon(nth(3)), {{"s1", 1}}), noon(nth(6))),
                                       arriving(outlet("shop", nth(0), "north"), noon(nth(7))),
                                       arriving(sku("s1", "B1"), noon(nth(8))),
                                       arriving(region("north", "CN", Region::COUNTY), noon(nth(9))),
                                       arriving(region("CN", "", Region::COUNTRY), noon(nth(8)))};
  const auto expected =
      "region CN#1 5d12 | region north#1 5d12 | sku s1 2026-01-01#1 5d12 | outlet shop 2026-03-01#1 5d12 | "
      "D2#1 5d12 | D1#1 6d12 | ";
  auto shuffled = lines;
  std::sort(shuffled.begin(), shuffled.end());
  do {
    ASSERT_EQ(replayed(shuffled), expected);
  } while (std::next_permutation(shuffled.begin(), shuffled.end()));
}

TEST(HistoryOrder, EqualArrivalsAreOrderedByEventIdThenByTheBytesOfTheLine) {
  const auto at_noon = [](const std::string& id, std::int64_t quantity) {
    return to_json(delivery(id, "shop", noon(nth(1)), {{"s1", quantity}}));
  };
  EXPECT_EQ(replayed({at_noon("b", 1), at_noon("B", 1), at_noon("a", 1)}), "B#1 1d12 | a#1 1d12 | b#1 1d12 | ");
  const auto small = read(at_noon("a", 1));
  const auto large = read(at_noon("a", 2));
  ASSERT_LT(small.line, large.line);
  EXPECT_LT(small.decoded->position, large.decoded->position);
}

TEST(HistoryOrder, ALineWithoutAReadableArrivalComesFirstOfTheRestWithTheEarliestArrival) {
  const auto dated = to_json(delivery("D", "shop", noon(nth(2)), {{"s1", 1}}));
  EXPECT_EQ(replayed({dated, "{\"event_id\":\"broken\",\"deliv"}), " 2d12 | D#1 2d12 | ");
  EXPECT_EQ(replay_arrival(read("no event at all").decoded->position, 0), 0);
}

struct ArrivalCase {
  std::string_view fields;
  std::optional<std::string_view> arrival;  // in Shanghai; nullopt: no readable arrival
};

TEST(HistoryOrder, TheArrivalIsTheArrivalTimeElseTheEventTime) {
  const ArrivalCase cases[]{
      {R"("event_time":"2026-03-02T10:00:00+08:00","arrival_time":"2026-03-02T11:00:00+08:00",)",
       "2026-03-02T11:00:00"},
      {R"("event_time":"2026-03-02T10:00:00+08:00",)", "2026-03-02T10:00:00"},
      {R"("event_time":"2026-03-02T10:00:00+08:00","arrival_time":null,)", "2026-03-02T10:00:00"},
      {R"("event_time":"2026-03-02T10:00:00+08:00","arrival_time":"",)", "2026-03-02T10:00:00"},
      {R"("event_time":"2026-03-02T10:00:00+08:00","arrival_time":"noon",)", std::nullopt},
      {R"("event_time":"noon",)", std::nullopt},
      {R"("event_time":"2026-03-02T10:00:00+08:00","arrival_time":"9999-12-01T00:00:00Z",)", std::nullopt},
      {R"("event_time":"9999-12-31T10:00:00+08:00",)", std::nullopt},
      {R"("event_time":"noon","arrival_time":"2026-03-02T11:00:00+08:00",)", "2026-03-02T11:00:00"},
      {"", std::nullopt}};
  for (const auto& [fields, arrival] : cases) {
    const auto one =
        read(fmt::format(R"({{"event_id":"e","source":"test",{}"visit":{{"visit_id":"V","outlet_id":"shop",)"
                         R"("visitor_id":"v","outcome":"DONE"}}}})",
                         fields));
    ASSERT_TRUE(one.decoded) << fields;
    EXPECT_EQ(one.decoded->position.has_arrival, arrival.has_value()) << fields;
    if (arrival) {
      EXPECT_EQ(one.decoded->position.arrival, at(*arrival)) << fields;
    }
    EXPECT_EQ(one.decoded->topic, Topic::visits);
    EXPECT_EQ(one.decoded->key, "shop");
  }
}

TEST(HistoryOrder, ALineOfUnknownPayloadBelongsToTheDeliveriesAndARejectedRegionToTheRest) {
  const auto broken = read("nonsense");
  EXPECT_EQ(broken.decoded->topic, Topic::deliveries);
  EXPECT_EQ(broken.decoded->key, "");
  auto without_level = region("north", "CN", Region::COUNTY);
  without_level.mutable_region()->clear_level();
  const auto rejected = read(to_json(without_level));
  EXPECT_EQ(rejected.decoded->topic, Topic::reference);
  EXPECT_EQ(rejected.decoded->position.group, HistoryPosition::Group::other);
  EXPECT_FALSE(read(to_json(mark(noon(nth(1))))).decoded) << "marks are not part of a history";
}

TEST(HistoryOrder, OnlyATimelyDocumentHasADay) {
  const auto day_of = [](const Event& event, Millis arrival) { return read(arriving(event, arrival)).decoded->day; };
  const auto event = delivery("D", "shop", noon(nth(2)), {{"s1", 1}});
  EXPECT_EQ(day_of(event, noon(nth(9))), nth(2));
  EXPECT_EQ(day_of(event, noon(nth(9)) + 1), std::nullopt) << "late";
  EXPECT_EQ(day_of(event, noon(nth(2)) - 5 * kMinuteMs), nth(2));
  EXPECT_EQ(day_of(event, noon(nth(2)) - 5 * kMinuteMs - 1), std::nullopt) << "in the future";
  EXPECT_EQ(day_of(sku("s1", "B1"), noon(nth(2))), std::nullopt) << "not a document";
}

}  // namespace
}  // namespace fiverate::test
