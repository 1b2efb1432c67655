// The simulation: random numbers that are the same on every machine, realistic quantities, a truth that balances with the documents,
// and mishaps that intake rejects for the intended reason.
#include "producers/simulate/simulate.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "producers/simulate/random.h"
#include "producers/simulate/season.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

const MarketCalendar& shanghai() {
  static const MarketCalendar calendar("Asia/Shanghai");
  return calendar;
}

struct TruthLine {
  Day day;
  std::int64_t stock = 0;
  std::int64_t demand = 0;
  std::int64_t sold = 0;
};

// Keeps the whole output of a run.
class RecordedOutput final : public MarketOutput {
 public:
  Result<void> record(const Arriving& record) override {
    records.push_back(record);
    if (record.arrival < last_mark) ++after_its_mark;
    return {};
  }
  Result<void> truth(std::string_view lines) override {
    truth_text += lines;
    return {};
  }
  Result<void> mark(Millis complete_through) override {
    EXPECT_GE(complete_through, last_mark);
    last_mark = complete_through;
    ++marks;
    return {};
  }
  Result<void> finish() override {
    finished = true;
    return {};
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    for (const auto& record : records) all += record.line + "\n";
    return all;
  }

  // By outlet and SKU, in order of days.
  [[nodiscard]] std::map<std::pair<std::string, std::string>, std::vector<TruthLine>> truth_lines() const {
    std::map<std::pair<std::string, std::string>, std::vector<TruthLine>> lines;
    for (std::size_t begin = 0; begin < truth_text.size();) {
      const auto end = truth_text.find('\n', begin);
      const auto line = std::string_view(truth_text).substr(begin, end - begin);
      const auto text = [&](std::string_view field) {
        const auto at = line.find(field) + field.size() + 3;
        return std::string(line.substr(at, line.find('"', at) - at));
      };
      const auto number = [&](std::string_view field) {
        return std::stoll(std::string(line.substr(line.find(field) + field.size() + 2)));
      };
      lines[{text("outlet_id"), text("sku_id")}].push_back(
          {parse_date(text("day")).value(), number("\"stock"), number("\"demand"), number("\"sold")});
      begin = end + 1;
    }
    return lines;
  }

  std::vector<Arriving> records;
  std::string truth_text;
  Millis last_mark = kNever;
  int marks = 0;
  int after_its_mark = 0;
  bool finished = false;
};

SimulateSettings small(std::uint64_t seed = 7, std::int64_t trouble = kOne) {
  SimulateSettings settings;
  settings.size = {60, 6, 24, 70, seed, parse_date("2026-01-05").value()};
  settings.trouble.scale(trouble);
  return settings;
}

RecordedOutput run(const SimulateSettings& settings) {
  RecordedOutput recorded;
  const auto summary = simulate(settings, shanghai(), recorded).value();
  EXPECT_TRUE(summary.complete);
  EXPECT_TRUE(recorded.finished);
  return recorded;
}

const RecordedOutput& clean() {
  static const RecordedOutput recorded = run(small(7, 0));
  return recorded;
}

