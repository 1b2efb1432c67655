// fiverate: one program, a list of commands.
#include <google/protobuf/stubs/logging.h>

#include <cstdio>

#include "cli/commands/commands.h"
#include "producers/import/csv_map.h"
#include "schemas/format.h"

#ifdef FIVERATE_JEMALLOC
// Read by jemalloc at the start: what is free goes back to the system in time, also from threads that have nothing to do.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,narenas:4";
#endif

namespace fiverate {
namespace {

int run(int argc, char** argv) {
  Program program;
  auto& app = program.app;
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", FIVERATE_VERSION);
  app.add_option("--config", program.options.config_file, "Configuration file (default: ./fiverate.toml, if it is there)");
  app.add_option("-X,--set", program.options.overrides, "Set section.key=value, over file and environment")
      ->allow_extra_args(false);
  add_topics(program);
  add_simulate(program);
  add_import(program);
  add_run(program);
  add_rates(program);
  add_watch(program);
  add_alerts(program);
  add_quarantine(program);
  add_status(program);
  add_tasks(program);
  add_replay(program);
  add_config(program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitDone : kExitUsage;
  }
  return program.command(Context(program.options));
}

}  // namespace
}  // namespace fiverate

int main(int argc, char** argv) {
  fiverate::ignore_sigpipe();
  google::protobuf::SetLogHandler(nullptr);  // what cannot be parsed is quarantined, not printed
  try {
    return fiverate::run(argc, argv);
  } catch (const fiverate::ConfigError& error) {
    fmt::print(stderr, "fiverate: {}\n", error.what());
    return fiverate::kExitUsage;
  } catch (const fiverate::MapError& error) {
    fmt::print(stderr, "fiverate: {}\n", error.what());
    return fiverate::kExitUsage;
  } catch (const fiverate::ExitError& error) {
    fmt::print(stderr, "fiverate: {}\n", error.what());
    return error.code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "fiverate: {}\n", error.what());
    return fiverate::kExitFailed;
  }
}
