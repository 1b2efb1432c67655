#include "cli/commands/stop_signal.h"

#include <csignal>
#include <initializer_list>

namespace fiverate {
namespace {

volatile std::sig_atomic_t stop_signalled = 0;

extern "C" void on_stop_signal(int signal) {
  stop_signalled = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, on_stop_signal);
}

bool stop_requested() {
  return stop_signalled != 0;
}

}  // namespace fiverate
