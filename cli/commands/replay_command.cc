// `replay`: recomputes history into files.
#include <algorithm>
#include <chrono>

#include "cli/commands/commands.h"
#include "cli/commands/history_check.h"
#include "cli/commands/market_definition.h"
#include "cli/screen/message.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/edge/output_files.h"
#include "readers/audit/replay.h"

namespace fiverate {
namespace {

struct ReplayArguments {
  std::string in;
  bool kafka = false;
  std::string out;
  bool force = false;
  std::string through;
  std::string days;
  std::vector<std::string> brands;
  std::vector<std::string> regions;
  bool yes = false;
};

// Parses days and ranges of days: "2026-03-01,2026-03-05..2026-03-09".
Intervals days_argument(const std::string& text) {
  std::vector<Interval> days;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(',', from), text.size());
    const auto part = text.substr(from, end - from);
    const auto dots = part.find("..");
    const auto first = day_argument(part.substr(0, dots), "--days");
    const auto last = dots == std::string::npos ? first : day_argument(part.substr(dots + 2), "--days");
    if (last < first)
      throw ExitError(kExitUsage,
                      fmt::format("Invalid range \"{}\" for --days: its first day is after its last day.", part));
    days.push_back({first, last + 1});
    from = end + 1;
  }
  std::sort(days.begin(), days.end(), [](const Interval& a, const Interval& b) { return a.from < b.from; });
  Intervals set;
  for (const auto& range : days) append(set, range);
  return set;
}

ReplayOptions options_of(const ReplayArguments& arguments) {
  ReplayOptions options;
  options.out = arguments.out;
  if (!arguments.through.empty()) options.through = day_argument(arguments.through, "--through");
  if (!arguments.days.empty()) options.rows.days = days_argument(arguments.days);
  options.rows.brands = {arguments.brands.begin(), arguments.brands.end()};
  options.rows.regions = {arguments.regions.begin(), arguments.regions.end()};
  return options;
}

History read_history(const std::filesystem::path& folder, const MarketCalendar& calendar) {
  std::vector<MappedFile> files;
  for (const auto* name : {"reference.jsonl", "events.jsonl"}) {
    if (std::filesystem::exists(folder / name)) files.push_back(or_exit(MappedFile::open(folder / name)));
  }
  if (files.empty()) {
    throw ExitError(kExitFailed, fmt::format("{} contains neither reference.jsonl nor events.jsonl.", folder.string()));
  }
  ProgressBar bar("read", "bytes", std::nullopt);
  return or_exit(History::read(std::move(files), calendar,
                               [&](std::size_t done, std::size_t) { bar.set(static_cast<std::int64_t>(done)); }));
}

int replay(const Context& context, const ReplayArguments& arguments) {
  if (arguments.in.empty() == !arguments.kafka) {
    throw ExitError(kExitUsage, "Give the source of the replay: either --in DIR or --kafka.");
  }
  auto options = options_of(arguments);
  options.limits = context.limits();
  options.selection = context.config().rates;
  if (!arguments.in.empty() && !std::filesystem::is_directory(arguments.in))
    throw ExitError(kExitFailed, fmt::format("{} is not a folder.", arguments.in));
  or_usage_error(check_output_folder(arguments.out, arguments.force));
  const MarketCalendar calendar(context.config().market.timezone);
  const auto begun = std::chrono::steady_clock::now();
  ReplaySummary summary;
  if (arguments.kafka) {
    or_exit(reach(context.kafka));
    const auto definition = or_exit(market_definition(context));
    ReaderOptions reading;
    for (std::int32_t partition = 0; partition < definition.ledger_partitions(); ++partition) {
      reading.inputs.push_back({Topic::ledger, partition});
    }
    reading.until_end = true;
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    or_exit(create_output_folder(arguments.out));
    summary = or_exit(replay_ledger(definition, *reader, calendar, options));
  } else {
    const auto history = read_history(arguments.in, calendar);
    check_outliers(history, calendar, {context.config().import.outlier_days, arguments.yes}, "Replay rejected");
    or_exit(create_output_folder(arguments.out));
    ProgressBar bar("replay", "records", static_cast<std::int64_t>(history.size()));
    summary = or_exit(replay_files(history, calendar, options,
                                   [&](std::size_t done, std::size_t) { bar.set(static_cast<std::int64_t>(done)); }));
  }
  for (const auto& sentence : summary.skipped) print_message(sentence);
  if (summary.lines == 0 && !(arguments.brands.empty() && arguments.regions.empty())) {
    print_message("No row is of a given --brand and --region; their ids are compared exactly.");
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  print_note(fmt::format(
      "Replayed {} records in {}: {} lines in {}/metrics.jsonl, {} transitions in alerts.jsonl, {} quarantined",
      summary.records, human_duration(took), summary.lines, arguments.out, summary.transitions, summary.quarantined));
  return kExitDone;
}

}  // namespace

void add_replay(Program& program) {
  auto* const command =
      program.app.add_subcommand("replay", "Recompute history into files, without changing anything live");
  auto arguments = std::make_shared<ReplayArguments>();
  command->add_option("--in", arguments->in, "Replay reference.jsonl and events.jsonl of this folder; needs no Kafka")
      ->type_name("DIR");
  command->add_flag("--kafka", arguments->kafka, "Replay the ledger in Kafka, up to its present end");
  command
      ->add_option("--out", arguments->out,
                   "Write metrics.jsonl, alerts.jsonl, seals.jsonl and quarantine.jsonl to this folder")
      ->type_name("DIR")
      ->required();
  add_force_option(*command, arguments->force);
  command
      ->add_option("--through", arguments->through,
                   "Last day to report (default: the day of the last accepted document)")
      ->type_name("DAY");
  command->add_option("--days", arguments->days, "Write only the rows of these days: DAY,DAY or DAY..DAY")
      ->type_name("DAYS");
  command->add_option("--brand", arguments->brands, "Write only the rows of this brand, or of several: B1,B2")
      ->delimiter(',')
      ->type_name("BRAND");
  command
      ->add_option("--region", arguments->regions,
                   "Write only the rows of this region, or of several; \"\" is the whole market")
      ->delimiter(',')
      ->type_name("REGION");
  command->add_flag("--yes", arguments->yes, "With --in: accept events that arrive far from all others");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return replay(context, *arguments); };
  });
}

}  // namespace fiverate
