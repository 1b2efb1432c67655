#include "cli/commands/author.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/config/principal.h"
#include "cli/screen/texts.h"

namespace fiverate {
namespace {

// Empty: the system does not know the user of this process.
std::string user_name() {
  for (const char* name : {"USER", "LOGNAME"}) {
    if (const char* const user = std::getenv(name); user != nullptr && *user != '\0') return user;
  }
  const auto* const account = getpwuid(geteuid());
  return account != nullptr ? account->pw_name : "";
}

}  // namespace

std::string author_of(const Context& context, const std::string& requested) {
  if (const auto principal = principal_of(context.kafka.properties)) {
    if (requested.empty() || requested == *principal) return *principal;
    throw ExitError(kExitUsage,
                    fmt::format("--author {}: this Kafka connection belongs to {}, which is the author. Leave "
                                "--author out.",
                                requested, *principal));
  }
  auto author = requested.empty() ? user_name() : requested;
  if (is_principal(author)) {
    throw ExitError(kExitUsage,
                    fmt::format("--author {}: names that begin with \"{}\" are those of authenticated Kafka "
                                "connections, and this one is not.",
                                author, kPrincipalPrefix));
  }
  if (author.empty()) throw ExitError(kExitUsage, "Author missing: pass --author NAME or set USER.");
  return author;
}

}  // namespace fiverate
