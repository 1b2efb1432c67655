// SIGINT and SIGTERM for commands that end in good order. A second signal kills the process.
#pragma once

namespace fiverate {

void catch_stop_signals();
bool stop_requested();

}  // namespace fiverate
