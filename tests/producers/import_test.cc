// An import that ends anywhere and is repeated leaves the same records as one that was never interrupted.
#include "producers/import/import.h"

#include <gtest/gtest.h>

#include <random>

#include "producers/simulate/market_output.h"
#include "producers/simulate/simulate.h"

namespace fiverate {
namespace {

const MarketCalendar& market_calendar() {
  static const MarketCalendar calendar("Asia/Shanghai");
  return calendar;
}

using Log = std::map<Input, std::vector<OutRecord>>;

std::string text_of(const OutRecord& record) {
  return std::to_string(record.timestamp) + "|" + record.key + "|" + record.value + "|" + to_text(*record.import);
}

// A log that stops to accept records. Each partition keeps a part of its own of the records that were not acknowledged.
class FailingSink final : public Sink {
 public:
  FailingSink(Log& log, std::int64_t records_max, std::mt19937::result_type seed)
      : log_(log), left_(records_max), random_(seed) {}

  Result<void> send(OutRecord record) override {
    if (left_-- == 0) return fail(Reaction::drop_task, "killed");
    waiting_[{record.topic, record.partition}].push_back(std::move(record));
    return {};
  }
  Result<void> flush() override {
    for (auto& [input, records] : waiting_) {
      auto& kept = log_[input];
      kept.insert(kept.end(), records.begin(), records.end());
    }
    waiting_.clear();
    return {};
  }
  // The process is killed.
  void kill() {
    for (auto& [input, records] : waiting_) {
      records.resize(std::uniform_int_distribution<std::size_t>(0, records.size())(random_));
    }
    static_cast<void>(flush());
  }

