// Shared by the commands that send records to the topic `commands`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/commands/context.h"
#include "event.pb.h"

namespace fiverate {

std::string random_id(std::string_view kind);  // "command-0123456789abcdef"
// A command without its time. `author`: --author, empty if it was not given (author.h).
Event new_command(const Context& context, const std::string& author, Command::Verb verb);
// The market's clock: on marks it may be years in the past, and wall-clock time would move it far ahead. Ends the program if the clock is
// not set yet.
Millis time_of_command(const Context& context);
// Sets the time of the commands, and returns when Kafka has all of them. Ends the program if a command is not valid.
void send_commands(const Context& context, std::vector<Event>& commands, Millis now);

}  // namespace fiverate
