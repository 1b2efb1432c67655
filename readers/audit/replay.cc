#include "readers/audit/replay.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "deltas.pb.h"
#include "metrics.pb.h"
#include "processors/edge/output_files.h"
#include "processors/runtime/foreign_record_monitor.h"
#include "processors/stages/intake.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/progress.h"
#include "processors/stages/reference.h"
#include "processors/stages/task_names.h"
#include "processors/stream/worker.h"
#include "readers/audit/history_source.h"
#include "readers/audit/memory_log.h"
#include "readers/audit/metrics_file.h"
#include "readers/query/alert_json.h"
#include "readers/query/row_json.h"
#include "readers/query/seal_json.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::size_t kDeltasWaitingBytes = 64 << 20;  // of records that outlet has written and market has not read
constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
const Input kLedger{Topic::ledger, 0};
const Input kDeltas{Topic::deltas, 0};

void keep_transition(const OutRecord& record, std::vector<Transition>& transitions) {
  SignalRecord signal;
  CHECK(signal.ParseFromString(record.value), record.key);
  if (signal.has_transition()) transitions.push_back(std::move(*signal.mutable_transition()));
}

void keep_seal(const OutRecord& record, std::vector<Seal>& seals) {
  CHECK(seals.emplace_back().ParseFromString(record.value), record.key);
}

// Appends internal records to the log of their topic and keeps quarantined records, transitions and seals for the files.
class ReplaySink final : public Sink {
 public:
  ReplaySink(MemoryLog& ledger, MemoryLog& deltas) : ledger_(ledger), deltas_(deltas) {}

  Result<void> send(OutRecord record) override {
    if (record.topic == Topic::ledger) {
      ledger_.append(std::move(record));
    } else if (record.topic == Topic::deltas) {
      record.depends_on.clear();  // the market of a replay does not read the records that `reference` sends to it
      deltas_.append(std::move(record));
    } else if (record.topic == Topic::quarantine) {
      Quarantined quarantined;
      CHECK(quarantined.ParseFromString(record.value), record.key);
      quarantined.clear_value();
      quarantined_.push_back(std::move(quarantined));
    } else if (record.topic == Topic::signals) {
      keep_transition(record, transitions_);
    } else if (record.topic == Topic::seals) {
      keep_seal(record, seals_);
    }
    return {};
  }
  Result<void> flush() override { return {}; }

  [[nodiscard]] std::vector<Quarantined>& quarantined() { return quarantined_; }
  [[nodiscard]] std::vector<Transition>& transitions() { return transitions_; }
  [[nodiscard]] std::vector<Seal>& seals() { return seals_; }

 private:
  MemoryLog& ledger_;
  MemoryLog& deltas_;
  std::vector<Quarantined> quarantined_;
  std::vector<Transition> transitions_;
  std::vector<Seal> seals_;
};

// A replay is not resumed after a crash, so nothing is stored: all state stays in memory.
class NoStore final : public Store {
 public:
  Result<std::optional<std::string>> get(std::string_view) const override { return std::nullopt; }
  Result<void> scan(std::string_view, const std::function<bool(std::string_view, std::string_view)>&) const override {
    return {};
  }
  Result<void> write(const StoreBatch&) override { return {}; }
  std::string location() const override { return "memory"; }
  bool is_opened_again() const override { return false; }
};

// No task of a replay has a checkpoint.
class NoCheckpoints final : public CheckpointReader {
 public:
  Result<std::map<std::string, Checkpoint>> find(const std::map<std::string, CheckpointPointer>&) override {
    return std::map<std::string, Checkpoint>{};
  }
};

// A commit stores nothing here. It lets the stages release the changes that they collect for the store.
constexpr WorkerOptions kOptions{std::chrono::milliseconds{0}, std::chrono::seconds{10}, 1'000'000};

TaskContext make_task(const Input& input, const Definition& definition, std::unique_ptr<Operator> op, Sink& sink) {
  TaskContext context;
  context.store = std::make_unique<NoStore>();
  context.op = std::move(op);
  context.task = std::make_unique<Task>(std::string(sender_of(input)), input, definition_id(definition), *context.op,
                                        *context.store, sink);
  return context;
}

Result<void> run_to_end(Worker& worker, const Source& source) {
  for (;;) {
    TRY_VALUE(worked, worker.round());
    if (!worked && source.finished()) return worker.commit_all();
  }
}

