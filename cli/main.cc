// The program: parses the command line, reads the configuration and runs one command.
#include <fmt/ranges.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/live/memory_limit.h"
#include "cli/screen/message.h"
#include "producers/import/csv_map.h"
#include "schemas/did_you_mean.h"
#include "schemas/format.h"

#ifdef FIVERATE_JEMALLOC
// jemalloc reads this at its start: a background thread returns free memory to the system, also that of idle threads.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,narenas:4";
#endif

namespace fiverate {
namespace {

// The headings of `fiverate --help`. They are set last, since commands inherit them when they are added.
void set_headings(CLI::App& app) {
  constexpr std::array<std::pair<const char*, const char*>, 12> kHeadings{{{"topics", "Setup"},
                                                                           {"config", "Setup"},
                                                                           {"simulate", "Input"},
                                                                           {"import", "Input"},
                                                                           {"quarantine", "Input"},
                                                                           {"run", "Processing"},
                                                                           {"status", "Processing"},
                                                                           {"tasks", "Processing"},
                                                                           {"replay", "Processing"},
                                                                           {"watch", "Results"},
                                                                           {"rates", "Results"},
                                                                           {"alerts", "Results"}}};
  for (const auto& [command, heading] : kHeadings) app.get_subcommand(command)->group(heading);
  app.footer("`fiverate COMMAND --help` describes a command.");
}

// "fiverate alerts"
std::string command_path(const CLI::App& command) {
  const auto* const parent = command.get_parent();
  return parent == nullptr ? command.get_name() : command_path(*parent) + " " + command.get_name();
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// Checks the names of the commands before CLI11 does, which would answer `fiverate alrts --help` with the general help.
// Returns the message for an unknown or missing command.
std::optional<std::string> command_problem(const CLI::App& app, int argc, char** argv) {
  const auto* level = &app;
  for (int i = 1; i < argc; ++i) {
    const auto commands = level->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return std::nullopt;
    const std::string argument = argv[i];
    if (argument.starts_with('-')) {
      if (argument == "-h" || argument == "--help" || argument == "--version") return std::nullopt;
      const auto name = argument.starts_with("--") ? argument.substr(0, argument.find('=')) : argument.substr(0, 2);
      const auto* const option = app.get_option_no_throw(name);
      if (option == nullptr) {
        return fmt::format("Unknown option \"{}\"{}\n`{} --help` lists the options.", name,
                           did_you_mean(name, option_names(*level)), command_path(*level));
      }
      if (option->get_items_expected_max() > 0 && name == argument) ++i;  // skips its value
      continue;
    }
    const auto named = [&](const CLI::App* command) { return command->get_name() == argument; };
    const auto found = std::find_if(commands.begin(), commands.end(), named);
    if (found == commands.end()) {
      std::vector<std::string> names;
      for (const auto* command : commands) names.push_back(command->get_name());
      const auto nearest = did_you_mean(argument, names);
      return fmt::format("Unknown command \"{}\"{}\n`{} --help` describes the commands.", argument,
                         nearest.empty() ? fmt::format(". Commands: {}.", fmt::join(names, ", ")) : nearest,
                         command_path(*level));
    }
    level = *found;
  }
  if (level->get_subcommands([](const CLI::App*) { return true; }).empty()) return std::nullopt;
  return fmt::format("Command missing. `{} --help` describes the commands.", command_path(*level));
}

// The message for a command line that CLI11 does not accept.
std::string parse_problem(const CLI::App& app, const CLI::ParseError& error) {
  const auto* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::string problem = error.what();
  if (const auto unknown = app.remaining(true); !unknown.empty()) {
    problem = fmt::format("Unexpected argument \"{}\"{}", unknown.front(),
                          did_you_mean(unknown.front(), option_names(*command)));
  }
  return fmt::format("{}\n`{} --help` describes the command.", problem, command_path(*command));
}

int run(int argc, char** argv) {
  Program program;
  auto& app = program.app;
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.group("Commands");
  app.fallthrough();
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", FIVERATE_VERSION, "Print the version");
  app.add_option("--config", program.options.config_file, "Configuration file (default: ./fiverate.toml if it exists)")
      ->type_name("FILE");
  app.add_option("-X,--set", program.options.overrides, "Set section.key=value; overrides the file and the environment")
      ->type_name("SETTING")
      ->allow_extra_args(false);
  add_topics(program);
  add_config(program);
  add_simulate(program);
  add_import(program);
  add_quarantine(program);
  add_run(program);
  add_status(program);
  add_tasks(program);
  add_replay(program);
  add_watch(program);
  add_rates(program);
  add_alerts(program);
  set_headings(app);
  if (const auto problem = command_problem(app, argc, argv)) throw ExitError(kExitUsage, *problem);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    throw ExitError(kExitUsage, parse_problem(app, error));
  }
  return program.command(Context(program.options));
}

}  // namespace
}  // namespace fiverate

int main(int argc, char** argv) {
  fiverate::ignore_sigpipe();
  fiverate::exit_when_out_of_memory();
  google::protobuf::SetLogHandler(nullptr);  // records that cannot be parsed are quarantined, not printed
  try {
    return fiverate::run(argc, argv);
  } catch (const fiverate::ConfigError& error) {
    fiverate::print_message(error.what());
    return fiverate::kExitUsage;
  } catch (const fiverate::MapError& error) {
    fiverate::print_message(error.what());
    return fiverate::kExitUsage;
  } catch (const fiverate::ExitError& error) {
    fiverate::print_message(error.what());
    return error.code();
  } catch (const std::system_error& error) {
    const bool is_thread = error.code() == std::errc::resource_unavailable_try_again;
    fiverate::print_message(is_thread
                                ? "A thread cannot be started. Raise the limits of the process (ulimit -u, ulimit -v)."
                                : error.what());
    return fiverate::kExitFailed;
  } catch (const std::exception& error) {
    fiverate::print_message(error.what());
    return fiverate::kExitFailed;
  }
}
