// `alerts`: list and handle alerts. ls, show and log read the result topics. ack, assign, comment, verdict, silence and
// unsilence send a command to the topic `commands`; the alert manager carries it out.
#include <fmt/ranges.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>

#include "cli/commands/alert_arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/commands/sending.h"
#include "cli/screen/alert_sentence.h"
#include "cli/screen/alert_table.h"
#include "cli/screen/message.h"
#include "readers/query/alert_json.h"
#include "readers/query/alerts_query.h"
#include "schemas/decode.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

struct AlertsArguments {
  AlertArguments filters;
  std::string state;
  bool all = false;
  bool without_positions = false;
  OutputArguments output;
  std::string language;
  std::string id;  // of an alert or a silence, or the beginning of it
  std::string author;
  std::string text;
  std::string assignee;
  bool is_true = false;
  bool is_false = false;
  std::string from, until, duration;  // of a silence
  std::string sku;
};

// ---- reading --------------------------------------------------------------------------------------------------------

LatestAlerts all_alerts(const Context& context) {
  or_exit(reach(context.kafka));
  ResultRecords results(context.definition());
  auto alerts = or_exit(read_alerts(*read_to_end(context, all_partitions(context, Topic::alerts)), results));
  print_ignored(results);
  return alerts;
}

// The alert whose id begins with the prefix. Ends the program if there is none, or more than one.
const LatestAlerts::Entry& alert_argument(const LatestAlerts& alerts, const std::string& prefix) {
  constexpr std::size_t kNamed = 5;
  const auto found = alerts.with_prefix(prefix, kNamed + 1);
  if (found.empty() || prefix.empty())
    throw ExitError(kExitFailed, fmt::format("No alert {}. `fiverate alerts ls --all` lists all alerts.", prefix));
  if (found.size() == 1 || found.front()->alert.last().alert_id() == prefix) return *found.front();
  std::string named;
  for (std::size_t i = 0; i < std::min(kNamed, found.size()); ++i) named += " " + found[i]->alert.last().alert_id();
  throw ExitError(kExitFailed, fmt::format("Several alerts begin with {}:{}{}. Give more characters of the id.", prefix,
                                           named, found.size() > kNamed ? " ..." : ""));
}

int list(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const auto language = language_argument(arguments.language);
  const MarketCalendar calendar(context.config().market.timezone);
  const auto alerts = all_alerts(context);
  const auto& filter = arguments.filters.filter;
  const bool any_state = arguments.all || filter.state;
  const auto listed =
      alerts.sorted([&](const Alert& alert) { return (any_state || is_open(alert)) && filter.matches(alert); });
  if (mode == OutputMode::json) {
    fmt::memory_buffer line;
    for (const auto* alert : listed) {
      line.clear();
      append_json_line(*alert, calendar, line);
      out.write_json({line.data(), line.size()});
    }
    out.flush();
    return kExitDone;
  }
  TableWriter table(out, mode, mode == OutputMode::csv ? alert_csv_columns() : alert_columns(language));
  const auto now = mode == OutputMode::csv ? kNever : market_now(context);
  for (const auto* alert : listed) {
    if (mode == OutputMode::csv) {
      table.row(alert_csv_cells(*alert, calendar));
    } else {
      table.row(alert_cells(*alert, calendar, now, language), alert_style(*alert, now));
    }
  }
  table.finish();
  if (mode == OutputMode::table && listed.empty())
    print_message(any_state ? "No alerts match."
                            : "No open alerts match. --all also lists resolved and retracted ones.");
  return kExitDone;
}

std::string evidence_text(const Evidence& evidence) {
  if (evidence.has_row()) {
    const auto& row = evidence.row();
    return fmt::format("row of {}: brand {}, region {}, window {} days", format_date(Day{row.as_of_day()}),
                       row.brand_id(), row.region_id(), row.window_days());
  }
  if (evidence.topic().empty()) return evidence.event_id();
  if (evidence.event_id().empty())
    return fmt::format("{} partition {} offset {}", evidence.topic(), evidence.partition(), evidence.offset());
  return fmt::format("{} ({} partition {} offset {})", evidence.event_id(), evidence.topic(), evidence.partition(),
                     evidence.offset());
}