// Runs the market stage on its own thread, from the log of deltas into the file.
class MarketThread {
 public:
  MarketThread(const Definition& definition, const MarketCalendar& calendar, const ReplayOptions& options,
               Millis alerts_until, MemoryLog& deltas, Sink& file)
      : deltas_(deltas), sink_(file), thread_([this, &definition, &calendar, &options, alerts_until] {
          MemorySource source(deltas_, {kDeltas}, group_);
          NoCheckpoints checkpoints;
          const auto make = [&](const Input& input, const auto&) -> Result<TaskContext> {
            const MarketStage::Settings settings{definition, 0, 1, false, kUnlimited, options.rows, alerts_until};
            return make_task(input, definition, std::make_unique<MarketStage>(settings, calendar), sink_);
          };
          Worker worker({source, sink_, checkpoints, task_name_of, make},
                        {std::chrono::milliseconds{100}, kOptions.commit_every, kOptions.commit_records});
          result_ = run_to_end(worker, source);
          if (!result_) deltas_.close_all();  // so that outlet does not wait for a reader
        }) {}
  MarketThread(const MarketThread&) = delete;
  MarketThread& operator=(const MarketThread&) = delete;
  ~MarketThread() {
    if (!thread_.joinable()) return;
    deltas_.close_all();
    thread_.join();
  }
  Result<void> finish() {
    deltas_.close(kDeltas);
    thread_.join();
    return result_;
  }
  // Adds the transitions and seals of the stage. Call it after finish().
  void add_to(std::vector<Transition>& transitions, std::vector<Seal>& seals) {
    std::move(sink_.transitions.begin(), sink_.transitions.end(), std::back_inserter(transitions));
    std::move(sink_.seals.begin(), sink_.seals.end(), std::back_inserter(seals));
  }

 private:
  struct RowsAndRest final : Sink {
    explicit RowsAndRest(Sink& metrics_file) : file(metrics_file) {}
    Result<void> send(OutRecord record) override {
      if (record.topic == Topic::metrics_final) return file.send(std::move(record));
      if (record.topic == Topic::signals) keep_transition(record, transitions);
      if (record.topic == Topic::seals) keep_seal(record, seals);
      return {};
    }
    Result<void> flush() override { return file.flush(); }

    Sink& file;
    std::vector<Transition> transitions;
    std::vector<Seal> seals;
  };

  MemoryLog& deltas_;
  RowsAndRest sink_;
  MemorySource::GroupOffsets group_;
  Result<void> result_;
  std::thread thread_;
};

Result<void> write_quarantine(const std::filesystem::path& path, std::vector<std::string> lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return write_output_file(path, text);
}

// `positions`: whether evidence has the topic, partition and offset of its events.
Result<void> write_alerts(const std::filesystem::path& path, std::vector<Transition>& transitions,
                          const MarketCalendar& calendar, bool positions) {
  sort_canonically(transitions);
  fmt::memory_buffer text;
  for (auto& transition : transitions) {
    if (!positions) {
      for (auto& evidence : *transition.mutable_evidence()) evidence.clear_topic();
    }
    append_json_line(transition, calendar, text);
  }
  return write_output_file(path, {text.data(), text.size()});
}

Result<void> write_seals(const std::filesystem::path& path, std::vector<Seal>& seals) {
  sort_canonically(seals);
  fmt::memory_buffer text;
  for (const auto& seal : seals) append_json_line(seal, text);
  return write_output_file(path, {text.data(), text.size()});
}

// The position of a quarantined record in its file or topic: as fields of its line, and as the order of lines.
struct Position {
  std::tuple<std::string, std::int64_t, std::int64_t> order;
  nlohmann::ordered_json fields;
};

Position in_files(const Quarantined& one, const History& history) {
  const auto record = history[HistorySource::position_of(one.offset())];
  return {{"", record.file, record.number}, {{"file", history.files()[record.file].name()}, {"line", record.number}}};
}

Position in_topics(const Quarantined& one) {
  return {{one.topic(), one.partition(), one.offset()},
          {{"topic", one.topic()}, {"partition", one.partition()}, {"offset", one.offset()}}};
}

