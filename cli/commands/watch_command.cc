// `watch market`, `watch rates`, `watch alerts`: live output. On a terminal a screen that is redrawn at most once a second,
// in a pipe JSON lines.
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <functional>
#include <set>
#include <thread>

#include "cli/commands/alert_arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/reading.h"
#include "cli/commands/task_positions.h"
#include "cli/screen/alert_table.h"
#include "cli/screen/live_screen.h"
#include "cli/screen/market_screen.h"
#include "cli/screen/message.h"
#include "cli/screen/rates_table.h"
#include "processors/trade/rows/row_fields.h"
#include "readers/query/alert_json.h"
#include "readers/query/alerts_query.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollEvery{200};
constexpr std::chrono::seconds kDrawEvery{1};
constexpr std::chrono::seconds kReadClockEvery{5};  // the ages on the screen grow also without new records
constexpr std::chrono::seconds kReadMissingEvery{2};
constexpr std::chrono::seconds kPrintIgnoredEvery{10};
constexpr std::chrono::seconds kReadUnreadEvery{10};
constexpr std::size_t kWaitingTasksMax = 5;  // on a screen

std::atomic<bool> watch_interrupted = false;

// "21:56", of this machine.
std::string local_time() {
  const auto now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min);
}

// The loop of a live command: runs until Ctrl-C or for `seconds` (0: no limit), and continues when Kafka is away for a
// while. On a screen a lost connection, missing records, partitions that nobody reads and ignored records are warnings on the page,
// otherwise messages on stderr.
class WatchLoop {
 public:
  WatchLoop(const Context& context, std::int64_t seconds, bool is_screen)
      : context_(context),
        servers_(context.kafka.properties.at("bootstrap.servers")),
        is_screen_(is_screen),
        ends_(seconds > 0 ? Clock::now() + std::chrono::seconds(seconds) : Clock::time_point::max()),
        results_(context.definition()) {
    if (is_screen) spdlog::set_level(spdlog::level::off);  // the log would be written over the screen
    std::signal(SIGINT, [](int) { watch_interrupted = true; });
    std::signal(SIGTERM, [](int) { watch_interrupted = true; });
  }
  [[nodiscard]] bool is_over() {
    read_missing();
    print_ignored_records();
    read_unread();
    return watch_interrupted || Clock::now() >= ends_;
  }

  // Reads new records of result topics that count; none while the connection is lost. Ends the program after an error that does not pass.
  void poll(Source& source, std::chrono::milliseconds wait, std::vector<InRecord>& records) {
    records.clear();
    const auto polled = results_.poll(source, wait, records);
    if (polled) return note_connected(source);
    if (polled.error().reaction != Reaction::retry) throw ExitError(kExitFailed, polled.error().what);
    note_lost(source, polled.error());
    std::this_thread::sleep_for(wait);
  }

  [[nodiscard]] ResultRecords& results() { return results_; }
  [[nodiscard]] bool is_connected() const { return lost_.empty(); }
  // "Lost connection to Kafka at HOST. Retrying; data shown is from 21:56.", or a line for each task that waits for missing records, and
  // one for the ignored records.
  [[nodiscard]] std::string warning(Language language) const {
    if (is_connected()) {
      std::string text;
      for (const auto& part : {unread_warning(language), missing_warning(language), ignored_warning(language)}) {
        if (!part.empty()) text += (text.empty() ? "" : "\n") + part;
      }
      return text;
    }
    constexpr Translations kLost{"Lost connection to Kafka at {}. Retrying; data shown is from {}.",
                                 "与 Kafka（{}）的连接已断开，正在重试；当前显示 {} 的数据。"};
    return message_text(fmt::format(fmt::runtime(in(language, kLost)), servers_, last_connected_));
  }

  // True if a changed page is due to be drawn.
  bool is_draw_due(bool changed) {
    if ((!changed && !warning_changed_) || Clock::now() - drawn_ < kDrawEvery) return false;
    drawn_ = Clock::now();
    warning_changed_ = false;
    return true;
  }
  // True if the market's clock is due to be read again.
  bool is_clock_due() {
    if (!is_connected() || Clock::now() - clock_read_ < kReadClockEvery) return false;
    clock_read_ = Clock::now();
    return true;
  }