// What a person did: "assigned to bob", "silenced until ...: stocktaking".
std::string action_text(const Action& action, const MarketCalendar& calendar, Language language) {
  const auto text_of = [&](const Translations& text, const std::string& value = {}) {
    return fmt::format(fmt::runtime(in(language, text)), value);
  };
  std::string text = action.verb();
  if (action.verb() == "ACK") text = text_of({"acknowledged", "已受理"});
  if (action.verb() == "COMMENT") text = text_of({"comment", "备注"});
  if (action.verb() == "ASSIGN") {
    text = action.assignee().empty() ? text_of({"removed the owner", "取消负责人"})
                                     : text_of({"assigned to {}", "指派给 {}"}, action.assignee());
  }
  if (action.verb() == "VERDICT") {
    text = !action.has_true_alarm() ? text_of({"withdrew the verdict", "撤销核实结果"})
           : action.true_alarm()    ? text_of({"confirmed as a true alarm", "核实：属实"})
                                    : text_of({"marked as a false alarm", "核实：误报"});
  }
  if (action.has_silence()) {
    const auto until = minute_text(action.silence().ends_ms(), calendar);
    text = action.verb() == "SILENCE" ? text_of({"silenced until {}", "静默至 {}"}, until)
                                      : text_of({"ended the silence", "结束静默"});
    text += " (" + action.silence().silence_id() + ")";
  }
  if (!action.text().empty()) text += ": " + action.text();
  return text;
}

std::string shown(const std::string& value) {
  return visible(value);
}
std::int64_t shown(std::int64_t value) {
  return value;
}

void show_table(TextOutput& out, const Alert& alert, const std::vector<AlertLogRecord>& history,
                const MarketCalendar& calendar, Millis now, Language language) {
  const auto line = [&](const Translations& text, const auto&... values) {
    out.write(fmt::format(fmt::runtime(in(language, text)), shown(values)...) + "\n");
  };
  TableWriter present(out, OutputMode::table, alert_columns(language));
  present.row(alert_cells(alert, calendar, now, language), alert_style(alert, now));
  present.finish();
  const auto& last = alert.last();
  line({"\nalert {}, episode {}, transition {}", "\n预警 {}，第 {} 次触发，第 {} 次变化"}, last.alert_id(),
       last.episode(), last.transition());
  if (!last.policy_id().empty()) line({"policy {}", "策略 {}"}, last.policy_id());
  if (!alert.acked_by().empty())
    line({"acknowledged by {} at {}", "{} 于 {} 受理"}, author_text(alert.acked_by(), language),
         minute_text(alert.acked_at_ms(), calendar));
  if (!alert.assignee().empty()) line({"owner: {}", "负责人：{}"}, alert.assignee());
  if (!alert.comment().empty())
    line({"comment by {}: {}", "{} 备注：{}"}, author_text(alert.comment_by(), language), alert.comment());
  for (const auto& silence : alert.silenced()) {
    line({"silenced by {} from {} until {} ({})", "{} 设置静默：{} 至 {}（{}）"},
         author_text(silence.author(), language), minute_text(silence.starts_ms(), calendar),
         minute_text(silence.ends_ms(), calendar), silence.silence_id());
  }
  for (const auto& evidence : last.evidence()) line({"evidence: {}", "依据：{}"}, evidence_text(evidence));
  out.write("\n");
  std::vector<TableColumn> columns;
  for (const auto name : {Label::time, Label::number, Label::author, Label::details, Label::event_time})
    columns.push_back({std::string(label(name, language))});
  TableWriter table(out, OutputMode::table, columns);
  for (const auto& record : history) {
    if (record.has_action()) {
      const auto& action = record.action();
      table.row({minute_text(action.at_ms(), calendar), fmt::format("a{}", action.number()),
                 author_text(action.author(), language), action_text(action, calendar, language), std::nullopt});
    } else {
      const auto& t = record.transition();
      table.row({minute_text(t.known_at_ms(), calendar), t.transition(), rule_text(t.rule(), language),
                 fmt::format("{} {}: {}", state_text(t.state(), language), severity_text(t.severity(), language),
                             alert_sentence(t, calendar, language)),
                 minute_text(t.at_ms(), calendar)});
    }
  }
  table.finish();
}