template <typename PositionOf>
std::vector<std::string> quarantine_lines(const std::vector<Quarantined>& quarantined, PositionOf position_of) {
  std::vector<std::pair<decltype(Position::order), std::string>> found;
  for (const auto& one : quarantined) {
    nlohmann::ordered_json json{{"reason", one.reason()}, {"detail", one.detail()}};
    if (!one.event_id().empty()) json["event_id"] = one.event_id();
    if (!one.sku_id().empty()) json["sku_id"] = one.sku_id();
    auto position = position_of(one);
    json.update(position.fields);
    found.emplace_back(std::move(position.order), json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> lines;
  for (auto& [order, line] : found) lines.push_back(std::move(line));
  return lines;
}

// Writes what the sink has kept and completes the summary. `positions` as in write_alerts().
template <typename PositionOf>
Result<void> write_results(const ReplayOptions& options, const MarketCalendar& calendar, bool positions,
                           PositionOf position_of, ReplaySink& sink, ReplaySummary& summary) {
  summary.quarantined = static_cast<std::int64_t>(sink.quarantined().size());
  summary.transitions = static_cast<std::int64_t>(sink.transitions().size());
  TRY(write_alerts(options.out / "alerts.jsonl", sink.transitions(), calendar, positions));
  TRY(write_seals(options.out / "seals.jsonl", sink.seals()));
  return write_quarantine(options.out / "quarantine.jsonl", quarantine_lines(sink.quarantined(), position_of));
}

// The outlet stage of the first ledger partition, which also sends copies of regions and SKUs to market. Live, the reader of
// `reference` sends them to market directly; every ledger partition has them too, in front of the records that need them.
class FirstPartition final : public Operator {
 public:
  FirstPartition(std::unique_ptr<OutletStage> outlet, Sink& sink) : outlet_(std::move(outlet)), sink_(sink) {}
  Result<void> open(const Store& store) override { return outlet_->open(store); }
  Result<void> apply(const InRecord& record, Outbox& outbox) override {
    LedgerRecord ledger_record;
    if (record.key.empty() &&
        ledger_record.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) &&
        (ledger_record.event().has_region() || ledger_record.event().has_sku())) {
      DeltasRecord copy;
      *copy.mutable_reference() = ledger_record;
      auto value = copy.SerializeAsString();
      const Link link{last_.position, last_.chain};
      last_ = {record.cause->position, chained(last_.chain, "", value)};
      TRY(sink_.send({Topic::deltas, 0, record.timestamp, "", std::move(value), record.cause, link}));
    }
    return outlet_->apply(record, outbox);
  }
  std::optional<std::string> foreign_reason(const InRecord& record) const override {
    return outlet_->foreign_reason(record);
  }
  bool at_boundary() const override { return outlet_->at_boundary(); }
  void save(StoreBatch& batch) override { outlet_->save(batch); }
  Millis clock() const override { return outlet_->clock(); }

 private:
  std::unique_ptr<OutletStage> outlet_;
  Sink& sink_;
  ChainPosition last_;  // of the copies sent
};

// One pass over the history. Rules are evaluated up to the end of `alerts_through`; kNoDay: not at all.
Result<ReplaySummary> pass_over(const History& history, const MarketCalendar& calendar, const ReplayOptions& options,
                                Day alerts_through, const ReplayProgress& progress) {
  const auto alerts_until = alerts_through == kNoDay ? 0 : calendar.end_of(alerts_through);
  const auto definition = make_definition(calendar.zone_name(), {1, 1, 1}, options.limits, options.selection);
  MemoryLog ledger({true, 0});  // this thread writes it and reads it in turn
  MemoryLog deltas({true, kDeltasWaitingBytes});
  ReplaySink sink(ledger, deltas);
  auto file = MetricsFile::create(options.out / "metrics.jsonl");
  if (!file) return tl::make_unexpected(file.error());
  MarketThread market(definition, calendar, options, alerts_until, deltas, **file);

  // Reads the source records in canonical order.
  const IntakeSettings intake_settings{definition};
  ProgressTracker tracker(definition);
  HistorySource source(history, calendar);
  NoCheckpoints checkpoints;
  const auto make_intake = [&](const Input& input, const auto&) -> Result<TaskContext> {
    std::unique_ptr<Operator> op;
    if (stage_reading(input.topic) == Stage::reference) {
      op = std::make_unique<Reference>(intake_settings, kUnlimited);
    } else {
      op = std::make_unique<Intake>(intake_settings);
    }
    return make_task(input, definition, std::move(op), sink);
  };
  Worker intake({source, sink, checkpoints, task_name_of, make_intake}, kOptions);
  const auto send_progress = [&]() -> Result<void> {
    for (const auto& [input, context] : intake.tasks()) tracker.acknowledge(input, context.op->clock());
    if (!tracker.changed()) return {};
    for (auto& record : tracker.records()) TRY(sink.send(std::move(record)));
    return {};
  };

  OutletStage* outlet_stage = nullptr;
  MemorySource::GroupOffsets group;
  MemorySource ledger_source(ledger, {kLedger}, group);
  const auto make_outlet = [&](const Input& input, const auto&) -> Result<TaskContext> {
    auto op =
        std::make_unique<OutletStage>(OutletStage::Settings{definition, 1, kUnlimited, true, alerts_until}, calendar);
    outlet_stage = op.get();
    return make_task(input, definition, std::move(op), sink);
  };
  Worker outlet({ledger_source, sink, checkpoints, task_name_of, make_outlet}, kOptions);
  const auto drain = [&]() -> Result<void> {
    for (;;) {
      const auto worked = outlet.round();
      if (!worked) return tl::make_unexpected(worked.error());
      if (!*worked) return {};
    }
  };

  while (!source.finished()) {
    TRY(intake.round());
    TRY(send_progress());
    TRY(drain());
    if (progress) progress(source.position(), history.size());
  }
  // Every day up to the last counts as final.
  const auto through = options.through.value_or(outlet_stage == nullptr ? kNoDay : outlet_stage->last_day());
  if (outlet_stage != nullptr && outlet_stage->last_day() != kNoDay) {
    ProgressTracker last(definition);
    const auto end = calendar.end_of(std::max(through, outlet_stage->last_day())) + kFinalAfter;
    for (const auto& input : source_inputs(definition)) last.acknowledge(input, end);
    for (auto& record : last.records()) TRY(sink.send(std::move(record)));
    TRY(drain());
  }
  TRY(market.finish());
  market.add_to(sink.transitions(), sink.seals());

  ReplaySummary summary;
  summary.records = static_cast<std::int64_t>(history.size());
  summary.through = through;
  summary.last_day = outlet_stage == nullptr ? kNoDay : outlet_stage->last_day();
  const auto lines = (*file)->finish(through);
  if (!lines) return tl::make_unexpected(lines.error());
  summary.lines = *lines;
  const auto position_of = [&](const Quarantined& one) { return in_files(one, history); };
  TRY(write_results(options, calendar, false, position_of, sink, summary));
  return summary;
}

}  // namespace

