#include "cli/commands/sending.h"

#include <random>

#include "cli/commands/author.h"
#include "cli/commands/commands.h"
#include "cli/commands/reading.h"
#include "processors/edge/kafka_log.h"
#include "schemas/check.h"
#include "schemas/decode.h"

namespace fiverate {

std::string random_id(std::string_view kind) {
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}", kind, random(), random());
}

Event new_command(const Context& context, const std::string& author, Command::Verb verb) {
  Event event;
  event.set_event_id(random_id("command"));
  event.set_source("fiverate");
  auto& command = *event.mutable_command();
  command.set_command_id(event.event_id());
  command.set_author(author_of(context, author));
  command.set_verb(verb);
  return event;
}

Millis time_of_command(const Context& context) {
  const auto now = market_clock(context);
  if (now != kNever) return now;
  throw ExitError(kExitFailed,
                  "Command not sent: the market has no events yet, so its clock is not set. Import or simulate events "
                  "first, or run "
                  "`fiverate topics live` and the processors.");
}

void send_commands(const Context& context, std::vector<Event>& commands, Millis now) {
  for (auto& event : commands) {
    set_millis(*event.mutable_event_time(), now);
    if (const auto rejected = check_fields(event)) throw ExitError(kExitUsage, rejected->detail);
  }
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  for (const auto& event : commands)
    or_exit(sink->send({Topic::commands, 0, now, "", event.SerializeAsString(), std::nullopt, std::nullopt}));
  or_exit(sink->flush());
}

}  // namespace fiverate
