#include "tests/sim/seed_run.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/reasons.h"
#include "tests/sim/checks.h"
#include "tests/sim/sim_cluster.h"
#include "tests/support/events.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

constexpr Millis kUntilAllIsFinal = 17 * kDayMs;
// Two more days pass after all work is done: a lost record is noticed at the next record of its sender, and a row that a fenced process has
// overwritten is published again on the next day.
constexpr Millis kDaysAfterwards = 2 * kDayMs;
constexpr int kMoreMinutes = 1000;  // until a truncated log has its old length again

Millis end_of(const std::vector<SourceRecord>& history) {
  return history.back().arrival + kUntilAllIsFinal;
}

// Has its own random numbers, so that a new kind of fault does not change the history.
HistoryShape shape_of(std::uint64_t seed, const SeedOptions& options) {
  if (!options.seed_chooses_shape) return options.shape;
  Chance chance(seed * 5 + 3);
  HistoryShape shape;
  if (chance.percent(80)) {  // small, so that many seeds can run
    shape.outlets = static_cast<int>(chance.between(1, 3));
    shape.documents = static_cast<int>(chance.between(4, 16));
    shape.days = static_cast<int>(chance.between(2, 9));
    shape.silences = chance.percent(10);
  }
  shape.counties_change = chance.percent(15);
  return shape;
}

ClusterPlan plan_of(std::uint64_t seed, const SeedOptions& options, Sabotage sabotage, bool truncates) {
  Chance chance(seed * 7 + 1);
  ClusterPlan plan;
  const auto count = [&](std::int32_t last) { return static_cast<std::int32_t>(chance.between(1, last)); };
  plan.partitions = {count(3), count(4), count(3)};
  plan.processes = chance.pick(std::vector<int>{1, 2, 3, 7});
  plan.disks = static_cast<int>(chance.between(1, plan.processes));
  plan.live_rows = chance.percent(50);
  if (plan.processes > 1 && chance.percent(30)) {
    plan.disks = plan.processes;
    plan.standby = static_cast<int>(chance.between(1, 4));
  }
  const bool early = chance.percent(80);
  plan.time_known_early = options.time_known_early.value_or(early);
  plan.backlog = chance.percent(25);
  plan.severity = static_cast<int>(chance.between(1, 3));
  if (sabotage != Sabotage::none || truncates) plan.severity = 1;
  plan.steps = 400 + 120 * plan.processes;
  plan.truncates = truncates;
  // Not with a truncation, which may lose the decision about this record, nor as the first record of the market, which is not held.
  plan.far_time = !truncates && sabotage == Sabotage::none && plan.time_known_early && chance.percent(50);
  if (!truncates && sabotage == Sabotage::none && seed % 4 < 2) plan.stranger = seed * 11 + 7;
  if (!truncates && sabotage == Sabotage::none && chance.percent(30)) plan.grows_to = plan.partitions.source + count(2);
  return plan;
}

Sabotage sabotage_of(std::uint64_t seed) {
  return seed % 10 == 3 ? static_cast<Sabotage>(1 + seed / 10 % 4) : Sabotage::none;
}
bool truncates(std::uint64_t seed) {
  return seed % 10 == 7;
}

// Whether an import writes the history. Only a history that can be written as a file.
bool imports(std::uint64_t seed, const SeedOptions& options) {
  Chance chance(seed * 13 + 9);
  const bool chosen = chance.percent(40);
  return is_for_the_oracle(seed) && options.imports.value_or(chosen);
}

// Removes repeated entries, and implausible counts: whether a count is accepted depends on the order of arrival.
std::set<std::pair<std::string, std::string>> once_each(
    const std::vector<std::pair<std::string, std::string>>& quarantined) {
  std::set<std::pair<std::string, std::string>> once(quarantined.begin(), quarantined.end());
  std::erase_if(once, [](const auto& one) { return one.second == name_of(Reason::count_implausible); });
  return once;
}

// Transitions of rule R16 because of held records.
bool is_of_held_record(const Transition& transition) {
  return transition.rule() == "R16" && transition.unit() == "partitions";
}

// A source topic whose alert because of a held record fires after all transitions; empty: none.
std::string held_topic(const std::vector<Transition>& transitions) {
  std::map<std::string, const Transition*> last;
  for (const auto& one : transitions) {
    if (one.rule() != "R16") continue;
    auto& known = last[one.source_topic()];
    if (known == nullptr || known->transition() < one.transition()) known = &one;
  }
  for (const auto& [topic, one] : last) {
    if (is_of_held_record(*one) && one->state() == Transition::FIRING) return topic;
  }
  return {};
}