 private:
  // What the groups note of sequence gaps. While they cannot be read, the last ones remain.
  void read_missing() {
    if (!is_connected() || Clock::now() - missing_read_ < kReadMissingEvery) return;
    missing_read_ = Clock::now();
    auto waiting = waiting_tasks(context_);
    if (!waiting) return;
    const auto before = std::exchange(waiting_, std::move(*waiting));
    warning_changed_ |= missing_warning(before, Language::en) != missing_warning(waiting_, Language::en);
    if (is_screen_ || before.empty() == waiting_.empty()) return;
    print_message(waiting_.empty() ? "No task waits for missing records any more."
                                   : missing_warning(waiting_, Language::en));
  }

  // The source topics with partitions that are not in the definition.
  void read_unread() {
    if (!is_connected() || Clock::now() - unread_read_ < kReadUnreadEvery) return;
    unread_read_ = Clock::now();
    auto unread = unread_partitions(context_);
    if (!unread) return;
    const auto before = unread_warning(Language::en);
    unread_ = std::move(*unread);
    const auto now = unread_warning(Language::en);
    if (now == before) return;
    warning_changed_ = true;
    if (!is_screen_ && !now.empty()) print_message(now);
  }

  // A line for each topic.
  [[nodiscard]] std::string unread_warning(Language language) const {
    constexpr Translations kPaused{
        "{} has {} partitions in Kafka, {} in the definition. No day closes. Stop all processes, run `{}`, start "
        "again.",
        "主题 {} 在 Kafka 中有 {} 个分区，定义中有 {} 个。当天不会结算。停止所有进程，运行 `{}`，再重新启动。"};
    std::string text;
    for (const auto& one : unread_) {
      if (!one.can_be_added()) continue;
      text += (text.empty() ? "" : "\n") + fmt::format(fmt::runtime(in(language, kPaused)), name_of(one.topic),
                                                       one.in_kafka, one.in_definition, kExtendCommand);
    }
    return text;
  }

  // A line for each task.
  static std::string missing_warning(const std::vector<WaitingTask>& waiting, Language language) {
    constexpr Translations kWaits{"{} waits for missing records: those caused by {}.",
                                  "{} 正在等待缺失的记录，来源：{}。"};
    constexpr Translations kMore{"{} more: see `fiverate status`.", "另有 {} 个：见 `fiverate status`。"};
    constexpr Translations kMend{"If restarts do not bring them: stop all processes, run `{}`, start again.",
                                 "若重启后仍缺失：停止所有进程，运行 `{}`，再重新启动。"};
    if (waiting.empty()) return {};
    std::string text;
    for (std::size_t i = 0; i < std::min(waiting.size(), kWaitingTasksMax); ++i) {
      text +=
          fmt::format(fmt::runtime(in(language, kWaits)), waiting[i].name, sentence_part(waiting[i].missing)) + "\n";
    }
    if (waiting.size() > kWaitingTasksMax)
      text += fmt::format(fmt::runtime(in(language, kMore)), waiting.size() - kWaitingTasksMax) + "\n";
    return text + fmt::format(fmt::runtime(in(language, kMend)), kMendCommand);
  }
  [[nodiscard]] std::string missing_warning(Language language) const { return missing_warning(waiting_, language); }

  [[nodiscard]] std::string ignored_warning(Language language) const {
    constexpr Translations kIgnored{"Records that were not written by a processor, and are ignored: {}.",
                                    "并非由处理程序写入、已忽略的记录：{} 条。"};
    if (results_.ignored() == 0) return {};
    return fmt::format(fmt::runtime(in(language, kIgnored)), results_.ignored());
  }

  void print_ignored_records() {
    if (results_.ignored() == ignored_ || Clock::now() - ignored_printed_ < kPrintIgnoredEvery) return;
    ignored_ = results_.ignored();
    ignored_printed_ = Clock::now();
    warning_changed_ = true;
    if (!is_screen_) print_ignored(results_);
  }

