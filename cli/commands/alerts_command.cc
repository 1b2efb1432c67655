// `alerts`: the desk of a person. ls, show and log read; ack, assign, comment, verdict, silence and unsilence send a
// command to the topic `commands`, and desk carries it out.
#include <array>
#include <cstdlib>
#include <random>
#include <set>

#include "cli/commands/alert_arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/screen/alert_table.h"
#include "readers/query/alert_json.h"
#include "readers/query/alerts_query.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

struct AlertsArguments {
  AlertArguments filters;
  std::string state;
  bool all = false;
  bool without_positions = false;
  std::string output;
  std::string language;
  std::string id;  // of an alert or silence, or how it begins
  std::string author;
  std::string text;
  std::string assignee;
  bool is_true = false;
  bool is_false = false;
  std::string from, until, length;  // of a silence
  std::string sku;
};

// ---- reading --------------------------------------------------------------------------------------------------------

LatestAlerts all_alerts(const Context& context) {
  or_exit(reach(context.kafka));
  return or_exit(read_alerts(*read_to_end(context, all_partitions(context, Topic::alerts))));
}

// The one alert that is meant.
const LatestAlerts::Entry& alert_argument(const LatestAlerts& alerts, const std::string& prefix) {
  constexpr std::size_t kNamed = 5;
  const auto found = alerts.with_prefix(prefix, kNamed + 1);
  if (found.empty() || prefix.empty()) throw ExitError(kExitFailed, fmt::format("There is no alert {}.", prefix));
  if (found.size() == 1 || found.front()->alert.last().alert_id() == prefix) return *found.front();
  std::string named;
  for (std::size_t i = 0; i < std::min(kNamed, found.size()); ++i) named += " " + found[i]->alert.last().alert_id();
  throw ExitError(kExitFailed,
                  fmt::format("Several alerts begin with {}:{}{}", prefix, named, found.size() > kNamed ? " ..." : ""));
}

int list(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const auto language = language_argument(arguments.language);
  const MarketCalendar calendar(context.config().market.timezone);
  const auto alerts = all_alerts(context);
  const auto& filter = arguments.filters.filter;
  const bool any_state = arguments.all || filter.state;
  const auto wanted =
      alerts.sorted([&](const Alert& alert) { return (any_state || is_open(alert)) && filter.wants(alert); });
  if (mode == OutputMode::json) {
    fmt::memory_buffer line;
    for (const auto* alert : wanted) {
      line.clear();
      append_json_line(*alert, calendar, line);
      out.write({line.data(), line.size()});
    }
    out.flush();
    return kExitDone;
  }
  TableWriter table(out, mode, mode == OutputMode::csv ? alert_csv_columns() : alert_columns(language));
  const auto now = mode == OutputMode::csv ? kNever : market_now(context);
  for (const auto* alert : wanted) {
    if (mode == OutputMode::csv) {
      table.row(alert_csv_cells(*alert, calendar));
    } else {
      table.row(alert_cells(*alert, calendar, now, language), alert_style(*alert, now));
    }
  }
  table.finish();
  if (mode == OutputMode::table && wanted.empty())
    fmt::print(stderr, "fiverate: no alerts{}\n", any_state ? "" : " are open (--all shows those that were)");
  return kExitDone;
}

std::string where(const Evidence& evidence) {
  if (evidence.topic().empty()) return evidence.event_id();
  return fmt::format("{} ({} partition {} offset {})", evidence.event_id(), evidence.topic(), evidence.partition(),
                     evidence.offset());
}

// What a person did, in words.
std::string deed(const Action& action, const MarketCalendar& calendar) {
  std::string text = action.verb();
  if (action.verb() == "ASSIGN") text += action.assignee().empty() ? " nobody" : " " + action.assignee();
  if (action.verb() == "VERDICT")
    text += !action.has_true_alarm() ? " taken back" : action.true_alarm() ? " true alarm" : " false alarm";
  if (action.has_silence())
    text += fmt::format(" {} until {}", action.silence().silence_id(), calendar.format(action.silence().ends_ms()));
  if (!action.text().empty()) text += ": " + action.text();
  return text;
}

