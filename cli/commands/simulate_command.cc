// `simulate`: writes the events of a synthetic market into the source topics or into files.
#include <chrono>
#include <filesystem>
#include <limits>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/source_topics.h"
#include "cli/commands/stop_signal.h"
#include "cli/screen/message.h"
#include "processors/edge/kafka_log.h"
#include "producers/import/decimal.h"
#include "producers/simulate/market_output.h"
#include "producers/simulate/simulate.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;

struct SimulateArguments {
  std::string out;
  bool force = false;
  std::string truth;
  std::string start = "2026-01-05";
  std::string speed = "0";
  std::string trouble = "1";
  std::vector<std::string> rates;
  bool yes = false;
  SimulateSettings settings;
};

// Parses a decimal number of the command line and returns it times `unit`, rounded down.
std::int64_t decimal_argument(const std::string& text, const std::string& option, std::int64_t unit,
                              std::int64_t highest) {
  const auto number = Decimal::parse(text);
  const auto value = number ? times(*number, {unit, 0}, Rounding::down) : std::nullopt;
  if (!value || number->digits < 0 || *value > highest * unit) {
    throw ExitError(kExitUsage,
                    fmt::format("Invalid number \"{}\" for {}. Use a number from 0 to {}.", text, option, highest));
  }
  return *value;
}

// A validator whose help text is "1..99".
CLI::Validator range(std::int32_t lowest, std::int32_t highest) {
  return CLI::Range(lowest, highest).description(fmt::format("{}..{}", lowest, highest));
}

TroubleRates trouble_of(const SimulateArguments& arguments) {
  TroubleRates rates;
  rates.scale(decimal_argument(arguments.trouble, "--trouble", kOne, 20));
  for (const auto& each : arguments.rates) {
    const auto equals = each.find('=');
    const auto mishap = mishap_named(each.substr(0, equals));
    if (equals == std::string::npos || !mishap) {
      throw ExitError(kExitUsage,
                      fmt::format("Invalid rate \"{}\" for --rate. Use NAME=SHARE with one of the names {}.", each,
                                  fmt::join(kMishapNames, ", ")));
    }
    rates.share[static_cast<std::size_t>(*mishap)] =
        decimal_argument(each.substr(equals + 1), "--rate " + each.substr(0, equals), kCertain, 1);
  }
  return rates;
}

// In thousandths; 0 means as fast as possible.
std::int64_t speed_of(const SimulateArguments& arguments) {
  return decimal_argument(arguments.speed, "--speed", kOne, 1'000'000);
}

SimulateSettings settings_of(const SimulateArguments& arguments) {
  auto settings = arguments.settings;
  const auto& size = settings.size;
  if (size.brands > size.skus) {
    throw ExitError(kExitUsage,
                    fmt::format("--brands {} needs --skus {} or more, since every brand has at least one SKU.",
                                size.brands, size.brands));
  }
  settings.size.first_day = day_argument(arguments.start, "--start");
  const auto earliest = parse_date("1992-01-02").value_or(kNoDay);
  const auto latest = parse_date("9900-01-01").value_or(kNoDay);
  if (settings.size.first_day < earliest || settings.size.first_day > latest) {
    throw ExitError(kExitUsage, fmt::format("Invalid day {} for --start. Use a day from {} to {}.", arguments.start,
                                            format_date(earliest), format_date(latest)));
  }
  settings.trouble = trouble_of(arguments);
  const auto speed = speed_of(arguments);
  if (speed > 0) settings.slice_ms = std::clamp<Millis>(speed, 1, kDayMs);  // the market's time of one real second
  return settings;
}

// Delays the simulation so that, from `begins` on, the market's clock runs at `speed` thousandths of real time.
class Pace {
 public:
  Pace(std::int64_t speed, Millis begins) : speed_(speed), begins_(begins) {}

  // Waits until the market's clock may reach the instant. False after a signal.
  [[nodiscard]] bool reach(Millis instant) {
    while (!stop_requested()) {
      const auto left = left_until(instant);
      if (left <= Clock::duration::zero()) return true;
      std::this_thread::sleep_for(std::min<Clock::duration>(left, std::chrono::milliseconds(50)));
    }
    return false;
  }

 private:
  [[nodiscard]] Clock::duration left_until(Millis instant) {
    if (speed_ == 0 || instant <= begins_) return Clock::duration::zero();
    if (!begun_) begun_ = Clock::now();  // the days before `begins` have no speed limit
    return *begun_ + std::chrono::milliseconds((instant - begins_) * kOne / speed_) - Clock::now();
  }

  std::int64_t speed_;
  Millis begins_;
  std::optional<Clock::time_point> begun_;
};

// `resumes` is the market's clock if an earlier run has written so far; these days are not delayed.
SimulateSummary run(const SimulateArguments& arguments, const SimulateSettings& settings,
                    const MarketCalendar& calendar, MarketOutput& output, Millis resumes = kNever) {
  const auto begins = calendar.start_of(settings.size.first_day);
  const auto fast_until = calendar.start_of(settings.size.first_day + settings.fast_days);
  Pace pace(speed_of(arguments), std::max(fast_until, resumes));
  ProgressBar bar("simulate", "days", settings.size.days);
  SimulateHooks hooks;
  hooks.reach = [&](Millis instant) { return pace.reach(instant); };
  hooks.progress = [&](std::int64_t, Millis clock) {
    if (clock >= begins) bar.set(calendar.day_of(clock) - settings.size.first_day);
  };
  catch_stop_signals();
  return or_exit(simulate(settings, calendar, output, hooks));
}

