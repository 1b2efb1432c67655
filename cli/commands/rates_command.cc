// `rates`: prints the latest rows or the FINAL rows.
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/screen/message.h"
#include "cli/screen/rates_table.h"

namespace fiverate {
namespace {

int rates(const Context& context, const RateArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const bool final_rows = arguments.final_rows || !arguments.as_of.empty();
  if (!final_rows && (!arguments.from.empty() || !arguments.through.empty())) {
    throw ExitError(kExitUsage, "--from and --through need --final.");
  }
  or_exit(reach(context.kafka));
  RowWriter writer(out, mode);
  bool any = false;
  const auto show = [&](MetricsRow row) {
    if (!arguments.filter.reduce(row)) return;
    any = true;
    writer.write(row);
  };
  ResultRecords results(context.definition());
  ReaderOptions reading;
  reading.until_end = true;
  if (final_rows) {
    const auto day = [&](const std::string& text, const char* option, Day otherwise) {
      return text.empty() ? otherwise : day_argument(text, option);
    };
    auto first = day(arguments.from, "--from", kNoDay);
    auto last = day(arguments.through, "--through", kEndOfDays);
    if (!arguments.as_of.empty()) first = last = day_argument(arguments.as_of, "--as-of");
    reading.inputs = all_partitions(context, Topic::metrics_final);
    // The timestamp of a FINAL row is the last instant of its day, and rows are written in the order of days.
    if (first != kNoDay) reading.from = FromTime{MarketCalendar(context.config().market.timezone).end_of(first) - 1};
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    or_exit(read_final(*reader, static_cast<std::int32_t>(reading.inputs.size()), first, last, results, show));
  } else {
    reading.inputs = all_partitions(context, Topic::metrics);
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    const auto latest = or_exit(read_latest(*reader, results));
    for (const auto* row : latest.sorted()) show(*row);
  }
  writer.finish();
  print_ignored(results);
  if (!any) {
    print_message(final_rows ? "No rows. A day is final 15 days after its end; days without events have no rows."
                             : "No rows: no events have been processed yet, or the filters match none.");
  }
  return kExitDone;
}

}  // namespace

void add_rates(Program& program) {
  auto* const command = program.app.add_subcommand("rates", "Show the latest rates, or the final rates of a day");
  auto arguments = std::make_shared<RateArguments>();
  add_filters(*command, *arguments);
  command->add_option("--as-of", arguments->as_of, "Final values of this day, such as 2026-03-02")->type_name("DAY");
  command->add_flag("--final", arguments->final_rows, "All final rows, in the order of days");
  command->add_option("--from", arguments->from, "With --final: the first day")->type_name("DAY");
  command->add_option("--through", arguments->through, "With --final: the last day")->type_name("DAY");
  add_output_options(*command, arguments->output, "table, json or csv (default: table on a terminal, else json)");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return rates(context, *arguments); };
  });
}

}  // namespace fiverate
