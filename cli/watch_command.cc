// `watch rates`, `watch alerts`: what changes, as it changes. On a terminal a picture that stays in place, drawn anew
// at most once a second; in a pipe JSON lines as they come.
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>

#include "cli/alert_arguments.h"
#include "cli/alert_table.h"
#include "cli/commands.h"
#include "cli/rates_table.h"
#include "cli/reading.h"
#include "processors/trade/rates.h"
#include "readers/query/alert_json.h"
#include "readers/query/alerts_query.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollEvery{200};
constexpr std::chrono::seconds kDrawEvery{1};
constexpr std::chrono::seconds kAskTimeEvery{10};

std::atomic<bool> interrupted = false;

// Until Ctrl-C or the end of the seconds asked for (0: no end).
class Watching {
 public:
  explicit Watching(std::int64_t seconds)
      : ends_(seconds > 0 ? Clock::now() + std::chrono::seconds(seconds) : Clock::time_point::max()) {
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });
  }
  [[nodiscard]] bool over() const { return interrupted || Clock::now() >= ends_; }

  // What has come; an error that time may heal is told and waited out.
  void poll(Source& source, std::chrono::milliseconds wait, std::vector<InRecord>& records) const {
    records.clear();
    const auto polled = source.poll(wait, records);
    if (polled) return;
    if (polled.error().reaction != Reaction::retry) throw ExitError(kExitFailed, polled.error().what);
    fmt::print(stderr, "fiverate: {}\n", polled.error().what);
  }

  // True if the picture has to be drawn now.
  bool draws(bool changed) {
    if (!changed || Clock::now() - drawn_ < kDrawEvery) return false;
    drawn_ = Clock::now();
    return true;
  }

 private:
  Clock::time_point ends_;
  Clock::time_point drawn_{};
};

void clear(TextOutput& out) {
  out.write("\x1b[H\x1b[2J");
}

// ---- rates
// -----------------------------------------------------------------------------------------------------------

void draw_rates(TextOutput& out, const LatestRows& latest, const RateFilter& filter, Language language) {
  clear(out);
  std::vector<MetricsRow> rows;
  auto as_of = kNoDay;
  for (const auto* row : latest.sorted()) {
    as_of = std::max(as_of, Day{row->as_of_day()});
    MetricsRow shown = *row;
    if (!shown.brand_id().empty() && filter.reduce(shown)) rows.push_back(std::move(shown));
  }
  out.write(fmt::format("fiverate: {} {}   {} {}   {}   {}\n\n", word(Word::as_of, language),
                        as_of == kNoDay ? "-" : format_date(as_of), rows.size(), word(Word::rows, language),
                        word(Word::small_sample, language), word(Word::ends_with, language)));
  constexpr std::size_t kRowsMax = 40;
  TableWriter table(out, OutputMode::table, rate_columns(language));
  table.cut_lines_at(out.size().columns);
  for (std::size_t i = 0; i < std::min(rows.size(), kRowsMax); ++i)
    write_table_rows(table, rows[i], OutputMode::table, language);
  table.finish();
  if (rows.size() > kRowsMax)
    out.write(fmt::format("... {} more: --brand, --region, --class, --window narrow it\n", rows.size() - kRowsMax));
  out.flush();
}

int watch_rates(const Context& context, RateArguments arguments, std::int64_t seconds) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const auto language = language_argument(arguments.language);
  const bool picture = mode == OutputMode::table && out.is_terminal();
  if (picture) {
    // What fits on a screen, unless somebody asks for more.
    if (!arguments.filter.window_days) arguments.filter.window_days = 28;
    if (!arguments.filter.class_dimension) arguments.filter.class_dimension = "";
  }
  Watching watching(seconds);
  or_exit(reach(context.kafka));
  const auto reader = follow(context, all_partitions(context, Topic::metrics));
  RowWriter writer(out, mode);
  LatestRows latest;
  std::vector<InRecord> records;
  bool changed = true;
  while (!watching.over()) {
    watching.poll(*reader, kPollEvery, records);
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
    } else if (watching.draws(changed)) {
      draw_rates(out, latest, arguments.filter, language);
      changed = false;
    }
  }
  return kExitDone;
}

// ---- alerts
// ----------------------------------------------------------------------------------------------------------

struct WatchedAlerts {
  AlertArguments arguments;
  std::int64_t seconds = 0;
  std::string language;
  std::string output;
};

// Open alerts on top, what changed last below.
void draw_alerts(TextOutput& out, const LatestAlerts& latest, const AlertFilter& filter, const MarketCalendar& calendar,
                 Millis now, Language language) {
  constexpr std::size_t kNewest = 8;
  constexpr std::size_t kOtherLines = 8;  // titles, headers, what is left out
  clear(out);
  const auto size = out.size();
  const auto section = [&](Word title, const std::vector<const Alert*>& alerts, std::size_t most) {
    out.write(fmt::format("{}: {}\n", word(title, language), alerts.size()));
    TableWriter table(out, OutputMode::table, alert_columns(language));
    table.cut_lines_at(size.columns);
    for (std::size_t i = 0; i < std::min(most, alerts.size()); ++i) {
      table.row(alert_cells(*alerts[i], calendar, now, language), alert_style(*alerts[i], now));
    }
    table.finish();
    if (alerts.size() > most) out.write(fmt::format("... {} {}\n", alerts.size() - most, word(Word::more, language)));
    out.write("\n");
  };
  auto moment = calendar.format(now).substr(0, 19);
  std::replace(moment.begin(), moment.end(), 'T', ' ');
  out.write(fmt::format("fiverate: {}   {}\n\n", moment, word(Word::ends_with, language)));
  const auto lines = std::max(size.lines, kOtherLines + kNewest + 3);
  section(Word::open_alerts, latest.sorted([&](const Alert& alert) { return is_open(alert) && filter.wants(alert); }),
          lines - kOtherLines - kNewest);
  auto newest = latest.sorted([&](const Alert& alert) { return filter.wants(alert); });
  const auto shown = std::min(kNewest, newest.size());
  std::partial_sort(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(shown), newest.end(),
                    [](const Alert* a, const Alert* b) { return a->last().known_at_ms() > b->last().known_at_ms(); });
  newest.resize(shown);
  section(Word::newest, newest, shown);
  out.flush();
}

