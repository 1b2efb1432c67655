// `rates` and `watch rates`: what the market looks like, once or as it changes.
#include <atomic>
#include <chrono>
#include <csignal>

#include "cli/commands.h"
#include "processors/edge/kafka_log.h"
#include "processors/trade/measure.h"
#include "processors/trade/rates.h"
#include "readers/query/rates_query.h"
#include "readers/query/row_json.h"

namespace fiverate {
namespace {

struct RateArguments {
  RateFilter filter;
  std::string brand;
  std::string region;
  std::string dimension;
  std::int32_t window = 0;
  std::string as_of;
  bool final_rows = false;
  std::string from;
  std::string through;
  std::string output;
};

void add_filters(CLI::App& command, RateArguments& arguments) {
  command.add_option("--brand", arguments.brand, "Only this brand (\"\": the market as a whole)")
      ->each([&arguments](const std::string& value) { arguments.filter.brand_id = value; });
  command.add_option("--region", arguments.region, "Only this region (\"\": the whole market)")
      ->each([&arguments](const std::string& value) { arguments.filter.region_id = value; });
  command.add_option("--class", arguments.dimension, "Only this class dimension (\"\": all classes)")
      ->each([&arguments](const std::string& value) { arguments.filter.class_dimension = value; });
  command.add_option("--window", arguments.window, "Only this window: 7, 28 or 91 days")
      ->check(CLI::IsMember({7, 28, 91}))
      ->each([&arguments](const std::string& value) { arguments.filter.window_days = std::stoi(value); });
}

std::vector<TableColumn> table_columns() {
  return {{"as_of"},
          {"brand_id"},
          {"region_id"},
          {"class"},
          {"window", ColumnType::number},
          {"buying", ColumnType::number},
          {"coverage", ColumnType::number},
          {"repurchase", ColumnType::number},
          {"growth", ColumnType::number},
          {"net_delivered_units", ColumnType::number},
          {"buying_outlets", ColumnType::number},
          {"active_outlets", ColumnType::number},
          {"status"}};
}

// "69.2 %"; a small sample is marked, what has no denominator shows a dash.
TableCell percent(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  const auto tenths = (rate.value_millionths + (rate.value_millionths < 0 ? -500 : 500)) / 1000;
  const auto absolute = tenths < 0 ? -tenths : tenths;
  return fmt::format("{}{}.{}%{}", tenths < 0 ? "-" : "", absolute / 10, absolute % 10,
                     rate.status == RateStatus::low_sample ? "*" : "");
}

// The value as published, for programs.
TableCell plain_value(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  return value_text(rate);
}

void write_table_rows(TableWriter& table, const MetricsRow& row, OutputMode mode) {
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      const bool of_brand = !row.brand_id().empty();
      std::vector<TableCell> cells{format_date(Day{row.as_of_day()}), row.brand_id(),
                                   row.region_id().empty() && mode == OutputMode::table ? "(market)" : row.region_id(),
                              row.class_dimension().empty() ? "" : row.class_dimension() + "=" + line.class_value(),
                              window.window_days()};
      if (of_brand) {
        const auto rates = rates_of({window.values().data(), static_cast<std::size_t>(window.values_size())});
        for (const auto& rate : rates) cells.push_back(mode == OutputMode::csv ? plain_value(rate) : percent(rate));
        for (const auto measure : {BrandMeasure::net_delivered_units, BrandMeasure::buying_outlets, BrandMeasure::active_outlets}) {
          cells.emplace_back(window.values(static_cast<int>(measure)));
        }
      } else {
        for (int i = 0; i < 6; ++i) cells.emplace_back(std::nullopt);
        cells.emplace_back(window.values(0));
      }
      cells.emplace_back(MetricsRow::Status_Name(row.status()));
      table.row(std::move(cells));
    }
  }
}

// Writes rows in whichever mode is asked for.
class RowWriter {
 public:
  RowWriter(TextOutput& out, OutputMode mode) : out_(out), mode_(mode) {
    if (mode != OutputMode::json) table_.emplace(out, mode, table_columns());
  }
  void write(const MetricsRow& row) {
    if (table_) {
      write_table_rows(*table_, row, mode_);
      return;
    }
    buffer_.clear();
    append_json_lines(row, buffer_);
    out_.write({buffer_.data(), buffer_.size()});
  }
  void flush() {
    if (table_) table_->flush();
    out_.flush();
  }
  void finish() {
    if (table_) table_->finish();
    out_.flush();
  }

 private:
  TextOutput& out_;
  OutputMode mode_;
  std::optional<TableWriter> table_;
  fmt::memory_buffer buffer_;
};

std::vector<Input> all_partitions(const Context& context, Topic topic) {
  std::vector<Input> inputs;
  for (std::int32_t partition = 0; partition < context.partitions().of(topic); ++partition) inputs.push_back({topic, partition});
  return inputs;
}