const RecordedOutput& troubled() {
  static const RecordedOutput recorded = run(small(7, 5 * kOne));
  return recorded;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

// ---- random numbers ---------------------------------------------------------------------------------------------------------

TEST(Random, IsTheSameOnEveryMachine) {
  auto random = Random::derive(1, {2, 3});
  const auto first = random.next();
  EXPECT_EQ(first, Random::derive(1, {2, 3}).next());
  EXPECT_NE(first, Random::derive(1, {3, 2}).next());
  EXPECT_NE(first, Random::derive(2, {2, 3}).next());
  EXPECT_EQ(first, 5649887244965920420U);
}

TEST(Random, StaysWithinItsLimits) {
  auto random = Random::derive(1, {});
  std::array<int, 7> seen{};
  for (int i = 0; i < 70'000; ++i) ++seen[static_cast<std::size_t>(random.below(7))];
  for (const auto count : seen) EXPECT_NEAR(count, 10'000, 400);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(random.between(-3, -3), -3);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += random.chance(30'000) ? 1 : 0;
  EXPECT_NEAR(hits, 3'000, 250);
  std::array<int, 3> chosen{};
  for (int i = 0; i < 10'000; ++i) ++chosen[random.weighted(std::array<std::int32_t, 3>{1, 0, 3})];
  EXPECT_NEAR(chosen[0], 2'500, 250);
  EXPECT_EQ(chosen[1], 0);
}

TEST(Random, PoissonHasItsMeanVarianceAndZeros) {
  for (const std::int64_t mean : {0, 50, 900, 3'000, 7'999, 8'000, 8'001, 40'000}) {
    auto random = Random::derive(5, {static_cast<std::uint64_t>(mean)});
    constexpr int kDraws = 100'000;
    double sum = 0;
    double squares = 0;
    int zeros = 0;
    for (int i = 0; i < kDraws; ++i) {
      const auto drawn = static_cast<double>(random.poisson(mean));
      sum += drawn;
      squares += drawn * drawn;
      zeros += drawn == 0 ? 1 : 0;
    }
    const auto expected = static_cast<double>(mean) / 1000;
    const auto average = sum / kDraws;
    EXPECT_NEAR(average, expected, 0.02 * expected + 0.005) << mean;
    EXPECT_NEAR(squares / kDraws - average * average, expected, 0.03 * expected + 0.01) << mean;
    EXPECT_NEAR(static_cast<double>(zeros) / kDraws, std::exp(-expected), 0.006) << mean;
  }
}

TEST(Random, CustomersTakeMoreThanOneAtTimes) {
  auto random = Random::derive(9, {});
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = static_cast<double>(random.demand(4'000));
    sum += drawn;
    squares += drawn * drawn;
  }
  const auto average = sum / kDraws;
  EXPECT_NEAR(average, 4.0, 0.06);
  EXPECT_NEAR((squares / kDraws - average * average) / average, 1.71, 0.06);
}

// ---- seasons and the world ------------------------------------------------------------------------------------------

TEST(Season, FestivalAndWeek) {
  const auto day = [](const char* text) { return parse_date(text).value(); };
  EXPECT_EQ(weekday(day("2026-01-05")), 0);
  EXPECT_EQ(weekday(day("1970-01-01")), 3);
  EXPECT_GT(season_factor(day("2026-02-15"), false), 1350);
  EXPECT_GT(season_factor(day("2026-02-15"), true), season_factor(day("2026-02-15"), false));
  EXPECT_LT(season_factor(day("2026-02-25"), false), 900);
  EXPECT_TRUE(trade_rests(day("2026-02-17")));
  EXPECT_FALSE(trade_rests(day("2026-02-16")));
  EXPECT_FALSE(trade_rests(day("2026-02-23")));
  std::int64_t sum = 0;
  for (int i = 0; i < 365; ++i) sum += season_factor(day("2036-01-01") + i, false);
  EXPECT_NEAR(static_cast<double>(sum) / 365, 1000, 5) << "a year without a festival is an average year";
}

TEST(World, PopularityIsZipf) {
  const World world(small().size, shanghai());
  const auto& skus = world.skus();
  ASSERT_EQ(skus.size(), 24U);
  std::set<std::string> ids;
  std::set<std::size_t> brands;
  for (std::size_t i = 0; i < skus.size(); ++i) {
    const auto zipf = static_cast<double>(skus[0].mean_demand) / static_cast<double>(i + 1);
    EXPECT_NEAR(static_cast<double>(skus[i].mean_demand), zipf, 2);
    ids.insert(skus[i].id);
    brands.insert(skus[i].brand);
  }
  EXPECT_EQ(ids.size(), skus.size());
  EXPECT_EQ(brands.size(), 6U) << "every brand has a SKU";
}

// ---- runs -----------------------------------------------------------------------------------------------------------

TEST(Simulate, ASeedIsAMarket) {
  const auto again = run(small(7, 5 * kOne));
  EXPECT_EQ(hash_of(again.text()), hash_of(troubled().text()));
  EXPECT_EQ(hash_of(again.truth_text), hash_of(troubled().truth_text));
  const auto other = run(small(8, 5 * kOne));
  EXPECT_NE(hash_of(other.text()), hash_of(troubled().text()));
  EXPECT_NE(hash_of(other.truth_text), hash_of(troubled().truth_text));
}

// Hashes of the output of this version. After an intended change of the simulated market replace them by the new ones.
TEST(Simulate, TheSameBytesOnEveryMachine) {
  EXPECT_EQ(hash_of(troubled().text()), 11954118306234336627U);
  EXPECT_EQ(hash_of(troubled().truth_text), 7939488269892762808U);
}

TEST(Simulate, MishapsDoNotChangeTheTruth) {
  EXPECT_EQ(hash_of(clean().truth_text), hash_of(troubled().truth_text));
}

TEST(Simulate, InOrderOfArrivalAfterTheirMarks) {
  for (const auto* recorded : {&clean(), &troubled()}) {
    EXPECT_EQ(recorded->after_its_mark, 0);
    for (std::size_t i = 1; i < recorded->records.size(); ++i) {
      const auto& before = recorded->records[i - 1];
      const auto& record = recorded->records[i];
      ASSERT_LE(before.arrival, record.arrival);
      if (before.arrival == record.arrival && before.topic != Topic::reference) {
        ASSERT_LE(before.event_id, record.event_id);
      }
    }
    EXPECT_GT(recorded->last_mark, recorded->records.back().arrival);
  }
  EXPECT_EQ(clean().last_mark, shanghai().start_of(parse_date("2026-01-05").value() + 70) + 15 * kDayMs)
      << "all days are final";
}

TEST(Simulate, SlicesEmitTheSameRecords) {
  auto settings = small();
  settings.size.days = 10;
  const auto by_day = run(settings);
  settings.slice_ms = 37 * kMinuteMs;
  const auto by_slice = run(settings);
  EXPECT_EQ(by_slice.text(), by_day.text());
  EXPECT_GT(by_slice.marks, 300);
  settings.fast_days = 9;
  const auto past_at_once = run(settings);
  EXPECT_EQ(past_at_once.text(), by_day.text());
  EXPECT_LT(past_at_once.marks, by_slice.marks / 4) << "a mark a day, and slices on the last one";
  EXPECT_GT(past_at_once.marks, by_day.marks + 24);
}

TEST(Simulate, EndsWhereTheHookEndsIt) {
  RecordedOutput recorded;
  SimulateHooks hooks;
  const auto end = shanghai().start_of(parse_date("2026-01-09").value());
  hooks.reach = [&](Millis instant) { return instant <= end; };
  const auto summary = simulate(small(), shanghai(), recorded, hooks).value();
  EXPECT_FALSE(summary.complete);
  EXPECT_TRUE(recorded.finished);
  EXPECT_EQ(recorded.last_mark, end);
  for (const auto& record : recorded.records) ASSERT_LT(record.arrival, end);
}

TEST(Simulate, WithoutTroubleEveryLineIsAnEvent) {
  Event event;
  std::map<Event::PayloadCase, int> kinds;
  std::set<std::string> ids;
  for (const auto& record : clean().records) {
    const auto rejected = decode(record.line, event);
    ASSERT_FALSE(rejected) << record.line << rejected->detail;
    ++kinds[event.payload_case()];
    EXPECT_TRUE(ids.insert(event.event_id()).second) << event.event_id();
    EXPECT_EQ(home_of(event.payload_case()), record.topic);
    ASSERT_LE(event_time_of(event), record.arrival);
    ASSERT_LT(record.arrival - event_time_of(event), 5 * 60 * kMinuteMs);
  }
  EXPECT_EQ(kinds[Event::kSku], 24);
  EXPECT_GE(kinds[Event::kOutlet], 60);
  EXPECT_GT(kinds[Event::kOrder], 60 * 70 / 7 / 2);
  EXPECT_GT(kinds[Event::kDelivery], 60 * 70 / 7 / 2);
  EXPECT_GT(kinds[Event::kVisit], 60 * 2);
}

// The documents of a run without mishaps agree with its truth.
TEST(Simulate, TheTruthBalances) {
  struct Moved {
    std::int64_t in = 0;
    std::int64_t out = 0;
  };
  std::map<std::tuple<std::string, std::string, Day>, Moved> moved;
  std::map<std::tuple<std::string, std::string, Day>, std::int64_t> counted;
  Event event;
  int returns = 0;
  for (const auto& record : clean().records) {
    ASSERT_FALSE(decode(record.line, event));
    const auto day = shanghai().day_of(event_time_of(event));
    for (const auto& line : event.delivery().lines()) {
      auto& quantities = moved[{event.delivery().outlet_id(), line.sku_id(), day}];
      (event.delivery().direction() == Delivery::OUT ? quantities.in : quantities.out) += line.quantity();
      returns += event.delivery().direction() == Delivery::RETURN ? 1 : 0;
    }
    for (const auto& check : event.visit().checks()) {
      if (check.has_count()) counted[{event.visit().outlet_id(), check.sku_id(), day}] = check.count();
    }
  }
  EXPECT_GT(returns, 0);
  std::int64_t lines = 0;
  std::int64_t counts = 0;
  for (const auto& [pair, days] : clean().truth_lines()) {
    std::int64_t stock = 0;
    for (std::size_t i = 0; i < days.size(); ++i) {
      const auto& line = days[i];
      const auto& [in, out] = moved[{pair.first, pair.second, line.day}];
      ASSERT_EQ(line.stock, stock + in - out - line.sold)
          << pair.first << " " << pair.second << " " << format_date(line.day);
      ASSERT_GE(line.stock, 0);
      ASSERT_LE(line.sold, line.demand);
      if (line.sold < line.demand) {
        ASSERT_LE(line.stock, in) << "customers left without, so it had run out before what came";
      }
      if (const auto count = counted.find({pair.first, pair.second, line.day}); count != counted.end()) {
        ++counts;
        ASSERT_GE(count->second, line.stock - in);
        ASSERT_LE(count->second, stock + in);
      }
      stock = line.stock;
      ++lines;
    }
  }
  EXPECT_GT(lines, 10'000);
  EXPECT_GT(counts, 500);
}

TEST(Simulate, StockoutsAndStocksAreThoseOfARealMarket) {
  std::int64_t days = 0;
  std::int64_t out = 0;
  std::int64_t stock = 0;
  std::int64_t sold = 0;
  for (const auto& [pair, lines] : clean().truth_lines()) {
    for (const auto& line : lines) {
      ++days;
      out += line.stock == 0 ? 1 : 0;
      stock += line.stock;
      sold += line.sold;
    }
  }
  EXPECT_GT(100 * out, 2 * days);
  EXPECT_LT(100 * out, 9 * days);
  EXPECT_GT(stock, 5 * sold) << "days of supply";
  EXPECT_LT(stock, 20 * sold);
}

TEST(Simulate, TheFirstSkuSellsMost) {
  const World world(small(7, 0).size, shanghai());
  std::map<std::string, std::int64_t> sold;
  for (const auto& [pair, lines] : clean().truth_lines()) {
    for (const auto& line : lines) sold[pair.second] += line.sold;
  }
  const auto& skus = world.skus();
  EXPECT_GT(sold[skus[0].id], 3 * sold[skus[7].id]);
  EXPECT_GT(sold[skus[1].id], 3 * sold[skus[20].id]);
}

TEST(Simulate, AnOutletIsTheSameInALargerMarket) {
  auto settings = small(7, 0);
  settings.size.outlets = 70;  // as many counties as for 60
  const auto larger = run(settings);
  const auto lines = [](const RecordedOutput& recorded) {
    std::map<std::string, std::vector<std::int64_t>> stocks;
    for (const auto& [pair, days] : recorded.truth_lines()) {
      if (pair.first != "R000017") continue;
      for (const auto& line : days) stocks[pair.second].push_back(line.stock);
    }
    return stocks;
  };
  EXPECT_FALSE(lines(clean()).empty());
  EXPECT_EQ(lines(larger), lines(clean()));
}

TEST(Simulate, EveryMishapHappens) {
  Event event;
  std::map<std::string, int> seen;
  std::map<std::string, std::string> first_line;
  for (const auto& record : troubled().records) {
    if (record.topic == Topic::reference) continue;
    if (const auto rejected = decode(record.line, event)) {
      ++seen[std::string(name_of(rejected->reason))];
      continue;
    }
    const auto age = record.arrival - event_time_of(event);
    const auto allowed = event.has_visit() ? 14 * kDayMs : 7 * kDayMs;
    if (age > allowed) ++seen["late"];
    if (age < -5 * kMinuteMs) ++seen["future"];
    if (event.cancelled()) ++seen["cancelled"];
    if (!event.cancelled() && revision_of(event) == 2) ++seen["corrected"];
    if (event.event_id().ends_with("/again")) ++seen["duplicate under another id"];
    if (event.event_id().ends_with("/other")) ++seen["conflict under another id"];
    if (record.key.starts_with("R9R")) ++seen["unknown outlet"];
    if (record.line.find("B99-0") != std::string::npos) ++seen["unknown sku"];
    const auto [known, is_new] = first_line.emplace(event.event_id(), record.line);
    if (!is_new) ++seen["same id again"];
  }
  for (const auto* what : {"malformed", "missing_field", "bad_value", "negative_quantity", "duplicate_sku", "late",
                           "future", "cancelled", "corrected", "duplicate under another id",
                           "conflict under another id", "unknown outlet", "unknown sku", "same id again"}) {
    EXPECT_GT(seen[what], 0) << what;
  }
}

TEST(Simulate, ARateAloneIsThatMishapAlone) {
  auto settings = small(7, 0);
  settings.trouble.share[static_cast<std::size_t>(mishap_named("late").value())] = 100'000;
  const auto recorded = run(settings);
  Event event;
  int late = 0;
  int documents = 0;
  for (const auto& record : recorded.records) {
    ASSERT_FALSE(decode(record.line, event));
    if (!is_document(event.payload_case())) continue;
    ++documents;
    late += record.arrival - event_time_of(event) > (event.has_visit() ? 14 : 7) * kDayMs ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(late) / documents, 0.1, 0.03);
}

}  // namespace
}  // namespace fiverate
