// `watch market`, `watch rates`, `watch alerts`: what changes, as it changes. On a terminal a picture that stays in
// place, drawn anew at most once a second; in a pipe JSON lines as they come.
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>

#include "cli/commands/alert_arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/screen/alert_table.h"
#include "cli/screen/market_screen.h"
#include "cli/screen/picture.h"
#include "cli/screen/rates_table.h"
#include "processors/trade/rows/row_fields.h"
#include "readers/query/alert_json.h"
#include "readers/query/alerts_query.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollEvery{200};
constexpr std::chrono::seconds kDrawEvery{1};
constexpr std::chrono::seconds kAskTimeEvery{5};

std::atomic<bool> watch_interrupted = false;

// Until Ctrl-C or the end of the seconds asked for (0: no end).
class Watching {
 public:
  explicit Watching(std::int64_t seconds)
      : ends_(seconds > 0 ? Clock::now() + std::chrono::seconds(seconds) : Clock::time_point::max()) {
    std::signal(SIGINT, [](int) { watch_interrupted = true; });
    std::signal(SIGTERM, [](int) { watch_interrupted = true; });
  }
  [[nodiscard]] bool over() const { return watch_interrupted || Clock::now() >= ends_; }

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

// ---- rates ----------------------------------------------------------------------------------------------------------

void draw_rates(Picture& picture, const LatestRows& latest, const RateFilter& filter, Language language) {
  constexpr std::size_t kOtherLines = 4;  // title, header, what is left out
  auto page = picture.page();
  std::vector<MetricsRow> rows;
  auto as_of = kNoDay;
  for (const auto* row : latest.sorted()) {
    as_of = std::max(as_of, day_of(*row));
    MetricsRow shown = *row;
    if (!shown.brand_id().empty() && filter.reduce(shown)) rows.push_back(std::move(shown));
  }
  page.write(fmt::format("fiverate: {} {}   {} {}   {}   {}\n\n", word(Word::as_of, language),
                         as_of == kNoDay ? "-" : format_date(as_of), rows.size(), word(Word::rows, language),
                         word(Word::small_sample, language), word(Word::ends_with, language)));
  const auto most = std::max(page.size().lines, kOtherLines + 1) - kOtherLines;
  TableWriter table(page, OutputMode::table, rate_columns(OutputMode::table, language));
  for (std::size_t i = 0; i < std::min(rows.size(), most); ++i)
    write_table_rows(table, rows[i], OutputMode::table, language);
  table.finish();
  if (rows.size() > most)
    page.write(fmt::format("... {} more: --brand, --region, --class, --window narrow it\n", rows.size() - most));
  picture.show(page);
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
  Picture drawn(out);
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
    } else if (watching.draws(changed || drawn.outgrown())) {
      draw_rates(drawn, latest, arguments.filter, language);
      changed = false;
    }
  }
  return kExitDone;
}

// ---- alerts ---------------------------------------------------------------------------------------------------------

struct WatchedAlerts {
  AlertArguments arguments;
  std::int64_t seconds = 0;
  std::string language;
  std::string output;
};

// Open alerts on top, what changed last below.
void draw_alerts(Picture& picture, const LatestAlerts& latest, const AlertFilter& filter,
                 const MarketCalendar& calendar, Millis now, Language language) {
  constexpr std::size_t kNewestMax = 8;
  constexpr std::size_t kOtherLines = 9;  // titles, headers, what is left out
  auto page = picture.page();
  const auto section = [&](Word title, const std::vector<const Alert*>& alerts, std::size_t most) {
    page.write(fmt::format("{}: {}\n", word(title, language), alerts.size()));
    TableWriter table(page, OutputMode::table, alert_columns(language));
    for (std::size_t i = 0; i < std::min(most, alerts.size()); ++i) {
      table.row(alert_cells(*alerts[i], calendar, now, language), alert_style(*alerts[i], now));
    }
    table.finish();
    if (alerts.size() > most) page.write(fmt::format("... {} {}\n", alerts.size() - most, word(Word::more, language)));
  };
  auto moment = now == kNever ? "-" : calendar.format(now).substr(0, 19);
  std::replace(moment.begin(), moment.end(), 'T', ' ');
  page.write(fmt::format("fiverate: {}   {}\n\n", moment, word(Word::ends_with, language)));
  const auto room = std::max(page.size().lines, kOtherLines + 2) - kOtherLines;
  const auto newest_room = std::min(kNewestMax, room / 2);
  section(Word::open_alerts, latest.sorted([&](const Alert& alert) { return is_open(alert) && filter.wants(alert); }),
          room - newest_room);
  page.write("\n");
  auto newest = latest.sorted([&](const Alert& alert) { return filter.wants(alert); });
  const auto shown = std::min(newest_room, newest.size());
  std::partial_sort(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(shown), newest.end(),
                    [](const Alert* a, const Alert* b) { return a->last().known_at_ms() > b->last().known_at_ms(); });
  newest.resize(shown);
  section(Word::newest, newest, shown);
  picture.show(page);
}