int rates(const Context& context, const RateArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const bool final_rows = arguments.final_rows || !arguments.as_of.empty();
  if (!final_rows && (!arguments.from.empty() || !arguments.through.empty())) {
    throw ExitError(kExitUsage, "--from and --through go with --final.");
  }
  or_exit(reach(context.kafka));
  RowWriter writer(out, mode);
  bool any = false;
  const auto show = [&](MetricsRow row) {
    if (!arguments.filter.reduce(row)) return;
    any = true;
    writer.write(row);
  };
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
    // Final rows carry the last instant of their day, and are written in order of days.
    if (first != kNoDay) reading.from = FromTime{MarketCalendar(context.config().market.timezone).end_of(first) - 1};
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    or_exit(read_final(*reader, static_cast<std::int32_t>(reading.inputs.size()), first, last, show));
  } else {
    reading.inputs = all_partitions(context, Topic::metrics);
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    const auto latest = or_exit(read_latest(*reader));
    for (const auto* row : latest.sorted()) show(*row);
  }
  writer.finish();
  if (!any) {
    fmt::print(stderr, "fiverate: no rows{}\n",
               final_rows ? ": the day is not final yet (15 days after its end), or nothing was bought"
                          : ": nothing has come yet, or the filters leave nothing");
  }
  return kExitDone;
}

std::atomic<bool> interrupted = false;

// A picture that stays in place: the latest rows, redrawn at most once a second.
void redraw(TextOutput& out, const LatestRows& latest, const RateFilter& filter) {
  out.write("\x1b[H\x1b[2J");
  std::vector<MetricsRow> rows;
  auto as_of = kNoDay;
  for (const auto* row : latest.sorted()) {
    as_of = std::max(as_of, Day{row->as_of_day()});
    MetricsRow shown = *row;
    if (!shown.brand_id().empty() && filter.reduce(shown)) rows.push_back(std::move(shown));
  }
  out.write(fmt::format("fiverate: rates as of {}   {} rows   * fewer than {} outlets   Ctrl-C ends\n\n",
                        as_of == kNoDay ? "-" : format_date(as_of), rows.size(), kSampleMin));
  constexpr std::size_t kRowsMax = 40;
  TableWriter table(out, OutputMode::table, table_columns());
  for (std::size_t i = 0; i < std::min(rows.size(), kRowsMax); ++i) write_table_rows(table, rows[i], OutputMode::table);
  table.finish();
  if (rows.size() > kRowsMax) out.write(fmt::format("... {} more: --brand, --region, --class, --window narrow it\n", rows.size() - kRowsMax));
  out.flush();
}

int watch_rates(const Context& context, RateArguments arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const bool picture = mode == OutputMode::table && out.is_terminal();
  if (picture) {
    // What fits on a screen, unless somebody asks for more.
    if (!arguments.filter.window_days) arguments.filter.window_days = 28;
    if (!arguments.filter.class_dimension) arguments.filter.class_dimension = "";
  }
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  or_exit(reach(context.kafka));
  ReaderOptions reading;
  reading.inputs = all_partitions(context, Topic::metrics);
  const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
  RowWriter writer(out, mode);
  LatestRows latest;
  std::vector<InRecord> records;
  bool changed = true;
  auto drawn = std::chrono::steady_clock::time_point{};
  while (!interrupted) {
    records.clear();
    if (const auto polled = reader->poll(std::chrono::milliseconds(200), records); !polled) {
      if (polled.error().reaction != Reaction::retry) throw ExitError(kExitFailed, polled.error().what);
      fmt::print(stderr, "fiverate: {}\n", polled.error().what);
      continue;
    }
    for (const auto& record : records) {
      const auto row = parse_row(record);
      if (!row || !latest.apply(*row)) continue;
      changed = true;
      if (picture) continue;
      MetricsRow shown = *row;
      if (arguments.filter.reduce(shown)) writer.write(shown);
    }
    if (!picture) {
      if (!records.empty()) writer.flush();
    } else if (changed && std::chrono::steady_clock::now() - drawn > std::chrono::seconds(1)) {
      redraw(out, latest, arguments.filter);
      drawn = std::chrono::steady_clock::now();
      changed = false;
    }
  }
  return kExitDone;
}

}  // namespace

void add_rates(Program& program) {
  auto* const command = program.app.add_subcommand("rates", "The latest rates, or the final ones of a day");
  auto arguments = std::make_shared<RateArguments>();
  add_filters(*command, *arguments);
  command->add_option("--as-of", arguments->as_of, "The final values of this day");
  command->add_flag("--final", arguments->final_rows, "All final rows, day by day, in canonical order");
  command->add_option("--from", arguments->from, "With --final: first day");
  command->add_option("--through", arguments->through, "With --final: last day");
  command->add_option("-o,--output", arguments->output, "table, json or csv (default: table on a terminal, else json)");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return rates(context, *arguments); };
  });
}

void add_watch(Program& program) {
  auto* const watch = program.app.add_subcommand("watch", "Watch what changes, live");
  watch->require_subcommand(1);
  auto* const command = watch->add_subcommand("rates", "Rates as they change: a table on a terminal, JSON lines in a pipe");
  auto arguments = std::make_shared<RateArguments>();
  add_filters(*command, *arguments);
  command->add_option("-o,--output", arguments->output, "table, json or csv");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return watch_rates(context, *arguments); };
  });
}

}  // namespace fiverate