void show_for_people(TextOutput& out, const Alert& alert, const std::vector<AlertLogRecord>& history,
                     const MarketCalendar& calendar, Millis now, Language language) {
  TableWriter present(out, OutputMode::table, alert_columns(language));
  present.row(alert_cells(alert, calendar, now, language), alert_style(alert, now));
  present.finish();
  const auto& last = alert.last();
  out.write(fmt::format("\nalert {}   episode {}   transition {}   value {} threshold {} {}   policy {}\n",
                        last.alert_id(), last.episode(), last.transition(), last.value(), last.threshold(), last.unit(),
                        last.policy_id().empty() ? "-" : last.policy_id()));
  if (!alert.acked_by().empty())
    out.write(fmt::format("acknowledged by {} at {}\n", alert.acked_by(), calendar.format(alert.acked_at_ms())));
  if (!alert.assignee().empty()) out.write(fmt::format("assigned to {}\n", alert.assignee()));
  if (!alert.comment().empty()) out.write(fmt::format("comment of {}: {}\n", alert.comment_by(), alert.comment()));
  for (const auto& silence : alert.silenced()) {
    out.write(fmt::format("silenced by {} from {} until {} ({})\n", silence.author(),
                          calendar.format(silence.starts_ms()), calendar.format(silence.ends_ms()),
                          silence.silence_id()));
  }
  for (const auto& evidence : last.evidence()) out.write(fmt::format("evidence {}\n", where(evidence)));
  out.write("\n");
  TableWriter table(out, OutputMode::table, {{"known_at"}, {"number"}, {"who"}, {"what"}, {"at"}});
  for (const auto& record : history) {
    if (record.has_action()) {
      const auto& action = record.action();
      table.row({calendar.format(action.at_ms()), fmt::format("a{}", action.number()), action.author(),
                 deed(action, calendar), std::nullopt});
    } else {
      const auto& t = record.transition();
      table.row({calendar.format(t.known_at_ms()), t.transition(), rule_words(t.rule(), language),
                 fmt::format("{} {}: {}", state_word(t.state(), language), severity_word(t.severity(), language),
                             alert_sentence(t, language)),
                 calendar.format(t.at_ms())});
    }
  }
  table.finish();
}

int show(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  if (mode == OutputMode::csv) throw ExitError(kExitUsage, "-o: one alert is shown as table or json.");
  const MarketCalendar calendar(context.config().market.timezone);
  const auto alerts = all_alerts(context);
  const auto& entry = alert_argument(alerts, arguments.id);
  const auto history = or_exit(
      read_history(*read_to_end(context, {{Topic::alert_log, entry.partition}}), entry.alert.last().alert_id()));
  if (mode == OutputMode::table) {
    show_for_people(out, entry.alert, history, calendar, market_now(context), language_argument(arguments.language));
  } else {
    fmt::memory_buffer line;
    append_json_line(entry.alert, history, calendar, line);
    out.write({line.data(), line.size()});
  }
  out.flush();
  return kExitDone;
}

int log(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const MarketCalendar calendar(context.config().market.timezone);
  or_exit(reach(context.kafka));
  auto transitions = or_exit(
      read_transitions(*read_to_end(context, all_partitions(context, Topic::alert_log)), arguments.filters.filter));
  fmt::memory_buffer line;
  for (auto& transition : transitions) {
    if (arguments.without_positions) {
      for (auto& evidence : *transition.mutable_evidence()) evidence.clear_topic();
    }
    line.clear();
    append_json_line(transition, calendar, line);
    out.write({line.data(), line.size()});
  }
  out.flush();
  return kExitDone;
}

// ---- sending --------------------------------------------------------------------------------------------------------

// With clock = marks a command takes the market's time. Before there is any, today's would leap years ahead of what is to come.
Millis time_of_command(const Context& context) {
  const auto now = market_clock(context);
  if (now != kNever) return now;
  throw ExitError(kExitFailed, "The market has no time yet: with intake.clock = marks it comes with the first events.");
}

std::string random_id(std::string_view kind) {
  std::random_device chance;
  return fmt::format("{}-{:08x}{:08x}", kind, chance(), chance());
}

std::string author(const AlertsArguments& arguments) {
  if (!arguments.author.empty()) return arguments.author;
  for (const char* name : {"USER", "LOGNAME"}) {
    if (const char* user = std::getenv(name); user != nullptr && *user != '\0') return user;
  }
  throw ExitError(kExitUsage, "Who are you? --author NAME, or the variable USER.");
}

Event new_command(const AlertsArguments& arguments, Command::Verb verb, Millis now) {
  Event event;
  event.set_event_id(random_id("command"));
  event.set_source("fiverate");
  set_millis(*event.mutable_event_time(), now);
  auto& command = *event.mutable_command();
  command.set_command_id(event.event_id());
  command.set_author(author(arguments));
  command.set_verb(verb);
  if (!arguments.text.empty()) command.set_text(arguments.text);
  return event;
}

// Sends it and says so: to people the sentence, to programs the event.
int send(const Context& context, const AlertsArguments& arguments, const Event& event, Millis now,
         const std::string& sentence) {
  if (const auto rejected = check_fields(event)) throw ExitError(kExitUsage, rejected->detail);
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  or_exit(sink->send({Topic::commands, 0, now, "", event.SerializeAsString(), std::nullopt, std::nullopt}));
  or_exit(sink->flush());
  out.write(mode == OutputMode::table ? sentence + "\n" : to_json(event) + "\n");
  out.flush();
  return kExitDone;
}