  void note_connected(const Source& source) {
    if (lost_.erase(&source) > 0 && lost_.empty()) {
      warning_changed_ = true;
      if (!is_screen_) print_message(fmt::format("Connected to Kafka at {} again.", servers_));
    }
    if (lost_.empty()) last_connected_ = local_time();
  }

  void note_lost(const Source& source, const Error& error) {
    if (lost_.empty()) {
      warning_changed_ = true;
      if (!is_screen_) print_message(fmt::format("Lost connection to Kafka at {}. Retrying. {}", servers_, error.what));
    }
    lost_.insert(&source);
  }

  const Context& context_;
  const std::string servers_;
  const bool is_screen_;
  const Clock::time_point ends_;
  ResultRecords results_;
  std::int64_t ignored_ = 0;  // as printed last
  Clock::time_point ignored_printed_{};
  Clock::time_point drawn_{};
  Clock::time_point clock_read_{};
  Clock::time_point missing_read_{};
  Clock::time_point unread_read_{};
  std::vector<UnreadPartitions> unread_;
  std::vector<WaitingTask> waiting_;
  std::set<const Source*> lost_;  // sources whose last poll failed
  std::string last_connected_ = local_time();
  bool warning_changed_ = false;
};

// ---- rates ----------------------------------------------------------------------------------------------------------

void draw_rates(LiveScreen& screen, const LatestRows& latest, const RateFilter& filter, const std::string& warning,
                Language language) {
  // Title, blank line, header, number of rows that are not shown, and the warning.
  const std::size_t other_lines = 4 + lines_of(warning);
  auto page = screen.page();
  std::vector<MetricsRow> rows;
  auto as_of = kNoDay;
  for (const auto* row : latest.sorted()) {
    as_of = std::max(as_of, day_of(*row));
    MetricsRow shown = *row;
    if (!shown.brand_id().empty() && filter.reduce(shown)) rows.push_back(std::move(shown));
  }
  page.write(fmt::format("fiverate: {} {}   {} {}   {}   {}\n", label(Label::as_of, language),
                         as_of == kNoDay ? "-" : format_date(as_of), rows.size(), label(Label::rows, language),
                         label(Label::low_sample, language), label(Label::stop_with_ctrl_c, language)));
  write_warning(page, warning);
  page.write("\n");
  const auto limit = std::max(page.size().lines, other_lines + 1) - other_lines;
  TableWriter table(page, OutputMode::table, rate_columns(OutputMode::table, language));
  for (std::size_t i = 0; i < std::min(rows.size(), limit); ++i)
    write_table_rows(table, rows[i], OutputMode::table, language);
  table.finish();
  if (rows.size() > limit)
    page.write(fmt::format("... {} {}\n", rows.size() - limit, label(Label::more_rates, language)));
  screen.show(page);
}

