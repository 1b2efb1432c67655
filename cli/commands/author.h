// Who sends a command. On an authenticated Kafka connection it is the user of the connection; else it is what the person types, which
// nobody has verified.
#pragma once

#include <string>

#include "cli/commands/context.h"

namespace fiverate {

// `requested`: --author; empty: the principal, else the user of this process. Ends the program if the connection has another user, or if
// an unverified name looks like a principal.
[[nodiscard]] std::string author_of(const Context& context, const std::string& requested);

}  // namespace fiverate