std::string lines_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "  " + line + "\n";
  return text;
}

class SeedCheck {
 public:
  SeedCheck(const SimCluster& cluster, const UndisturbedRun& expected, bool live_rows, SeedReport& report)
      : cluster_(cluster), expected_(expected), live_rows_(live_rows), report_(report) {}

  void plain(bool at_rest) {
    if (cluster_.stopped()) return fails("a task stopped: " + cluster_.stopped()->what);
    if (!at_rest) return fails("it does not come to rest");
    if (cluster_.sequence_gaps() > 0) {
      return fails(fmt::format("{} records were not applied: one before them was missing", cluster_.sequence_gaps()));
    }
    if (auto different = compare(); !different.empty()) return fails(std::move(different));
    if (!cluster_.counts_foreign_records()) fails("a task has counted other records as foreign");
  }

  // The sabotage has to be noticed if it changed the log; without it nothing may be noticed.
  void sabotaged(bool at_rest, const Saboteur& saboteur) {
    const bool struck = saboteur.struck(cluster_.log());
    if (struck) report_.faults[static_cast<std::size_t>(Fault::sabotage)] = 1;
    // A record that is changed during a state-only replay is not in the log, but the records behind it are chained to it.
    if (!struck && !saboteur.spoiled_anything()) return plain(at_rest);
    if (cluster_.stopped()) {
      report_.outcome = Outcome::stopped;
    } else if (cluster_.sequence_gaps() > 0) {
      report_.outcome = Outcome::sequence_gap;
    } else if (!compare().empty()) {
      report_.outcome = Outcome::compared;
    } else if (!struck) {
      report_.outcome = Outcome::right;
    } else {
      fails(fmt::format("{} was not found out", kSabotageNames[static_cast<std::size_t>(saboteur.kind())]));
    }
  }

  // The loss of records that tasks read is noticed or makes no difference, and all final rows are right. Lost results are published again,
  // unless no task could notice the loss because other tasks had filled the partition before it started again.
  void truncated(bool at_rest, bool had_to_notice) {
    if (!cluster_.truncation() || cluster_.lost_a_result()) {
      const bool reset = cluster_.truncation() && !cluster_.truncation()->reset.empty();
      if (cluster_.truncation()) report_.outcome = reset ? Outcome::published_again : Outcome::harmless;
      if (!cluster_.truncation() || cluster_.stopped() || compare().empty()) return plain(at_rest);
      if (had_to_notice && !reset) return fails("lost results went unnoticed");
      report_.outcome = Outcome::unnoticed;
      return only_that_is_missing();
    }
    const auto rows = final_rows_of(cluster_.log(), cluster_.definition());
    if (cluster_.stopped()) {
      report_.outcome = Outcome::stopped;
    } else if (cluster_.sequence_gaps() > 0) {
      report_.outcome = Outcome::sequence_gap;
    } else if (const auto different = compare(); different.empty()) {
      report_.outcome = Outcome::harmless;
    } else {
      report_.outcome = Outcome::only_in_log;
      if (rows != expected_.final_rows) fails("a lost end went unnoticed\n" + different);
    }
    if (has_wrong_row(rows)) return fails("a wrong row became final after a lost end");
  }

 private:
  // Only the lost records are missing, and all others are right.
  void only_that_is_missing() {
    const auto& lost = cluster_.truncation()->input;
    const auto rows = final_rows_of(cluster_.log(), cluster_.definition());
    if (has_wrong_row(rows) || (lost.topic != Topic::metrics_final && rows != expected_.final_rows)) {
      return fails("other rows are final after a lost end of results\n" + compare());
    }
    const auto here = fmt::format(" to {} partition {}:", name_of(lost.topic), lost.partition);
    for (const auto& difference : differences_to_fresh_folds(cluster_.log(), cluster_.definition(), live_rows_, lost)) {
      if (difference.find(here) == std::string::npos) return fails("more is missing than what was lost\n" + compare());
    }
  }

  bool has_wrong_row(const std::map<std::string, std::string>& rows) const {
    return std::ranges::any_of(rows, [&](const auto& row) {
      const auto known = expected_.final_rows.find(row.first);
      return known == expected_.final_rows.end() || known->second != row.second;
    });
  }

