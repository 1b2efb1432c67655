// Seeded simulation of the real tasks over a log in memory: random histories, random partitions, random interleaving,
// crashes between any two steps, two instances of one task at once. Whatever happens, the FINAL rows are those of an
// undisturbed run over one partition, to the byte, and nobody stops.
//
// Repeat a seed: FIVERATE_SEED=17 build/dev/tests/sim_tests
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "processors/trade/measures/measure.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "tests/support/random_history.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

// One ctest case holds this many seeds, so that cases run in parallel.
constexpr std::uint64_t kSeedsOfCase = 25;
constexpr Millis kUntilAllIsFinal = 17 * kDayMs;

// ---- an undisturbed run ---------------------------------------------------------------------------------------------

Millis end_of(const std::vector<SourceRecord>& history) {
  return history.back().arrival + kUntilAllIsFinal;
}

// Feeds day by day, and lets everything pass through before the next.
struct Outcome {
  std::map<std::string, std::string> final_rows;
  std::vector<std::pair<std::string, std::string>> quarantined;
  std::vector<std::string> stockouts;
};

Outcome undisturbed(const std::vector<SourceRecord>& history) {
  Rig rig({1, 1, 1}, false);
  auto today = shanghai().day_of(history.front().arrival);
  for (const auto& record : history) {
    if (const auto day = shanghai().day_of(record.arrival); day != today) {
      rig.marks(shanghai().start_of(day) - 1);
      rig.run();
      today = day;
    }
    rig.arrives(record.topic, 0, record.arrival, record.key, record.value);
  }
  rig.marks(end_of(history));
  rig.run();
  return {rig.final_rows(), rig.quarantined(), confirmed_stockouts(rig.transitions())};
}

// ---- a disturbed one ------------------------------------------------------------------------------------------------

class Storm {
 public:
  // `time_known_early`: every source partition begins with a mark, and all of them have been heard of before documents
  // come.
  Storm(std::uint64_t seed, const std::vector<SourceRecord>& history, bool time_known_early)
      : random_(seed * 2 + 1),
        rig_({count(1, 3), count(1, 4), count(1, 3)}, chance(50)),
        books_(2, ProgressBook(rig_.definition())) {
    if (time_known_early) rig_.marks(history.front().arrival - 1);
    fill(history);
    for (const auto& input : rig_.inputs())
      instances_.push_back(start(input, std::make_shared<MemoryStore::Content>()));
    if (!time_known_early) return;
    for (auto& instance : instances_) {
      if (!is_source(instance)) continue;
      CHECK(instance.actor->work(1).has_value());
      CHECK(commit(instance).has_value());
    }
    for (auto& book : books_) say_progress(book);
  }