int show(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  if (mode == OutputMode::csv)
    throw ExitError(kExitUsage, "-o csv is not possible for a single alert. Use table or json.");
  const MarketCalendar calendar(context.config().market.timezone);
  const auto alerts = all_alerts(context);
  const auto& entry = alert_argument(alerts, arguments.id);
  ResultRecords results(context.definition());
  const auto history = or_exit(read_history(*read_to_end(context, {{Topic::alert_log, entry.partition}}), results,
                                            entry.alert.last().alert_id()));
  print_ignored(results);
  if (mode == OutputMode::table) {
    show_table(out, entry.alert, history, calendar, market_now(context), language_argument(arguments.language));
  } else {
    fmt::memory_buffer line;
    append_json_line(entry.alert, history, calendar, line);
    out.write_json({line.data(), line.size()});
  }
  out.flush();
  return kExitDone;
}

int log(const Context& context, const AlertsArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const MarketCalendar calendar(context.config().market.timezone);
  or_exit(reach(context.kafka));
  ResultRecords results(context.definition());
  auto transitions = or_exit(read_transitions(*read_to_end(context, all_partitions(context, Topic::alert_log)), results,
                                              arguments.filters.filter));
  print_ignored(results);
  fmt::memory_buffer line;
  for (auto& transition : transitions) {
    if (arguments.without_positions) {
      for (auto& evidence : *transition.mutable_evidence()) evidence.clear_topic();
    }
    line.clear();
    append_json_line(transition, calendar, line);
    out.write_json({line.data(), line.size()});
  }
  out.flush();
  return kExitDone;
}

// ---- sending --------------------------------------------------------------------------------------------------------

// A command without its time, which send() sets.
Event new_command(const Context& context, const AlertsArguments& arguments, Command::Verb verb) {
  auto event = new_command(context, arguments.author, verb);
  if (!arguments.text.empty()) event.mutable_command()->set_text(arguments.text);
  return event;
}

// Sends the command. Prints the sentence as a table, the event as JSON.
int send(const Context& context, const AlertsArguments& arguments, Event event, Millis now,
         const std::string& sentence) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  std::vector<Event> commands{std::move(event)};
  send_commands(context, commands, now);
  if (mode == OutputMode::table) {
    out.write(visible(sentence) + "\n");
  } else {
    out.write_json(to_json(commands.front()) + "\n");
  }
  out.flush();
  return kExitDone;
}

// "alert 0123456789abcdef (R1 stockout, LARK, B01-1, R000017)"
std::string alert_name(const Alert& alert) {
  const auto& last = alert.last();
  std::string text = fmt::format("alert {} ({}", last.alert_id(), rule_text(last.rule(), Language::en));
  for (const auto* part :
       {&last.brand_id(), &last.sku_id(), &last.outlet_id(), &last.region_id(), &last.source_topic()}) {
    if (!part->empty()) text += ", " + *part;
  }
  return text + ")";
}

int act(const Context& context, const AlertsArguments& arguments, Command::Verb verb) {
  const auto alerts = all_alerts(context);
  const auto& alert = alert_argument(alerts, arguments.id).alert;
  const auto now = time_of_command(context);
  auto event = new_command(context, arguments, verb);
  auto& command = *event.mutable_command();
  command.set_alert_id(alert.last().alert_id());
  const auto name = alert_name(alert);
  std::string what;
  switch (verb) {
    case Command::ACK:
      what = "acknowledge " + name;
      break;
    case Command::ASSIGN:
      what =
          arguments.assignee.empty() ? "remove the owner of " + name : "assign " + name + " to " + arguments.assignee;
      command.set_assignee(arguments.assignee);
      break;
    case Command::VERDICT:
      if (arguments.is_true == arguments.is_false) throw ExitError(kExitUsage, "Give either --true or --false.");
      what = arguments.is_true ? "confirm " + name + " as a true alarm" : "mark " + name + " as a false alarm";
      command.set_true_alarm(arguments.is_true);
      break;
    default:
      what = "comment on " + name;
      break;
  }
  return send(context, arguments, event, now,
              fmt::format("Sent as {}: {}.", author_text(command.author(), Language::en), what));
}