int watch_rates(const Context& context, RateArguments arguments, std::int64_t seconds) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const auto language = language_argument(arguments.language);
  const bool is_screen = mode == OutputMode::table && out.is_terminal();
  if (is_screen) {
    // Without filters a screen shows one window and all classes together, so that the rows fit.
    if (!arguments.filter.window_days) arguments.filter.window_days = context.shown_window();
    if (!arguments.filter.class_dimension) arguments.filter.class_dimension = "";
  }
  WatchLoop loop(context, seconds, is_screen);
  or_exit(reach(context.kafka));
  const auto reader = follow(context, all_partitions(context, Topic::metrics));
  RowWriter writer(out, mode);
  LiveScreen screen(out);
  LatestRows latest;
  std::vector<InRecord> records;
  bool changed = true;
  while (!loop.is_over()) {
    loop.poll(*reader, kPollEvery, records);
    for (const auto& record : records) {
      const auto row = row_of(record, MetricsRow::LIVE, loop.results());
      if (!row || !latest.apply(*row, record, loop.results())) continue;
      changed = true;
      if (is_screen) continue;
      MetricsRow shown = *row;
      if (arguments.filter.reduce(shown)) writer.write(shown);
    }
    if (!is_screen) {
      if (!records.empty()) writer.flush();
    } else if (loop.is_draw_due(changed || screen.is_resized())) {
      draw_rates(screen, latest, arguments.filter, loop.warning(language), language);
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
  OutputArguments output;
};

// Draws the open alerts at the top and the latest changes below.
void draw_alerts(LiveScreen& screen, const LatestAlerts& latest, const AlertFilter& filter,
                 const MarketCalendar& calendar, Millis now, const std::string& warning, Language language) {
  constexpr std::size_t kLatestMax = 8;
  // Titles, headers, blank lines, number of alerts that are not shown, and the warning.
  const std::size_t other_lines = 9 + lines_of(warning);
  auto page = screen.page();
  const auto section = [&](Label title, const std::vector<const Alert*>& alerts, std::size_t limit) {
    page.write(fmt::format("{}: {}\n", label(title, language), alerts.size()));
    TableWriter table(page, OutputMode::table, alert_columns(language));
    for (std::size_t i = 0; i < std::min(limit, alerts.size()); ++i) {
      table.row(alert_cells(*alerts[i], calendar, now, language), alert_style(*alerts[i], now));
    }
    table.finish();
    if (alerts.size() > limit)
      page.write(fmt::format("... {} {}\n", alerts.size() - limit, label(Label::more_alerts, language)));
  };
  page.write(fmt::format("fiverate: {}   {}\n", minute_text(now, calendar), label(Label::stop_with_ctrl_c, language)));
  write_warning(page, warning);
  page.write("\n");
  const auto lines = std::max(page.size().lines, other_lines + 2) - other_lines;
  const auto latest_lines = std::min(kLatestMax, lines / 2);
  section(Label::open_alerts,
          latest.sorted([&](const Alert& alert) { return is_open(alert) && filter.matches(alert); }),
          lines - latest_lines);
  page.write("\n");
  auto changes = latest.sorted([&](const Alert& alert) { return filter.matches(alert); });
  const auto shown = std::min(latest_lines, changes.size());
  std::partial_sort(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(shown), changes.end(),
                    [](const Alert* a, const Alert* b) { return a->last().known_at_ms() > b->last().known_at_ms(); });
  changes.resize(shown);
  section(Label::latest_changes, changes, shown);
  screen.show(page);
}

int watch_alerts_on_screen(const Context& context, const WatchedAlerts& watched, TextOutput& out) {
  const auto language = language_argument(watched.language);
  const MarketCalendar calendar(context.config().market.timezone);
  WatchLoop loop(context, watched.seconds, true);
  or_exit(reach(context.kafka));
  auto now = kNever;
  const auto reader = follow(context, all_partitions(context, Topic::alerts));
  LatestAlerts latest;
  LiveScreen screen(out);
  std::vector<InRecord> records;
  bool changed = true;
  while (!loop.is_over()) {
    if (loop.is_clock_due()) {
      now = std::max(now, try_market_clock(context).value_or(kNever));
      changed = true;
    }
    loop.poll(*reader, kPollEvery, records);
    for (const auto& record : records) {
      changed = latest.apply(record, loop.results()) || changed;
      now = std::max(now, record.timestamp);
    }
    if (!loop.is_draw_due(changed || screen.is_resized())) continue;
    draw_alerts(screen, latest, watched.arguments.filter, calendar, now, loop.warning(language), language);
    changed = false;
  }
  return kExitDone;
}

// Writes the last transition of each open alert, then every new transition.
class AlertFeed {
 public:
  AlertFeed(const Context& context, const AlertFilter& filter, WatchLoop& loop, TextOutput& out)
      : filter_(filter), loop_(loop), out_(out), calendar_(context.config().market.timezone) {
    // The log is followed from its end before the present states are read, so that no transition between is missed.
    feed_ = follow(context, all_partitions(context, Topic::alert_log), FromLast{0});
    or_exit(loop_.results().poll(*feed_, std::chrono::milliseconds(0), records_));
    auto early = std::move(records_);
    present_ = or_exit(read_alerts(*read_to_end(context, all_partitions(context, Topic::alerts)), loop_.results()));
    const auto open = present_.sorted([&](const Alert& each) { return is_open(each) && filter_.matches(each); });
    for (const auto* alert : open) write(alert->last());
    write_new(early);
    out_.flush();
  }

  void poll(std::chrono::milliseconds wait) {
    loop_.poll(*feed_, wait, records_);
    write_new(records_);
    if (!records_.empty()) out_.flush();
  }

 private:
  void write_new(const std::vector<InRecord>& batch) {
    for (const auto& record : batch) {
      const auto parsed = parse_log_record(record, loop_.results());
      if (!parsed || !parsed->has_transition()) continue;
      const auto& transition = parsed->transition();
      const auto& alert_id = transition.alert_id();
      auto& number = written_.try_emplace(alert_id, present_.transitions_of(alert_id)).first->second;
      if (transition.transition() <= number) continue;
      number = transition.transition();
      if (filter_.matches(transition, parsed->region_path())) write(transition);
    }
  }

  void write(const Transition& transition) {
    line_.clear();
    append_json_line(transition, calendar_, line_);
    out_.write_json({line_.data(), line_.size()});
  }

  const AlertFilter& filter_;
  WatchLoop& loop_;
  TextOutput& out_;
  MarketCalendar calendar_;
  std::unique_ptr<KafkaReader> feed_;
  LatestAlerts present_;
  std::map<std::string, std::int64_t> written_;  // last transition of each alert; after a crash the log may repeat some
  std::vector<InRecord> records_;
  fmt::memory_buffer line_;
};

int watch_alerts(const Context& context, const WatchedAlerts& watched) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(watched.output, out);
  if (mode == OutputMode::csv)
    throw ExitError(kExitUsage, "-o csv is not possible for live alerts. Use table or json.");
  if (mode == OutputMode::table && out.is_terminal()) return watch_alerts_on_screen(context, watched, out);
  WatchLoop loop(context, watched.seconds, false);
  or_exit(reach(context.kafka));
  AlertFeed feed(context, watched.arguments.filter, loop, out);
  while (!loop.is_over()) feed.poll(kPollEvery);
  return kExitDone;
}