Result<ReplaySummary> replay_files(const History& history, const MarketCalendar& calendar, const ReplayOptions& options,
                                   const ReplayProgress& progress) {
  // Alerts end with the day of the last accepted document, which only the replay itself finds. The index has an estimate. It is wrong
  // only if every document of that day is rejected for its content, and then a second pass uses the right day.
  const auto guess = options.through.value_or(history.last_day());
  const auto summary = pass_over(history, calendar, options, guess, progress);
  if (!summary) return summary;
  const auto last = summary->last_day == kNoDay ? kNoDay : options.through.value_or(summary->last_day);
  return last == guess ? summary : pass_over(history, calendar, options, last, progress);
}

Result<ReplaySummary> replay_ledger(const Definition& definition, Source& ledger, const MarketCalendar& calendar,
                                    const ReplayOptions& options) {
  MemoryLog unused;
  MemoryLog deltas({true, kDeltasWaitingBytes});
  ReplaySink sink(unused, deltas);
  auto file = MetricsFile::create(options.out / "metrics.jsonl");
  if (!file) return tl::make_unexpected(file.error());
  MarketThread market(definition, calendar, options, kOpenEnd, deltas, **file);

  const auto make = [&](const Input& input, const auto&) -> Result<TaskContext> {
    auto stage = std::make_unique<OutletStage>(OutletStage::Settings{definition, 1, kUnlimited}, calendar);
    std::unique_ptr<Operator> op;
    if (input.partition == 0) {
      op = std::make_unique<FirstPartition>(std::move(stage), sink);
    } else {
      op = std::move(stage);
    }
    return make_task(input, definition, std::move(op), sink);
  };
  NoCheckpoints checkpoints;
  Worker outlet({ledger, sink, checkpoints, task_name_of, make},
                {std::chrono::milliseconds{100}, kOptions.commit_every, kOptions.commit_records});
  TRY(run_to_end(outlet, ledger));
  ReplaySummary summary;
  for (const auto& [input, context] : outlet.tasks()) {
    summary.records += context.task->counters().records;
    if (const auto skipped = context.task->foreign().count(); skipped > 0)
      summary.skipped.push_back(skipped_sentence(context.task->name(), input, skipped, context.task->foreign()));
    if (context.task->is_complete()) continue;
    return fail(Reaction::stop,
                "Replay stopped: records of ledger partition {} are missing: those caused by {}. Restore the topic; a "
                "replay needs all records.",
                input.partition, sentence_part(context.task->missing()));
  }
  TRY(market.finish());
  market.add_to(sink.transitions(), sink.seals());
  const auto lines = (*file)->finish(options.through.value_or(kEndOfDays));
  if (!lines) return tl::make_unexpected(lines.error());
  summary.lines = *lines;
  TRY(write_results(options, calendar, true, in_topics, sink, summary));
  return summary;
}

}  // namespace fiverate