int start_silence(const Context& context, const AlertsArguments& arguments) {
  const MarketCalendar calendar(context.config().market.timezone);
  if (arguments.duration.empty() == arguments.until.empty())
    throw ExitError(kExitUsage, "Give the end of the silence: either --for DURATION or --until TIME.");
  const auto from = arguments.from.empty() ? kNever : time_argument(arguments.from, "--from", calendar);
  const auto until = arguments.until.empty() ? kNever : time_argument(arguments.until, "--until", calendar);
  const auto duration = arguments.duration.empty() ? 0 : duration_argument(arguments.duration, "--for");
  auto event = new_command(context, arguments, Command::SILENCE);
  auto& silence = *event.mutable_command()->mutable_silence();
  std::string filters;
  const std::array<std::pair<const char*, const std::string*>, 6> fields{{{"brand_id", &arguments.filters.brand},
                                                                          {"sku_id", &arguments.sku},
                                                                          {"region_id", &arguments.filters.region},
                                                                          {"outlet_id", &arguments.filters.outlet},
                                                                          {"rule", &arguments.filters.rule},
                                                                          {"severity", &arguments.filters.severity}}};
  for (const auto& [field, value] : fields) {
    if (value->empty()) continue;
    auto& matcher = *silence.add_matchers();
    matcher.set_field(field);
    matcher.set_value(*value);
    filters += fmt::format("{}{}={}", filters.empty() ? "" : ", ", field, *value);
  }
  if (filters.empty())
    throw ExitError(kExitUsage, "Give at least one of --brand, --sku, --outlet, --region, --rule, --severity.");

  or_exit(reach(context.kafka));
  const auto now = time_of_command(context);
  const auto starts = from == kNever ? now : from;
  const auto ends = until == kNever ? starts + duration : until;
  if (ends <= std::max(now, starts)) {
    throw ExitError(
        kExitUsage,
        fmt::format("Silence not sent: it ends at {}, but it starts at {} and the market's clock is at {}.",
                    minute_text(ends, calendar), minute_text(starts, calendar), minute_text(now, calendar)));
  }
  silence.set_silence_id(random_id("silence"));
  set_millis(*silence.mutable_starts_at(), starts);
  set_millis(*silence.mutable_ends_at(), ends);
  return send(
      context, arguments, event, now,
      fmt::format("Sent as {}: silence {} for {} until {}.", author_text(event.command().author(), Language::en),
                  silence.silence_id(), filters, calendar.format(ends)));
}

// The silences that have been sent, and neither ended by `unsilence` nor over at `now`.
std::set<std::string> active_silences(const Context& context, Millis now) {
  std::set<std::string> active;
  const auto reader = read_to_end(context, {{Topic::commands, 0}});
  std::vector<InRecord> records;
  while (!reader->finished()) {
    records.clear();
    or_exit(reader->poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) {
      Event event;
      if (decode(record.value, event) || !event.has_command()) continue;
      const auto& command = event.command();
      const auto& silence_id = command.silence().silence_id();
      if (command.verb() == Command::SILENCE && millis_of(command.silence().ends_at()) > now) active.insert(silence_id);
      if (command.verb() == Command::UNSILENCE) active.erase(silence_id);
    }
  }
  return active;
}

int end_silence(const Context& context, const AlertsArguments& arguments) {
  or_exit(reach(context.kafka));
  const auto now = time_of_command(context);
  auto found = active_silences(context, now);
  std::erase_if(found, [&](const std::string& id) { return !id.starts_with(arguments.id); });
  if (found.empty()) throw ExitError(kExitFailed, fmt::format("No active silence \"{}\".", arguments.id));
  if (found.size() > 1 && !found.contains(arguments.id)) {
    throw ExitError(kExitFailed,
                    fmt::format("Several active silences begin with {}: {}. Give more characters of the id.",
                                arguments.id, fmt::join(found, " ")));
  }
  const auto silence_id = found.contains(arguments.id) ? arguments.id : *found.begin();
  auto event = new_command(context, arguments, Command::UNSILENCE);
  auto& silence = *event.mutable_command()->mutable_silence();
  silence.set_silence_id(silence_id);
  set_millis(*silence.mutable_starts_at(), now);
  set_millis(*silence.mutable_ends_at(), now);
  return send(
      context, arguments, event, now,
      fmt::format("Sent as {}: end silence {}.", author_text(event.command().author(), Language::en), silence_id));
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
  add_output_options(command, arguments.output, "table, json or csv (default: table on a terminal, else json)");
}