// ---- market ---------------------------------------------------------------------------------------------------------

struct WatchedMarket {
  RateFilter rates;
  AlertFilter alerts;
  std::string brand, region;
  std::int64_t seconds = 0;
  std::string language;
  OutputArguments output;
};

int watch_market_on_screen(const Context& context, const WatchedMarket& watched, TextOutput& out) {
  const auto language = language_argument(watched.language);
  const MarketCalendar calendar(context.config().market.timezone);
  WatchLoop loop(context, watched.seconds, true);
  or_exit(reach(context.kafka));
  const auto rates = follow(context, all_partitions(context, Topic::metrics));
  const auto alerts = follow(context, all_partitions(context, Topic::alerts));
  LatestRows latest_rows;
  LatestAlerts latest_alerts;
  MarketView view{latest_rows, latest_alerts, watched.rates, watched.alerts};
  LiveScreen screen(out);
  std::vector<InRecord> records;
  bool changed = true;
  bool more_alerts = false;  // the last poll returned alerts, so the next one follows without waiting
  while (!loop.is_over()) {
    loop.poll(*rates, more_alerts ? std::chrono::milliseconds(0) : kPollEvery / 2, records);
    for (const auto& record : records) {
      const auto row = row_of(record, MetricsRow::LIVE, loop.results());
      changed = (row && latest_rows.apply(*row, record, loop.results())) || changed;
      view.now = std::max(view.now, record.timestamp);
    }
    loop.poll(*alerts, kPollEvery / 2, records);
    more_alerts = !records.empty();
    for (const auto& record : records) {
      changed = latest_alerts.apply(record, loop.results()) || changed;
      view.now = std::max(view.now, record.timestamp);
    }
    if (loop.is_clock_due()) {
      if (const auto clock = try_market_clock(context)) {
        view.now = std::max(view.now, *clock);
        view.quarantined = quarantined_so_far(context).value_or(view.quarantined);
        changed = true;
      }
    }
    if (!loop.is_draw_due(changed || screen.is_resized())) continue;
    view.warning = loop.warning(language);
    auto page = screen.page();
    draw_market(page, view, calendar, language);
    screen.show(page);
    changed = false;
  }
  return kExitDone;
}

