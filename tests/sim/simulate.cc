// Runs seeds of the simulation; tests/simulate starts one such process per core.
//
//   simulate SEED              prints the complete report of one seed
//   simulate FIRST LAST        prints a line for each failing seed, and at the end the counts of faults and outcomes as JSON
//   simulate FIRST LAST FOLDER also writes some of the seeds as files for oracle_witness.py
// Exit 1 if a seed failed.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/seed_run.h"

namespace fiverate::test {
namespace {

std::string as_json(const std::map<std::string, std::int64_t>& counts) {
  std::string text = "{";
  for (const auto& [name, count] : counts) text += fmt::format("{}\"{}\":{}", text.size() > 1 ? "," : "", name, count);
  return text + "}";
}

int run_one(std::uint64_t seed) {
  const auto report = run_seed(seed);
  fmt::print("{}", to_text(report));
  return report.failure.empty() ? 0 : 1;
}

int run_many(std::uint64_t first, std::uint64_t last, const SeedOptions& options) {
  std::map<std::string, std::int64_t> counts;
  bool failed = false;
  for (auto seed = first; seed <= last; ++seed) {
    const auto report = run_seed(seed, options);
    for (std::size_t i = 0; i < kFaults; ++i) counts[std::string(kFaultNames[i])] += report.faults[i];
    counts["repetitions"] += report.repetitions;
    counts["held alerts"] += report.held_alerts;
    if (report.sabotage != Sabotage::none || report.truncated) {
      const auto what = report.truncated ? "truncation" : kSabotageNames[static_cast<std::size_t>(report.sabotage)];
      ++counts[fmt::format("{}: {}", what, kOutcomeNames[static_cast<std::size_t>(report.outcome)])];
    }
    ++counts["seeds"];
    if (report.failure.empty()) continue;
    failed = true;
    fmt::print("seed {}: {}\n", seed, report.failure);
    std::fflush(stdout);
  }
  fmt::print("{}\n", as_json(counts));
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace fiverate::test

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);  // warnings about simulated faults are expected
  if (argc < 2 || argc > 4) {
    fmt::print(stderr, "usage: simulate SEED | FIRST LAST [FOLDER]\n");
    return 2;
  }
  const auto first = std::strtoull(argv[1], nullptr, 10);
  if (argc == 2) return fiverate::test::run_one(first);
  fiverate::test::SeedOptions options;
  if (argc == 4) options.for_the_oracle = argv[3];
  return fiverate::test::run_many(first, std::strtoull(argv[2], nullptr, 10), options);
}