void language_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("--lang", arguments.language, "Language of the table: en or zh (default: from LC_ALL or LANG)")
      ->check(CLI::IsMember({"en", "zh"}));
}

void sender_options(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("--author", arguments.author,
                     "Name of the person who sends this (default: the user of the Kafka connection, else $USER)");
  add_output_options(command, arguments.output, "table (a sentence) or json (the event that was sent)");
}

void id_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("ID", arguments.id, "Id of the alert, or its first characters")->required();
}

void text_option(CLI::App& command, AlertsArguments& arguments) {
  command.add_option("--text", arguments.text, "Comment to add");
}

}  // namespace

void add_alerts(Program& program) {
  auto& alerts = *program.app.add_subcommand("alerts", "List and handle alerts");
  alerts.require_subcommand(1);
  add(
      program, alerts, "ls", "List the open alerts, most severe first",
      [](CLI::App& command, AlertsArguments& arguments) {
        static const std::map<std::string, Transition::State> kStates{
            {"firing", Transition::FIRING}, {"resolved", Transition::RESOLVED}, {"retracted", Transition::RETRACTED}};
        add_filters(command, arguments.filters);
        command.add_option("--state", arguments.state, "Only this state: firing, resolved or retracted")
            ->check(CLI::IsMember(kStates, CLI::ignore_case))
            ->each([&arguments](std::string value) {
              value = CLI::detail::to_lower(value);
              arguments.filters.filter.state = kStates.at(value);
            });
        command.add_flag("--all", arguments.all, "Also list resolved and retracted alerts");
        output_option(command, arguments);
        language_option(command, arguments);
      },
      list);
  add(
      program, alerts, "show", "Show one alert with its evidence and history",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        output_option(command, arguments);
        language_option(command, arguments);
      },
      show);
  add(
      program, alerts, "log", "Print all transitions so far as JSON lines, in the order and format of alerts.jsonl",
      [](CLI::App& command, AlertsArguments& arguments) {
        add_filters(command, arguments.filters);
        command.add_flag("--without-positions", arguments.without_positions,
                         "Omit topic, partition and offset of the evidence, as a replay of files does");
      },
      log);
  add(
      program, alerts, "ack", "Acknowledge an alert",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        text_option(command, arguments);
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) { return act(context, arguments, Command::ACK); });
  add(
      program, alerts, "assign", "Set the owner of an alert",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_option("OWNER", arguments.assignee, "Name of the owner (\"\": no owner)")->required();
        text_option(command, arguments);
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::ASSIGN);
      });
  add(
      program, alerts, "comment", "Add a comment to an alert",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_option("TEXT", arguments.text, "The comment")->required();
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::COMMENT);
      });
  add(
      program, alerts, "verdict", "Record whether an alert was a true or a false alarm",
      [](CLI::App& command, AlertsArguments& arguments) {
        id_option(command, arguments);
        command.add_flag("--true", arguments.is_true, "It was a true alarm");
        command.add_flag("--false", arguments.is_false, "It was a false alarm");
        text_option(command, arguments);
        sender_options(command, arguments);
      },
      [](const Context& context, const AlertsArguments& arguments) {
        return act(context, arguments, Command::VERDICT);
      });
  add(
      program, alerts, "silence", "Silence alerts that match all given filters",
      [](CLI::App& command, AlertsArguments& arguments) {
        add_filters(command, arguments.filters);
        command.add_option("--sku", arguments.sku, "Only this SKU");
        command.add_option("--for", arguments.duration, "Duration of the silence: 90m, 12h, 2d, 1w")
            ->type_name("DURATION");
        command.add_option("--until", arguments.until, "End of the silence: 2026-03-02 or 2026-03-02T12:00:00")
            ->type_name("TIME");
        command.add_option("--from", arguments.from, "Start of the silence (default: now, by the market's clock)")
            ->type_name("TIME");
        command.add_option("--text", arguments.text, "Reason for the silence");
        sender_options(command, arguments);
      },
      start_silence);
  add(
      program, alerts, "unsilence", "End a silence early",
      [](CLI::App& command, AlertsArguments& arguments) {
        command.add_option("SILENCE_ID", arguments.id, "Id of the silence, or its first characters")->required();
        sender_options(command, arguments);
      },
      end_silence);
}

}  // namespace fiverate
