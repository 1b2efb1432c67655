// `quarantine`: lists, shows and checks again rejected records; lists held records and decides about them.
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "cli/commands/sending.h"
#include "cli/commands/task_positions.h"
#include "cli/screen/message.h"
#include "cli/screen/texts.h"
#include "readers/query/quarantine_query.h"
#include "schemas/decode.h"
#include "schemas/reasons.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

struct QuarantineArguments {
  std::string reason;
  std::string since;
  bool summary = false;
  std::vector<std::string> causes;
  std::string author;
  OutputArguments output;
};

constexpr int kRetriedPerCommand = 500;

struct Rejection {
  std::string cause;
  QuarantinePosition position;
  Quarantined record;
  std::size_t bytes = 0;
};

void check_reason(const std::string& reason) {
  if (reason.empty() || reason_named(reason)) return;
  throw ExitError(kExitUsage, fmt::format("Unknown reason \"{}\" for --reason. Use one of {}.", reason,
                                          fmt::join(kReasonNames, ", ")));
}

// The rejected records that match, in the order of the topic. Their bytes are kept only if `with_bytes` is set.
std::vector<Rejection> rejections(const Context& context, bool with_bytes,
                                  const std::function<bool(std::string_view, const Quarantined&)>& matches) {
  or_exit(reach(context.kafka));
  std::vector<Rejection> found;
  const auto reader = read_to_end(context, all_partitions(context, Topic::quarantine));
  ResultRecords results(context.definition());
  or_exit(read_quarantine(*reader, results,
                          [&](std::string_view cause, const QuarantinePosition& position, Quarantined record) {
                            if (!matches(cause, record)) return;
                            const auto bytes = record.value().size();
                            if (!with_bytes) record.clear_value();
                            found.push_back({std::string(cause), position, std::move(record), bytes});
                          }));
  print_ignored(results);
  return found;
}

// Parses a duration before now, or an instant.
Millis since_argument(const Context& context, const std::string& text, const MarketCalendar& calendar) {
  if (text.empty()) return kNever;
  if (const auto length = parse_duration(text)) return market_now(context) - *length;
  return time_argument(text, "--since", calendar);
}

int summarize(TextOutput& out, OutputMode mode, const std::vector<Rejection>& found, const MarketCalendar& calendar) {
  struct Count {
    std::int64_t records = 0;
    Millis first = 0;
    Millis last = 0;
  };
  std::map<std::string, Count> counts;
  for (const auto& rejection : found) {
    auto& count = counts[rejection.record.reason()];
    const auto arrival = rejection.record.arrival_ms();
    count.first = count.records == 0 ? arrival : std::min(count.first, arrival);
    count.last = count.records == 0 ? arrival : std::max(count.last, arrival);
    ++count.records;
  }
  TableWriter table(out, mode, {{"reason"}, {"records", ColumnType::number}, {"first_arrival"}, {"last_arrival"}});
  for (const auto& [reason, count] : counts)
    table.row({reason, count.records, calendar.format(count.first), calendar.format(count.last)});
  table.finish();
  return kExitDone;
}

TableCell optional_text(const std::string& text) {
  return text.empty() ? TableCell(std::nullopt) : TableCell(text);
}

int list(const Context& context, const QuarantineArguments& arguments) {
  check_reason(arguments.reason);
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const MarketCalendar calendar(context.config().market.timezone);
  const auto since = since_argument(context, arguments.since, calendar);
  auto found = rejections(context, false, [&](std::string_view, const Quarantined& record) {
    return (arguments.reason.empty() || record.reason() == arguments.reason) && record.arrival_ms() >= since;
  });
  if (arguments.summary) return summarize(out, mode, found, calendar);
  std::stable_sort(found.begin(), found.end(), [](const Rejection& a, const Rejection& b) {
    return a.record.arrival_ms() > b.record.arrival_ms();
  });
  TableWriter table(out, mode,
                    {{"arrival"},
                     {"reason"},
                     {"topic"},
                     {"partition", ColumnType::number},
                     {"offset", ColumnType::number},
                     {"event_id"},
                     {"sku_id"},
                     {"bytes", ColumnType::number},
                     {"cause"},
                     {"detail"}});
  if (mode == OutputMode::table && out.is_terminal()) table.truncate_lines_at(out.size().columns);
  for (const auto& [cause, position, record, bytes] : found) {
    table.row({calendar.format(record.arrival_ms()), record.reason(), record.topic(), record.partition(),
               record.offset(), optional_text(record.event_id()), optional_text(record.sku_id()), bytes, cause,
               optional_text(record.detail())});
  }
  table.finish();
  return kExitDone;
}