  // Nothing: all went well.
  std::optional<Error> blow() {
    for (int step = 0; step < 1200; ++step) {
      if (auto failed = random_step(); !failed) return failed.error();
    }
    // Calm: the zombies are gone, everybody works to the end.
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& instance : instances_) {
        const auto worked = instance.actor->work(64);
        if (!worked) return worked.error();
        moved = moved || *worked > 0;
        if (auto committed = commit(instance); !committed) return committed.error();
      }
      for (auto& book : books_) moved = say_progress(book) || moved;
    }
    return std::nullopt;
  }

  Rig& rig() { return rig_; }
  std::string what_happened() const {
    return fmt::format("{} crashes, {} zombies, {} repetitions dropped, {} gaps", crashes_, zombies_, repetitions_,
                       gaps());
  }
  std::int64_t gaps() const {
    std::int64_t all = gaps_;
    for (const auto& instance : instances_) all += instance.actor->task().counters().gaps;
    return all;
  }

 private:
  struct Instance {
    std::unique_ptr<Actor> actor;
    std::size_t book;  // of its process
    bool zombie = false;
  };

  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(end));
  }
  bool chance(int percent) { return below(100) < percent; }
  std::int32_t count(int first, int last) { return first + static_cast<std::int32_t>(below(last - first + 1)); }

  void fill(const std::vector<SourceRecord>& history) {
    const auto salt = std::to_string(below(1000));
    std::map<Topic, std::int32_t> partitions;
    for (const auto& source : rig_.definition().sources())
      partitions[*topic_named(source.topic())] = source.partitions();
    Millis marked = 0;
    for (const auto& record : history) {
      // Marks stand anywhere between records, not only at midnights.
      if (chance(10) && record.arrival - 1 > marked) rig_.marks(marked = record.arrival - 1);
      rig_.arrives(record.topic, partition_of(record.key + salt, partitions.at(record.topic)), record.arrival,
                   record.key, record.value);
    }
    rig_.marks(end_of(history));
  }

  Instance start(Input input, std::shared_ptr<MemoryStore::Content> state) {
    return {rig_.make_actor(input, std::move(state)), static_cast<std::size_t>(below(2))};
  }

  Result<void> random_step() {
    const auto at = static_cast<std::size_t>(below(static_cast<std::int64_t>(instances_.size())));
    auto& instance = instances_[at];
    const auto dice = below(1000);
    if (dice < 700) {
      const auto worked = instance.actor->work(static_cast<std::size_t>(1 + below(chance(20) ? 200 : 12)));
      if (!worked) return tl::make_unexpected(worked.error());
    } else if (dice < 800) {
      instance.actor->sink().deliver([&](std::size_t all) { return below(static_cast<std::int64_t>(all) + 1); });
    } else if (dice < 920) {
      FIVERATE_TRY(commit(instance));
    } else if (dice < 950) {
      FIVERATE_TRY(crash(at));
    } else if (dice < 960) {
      raise_zombie(at);
    } else {
      say_progress(books_[static_cast<std::size_t>(below(2))]);
    }
    return {};
  }

  Result<void> commit(Instance& instance) {
    const auto committed = instance.actor->commit();
    if (!committed) return tl::make_unexpected(committed.error());
    if (*committed && is_source(instance))
      books_[instance.book].acknowledge(instance.actor->input(), instance.actor->acknowledged());
    return {};
  }

  bool say_progress(ProgressBook& book) {
    if (!book.moved()) return false;
    const auto progress = book.take();
    if (progress) rig_.append_progress(*progress);
    return progress.has_value();
  }

  static bool is_source(const Instance& instance) {
    return std::ranges::find(kSourceTopics, instance.actor->input().topic) != kSourceTopics.end();
  }

  // After some records, some outputs of which got through; or between the two writes of a commit. Sometimes the disk is
  // lost.
  Result<void> crash(std::size_t at) {
    ++crashes_;
    auto& instance = instances_[at];
    const auto input = instance.actor->input();
    auto state = instance.actor->state();
    if (chance(30)) {
      const auto committed = instance.actor->commit(true);
      if (!committed) return tl::make_unexpected(committed.error());
    } else {
      instance.actor->sink().deliver([&](std::size_t all) { return below(static_cast<std::int64_t>(all) + 1); });
    }
    repetitions_ += instance.actor->task().counters().repetitions;
    gaps_ += instance.actor->task().counters().gaps;
    books_[instance.book].forget(input);
    const bool zombie = instance.zombie;
    if (zombie) {
      instances_.erase(instances_.begin() + static_cast<std::ptrdiff_t>(at));
      return {};
    }
    if (chance(15)) state = std::make_shared<MemoryStore::Content>();
    instances_[at] = start(input, std::move(state));
    return {};
  }

  // A second instance of the same task, from a copy of the state or from nothing; the first does not know of it.
  void raise_zombie(std::size_t at) {
    ++zombies_;
    const auto& original = *instances_[at].actor;
    auto state = chance(60) && original.state() ? std::make_shared<MemoryStore::Content>(*original.state())
                                                : std::make_shared<MemoryStore::Content>();
    auto instance = start(original.input(), std::move(state));
    instance.zombie = true;
    instances_.push_back(std::move(instance));
  }

  std::mt19937_64 random_;
  Rig rig_;
  std::vector<ProgressBook> books_;
  std::vector<Instance> instances_;
  int crashes_ = 0;
  int zombies_ = 0;
  std::int64_t repetitions_ = 0;
  std::int64_t gaps_ = 0;
};

// What is quarantined twice says the same twice. Whether a count was believed when it came depends on what had come by then.
std::set<std::pair<std::string, std::string>> once_each(
    const std::vector<std::pair<std::string, std::string>>& quarantined) {
  std::set<std::pair<std::string, std::string>> once(quarantined.begin(), quarantined.end());
  std::erase_if(once, [](const auto& one) { return one.second == name_of(Reason::count_implausible); });
  return once;
}

void expect_same_final_rows(std::uint64_t seed, const HistoryShape& shape, bool time_known_early = true) {
  SCOPED_TRACE(fmt::format("FIVERATE_SEED={}", seed));
  const auto history = random_history(seed, shape);
  const auto expected = undisturbed(history);
  ASSERT_FALSE(expected.final_rows.empty());
  Storm storm(seed, history, time_known_early);
  const auto error = storm.blow();
  ASSERT_FALSE(error.has_value()) << error->what << "\n" << storm.what_happened();
  std::string repeated_differently;
  const auto actual = storm.rig().final_rows(&repeated_differently);
  EXPECT_EQ(repeated_differently, "") << "a FINAL row was written twice with different bytes";
  const auto stockouts = confirmed_stockouts(storm.rig().transitions(&repeated_differently));
  EXPECT_EQ(repeated_differently, "") << "a transition was said twice with different bytes";
  EXPECT_TRUE(expected.stockouts == stockouts) << first_differences(expected.stockouts, stockouts) << storm.what_happened();
  EXPECT_EQ(storm.gaps(), 0) << storm.what_happened();
  EXPECT_EQ(once_each(expected.quarantined), once_each(storm.rig().quarantined())) << storm.what_happened();
  EXPECT_TRUE(expected.final_rows == actual)
      << first_differences(json_lines(expected.final_rows), json_lines(actual)) << storm.what_happened();
}