int watch_alerts_as_picture(const Context& context, const WatchedAlerts& watched, TextOutput& out) {
  const auto language = language_argument(watched.language);
  const MarketCalendar calendar(context.config().market.timezone);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  auto now = market_clock(context);
  auto asked = Clock::now();
  const auto reader = follow(context, all_partitions(context, Topic::alerts));
  LatestAlerts latest;
  Picture picture(out);
  std::vector<InRecord> records;
  bool changed = true;
  while (!watching.over()) {
    watching.poll(*reader, kPollEvery, records);
    for (const auto& record : records) {
      changed = latest.apply(record) || changed;
      now = std::max(now, record.timestamp);
    }
    if (Clock::now() - asked >= kAskTimeEvery) {  // ages grow while nothing comes
      now = std::max(now, market_clock(context));
      asked = Clock::now();
      changed = true;
    }
    if (!watching.draws(changed || picture.outgrown())) continue;
    draw_alerts(picture, latest, watched.arguments.filter, calendar, now, language);
    changed = false;
  }
  return kExitDone;
}

// First the last transition of each open alert, then every transition as it comes.
class AlertFeed {
 public:
  AlertFeed(const Context& context, const AlertFilter& filter, TextOutput& out)
      : filter_(filter), out_(out), calendar_(context.config().market.timezone) {
    // The feed begins before the present states are read: nothing falls between them.
    feed_ = follow(context, all_partitions(context, Topic::alert_log), FromTail{0});
    or_exit(feed_->poll(std::chrono::milliseconds(0), records_));
    auto early = std::move(records_);
    present_ = or_exit(read_alerts(*read_to_end(context, all_partitions(context, Topic::alerts))));
    for (const auto* alert : present_.sorted([&](const Alert& each) { return is_open(each) && filter_.wants(each); })) {
      write(alert->last());
    }
    tell(early);
    out_.flush();
  }

  void poll(const Watching& watching, std::chrono::milliseconds wait) {
    watching.poll(*feed_, wait, records_);
    tell(records_);
    if (!records_.empty()) out_.flush();
  }

 private:
  void tell(const std::vector<InRecord>& batch) {
    for (const auto& record : batch) {
      const auto parsed = parse_log_record(record);
      if (!parsed || !parsed->has_transition()) continue;
      const auto& transition = parsed->transition();
      auto& number =
          told_.try_emplace(transition.alert_id(), present_.transitions_of(transition.alert_id())).first->second;
      if (transition.transition() <= number) continue;
      number = transition.transition();
      if (filter_.wants(transition, parsed->region_path())) write(transition);
    }
  }

  void write(const Transition& transition) {
    line_.clear();
    append_json_line(transition, calendar_, line_);
    out_.write({line_.data(), line_.size()});
  }

  const AlertFilter& filter_;
  TextOutput& out_;
  MarketCalendar calendar_;
  std::unique_ptr<KafkaReader> feed_;
  LatestAlerts present_;
  std::map<std::string, std::int64_t> told_;  // a crash may repeat some
  std::vector<InRecord> records_;
  fmt::memory_buffer line_;
};

int watch_alerts(const Context& context, const WatchedAlerts& watched) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(watched.output, out);
  if (mode == OutputMode::csv) throw ExitError(kExitUsage, "-o: a live feed of alerts is a table or JSON lines.");
  if (mode == OutputMode::table && out.is_terminal()) return watch_alerts_as_picture(context, watched, out);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  AlertFeed feed(context, watched.arguments.filter, out);
  while (!watching.over()) feed.poll(watching, kPollEvery);
  return kExitDone;
}

// ---- market

struct WatchedMarket {
  RateFilter rates;
  AlertFilter alerts;
  std::string brand, region;
  std::int32_t window = 28;
  std::int64_t seconds = 0;
  std::string language;
  std::string output;
};