  // The first line is a summary; the details follow. Empty: no difference.
  std::string compare() const {
    const auto& log = cluster_.log();
    const auto rows = final_rows_of(log, cluster_.definition());
    std::optional<Input> reordered;
    if (const auto& truncation = cluster_.truncation(); truncation && cluster_.lost_a_result())
      reordered = truncation->input;
    const auto folds = differences_to_fresh_folds(log, cluster_.definition(), live_rows_, reordered);
    if (rows != expected_.final_rows) {
      return fmt::format("FINAL rows differ: {} instead of {}\n", rows.size(), expected_.final_rows.size()) +
             lines_of(folds) + first_differences(json_lines(expected_.final_rows), json_lines(rows));
    }
    if (!folds.empty()) return "a fold of the same log has other outputs\n" + lines_of(folds);
    if (auto stockouts = confirmed_stockouts(transitions_of(log, cluster_.definition()));
        stockouts != expected_.stockouts) {
      return "confirmed stockouts differ\n" + first_differences(expected_.stockouts, stockouts);
    }
    const auto transitions = transitions_of(log, cluster_.definition());
    if (const auto topic = held_topic(transitions); !topic.empty())
      return fmt::format("{} has no held record, but its alert still fires\n", topic);
    auto quarantined = once_each(expected_.quarantined);
    if (cluster_.plan().far_time) quarantined.emplace("", name_of(Reason::future));
    if (once_each(quarantined_of(log, cluster_.definition())) != quarantined) return "other records are quarantined\n";
    return {};
  }

  void fails(std::string why) {
    const auto end = why.find('\n');
    report_.failure = why.substr(0, end);
    if (end != std::string::npos) report_.details = why.substr(end + 1);
  }

  const SimCluster& cluster_;
  const UndisturbedRun& expected_;
  bool live_rows_;
  SeedReport& report_;
};

}  // namespace

UndisturbedRun undisturbed(const std::vector<SourceRecord>& history, Millis and_then, const Selection& selection) {
  Rig rig({1, 1, 1}, false, selection);
  auto today = shanghai().day_of(history.front().arrival);
  for (const auto& record : history) {
    if (const auto day = shanghai().day_of(record.arrival); day != today) {
      rig.marks(shanghai().start_of(day) - 1);
      rig.run();
      today = day;
    }
    rig.arrives(record.topic, 0, record.arrival, record.key, record.value);
  }
  rig.marks(end_of(history) + and_then);
  rig.run();
  return {rig.final_rows(), rig.quarantined(), confirmed_stockouts(rig.transitions())};
}

std::vector<SourceRecord> history_of(std::uint64_t seed, const SeedOptions& options) {
  auto history = random_history(seed, shape_of(seed, options));
  if (!is_for_the_oracle(seed)) return history;
  std::erase_if(history, [](const SourceRecord& record) {
    Event event;
    return !event.ParseFromString(record.value) || home_of(event.payload_case()) != record.topic;
  });
  return history;
}

bool is_for_the_oracle(std::uint64_t seed) {
  return seed % 2 == 0;
}

void write_for_the_oracle(const std::filesystem::path& folder, const std::vector<SourceRecord>& history,
                          const std::map<std::string, std::string>& final_rows) {
  std::filesystem::create_directories(folder);
  std::ofstream reference(folder / "reference.jsonl");
  std::ofstream events(folder / "events.jsonl");
  for (const auto& record : history) {
    Event event;
    CHECK(event.ParseFromString(record.value));
    set_millis(*event.mutable_arrival_time(), record.arrival);
    (record.topic == Topic::reference ? reference : events) << to_json(event) << '\n';
  }
  std::ofstream rows(folder / "metrics.jsonl");
  for (const auto& line : json_lines(final_rows)) rows << line << '\n';
  CHECK(reference.good() && events.good() && rows.good(), folder.string());
}

