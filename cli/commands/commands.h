// The subcommands. Each add_ function adds a command to the program. Parsing sets Program::command, and main runs it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/commands/context.h"

namespace fiverate {

struct Program {
  CLI::App app;
  GlobalOptions options;
  std::function<int(const Context&)> command;  // returns the exit code

  Program() : app("Market information from orders, deliveries and store visits, as they happen.", "fiverate") {}
};

// Adds -o, and --csv-raw if the command has CSV. `help` lists the modes.
inline void add_output_options(CLI::App& command, OutputArguments& arguments, const std::string& help) {
  command.add_option("-o,--output", arguments.mode, help);
  if (help.find("csv") == std::string::npos) return;
  command.add_flag("--csv-raw", arguments.raw_csv,
                   "With -o csv: write cells that a spreadsheet takes for formulas as they are, without an apostrophe");
}

inline void add_force_option(CLI::App& command, bool& force) {
  command.add_flag("--force", force, "Replace earlier files: write to a folder that is not empty");
}

void add_topics(Program& program);
void add_topics_extend(CLI::App& topics, Program& program);
void add_simulate(Program& program);
void add_import(Program& program);
void add_run(Program& program);
void add_replay(Program& program);
void add_rates(Program& program);
void add_watch(Program& program);
void add_alerts(Program& program);
void add_quarantine(Program& program);
void add_status(Program& program);
void add_tasks(Program& program);
void add_config(Program& program);

}  // namespace fiverate