int simulate_market(const Context& context, const SimulateArguments& arguments) {
  const auto settings = settings_of(arguments);
  if (!arguments.out.empty() && !arguments.truth.empty()) {
    throw ExitError(kExitUsage, "--truth cannot be used with --out, which always writes truth.jsonl.");
  }
  if (!arguments.out.empty()) or_usage_error(check_output_folder(arguments.out, arguments.force));
  if (!arguments.truth.empty()) or_usage_error(check_output_file(arguments.truth, arguments.force));
  const MarketCalendar calendar(context.config().market.timezone);
  const auto begun = Clock::now();
  SimulateSummary summary;
  std::int64_t skipped = 0;
  if (!arguments.out.empty()) {
    or_exit(create_output_folder(arguments.out));
    const auto files = or_exit(MarketFiles::create(arguments.out));
    summary = run(arguments, settings, calendar, *files);
  } else {
    or_exit(reach(context.kafka));
    const auto definition = or_exit(market_definition(context));
    const auto partitions = partition_counts(definition);
    const auto id = simulation_id(settings, calendar, partitions);
    const auto begins = calendar.start_of(settings.size.first_day);
    const auto found = check_source_topics(context, definition, calendar,
                                           {SourceWriterKind::simulation, {id, begins, begins}, arguments.yes});
    if (found.state == ImportState::followed) {
      print_note("Nothing was written: this simulation was written before, and another import since.");
      return kExitDone;
    }
    std::optional<LineFile> truth;
    if (!arguments.truth.empty()) truth = or_exit(LineFile::create(arguments.truth));
    const auto sink = or_exit(KafkaSink::open(context.kafka));
    SourceWriter writer(*sink, partitions, start_of_import(id, found.ends));
    MarketTopics topics(writer, std::move(truth));
    const bool resumes = found.state == ImportState::begun;
    summary = run(arguments, settings, calendar, topics, resumes ? clock_of(found.ends) : kNever);
    skipped = writer.summary().skipped;
    check_written_once(context, id, found.ends, writer.sent());
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  print_note(fmt::format(
      "{}{} reference events and {} events ({} order lines) of {} outlets in {}{}; the market's clock {} {}",
      summary.complete ? "" : "ended early: ", summary.references, summary.events, summary.order_lines,
      settings.size.outlets, human_duration(took),
      skipped > 0 ? fmt::format(", {} of them skipped, since the topics hold them already", skipped) : "",
      arguments.out.empty() ? "goes to" : "went to", calendar.format(summary.clock)));
  if (!summary.complete && arguments.out.empty()) print_note("Repeat the command to continue where it stopped.");
  return kExitDone;
}

}  // namespace

void add_simulate(Program& program) {
  auto* const command =
      program.app.add_subcommand("simulate", "Generate a synthetic market, into the source topics or into files");
  auto arguments = std::make_shared<SimulateArguments>();
  auto& size = arguments->settings.size;
  command
      ->add_option("--out", arguments->out,
                   "Write events.jsonl, reference.jsonl and truth.jsonl to this folder, not to Kafka")
      ->type_name("DIR");
  command
      ->add_option("--truth", arguments->truth,
                   "Without --out: write the hidden stock of every outlet, SKU and day to this file")
      ->type_name("FILE");
  add_force_option(*command, arguments->force);
  command->add_option("--outlets", size.outlets, "Number of outlets")
      ->check(range(1, kSimulatedOutletsMax))
      ->capture_default_str();
  command->add_option("--brands", size.brands, "Number of brands")
      ->check(range(1, kSimulatedBrandsMax))
      ->capture_default_str();
  command->add_option("--skus", size.skus, "Number of SKUs of all brands together")
      ->check(range(1, kSimulatedSkusMax))
      ->capture_default_str();
  command->add_option("--days", size.days, "Number of days")->check(range(1, kSimulatedDaysMax))->capture_default_str();
  command->add_option("--seed", size.seed, "Random seed")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--start", arguments->start, "First day")->type_name("DAY")->capture_default_str();
  command
      ->add_option("--speed", arguments->speed,
                   "Market time over real time: 1 = real time, 60 = a minute per second, 0 = as fast as possible")
      ->capture_default_str();
  command
      ->add_option("--fast-days", arguments->settings.fast_days,
                   "With --speed: generate so many first days as fast as possible")
      ->check(range(0, kSimulatedDaysMax))
      ->capture_default_str();
  command
      ->add_option("--trouble", arguments->trouble,
                   "Factor for errors (duplicates, corrections, late and invalid events, wrong counts): 0 = none")
      ->capture_default_str();
  command
      ->add_option("--rate", arguments->rates,
                   "Share of one kind of error, NAME=SHARE, such as late=0.02 (docs/simulate.md)")
      ->allow_extra_args(false);
  command->add_flag("--yes", arguments->yes, "Accept a start long after the market's clock");
  command->add_flag("--open", arguments->settings.open, "Leave the last days open, so that later events can follow");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return simulate_market(context, *arguments); };
  });
}

}  // namespace fiverate