// Writes the contents of the screen as JSON lines: lines of rates have "as_of", lines of alerts have "alert_id".
int watch_market(const Context& context, const WatchedMarket& watched) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(watched.output, out);
  if (mode == OutputMode::csv)
    throw ExitError(kExitUsage, "-o csv is not possible for a live market. Use table or json.");
  if (mode == OutputMode::table && out.is_terminal()) return watch_market_on_screen(context, watched, out);
  WatchLoop loop(context, watched.seconds, false);
  or_exit(reach(context.kafka));
  AlertFeed alerts(context, watched.alerts, loop, out);
  const auto rates = follow(context, all_partitions(context, Topic::metrics));
  RowWriter writer(out, OutputMode::json);
  LatestRows latest;
  std::vector<InRecord> records;
  while (!loop.is_over()) {
    loop.poll(*rates, kPollEvery / 2, records);
    for (const auto& record : records) {
      auto row = row_of(record, MetricsRow::LIVE, loop.results());
      if (row && latest.apply(*row, record, loop.results()) && !row->brand_id().empty() && watched.rates.reduce(*row))
        writer.write(*row);
    }
    if (!records.empty()) writer.flush();
    alerts.poll(kPollEvery / 2);
  }
  return kExitDone;
}

void add_live_options(CLI::App& command, std::string& language, std::int64_t& seconds) {
  command.add_option("--lang", language, "Language of the screen: en or zh (default: from LC_ALL or LANG)")
      ->check(CLI::IsMember({"en", "zh"}));
  command.add_option("--seconds", seconds, "Stop after so many seconds")->check(CLI::PositiveNumber);
}

}  // namespace

void add_watch(Program& program) {
  auto* const watch = program.app.add_subcommand("watch", "Watch the market, rates or alerts live");
  watch->require_subcommand(1);
  {
    auto* const command =
        watch->add_subcommand("market", "Rates of the brands and open alerts on one screen; JSON lines in a pipe");
    auto watched = std::make_shared<WatchedMarket>();
    command->add_option("--brand", watched->brand, "Only this brand")->each([watched](const std::string& value) {
      watched->rates.brand_id = watched->alerts.brand_id = value;
    });
    command->add_option("--region", watched->region, "Only this region; alerts also of the regions below it")
        ->each([watched](const std::string& value) { watched->alerts.region_id = value; });
    command
        ->add_option("--window", watched->rates.window_days,
                     "Window of the rates: 7, 28 or 91 days (default: 28, or the longest one of the market)")
        ->check(CLI::IsMember({7, 28, 91}));
    add_output_options(*command, watched->output, "table or json");
    add_live_options(*command, watched->language, watched->seconds);
    command->callback([&program, watched] {
      watched->rates.region_id = watched->region;
      watched->rates.class_dimension = "";
      program.command = [watched](const Context& context) {
        if (!watched->rates.window_days) watched->rates.window_days = context.shown_window();
        return watch_market(context, *watched);
      };
    });
  }
  {
    auto* const command = watch->add_subcommand("rates", "Rates as they change; JSON lines in a pipe");
    auto arguments = std::make_shared<RateArguments>();
    auto seconds = std::make_shared<std::int64_t>(0);
    add_filters(*command, *arguments);
    add_output_options(*command, arguments->output, "table, json or csv");
    add_live_options(*command, arguments->language, *seconds);
    command->callback([&program, arguments, seconds] {
      program.command = [arguments, seconds](const Context& context) {
        return watch_rates(context, *arguments, *seconds);
      };
    });
  }
  {
    auto* const command = watch->add_subcommand(
        "alerts", "Open alerts and the latest changes; in a pipe JSON lines of open alerts, then of new transitions");
    auto watched = std::make_shared<WatchedAlerts>();
    add_filters(*command, watched->arguments);
    add_output_options(*command, watched->output, "table or json");
    add_live_options(*command, watched->language, watched->seconds);
    command->callback([&program, watched] {
      program.command = [watched](const Context& context) { return watch_alerts(context, *watched); };
    });
  }
}

}  // namespace fiverate