std::string named(const Alert& alert) {
  const auto& last = alert.last();
  std::string text = fmt::format("alert {} ({}", last.alert_id(), rule_words(last.rule(), Language::en));
  for (const auto* part : {&last.brand_id(), &last.sku_id(), &last.outlet_id(), &last.region_id()}) {
    if (!part->empty()) text += ", " + *part;
  }
  return text + ")";
}

int act(const Context& context, const AlertsArguments& arguments, Command::Verb verb) {
  const auto alerts = all_alerts(context);
  const auto& alert = alert_argument(alerts, arguments.id).alert;
  const auto now = time_of_command(context);
  auto event = new_command(arguments, verb, now);
  auto& command = *event.mutable_command();
  command.set_alert_id(alert.last().alert_id());
  std::string what;
  switch (verb) {
    case Command::ACK:
      what = "acknowledging";
      break;
    case Command::ASSIGN:
      what = arguments.assignee.empty() ? "assigning to nobody" : "assigning to " + arguments.assignee;
      command.set_assignee(arguments.assignee);
      break;
    case Command::VERDICT:
      if (arguments.is_true == arguments.is_false)
        throw ExitError(kExitUsage, "A verdict is either --true or --false.");
      what = arguments.is_true ? "a true alarm:" : "a false alarm:";
      command.set_true_alarm(arguments.is_true);
      break;
    default:
      what = "commenting";
      break;
  }
  return send(context, arguments, event, now, fmt::format("sent as {}: {} {}", command.author(), what, named(alert)));
}

int silence(const Context& context, const AlertsArguments& arguments) {
  const MarketCalendar calendar(context.config().market.timezone);
  if (arguments.length.empty() == arguments.until.empty())
    throw ExitError(kExitUsage, "A silence ends: --for 2d or --until TIME.");
  or_exit(reach(context.kafka));
  const auto now = time_of_command(context);
  const auto starts = arguments.from.empty() ? now : time_argument(arguments.from, "--from", calendar);
  const auto ends = arguments.length.empty() ? time_argument(arguments.until, "--until", calendar)
                                             : starts + duration_argument(arguments.length, "--for");
  if (ends <= std::max(now, starts)) {
    throw ExitError(kExitUsage,
                    fmt::format("The silence would be over: in the market it is {}.", calendar.format(now)));
  }
  auto event = new_command(arguments, Command::SILENCE, now);
  auto& told = *event.mutable_command()->mutable_silence();
  told.set_silence_id(random_id("silence"));
  set_millis(*told.mutable_starts_at(), starts);
  set_millis(*told.mutable_ends_at(), ends);
  std::string matched;
  const std::array<std::pair<const char*, const std::string*>, 6> fields{{{"brand_id", &arguments.filters.brand},
                                                                          {"sku_id", &arguments.sku},
                                                                          {"region_id", &arguments.filters.region},
                                                                          {"outlet_id", &arguments.filters.outlet},
                                                                          {"rule", &arguments.filters.rule},
                                                                          {"severity", &arguments.filters.severity}}};
  for (const auto& [field, value] : fields) {
    if (value->empty()) continue;
    auto& matcher = *told.add_matchers();
    matcher.set_field(field);
    matcher.set_value(*value);
    matched += fmt::format(" {}={}", field, *value);
  }
  if (matched.empty())
    throw ExitError(kExitUsage, "What is to be silent? --brand, --sku, --region, --outlet, --rule or --severity.");
  return send(context, arguments, event, now,
              fmt::format("sent as {}: {} silences{} until {}", event.command().author(), told.silence_id(), matched,
                          calendar.format(ends)));
}

int unsilence(const Context& context, const AlertsArguments& arguments) {
  // What silences there are is written on the alerts that fire.
  const auto alerts = all_alerts(context);
  std::set<std::string> found;
  for (const auto* alert : alerts.sorted(is_open)) {
    for (const auto& one : alert->silenced()) {
      if (one.silence_id().starts_with(arguments.id)) found.insert(one.silence_id());
    }
  }
  if (found.size() > 1 && !found.contains(arguments.id))
    throw ExitError(kExitFailed, fmt::format("Several silences begin with {}.", arguments.id));
  const bool carried = !found.empty();
  const auto silence_id = found.size() == 1 ? *found.begin() : arguments.id;
  const auto now = time_of_command(context);
  auto event = new_command(arguments, Command::UNSILENCE, now);
  auto& told = *event.mutable_command()->mutable_silence();
  told.set_silence_id(silence_id);
  set_millis(*told.mutable_starts_at(), now);
  set_millis(*told.mutable_ends_at(), now);
  return send(context, arguments, event, now,
              fmt::format("sent as {}: ending {}{}", event.command().author(), silence_id,
                          carried ? "" : " (no alert that fires carries it)"));
}