int watch_alerts_as_picture(const Context& context, const WatchedAlerts& watched, TextOutput& out) {
  const auto language = language_argument(watched.language);
  const MarketCalendar calendar(context.config().market.timezone);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  auto now = market_now(context);
  auto asked = Clock::now();
  const auto reader = follow(context, all_partitions(context, Topic::alerts));
  LatestAlerts latest;
  std::vector<InRecord> records;
  bool changed = true;
  while (!watching.over()) {
    watching.poll(*reader, kPollEvery, records);
    for (const auto& record : records) {
      changed = latest.apply(record) || changed;
      now = std::max(now, record.timestamp);
    }
    if (Clock::now() - asked >= kAskTimeEvery) {  // ages grow while nothing comes
      now = std::max(now, market_now(context));
      asked = Clock::now();
      changed = true;
    }
    if (!watching.draws(changed)) continue;
    draw_alerts(out, latest, watched.arguments.filter, calendar, now, language);
    changed = false;
  }
  return kExitDone;
}

// First the last transition of each open alert, then every transition as it comes.
int watch_alerts(const Context& context, const WatchedAlerts& watched) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(watched.output, out);
  if (mode == OutputMode::csv) throw ExitError(kExitUsage, "-o: a live feed of alerts is a table or JSON lines.");
  if (mode == OutputMode::table && out.is_terminal()) return watch_alerts_as_picture(context, watched, out);
  const auto& filter = watched.arguments.filter;
  const MarketCalendar calendar(context.config().market.timezone);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  fmt::memory_buffer line;
  const auto write = [&](const Transition& transition) {
    line.clear();
    append_json_line(transition, calendar, line);
    out.write({line.data(), line.size()});
  };
  // The feed begins before the present states are read: nothing falls between them.
  const auto feed = follow(context, all_partitions(context, Topic::alert_log), FromTail{0});
  std::vector<InRecord> records;
  watching.poll(*feed, std::chrono::milliseconds(0), records);
  auto early = std::move(records);
  const auto present = or_exit(read_alerts(*read_to_end(context, all_partitions(context, Topic::alerts))));
  for (const auto* alert : present.sorted([&](const Alert& alert) { return is_open(alert) && filter.wants(alert); })) {
    write(alert->last());
  }
  out.flush();
  std::map<std::string, std::int64_t> told;  // a crash may repeat some
  const auto tell = [&](const std::vector<InRecord>& batch) {
    for (const auto& record : batch) {
      const auto parsed = parse_log_record(record);
      if (!parsed || !parsed->has_transition()) continue;
      const auto& transition = parsed->transition();
      auto& number =
          told.try_emplace(transition.alert_id(), present.transitions_of(transition.alert_id())).first->second;
      if (transition.transition() <= number) continue;
      number = transition.transition();
      if (filter.wants(transition, parsed->region_path())) write(transition);
    }
    if (!batch.empty()) out.flush();
  };
  tell(early);
  while (!watching.over()) {
    watching.poll(*feed, kPollEvery, records);
    tell(records);
  }
  return kExitDone;
}

}  // namespace

void add_watch(Program& program) {
  auto* const watch = program.app.add_subcommand("watch", "Watch what changes, live");
  watch->require_subcommand(1);
  {
    auto* const command =
        watch->add_subcommand("rates", "Rates as they change: a table on a terminal, JSON lines in a pipe");
    auto arguments = std::make_shared<RateArguments>();
    auto seconds = std::make_shared<std::int64_t>(0);
    add_filters(*command, *arguments);
    command->add_option("-o,--output", arguments->output, "table, json or csv");
    command->add_option("--lang", arguments->language, "en or zh (default: the environment's)");
    command->add_option("--seconds", *seconds, "End after so many seconds")->check(CLI::PositiveNumber);
    command->callback([&program, arguments, seconds] {
      program.command = [arguments, seconds](const Context& context) {
        return watch_rates(context, *arguments, *seconds);
      };
    });
  }
  {
    auto* const command = watch->add_subcommand(
        "alerts",
        "Alerts as they change: a table on a terminal; in a pipe what is open, then every transition as a JSON line");
    auto watched = std::make_shared<WatchedAlerts>();
    add_filters(*command, watched->arguments);
    command->add_option("-o,--output", watched->output, "table or json");
    command->add_option("--lang", watched->language, "en or zh (default: the environment's)");
    command->add_option("--seconds", watched->seconds, "End after so many seconds")->check(CLI::PositiveNumber);
    command->callback([&program, watched] {
      program.command = [watched](const Context& context) { return watch_alerts(context, *watched); };
    });
  }
}

}  // namespace fiverate