int watch_market_as_picture(const Context& context, const WatchedMarket& watched, TextOutput& out) {
  const auto language = language_argument(watched.language);
  const MarketCalendar calendar(context.config().market.timezone);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  const auto rates = follow(context, all_partitions(context, Topic::metrics));
  const auto alerts = follow(context, all_partitions(context, Topic::alerts));
  LatestRows latest_rows;
  LatestAlerts latest_alerts;
  MarketView view{latest_rows, latest_alerts, watched.rates, watched.alerts};
  Picture picture(out);
  std::vector<InRecord> records;
  auto asked = Clock::time_point{};
  bool changed = true;
  bool more = false;  // alerts, perhaps: it waits for nothing
  while (!watching.over()) {
    watching.poll(*rates, more ? std::chrono::milliseconds(0) : kPollEvery / 2, records);
    for (const auto& record : records) {
      const auto row = parse_row(record);
      changed = (row && latest_rows.apply(*row)) || changed;
      view.now = std::max(view.now, record.timestamp);
    }
    watching.poll(*alerts, kPollEvery / 2, records);
    more = !records.empty();
    for (const auto& record : records) {
      changed = latest_alerts.apply(record) || changed;
      view.now = std::max(view.now, record.timestamp);
    }
    if (Clock::now() - asked >= kAskTimeEvery) {  // ages grow while nothing comes
      view.now = std::max(view.now, market_clock(context));
      view.quarantined = quarantined_so_far(context);
      asked = Clock::now();
      changed = true;
    }
    if (!watching.draws(changed || picture.outgrown())) continue;
    auto page = picture.page();
    draw_market(page, view, calendar, language);
    picture.show(page);
    changed = false;
  }
  return kExitDone;
}

// What the screen would show, as lines of both kinds: those of rates have "as_of", those of alerts "alert_id".
int watch_market(const Context& context, const WatchedMarket& watched) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(watched.output, out);
  if (mode == OutputMode::csv) throw ExitError(kExitUsage, "-o: a live feed of a market is a table or JSON lines.");
  if (mode == OutputMode::table && out.is_terminal()) return watch_market_as_picture(context, watched, out);
  Watching watching(watched.seconds);
  or_exit(reach(context.kafka));
  AlertFeed alerts(context, watched.alerts, out);
  const auto rates = follow(context, all_partitions(context, Topic::metrics));
  RowWriter writer(out, OutputMode::json);
  LatestRows latest;
  std::vector<InRecord> records;
  while (!watching.over()) {
    watching.poll(*rates, kPollEvery / 2, records);
    for (const auto& record : records) {
      auto row = parse_row(record);
      if (row && latest.apply(*row) && !row->brand_id().empty() && watched.rates.reduce(*row)) writer.write(*row);
    }
    if (!records.empty()) writer.flush();
    alerts.poll(watching, kPollEvery / 2);
  }
  return kExitDone;
}

}  // namespace

void add_watch(Program& program) {
  auto* const watch = program.app.add_subcommand("watch", "Watch what changes, live");
  watch->require_subcommand(1);
  {
    auto* const command = watch->add_subcommand("market",
                                                "Rates of the brands and open alerts on one screen; in a pipe JSON "
                                                "lines of both, as with `rates` and `alerts`");
    auto watched = std::make_shared<WatchedMarket>();
    command->add_option("--brand", watched->brand, "Only this brand")->each([watched](const std::string& value) {
      watched->rates.brand_id = watched->alerts.brand_id = value;
    });
    command->add_option("--region", watched->region, "Rates of this region, alerts of it and all below")
        ->each([watched](const std::string& value) { watched->alerts.region_id = value; });
    command->add_option("--window", watched->window, "Rates of 7, 28 or 91 days")
        ->check(CLI::IsMember({7, 28, 91}))
        ->capture_default_str();
    command->add_option("-o,--output", watched->output, "table or json");
    command->add_option("--lang", watched->language, "en or zh (default: the environment's)");
    command->add_option("--seconds", watched->seconds, "End after so many seconds")->check(CLI::PositiveNumber);
    command->callback([&program, watched] {
      watched->rates.region_id = watched->region;
      watched->rates.class_dimension = "";
      watched->rates.window_days = watched->window;
      program.command = [watched](const Context& context) { return watch_market(context, *watched); };
    });
  }
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
