// `import`: writes files of events into the source topics.
#include <array>
#include <chrono>
#include <filesystem>

#include "cli/commands/commands.h"
#include "cli/commands/history_check.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/source_topics.h"
#include "cli/commands/stop_signal.h"
#include "cli/screen/message.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/edge/output_files.h"
#include "producers/import/csv_import.h"
#include "producers/import/import.h"
#include "producers/simulate/market_output.h"

namespace fiverate {
namespace {

struct ImportArguments {
  std::vector<std::string> files;
  std::string map;
  std::string out;
  bool force = false;
  bool open = false;
  bool yes = false;
};

// Lines of one CsvLine kind, with the rows that they come from.
struct ConvertedText {
  std::string lines;
  std::vector<CsvOrigin> origins;
};

// The files of the history: the given ones, or those converted from CSV by the map.
std::vector<MappedFile> open_files(const ImportArguments& arguments, const MarketCalendar& calendar) {
  std::vector<MappedFile> files;
  if (arguments.map.empty()) {
    for (const auto& name : arguments.files) {
      if (name.ends_with(".csv") || name.ends_with(".csv.gz")) {
        throw ExitError(
            kExitUsage,
            fmt::format("{} is a CSV file. Use --map to map its columns to events (docs/import.md).", name));
      }
      if (std::filesystem::path(name).filename() == kTruthFile) {  // FOLDER/*.jsonl of a simulated market includes it
        print_message(fmt::format("Skipped {}: it holds the hidden stock of a simulation, not events.", name));
        continue;
      }
      files.push_back(or_exit(MappedFile::open(name)));
    }
    return files;
  }
  std::array<ConvertedText, 2> texts;
  CsvImport import(CsvMap::read(arguments.map), calendar);
  const CsvSink sink = [&](CsvLine kind, std::string_view line, CsvOrigin origin) -> Result<void> {
    auto& text = texts[static_cast<std::size_t>(kind)];
    text.lines.append(line).push_back('\n');
    text.origins.push_back(origin);
    return {};
  };
  ProgressBar bar("convert", "bytes", std::nullopt);
  for (const auto& name : arguments.files) {
    const auto input = or_exit(CsvInput::open(name));
    or_exit(
        import.convert(*input, sink, [&](std::size_t done, std::size_t) { bar.set(static_cast<std::int64_t>(done)); }));
  }
  const auto summary = or_exit(import.finish(sink));
  bar.finish();
  auto text_of_summary = fmt::format("Converted {} rows to {} reference events and {} documents", summary.rows,
                                     summary.references, summary.documents);
  if (summary.bad_rows + summary.conflicts > 0) {
    text_of_summary +=
        fmt::format("; {} invalid rows and {} contradictions will be quarantined", summary.bad_rows, summary.conflicts);
  }
  print_note(text_of_summary);
  for (const auto& problem : summary.problems) print_note("  " + problem);
  constexpr std::array<const char*, 2> kNames{"reference.jsonl", "events.jsonl"};  // in the order of CsvLine
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto origin = [tables = arguments.files, origins = std::move(texts[i].origins)](std::int64_t number) {
      const auto& row = origins[static_cast<std::size_t>(number - 1)];
      return fmt::format("{}:{}", tables[row.table], row.line);
    };
    files.push_back(MappedFile::of_text(kNames[i], std::move(texts[i].lines), std::move(origin)));
  }
  return files;
}

// `import --map --out DIR`: writes the converted events to files, for `replay --in`.
int write_files(const std::vector<MappedFile>& files, const std::filesystem::path& folder) {
  or_exit(create_output_folder(folder));
  for (const auto& file : files) or_exit(write_output_file(folder / file.name(), file.text()));
  return kExitDone;
}

History read_history(const ImportArguments& arguments, const MarketCalendar& calendar, std::vector<MappedFile> files) {
  auto history = [&] {
    ProgressBar bar("read", "bytes", std::nullopt);
    return or_exit(History::read(std::move(files), calendar,
                                 [&](std::size_t done, std::size_t) { bar.set(static_cast<std::int64_t>(done)); }));
  }();
  if (history.size() == 0) throw ExitError(kExitFailed, "Nothing to import: the files contain no events.");
  print_summaries(history, calendar);
  if (arguments.map.empty()) print_invalid_lines(history);  // the conversion has shown the bad rows of a table
  return history;
}

constexpr const char* kRepeat = "Repeat the command with the same files to continue where it stopped.";

// Writes the history behind what earlier runs have written.
int write_history(const Context& context, const MarketCalendar& calendar, const History& history, bool open,
                  ImportId id, const FoundImport& topics, const PartitionCounts& partitions) {
  const auto begun = std::chrono::steady_clock::now();
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  ImportOptions options{partitions, start_of_import(id, topics.ends), open, stop_requested};
  catch_stop_signals();
  ProgressBar bar("import", "events", static_cast<std::int64_t>(history.size()));
  const auto written = import_history(history, calendar, *sink, options,
                                      [&](std::size_t done, std::size_t) { bar.set(static_cast<std::int64_t>(done)); });
  bar.finish();
  if (!written) throw ExitError(kExitFailed, fmt::format("{}\n{}", written.error().what, kRepeat));
  check_written_once(context, id, topics.ends, written->sent);
  const auto& source = written->source;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
  print_note(fmt::format(
      "{}{} events and {} marks written in {}{}; the market's clock goes to {}",
      written->complete ? "" : "interrupted: ", source.records, source.marks, human_duration(took),
      source.skipped > 0 ? fmt::format(", {} events skipped, which were written before", source.skipped) : "",
      calendar.format(source.ends_with)));
  if (written->complete) return kExitDone;
  print_note(fmt::format("{} of {} events are not written yet. {}",
                         static_cast<std::int64_t>(history.size()) - source.records - source.skipped, history.size(),
                         kRepeat));
  return kExitFailed;
}

int import_all(const Context& context, const ImportArguments& arguments) {
  const MarketCalendar calendar(context.config().market.timezone);
  if (!arguments.out.empty() && arguments.map.empty())
    throw ExitError(kExitUsage, "--out needs --map: it writes the converted CSV.");
  if (!arguments.out.empty()) or_usage_error(check_output_folder(arguments.out, arguments.force));
  auto files = open_files(arguments, calendar);
  if (!arguments.out.empty()) return write_files(files, arguments.out);
  or_exit(reach(context.kafka));
  const auto history = read_history(arguments, calendar, std::move(files));
  check_outliers(history, calendar, {context.config().import.outlier_days, arguments.yes}, "Import rejected");
  const auto definition = or_exit(market_definition(context));
  const auto partitions = partition_counts(definition);
  const auto id = import_id(history, calendar, partitions);
  const auto topics = check_source_topics(
      context, definition, calendar,
      {SourceWriterKind::import, {id, first_mark(history, calendar), history.begins()}, arguments.yes});
  if (topics.state == ImportState::followed) {
    print_note(fmt::format("Nothing was written: all {} events were imported before, and another import since.",
                           history.size()));
    return kExitDone;
  }
  return write_history(context, calendar, history, arguments.open, id, topics, partitions);
}

}  // namespace

void add_import(Program& program) {
  auto* const command = program.app.add_subcommand("import", "Write files of events into the source topics");
  auto arguments = std::make_shared<ImportArguments>();
  command->add_option("FILE", arguments->files, "JSON lines, or CSV with --map; .gz too")->required();
  command->add_option("--map", arguments->map, "TOML file that maps CSV columns to events (docs/import.md)")
      ->type_name("FILE");
  command
      ->add_option("--out", arguments->out,
                   "With --map: write reference.jsonl and events.jsonl to this folder, not to Kafka")
      ->type_name("DIR");
  add_force_option(*command, arguments->force);
  command->add_flag("--open", arguments->open, "Leave the last days open, so that later files can be imported");
  command->add_flag("--yes", arguments->yes, "Accept events that arrive far from all others");
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return import_all(context, *arguments); };
  });
}

}  // namespace fiverate