// ---- the subcommands ------------------------------------------------------------------------------------------------

using Shared = std::shared_ptr<AlertsArguments>;

Shared add(Program& program, CLI::App& above, const char* name, const char* help,
           const std::function<void(CLI::App&, AlertsArguments&)>& options,
           int (*run)(const Context&, const AlertsArguments&)) {
  auto* const command = above.add_subcommand(name, help);
  auto arguments = std::make_shared<AlertsArguments>();
  options(*command, *arguments);
  command->callback([&program, arguments, run] {
    program.command = [arguments, run](const Context& context) { return run(context, *arguments); };
  });
  return arguments;
}

void output_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("-o,--output", arguments.output, "table, json or csv (default: table on a terminal, else json)");
}

void language_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("--lang", arguments.language, "en or zh (default: the environment's)");
}

void sender_options(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("--author", arguments.author, "Who does it (default: $USER)");
  command.add_option("-o,--output", arguments.output, "table (a sentence) or json (the event that was sent)");
}

void id_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("ID", arguments.id, "The alert, or how its id begins")->required();
}

}  // namespace

void add_alerts(Program& program) {
  auto& alerts = *program.app.add_subcommand("alerts", "The desk: what fires, and what people do about it");
  alerts.require_subcommand(1);
  add(
      program, alerts, "ls", "The alerts that are open, severest first",
      [](CLI::App& command, AlertsArguments& arguments) {
        static const std::map<std::string, Transition::State> kStates{
            {"firing", Transition::FIRING}, {"resolved", Transition::RESOLVED}, {"retracted", Transition::RETRACTED}};
        add_filters(command, arguments.filters);
        command.add_option("--state", arguments.state, "firing, resolved or retracted")
            ->check(CLI::IsMember(kStates, CLI::ignore_case))
            ->each([&arguments](std::string value) {
              value = CLI::detail::to_lower(value);
              arguments.filters.filter.state = kStates.at(value);
            });
        command.add_flag("--all", arguments.all, "Also those that are over");
        output_option(command, arguments);
        language_option(command, arguments);
      },
      list);
  add(
      program, alerts, "show", "One alert: its state, and all that happened with it",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        output_option(command, arguments);
        language_option(command, arguments);
      },
      show);
  add(
      program, alerts, "log", "Every transition so far, in the order and form of alerts.jsonl",
      [](CLI::App& command, AlertsArguments& arguments) {
        add_filters(command, arguments.filters);
        command.add_flag("--without-positions", arguments.without_positions,
                         "Leave out topic, partition and offset of evidence, as a replay of files does");
      },
      log);
  add(
      program, alerts, "ack", "Acknowledge an alert: somebody has seen it",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_option("--text", arguments.text, "A comment");
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) { return act(context, arguments, Command::ACK); });
  add(
      program, alerts, "assign", "Say who takes care of an alert",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_option("WHO", arguments.assignee, "Whose it is; \"\": nobody's")->required();
        command.add_option("--text", arguments.text, "A comment");
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::ASSIGN);
      });
  add(
      program, alerts, "comment", "Say something about an alert",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_option("TEXT", arguments.text, "What")->required();
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::COMMENT);
      });
  add(
      program, alerts, "verdict", "Judge an alert: was it right?",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_flag("--true", arguments.is_true, "A true alarm");
        command.add_flag("--false", arguments.is_false, "A false alarm");
        command.add_option("--text", arguments.text, "A comment");
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::VERDICT);
      });
  add(
      program, alerts, "silence", "Mute what fires and matches all that is given, for a time",
      [](CLI::App& command, AlertsArguments& arguments) {
        add_filters(command, arguments.filters);
        command.add_option("--sku", arguments.sku, "Only this SKU");
        command.add_option("--for", arguments.length, "How long: 90m, 12h, 2d, 1w");
        command.add_option("--until", arguments.until, "Until when");
        command.add_option("--from", arguments.from, "From when on (default: now, by the market's clock)");
        command.add_option("--text", arguments.text, "Why");
        sender_options(command, arguments);
      },
      silence);
  add(
      program, alerts, "unsilence", "End a silence before its time",
      [](CLI::App& command, AlertsArguments& arguments) {
        command.add_option("SILENCE_ID", arguments.id, "The silence, or how its id begins")->required();
        sender_options(command, arguments);
      },
      unsilence);
}

}  // namespace fiverate