bool is_utf8(std::string_view bytes) {
  try {
    return !nlohmann::json(bytes).dump().empty();
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

// Text is shown as it is, other bytes as hex digits.
bool is_text(std::string_view bytes) {
  return is_utf8(bytes) && std::all_of(bytes.begin(), bytes.end(), [](char c) {
           return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
         });
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

int show(const Context& context, const QuarantineArguments& arguments) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  if (mode == OutputMode::csv)
    throw ExitError(kExitUsage, "-o csv is not possible for a single record. Use table or json.");
  const MarketCalendar calendar(context.config().market.timezone);
  const auto& cause = arguments.causes.front();
  const auto found = rejections(context, true, [&](std::string_view one, const Quarantined&) { return one == cause; });
  if (found.empty())
    throw ExitError(kExitFailed, fmt::format("No rejected record {}. `fiverate quarantine ls` lists all.", cause));
  const auto& record = found.front().record;
  std::vector<std::pair<std::string, std::string>> fields{{"cause", cause},
                                                          {"reason", record.reason()},
                                                          {"detail", record.detail()},
                                                          {"event_id", record.event_id()},
                                                          {"sku_id", record.sku_id()},
                                                          {"topic", record.topic()},
                                                          {"partition", std::to_string(record.partition())},
                                                          {"offset", std::to_string(record.offset())},
                                                          {"arrival", calendar.format(record.arrival_ms())}};
  const auto add_bytes = [&](const std::string& name, const std::string& bytes) {
    fields.emplace_back(is_text(bytes) ? name : name + "_hex", is_text(bytes) ? bytes : hex(bytes));
  };
  add_bytes("key", record.key());
  add_bytes("value", record.value());
  // The fields that could be decoded.
  if (Event event;
      !is_text(record.value()) && (!decode(record.value(), event) || event.payload_case() != Event::PAYLOAD_NOT_SET)) {
    fields.emplace_back("event", to_json(event));
  }
  if (mode == OutputMode::json) {
    nlohmann::ordered_json json;
    for (const auto& [name, value] : fields) json[name] = value;
    json["partition"] = record.partition();
    json["offset"] = record.offset();
    if (json.contains("event")) json["event"] = nlohmann::ordered_json::parse(json["event"].get<std::string>());
    out.write_json(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  } else {
    TableWriter table(out, mode, {{"field"}, {"value"}});
    for (const auto& [name, value] : fields) table.row({name, optional_text(value)});
    table.finish();
  }
  out.flush();
  return kExitDone;
}

int retry(const Context& context, const QuarantineArguments& arguments) {
  check_reason(arguments.reason);
  if (arguments.causes.empty() == arguments.reason.empty())
    throw ExitError(kExitUsage, "Give the records to send again: either causes, or --reason REASON.");
  const std::set<std::string, std::less<>> causes(arguments.causes.begin(), arguments.causes.end());
  const auto found = rejections(context, true, [&](std::string_view cause, const Quarantined& record) {
    return causes.empty() ? record.reason() == arguments.reason : causes.contains(cause);
  });
  if (found.size() < causes.size()) {
    std::string missing;
    for (const auto& cause : causes) {
      if (std::none_of(found.begin(), found.end(), [&](const Rejection& one) { return one.cause == cause; }))
        missing += " " + cause;
    }
    throw ExitError(kExitFailed, fmt::format("Nothing was sent: no rejected record{}.", missing));
  }
  // Documents keep their first arrival, so intake reads them from `quarantine`. The rest is sent again as it was.
  std::vector<Event> commands;
  std::vector<OutRecord> records;
  std::int64_t sent = 0;
  std::int64_t repeated = 0;
  std::set<std::pair<std::string, std::string>> values;  // a record that was rejected again after a retry occurs twice
  const auto now = market_now(context);
  for (const auto& rejection : found) {
    const auto& record = rejection.record;
    const auto topic = topic_named(record.topic());
    if (!topic || !is_whole(record)) continue;
    if (!values.emplace(record.key(), record.value()).second) {
      ++repeated;
      continue;
    }
    ++sent;
    if (*topic == Topic::reference || *topic == Topic::commands) {
      records.push_back({*topic, record.partition(), now, record.key(), record.value(), std::nullopt, std::nullopt});
      continue;
    }
    const bool is_full = commands.empty() || commands.back().command().retried_size() >= kRetriedPerCommand;
    if (is_full) commands.push_back(new_command(context, arguments.author, Command::RETRY));
    commands.back().mutable_command()->add_retried()->set_position(to_text(rejection.position));
  }
  if (!commands.empty()) send_commands(context, commands, now);
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  for (auto& record : records) or_exit(sink->send(std::move(record)));
  or_exit(sink->flush());
  TextOutput out(STDOUT_FILENO);
  out.write(fmt::format("sent again: {}\n", sent));
  out.flush();
  const auto left = static_cast<std::int64_t>(found.size()) - sent - repeated;
  if (left > 0)
    print_message(fmt::format("{} skipped: part of an accepted document, or the original record was truncated.", left));
  return kExitDone;
}

// ---- held records ---------------------------------------------------------------------------------------------------

struct HeldRecord {
  std::string position;  // "deliveries/3/1234"
  Millis clock;
  Millis claimed;
};

std::vector<HeldRecord> held_records(const std::vector<TaskPosition>& tasks) {
  std::vector<HeldRecord> found;
  for (const auto& task : tasks) {
    if (!task.checkpoint || !task.checkpoint->source_clock().has_held()) continue;
    const auto& clock = task.checkpoint->source_clock();
    found.push_back(
        {fmt::format("{}/{}", task.name, clock.held().offset()), clock.clock_ms(), clock.held().claimed_ms()});
  }
  return found;
}

int list_held(const Context& context, const QuarantineArguments& arguments) {
  or_exit(reach(context.kafka));
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(arguments.output, out);
  const MarketCalendar calendar(context.config().market.timezone);
  TableWriter table(out, mode, {{"record"}, {"clock"}, {"would_move_to"}});
  for (const auto& held : held_records(task_positions(context))) {
    table.row({held.position, held.clock == kNever ? TableCell(std::nullopt) : TableCell(calendar.format(held.clock)),
               calendar.format(held.claimed)});
  }
  table.finish();
  return kExitDone;
}

int decide(const Context& context, const QuarantineArguments& arguments, Command::Verb verb) {
  or_exit(reach(context.kafka));
  const auto tasks = task_positions(context);
  const auto held = held_records(tasks);
  std::vector<Event> commands;
  for (const auto& position : arguments.causes) {
    if (std::ranges::find(held, position, &HeldRecord::position) == held.end()) {
      throw ExitError(
          kExitFailed,
          fmt::format("Nothing was sent: {} is not held. `fiverate quarantine held` lists the held records.",
                      position));
    }
    commands.push_back(new_command(context, arguments.author, verb));
    commands.back().mutable_command()->set_held(position);
  }
  // The present clock of the partition `commands`, which this command then does not move.
  Millis now = 1;
  for (const auto& task : tasks) {
    if (task.input.topic == Topic::commands && task.checkpoint)
      now = std::max(now, task.checkpoint->source_clock().clock_ms());
  }
  send_commands(context, commands, now);
  TextOutput out(STDOUT_FILENO);
  out.write(
      visible(fmt::format("Sent as {}: {} {}.", author_text(commands.front().command().author(), Language::en),
                          verb == Command::ACCEPT_HELD ? "accept" : "reject", fmt::join(arguments.causes, ", "))) +
      "\n");
  out.flush();
  return kExitDone;
}

int accept(const Context& context, const QuarantineArguments& arguments) {
  return decide(context, arguments, Command::ACCEPT_HELD);
}
int reject(const Context& context, const QuarantineArguments& arguments) {
  return decide(context, arguments, Command::REJECT_HELD);
}

}  // namespace

void add_quarantine(Program& program) {
  auto& quarantine =
      *program.app.add_subcommand("quarantine", "Rejected and held records: list, show, check again, decide");
  quarantine.require_subcommand(1);
  const auto add = [&](const char* name, const char* help, int (*run)(const Context&, const QuarantineArguments&)) {
    auto* const command = quarantine.add_subcommand(name, help);
    auto arguments = std::make_shared<QuarantineArguments>();
    command->callback([&program, arguments, run] {
      program.command = [arguments, run](const Context& context) { return run(context, *arguments); };
    });
    return std::pair(command, arguments);
  };
  {
    const auto [command, arguments] = add("ls", "List the rejected records, newest first", list);
    command->add_option("--reason", arguments->reason, "Only this reason");
    command->add_option("--since", arguments->since, "Only records that arrived since then: 12h, 2d, or a time");
    command->add_flag("--summary", arguments->summary, "Print only the number of records of each reason");
    add_output_options(*command, arguments->output, "table, json or csv");
  }
  {
    const auto [command, arguments] = add("show", "Show one rejected record with its bytes", show);
    command->add_option("CAUSE", arguments->causes, "Cause of the record, such as deliveries/3/1234/0")
        ->required()
        ->expected(1);
    add_output_options(*command, arguments->output, "table or json");
  }
  {
    const auto [command, arguments] = add("retry", "Send rejected records again, with their original arrival", retry);
    command->add_option("CAUSE", arguments->causes, "Causes of the records");
    command->add_option("--reason", arguments->reason, "All records with this reason");
    command->add_option("--author", arguments->author,
                        "Name of the person who sends this (default: the user of the Kafka connection, else $USER)");
  }
  {
    const auto [command, arguments] =
        add("held", "List the records that wait for a decision: they would move the clock of their partition too far",
            list_held);
    add_output_options(*command, arguments->output, "table, json or csv");
  }
  const auto add_decision = [&](const char* name, const char* help,
                                int (*run)(const Context&, const QuarantineArguments&)) {
    const auto [command, arguments] = add(name, help, run);
    command->add_option("RECORD", arguments->causes, "As `quarantine held` lists it, such as deliveries/3/1234")
        ->required();
    command->add_option("--author", arguments->author,
                        "Name of the person who sends this (default: the user of the Kafka connection, else $USER)");
  };
  add_decision("accept", "Let a held record move the clock of its source partition", accept);
  add_decision("reject", "Quarantine a held record as future", reject);
}

}  // namespace fiverate