SeedReport run_seed(std::uint64_t seed, const SeedOptions& options) {
  SeedReport report;
  report.seed = seed;
  report.sabotage = sabotage_of(seed);
  report.truncated = truncates(seed);
  const auto made = history_of(seed, options);
  std::optional<History> file;
  if (imports(seed, options)) file = history_file(made);
  const auto history = file ? imported(*file) : made;
  auto expected = undisturbed(history, kDaysAfterwards, options.selection);
  CHECK(!expected.final_rows.empty(), seed);
  // To the oracle a cancelled county never existed; to a live run it exists until its first open day.
  if (!options.for_the_oracle.empty() && is_for_the_oracle(seed) && !shape_of(seed, options).counties_change) {
    write_for_the_oracle(options.for_the_oracle / fmt::format("seed-{}", seed), made, expected.final_rows);
  }

  auto plan = plan_of(seed, options, report.sabotage, report.truncated);
  plan.selection = options.selection;
  if (file) plan.grows_to = 0;  // Partitions are not added before an import has ended.
  report.plan = fmt::format(
      "{} records; partitions: source {}, ledger {}, market {}; {} processes on {} disks; severity {}{}{}{}{}{}{}{}",
      history.size(), plan.partitions.source, plan.partitions.ledger, plan.partitions.market, plan.processes,
      plan.disks, plan.severity, plan.live_rows ? "; live rows" : "", plan.standby > 0 ? "; standbys" : "",
      plan.grows_to > 0 ? fmt::format("; grows to {}", plan.grows_to) : "", plan.backlog ? "; a backlog" : "",
      plan.stranger ? "; a stranger" : "", file ? "; an import" : "",
      plan.time_known_early ? "" : "; some sources start late");
  Chance chance(seed * 2 + 1);
  Weather weather(chance);
  std::optional<Saboteur> saboteur;
  if (report.sabotage != Sabotage::none) saboteur.emplace(report.sabotage, chance);
  std::vector<OutRecord> import;
  if (file) import = SimImport(*file, plan.partitions, seed * 17 + 11, options.import_sabotage).run(weather);
  SimCluster cluster(plan, history, end_of(history), weather, saboteur ? &*saboteur : nullptr, std::move(import));
  cluster.storm();
  bool at_rest = cluster.stopped() || cluster.calm();
  bool had_to_notice = false;
  // In two steps: an outlet task without differences sends its watermark when it has passed a full minute since a midnight, and LIVE rows
  // wait for it.
  for (const auto afterwards : {kDaysAfterwards - kMinuteMs, kDaysAfterwards}) {
    if (cluster.stopped()) break;
    cluster.mark_sources(end_of(history) + afterwards);
    at_rest = cluster.calm();
  }
  if (report.truncated && !cluster.stopped()) {
    if (cluster.truncation() && cluster.lost_a_result()) {
      had_to_notice = cluster.has_to_notice();
      cluster.restart_all();
      at_rest = cluster.calm();
    }
    // If a task has lost its state and its checkpoint, only its receivers can notice that the log was longer.
    const bool grows = cluster.truncation() && cluster.has_sent_beyond_its_log();
    for (int minute = 1; grows && minute <= kMoreMinutes && !cluster.stopped() && cluster.sequence_gaps() == 0;
         ++minute) {
      cluster.mark_sources(end_of(history) + kDaysAfterwards + minute * kMinuteMs);
      at_rest = cluster.calm();
      if (minute == 1) expected = undisturbed(history, kDaysAfterwards + kMoreMinutes * kMinuteMs, options.selection);
    }
  }
  const bool notes_what_is_missing = cluster.notes_what_is_missing();
  report.faults = weather.counts();
  report.repetitions = cluster.repetitions();
  report.held_alerts = std::ranges::count_if(transitions_of(cluster.log(), cluster.definition()), [](const auto& one) {
    return is_of_held_record(one) && one.state() == Transition::FIRING;
  });
  SeedCheck check(cluster, expected, plan.live_rows, report);
  if (report.truncated) {
    check.truncated(at_rest, had_to_notice);
  } else if (saboteur) {
    check.sabotaged(at_rest, *saboteur);
  } else {
    check.plain(at_rest);
  }
  if (!notes_what_is_missing && report.failure.empty())
    report.failure = "a group does not note which records its task misses";
  if (const auto& truncation = cluster.truncation()) {
    report.details += fmt::format("  {} partition {} lost its end, from {} on:\n", name_of(truncation->input.topic),
                                  truncation->input.partition, truncation->new_end);
    for (const auto& record : truncation->lost) {
      report.details += fmt::format("    {}{}\n", record->cause ? to_text(*record->cause) : "no cause",
                                    record->link ? " after " + to_text(record->link->previous) : "");
    }
  }
  if (!report.failure.empty()) report.details += cluster.tasks();
  return report;
}

std::string to_text(const SeedReport& report) {
  std::string happened;
  for (std::size_t i = 0; i < kFaults; ++i) {
    if (report.faults[i] > 0)
      happened += fmt::format("{}{} {}", happened.empty() ? "" : ", ", report.faults[i], kFaultNames[i]);
  }
  auto text =
      fmt::format("seed {}: {}\n  {}\n  {}; {} repetitions dropped\n", report.seed,
                  report.failure.empty() ? kOutcomeNames[static_cast<std::size_t>(report.outcome)] : report.failure,
                  report.plan, happened, report.repetitions);
  if (report.sabotage != Sabotage::none) {
    text += fmt::format("  sabotage: {}\n", kSabotageNames[static_cast<std::size_t>(report.sabotage)]);
  }
  return text + report.details;
}

}  // namespace fiverate::test