// ---- cases ----------------------------------------------------------------------------------------------------------

std::vector<std::uint64_t> seeds_of(std::uint64_t number) {
  if (const auto* one = std::getenv("FIVERATE_SEED")) return {std::strtoull(one, nullptr, 10)};
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = 0; i < kSeedsOfCase; ++i) seeds.push_back(number * kSeedsOfCase + i + 1);
  return seeds;
}

class Simulation : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, StormsLeaveTheFinalRowsAlone) {
  for (const auto seed : seeds_of(GetParam())) {
    expect_same_final_rows(seed, {});
    if (HasFailure()) return;  // one seed is enough to look at
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Range<std::uint64_t>(0, 8));

// As in Outlets.WhatWaitedIsJudgedAtItsHourAlsoIfTimeBeginsWithALeap: a source partition may be heard of for the
// first time when the others are weeks ahead.
TEST(SimulationOfTime, ASourceHeardOfLate) {
  for (const auto seed : seeds_of(0)) {
    expect_same_final_rows(seed, {}, false);
    if (HasFailure()) return;
  }
}

// As in the tests of Final in stages/market_test.cc.
TEST(SimulationOfReference, CountiesRenamedCancelledAndRevived) {
  for (const auto seed : seeds_of(0)) {
    HistoryShape shape;
    shape.documents = 20;
    shape.counties_change = true;
    expect_same_final_rows(seed, shape);
    if (HasFailure()) return;
  }
}

// ---- order of arrival -----------------------------------------------------------------------------------------------

// Measures that depend on when something arrived are left out: of brand "" only active and dormant outlets count.
std::vector<std::string> lines_without_data_quality(const std::map<std::string, std::string>& rows) {
  std::map<std::string, std::string> reduced;
  for (const auto& [key, bytes] : rows) {
    MetricsRow row;
    CHECK(row.ParseFromString(bytes), key);
    if (row.brand_id().empty()) {
      bool anything = false;
      for (auto& line : *row.mutable_lines()) {
        for (auto& window : *line.mutable_windows()) {
          window.mutable_values()->Truncate(2);
          anything = anything || window.values(0) != 0 || window.values(1) != 0;
        }
      }
      if (!anything) continue;
    }
    reduced[key] = row.SerializeAsString();
  }
  return json_lines(reduced);
}

std::string as_of(const std::string& line) {
  return line.substr(std::string_view("{\"as_of\":\"").size(), 10);
}

TEST(SimulationOfArrival, AnyOrderOfArrivalInTimeGivesTheSameMeasures) {
  HistoryShape shape;
  shape.nasty = false;
  for (const auto seed : seeds_of(0)) {
    SCOPED_TRACE(fmt::format("FIVERATE_SEED={}", seed));
    auto history = random_history(seed, shape);
    const auto end = history.back().arrival;
    auto otherwise = arriving_otherwise(history, seed);
    // Only days that are final in both, and on which nothing is still on its way in one of them.
    const auto until = shanghai().day_of(std::min(end, otherwise.back().arrival));
    const auto [rows, quarantined, stockouts] = undisturbed(history);
    const auto [rows_otherwise, quarantined_otherwise, stockouts_otherwise] = undisturbed(otherwise);
    auto expected = lines_without_data_quality(rows);
    auto actual = lines_without_data_quality(rows_otherwise);
    ASSERT_FALSE(expected.empty() || actual.empty());
    // Where the rows begin depends on which revisions were accepted before a higher one came, so on the order of
    // arrival.
    const auto from = std::max(as_of(expected.front()), as_of(actual.front()));
    const auto outside = [&](const std::string& line) {
      return as_of(line) < from || as_of(line) >= format_date(until);
    };
    std::erase_if(expected, outside);
    std::erase_if(actual, outside);
    ASSERT_FALSE(expected.empty());
    EXPECT_TRUE(stockouts == stockouts_otherwise) << first_differences(stockouts, stockouts_otherwise);
    EXPECT_TRUE(expected == actual) << first_differences(expected, actual);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fiverate::test
