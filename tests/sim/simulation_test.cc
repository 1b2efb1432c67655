// Runs 200 seeds of the simulation (seed_run.h), and scenarios that are too rare in random seeds. More seeds: tests/simulate.
//
// Repeat a seed: tests/simulate --seed 17
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "processors/trade/measures/measure.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "tests/sim/checks.h"
#include "tests/sim/seed_run.h"
#include "tests/support/events.h"
#include "tests/support/rig.h"
#include "tests/support/sanitized.h"
#include "tests/support/selected_rows.h"

namespace fiverate::test {
namespace {

constexpr std::uint64_t kSeeds = kSanitized ? 48 : 200;
// One ctest case holds a slice of the seeds, so that cases run in parallel.
constexpr std::uint64_t kSlices = 8;
constexpr std::uint64_t kSeedsOfScenario = kSanitized ? 4 : 16;

void be_quiet() {
  spdlog::set_level(spdlog::level::off);
}  // warnings about simulated faults are expected

void expect_right(std::uint64_t seed, const SeedOptions& options = {}) {
  const auto report = run_seed(seed, options);
  EXPECT_EQ(report.failure, "") << to_text(report) << "tests/simulate --seed " << seed;
}

class Simulation : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { be_quiet(); }
};

TEST_P(Simulation, ResultsAreTheSameAfterAnyFaults) {
  for (auto seed = GetParam() + 1; seed <= kSeeds; seed += kSlices) {
    expect_right(seed);
    if (HasFailure()) return;  // one failing seed is enough
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Range<std::uint64_t>(0, kSlices));

// Seeds without sabotage and truncation, with other histories.
class SimulationScenarios : public testing::Test {
 protected:
  void SetUp() override { be_quiet(); }
  void try_seeds(const SeedOptions& options) {
    for (std::uint64_t i = 0; i < kSeedsOfScenario && !HasFailure(); ++i) expect_right(1'000'000 + i * 10, options);
  }
};

// The first record or mark of a source partition may arrive when the others are weeks ahead (compare the outlet test on pending documents).
TEST_F(SimulationScenarios, ASourceThatStartsLate) {
  SeedOptions options;
  options.time_known_early = false;
  try_seeds(options);
}

// As in the tests of Final in stages/market_test.cc.
TEST_F(SimulationScenarios, CountiesRenamedCancelledAndRevived) {
  SeedOptions options;
  options.shape.documents = 20;
  options.shape.counties_change = true;
  options.seed_chooses_shape = false;
  try_seeds(options);
}

TEST_F(SimulationScenarios, AMarketThatComputesASelection) {
  for (std::uint64_t i = 0; i < kSeedsOfScenario && !HasFailure(); ++i) {
    SeedOptions options;
    options.selection = nth_selection(i);
    expect_right(1'000'000 + i * 10, options);
  }
}

// What is selected has exactly the values that it has with everything selected.
TEST(SelectedRows, AreThoseOfEverythingFiltered) {
  constexpr std::uint64_t kHistories = kSanitized ? 12 : 100;
  constexpr std::uint64_t kSelections = 4;
  std::size_t rows = 0;
  for (std::uint64_t seed = 1; seed <= kHistories && !HasFailure(); ++seed) {
    const auto history = history_of(seed);
    const auto everything = undisturbed(history);
    for (std::uint64_t i = 0; i < kSelections; ++i) {
      const auto selection = nth_selection(kSelections * seed + i);
      const auto expected = selected_rows(everything.final_rows, selection);
      const auto selected = undisturbed(history, 0, selection);
      rows += expected.size();
      EXPECT_TRUE(selected.final_rows == expected)
          << "seed " << seed << ", selection " << kSelections * seed + i << "\n"
          << first_differences(json_lines(expected), json_lines(selected.final_rows));
      EXPECT_EQ(selected.quarantined, everything.quarantined);
      EXPECT_EQ(selected.stockouts, everything.stockouts) << "R1 does not depend on what rows show";
    }
  }
  EXPECT_GT(rows, kHistories);
}

// ---- the simulation detects sabotage and has all faults ----------------------------------------------------------------

std::uint64_t next_of(std::uint64_t seed, Sabotage sabotage) {
  const auto kind = static_cast<std::uint64_t>(sabotage) - 1;
  while (seed % 10 != 3 || seed / 10 % 4 != kind) ++seed;
  return seed;
}

class Sabotaged : public testing::TestWithParam<Sabotage> {};

// run_seed() fails if a sabotage that changed the log was not noticed; this test checks that sabotages do change the log.
TEST_P(Sabotaged, ChangesTheLogAndIsNoticed) {
  be_quiet();
  int struck = 0;
  std::uint64_t seed = 0;
  for (int i = 0; i < 60 && struck < 3; ++i) {
    seed = next_of(seed + 1, GetParam());
    const auto report = run_seed(seed);
    ASSERT_EQ(report.failure, "") << to_text(report);
    ASSERT_EQ(report.sabotage, GetParam());
    if (report.outcome != Outcome::right) ++struck;
  }
  EXPECT_EQ(struck, 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Sabotaged,
                         testing::Values(Sabotage::fickle_stage, Sabotage::dropped_record, Sabotage::swapped_pair,
                                         Sabotage::changed_delta));

// An import that continues at a wrong record gives other results, unless the record is a mark.
class SabotagedImport : public testing::TestWithParam<ImportSabotage> {};

TEST_P(SabotagedImport, IsNoticed) {
  be_quiet();
  constexpr int kImports = kSanitized ? 4 : 12;
  SeedOptions options;
  options.imports = true;
  int noticed = 0;
  for (int i = 0; i < kImports; ++i) {
    const auto seed = 2'000'000 + static_cast<std::uint64_t>(i) * 10;
    options.import_sabotage = ImportSabotage::none;
    expect_right(seed, options);
    options.import_sabotage = GetParam();
    if (!run_seed(seed, options).failure.empty()) ++noticed;
  }
  EXPECT_GE(noticed, kImports / 4);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SabotagedImport,
                         testing::Values(ImportSabotage::starts_over, ImportSabotage::repeats_last,
                                         ImportSabotage::skips_one));

TEST(SimulationOfFaults, EachKindOccursOften) {
  if (kSanitized) GTEST_SKIP() << "too few seeds";
  be_quiet();
  FaultCounts all{};
  constexpr std::uint64_t kSeedsLookedAt = 100;
  for (std::uint64_t seed = 1; seed <= kSeedsLookedAt; ++seed) {
    const auto report = run_seed(seed);
    for (std::size_t i = 0; i < kFaults; ++i) all[i] += report.faults[i];
  }
  for (std::size_t i = 0; i < kFaults; ++i) {
    EXPECT_GE(all[i], static_cast<std::int64_t>(kSeedsLookedAt / 25)) << kFaultNames[i];
  }
}

// A seed repeats its run exactly, including all faults, so `--seed N` shows the run that failed.
TEST(SimulationOfFaults, ASeedIsOneRun) {
  be_quiet();
  for (const std::uint64_t seed : {1, 2, 13, 17}) {
    const auto first = run_seed(seed);
    const auto again = run_seed(seed);
    EXPECT_EQ(to_text(again), to_text(first));
    EXPECT_EQ(again.faults, first.faults);
    EXPECT_EQ(again.repetitions, first.repetitions);
  }
}

// ---- order of arrival -----------------------------------------------------------------------------------------------

// Leaves out measures that depend on the time of arrival: of brand "" only active and dormant outlets are compared.
std::vector<std::string> lines_without_data_quality(const std::map<std::string, std::string>& rows) {
  std::map<std::string, std::string> reduced;
  for (const auto& [key, bytes] : rows) {
    MetricsRow row;
    CHECK(row.ParseFromString(bytes), key);
    if (row.brand_id().empty()) {
      bool anything = false;
      for (auto& line : *row.mutable_lines()) {
        for (auto& window : *line.mutable_windows()) {
          MetricsRow::Measures kept;
          kept.set_active_outlets(window.measures().active_outlets());
          kept.set_dormant_outlets(window.measures().dormant_outlets());
          anything = anything || kept.active_outlets() != 0 || kept.dormant_outlets() != 0;
          *window.mutable_measures() = std::move(kept);
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
  for (std::uint64_t seed = 1; seed <= kSeedsOfScenario; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    auto history = random_history(seed, shape);
    const auto end = history.back().arrival;
    auto otherwise = arriving_otherwise(history, seed);
    // Only days that are final in both histories and for which all events have arrived in both.
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