 private:
  Log& log_;
  std::int64_t left_;
  std::mt19937 random_;
  Log waiting_;
};

std::map<Input, std::vector<std::string>> texts_of(const Log& log) {
  std::map<Input, std::vector<std::string>> texts;
  for (const auto& [input, records] : log) {
    for (const auto& record : records) texts[input].push_back(text_of(record));
  }
  return texts;
}

constexpr PartitionCounts kPartitions{2, 2, 1};

PartitionEnds ends_in(const Log& log, ImportId import) {
  PartitionEnds ends;
  for (const auto topic : kSourceTopics) {
    for (std::int32_t partition = 0; partition < kPartitions.of(topic); ++partition) ends[{topic, partition}] = {};
  }
  for (const auto& [input, records] : log) {
    std::int64_t offset = 0;
    for (const auto& out : records) {
      InRecord record;
      record.input = input;
      record.offset = offset++;
      record.timestamp = out.timestamp;
      record.import = out.import;
      add_record(ends[input], record, import);
    }
  }
  return ends;
}

std::string simulated_lines() {
  static const std::string lines = [] {
    struct Lines final : MarketOutput {
      std::string text;
      Result<void> record(const Arriving& record) override {
        text += record.line + "\n";
        return {};
      }
      Result<void> truth(std::string_view) override { return {}; }
      Result<void> mark(Millis) override { return {}; }
      Result<void> finish() override { return {}; }
    } output;
    SimulateSettings settings;
    settings.size = {25, 2, 6, 20, 3, *parse_date("2026-03-01")};
    EXPECT_TRUE(simulate(settings, market_calendar(), output));
    return output.text;
  }();
  return lines;
}

History history_of(std::vector<std::string> texts) {
  std::vector<MappedFile> files;
  for (auto& text : texts) files.push_back(MappedFile::of_text("f", std::move(text)));
  return History::read(std::move(files), market_calendar()).value();
}

// One run, which is killed before this record of its own. Returns whether it has completed.
bool run(Log& log, const History& history, std::int64_t records_max, std::mt19937::result_type seed, bool open = false,
         SourceSummary* summary = nullptr) {
  const auto id = import_id(history, market_calendar(), kPartitions);
  const auto ends = ends_in(log, id);
  EXPECT_NE(state_of_import(ends), ImportState::other_incomplete);
  FailingSink sink(log, records_max, seed);
  ImportOptions options{kPartitions, start_of_import(id, ends), open};
  const auto done = import_history(history, market_calendar(), sink, options, {});
  if (!done) sink.kill();
  if (done && summary != nullptr) *summary = done->source;
  return done.has_value();
}

Log undisturbed(const History& history, bool open = false) {
  Log log;
  EXPECT_TRUE(run(log, history, -1, 0, open));
  return log;
}

std::size_t size_of(const Log& log) {
  std::size_t size = 0;
  for (const auto& [input, records] : log) size += records.size();
  return size;
}

TEST(Import, KilledAnywhereAndRepeated) {
  const auto history = history_of({simulated_lines()});
  const auto expected = texts_of(undisturbed(history));
  const auto total = static_cast<std::int64_t>(size_of(undisturbed(history)));
  ASSERT_GT(total, 200);
  std::mt19937 random(1);
  for (std::uint32_t round = 0; round < 60; ++round) {
    Log log;
    int runs = 1;
    while (!run(log, history, std::uniform_int_distribution<std::int64_t>(0, total / 3)(random), random())) ++runs;
    ASSERT_EQ(texts_of(log), expected) << "round " << round << ", " << runs << " runs";
    SourceSummary summary;
    ASSERT_TRUE(run(log, history, 0, 0, false, &summary)) << "nothing is left to write";
    EXPECT_EQ(summary.skipped, static_cast<std::int64_t>(history.size()));
    EXPECT_EQ(summary.records + summary.marks, 0);
  }
}

TEST(Import, EveryPartitionEndsWithAnEnd) {
  for (const bool open : {false, true}) {
    const auto log = undisturbed(history_of({simulated_lines()}), open);
    EXPECT_EQ(log.size(), 2U * 3 + 2) << "all source partitions";
    for (const auto& [input, records] : log) {
      EXPECT_TRUE(records.back().import->is_end);
      std::int64_t number = 0;
      for (const auto& record : records) {
        if (!record.import->is_end) {
          EXPECT_EQ(record.import->number, ++number);
        }
      }
      EXPECT_EQ(records.back().import->number, open ? number : number + 1);
    }
  }
}

TEST(Import, AnOpenImportIsClosedByRepeatingIt) {
  const auto history = history_of({simulated_lines()});
  auto log = undisturbed(history, true);
  const auto open = texts_of(log);
  ASSERT_TRUE(run(log, history, 0, 0, true)) << "repeated as it was: nothing is left to write";
  SourceSummary summary;
  ASSERT_TRUE(run(log, history, -1, 0, false, &summary));
  EXPECT_EQ(summary.records, 0);
  EXPECT_EQ(summary.marks, static_cast<std::int64_t>(log.size()));
  auto expected = texts_of(undisturbed(history));
  for (auto& [input, texts] : expected) texts.insert(texts.end() - 1, open.at(input).back());
  EXPECT_EQ(texts_of(log), expected);
}

TEST(Import, ASignalEndsIt) {
  const auto history = history_of({simulated_lines()});
  Log log;
  FailingSink sink(log, -1, 0);
  int left = 100;
  ImportOptions options{
      kPartitions, {import_id(history, market_calendar(), kPartitions), {}}, false, [&] { return --left == 0; }};
  const auto done = import_history(history, market_calendar(), sink, options, {});
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->complete);
  EXPECT_EQ(done->source.records, 100);
  EXPECT_EQ(state_of_import(ends_in(log, 1)), ImportState::other_incomplete) << "other imports are refused";
  ASSERT_TRUE(run(log, history, -1, 0));
  EXPECT_EQ(texts_of(log), texts_of(undisturbed(history)));
}

TEST(Import, TheIdFollowsTheContentAndNotTheFiles) {
  const auto lines = simulated_lines();
  const auto middle = lines.find('\n', lines.size() / 2) + 1;
  const auto id_of = [](const History& history, std::int32_t partitions = 2, const char* zone = "Asia/Shanghai") {
    return import_id(history, MarketCalendar(zone), {partitions, 2, 1});
  };
  const auto id = id_of(history_of({lines}));
  EXPECT_EQ(id_of(history_of({lines.substr(middle), "", lines.substr(0, middle)})), id);
  auto changed = lines;
  changed[changed.rfind("\"quantity\":") + 11] ^= 1;
  EXPECT_NE(id_of(history_of({changed})), id);
  EXPECT_NE(id_of(history_of({lines.substr(0, lines.rfind('\n', lines.size() - 2) + 1)})), id) << "a line less";
  EXPECT_NE(id_of(history_of({lines}), 3), id);
  EXPECT_NE(id_of(history_of({lines}), 2, "Europe/Berlin"), id);
}

// A simulation into a log, which is interrupted by a signal or killed.
bool simulate_into(Log& log, const SimulateSettings& settings, std::int64_t records_max, std::mt19937::result_type seed,
                   int reaches) {
  const auto id = simulation_id(settings, market_calendar(), kPartitions);
  FailingSink sink(log, records_max, seed);
  SourceWriter writer(sink, kPartitions, start_of_import(id, ends_in(log, id)));
  MarketTopics topics(writer, std::nullopt);
  SimulateHooks hooks;
  hooks.reach = [&](Millis) { return reaches-- != 0; };
  const auto done = simulate(settings, market_calendar(), topics, hooks);
  if (!done) sink.kill();
  return done && done->complete;
}

TEST(Import, ASimulationContinuesToo) {
  SimulateSettings settings;
  settings.size = {25, 2, 6, 20, 3, *parse_date("2026-03-01")};
  Log expected;
  ASSERT_TRUE(simulate_into(expected, settings, -1, 0, -1));
  const auto total = static_cast<std::int64_t>(size_of(expected));
  std::mt19937 random(1);
  for (std::uint32_t round = 0; round < 20; ++round) {
    Log log;
    while (!simulate_into(log, settings, std::uniform_int_distribution<std::int64_t>(0, total / 3)(random), random(),
                          -1)) {
    }
    ASSERT_EQ(texts_of(log), texts_of(expected)) << "round " << round;
  }
}

// A signal ends the simulation in good order: others may follow, or it is repeated. Its marks are the only records more than without it.
TEST(Import, ASimulationThatEndedEarlyContinues) {
  SimulateSettings settings;
  settings.size = {25, 2, 6, 20, 3, *parse_date("2026-03-01")};
  Log expected;
  ASSERT_TRUE(simulate_into(expected, settings, -1, 0, -1));
  for (int reaches = 1; reaches < 40; ++reaches) {
    Log log;
    if (simulate_into(log, settings, -1, 0, reaches)) continue;
    EXPECT_EQ(state_of_import(ends_in(log, 1)), ImportState::absent) << "another import may follow";
    ASSERT_TRUE(simulate_into(log, settings, -1, 0, -1));
    for (auto& [input, records] : log) {
      std::erase_if(records, [&](const OutRecord& one) { return one.import->is_end && &one != &records.back(); });
    }
    ASSERT_EQ(texts_of(log), texts_of(expected)) << reaches;
  }
}

TEST(Import, TheIdOfASimulationFollowsItsSettings) {
  SimulateSettings settings;
  settings.size = {25, 2, 6, 20, 3, *parse_date("2026-03-01")};
  const auto id_of = [](const SimulateSettings& some) { return simulation_id(some, market_calendar(), kPartitions); };
  auto other = settings;
  other.open = true;
  EXPECT_EQ(id_of(other), id_of(settings));
  other.size.seed = 4;
  EXPECT_NE(id_of(other), id_of(settings));
  other = settings;
  other.trouble.share[2] += 1;
  EXPECT_NE(id_of(other), id_of(settings));
  other = settings;
  other.slice_ms = kSecondMs;
  EXPECT_NE(id_of(other), id_of(settings));
}

}  // namespace
}  // namespace fiverate
