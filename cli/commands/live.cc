#include "cli/commands/live.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "processors/edge/history_source.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/desk.h"
#include "processors/stages/intake.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/progress.h"
#include "processors/stages/reference.h"
#include "processors/stream/failpoint.h"
#include "processors/stream/group_store.h"
#include "processors/stream/worker.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kProgressEvery{1};       // while something moves
constexpr std::chrono::seconds kIdleProgressEvery{10};  // else
constexpr std::chrono::seconds kMarkEvery{1};
constexpr std::chrono::seconds kRestartAfter{1};
constexpr std::chrono::seconds kGapIsReportedAfter{60};

Millis wall_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The clock of intake: tells the ledger how far the source partitions of this worker are read, and with clock = wall writes
// the marks into them. The only place behind the door of the house that looks at a clock.
class IntakeHeartbeat {
 public:
  IntakeHeartbeat(const LiveSettings& settings, Sink& sink)
      : settings_(settings), sink_(sink), book_(settings.definition) {}

  Result<void> operator()(const std::map<Input, Seat>& seats) {
    for (const auto& input : mine_) {
      if (!seats.contains(input)) book_.forget(input);
    }
    mine_.clear();
    for (const auto& [input, seat] : seats) {
      mine_.insert(input);
      if (!seat.task->changed()) book_.acknowledge(input, seat.op->clock());
    }
    const auto now = Clock::now();
    if (settings_.config.intake.clock == IntakeClock::wall && now - marked_ >= kMarkEvery) {
      marked_ = now;
      FIVERATE_TRY(mark());
    }
    if (now - told_ < (book_.moved() ? kProgressEvery : kIdleProgressEvery)) return {};
    told_ = now;
    return tell();
  }

 private:
  Result<void> mark() {
    const auto now = wall_now();
    for (const auto& input : mine_) {
      FIVERATE_TRY(sink_.send({input.topic, input.partition, now, "", mark_value(now), std::nullopt, std::nullopt}));
    }
    return {};
  }

  Result<void> tell() {
    const auto progress = book_.take();
    if (!progress) return {};
    const auto value = progress->SerializeAsString();
    for (std::int32_t partition = 0; partition < settings_.definition.ledger_partitions(); ++partition) {
      FIVERATE_TRY(sink_.send({Topic::ledger, partition, progress->arrival_ms(), "", value, std::nullopt, std::nullopt}));
      failpoint("progress.told");
    }
    return {};
  }

  const LiveSettings& settings_;
  Sink& sink_;
  ProgressBook book_;
  std::set<Input> mine_;
  Clock::time_point told_{};
  Clock::time_point marked_{};
};

// Says when a task has waited for a record that it has not got: its sender was cut off and should send again.
class WarnOfGaps {
 public:
  Result<void> operator()(const std::map<Input, Seat>& seats) {
    for (const auto& [input, seat] : seats) {
      auto& known = known_[input];
      const auto gaps = seat.task->counters().gaps;
      if (gaps == known.reported) continue;
      const auto now = Clock::now();
      if (!known.since) known.since = now;
      if (now - *known.since < kGapIsReportedAfter) continue;
      spdlog::warn("{}: {} records wait for one before them that has not come; their sender has to send again",
                   seat.task->name(), gaps - known.reported);
      known = {gaps, std::nullopt};
    }
    return {};
  }

 private:
  struct Known {
    std::int64_t reported = 0;
    std::optional<Clock::time_point> since;
  };
  std::map<Input, Known> known_;
};

std::vector<Topic> topics_of(Stage stage) {
  switch (stage) {
    case Stage::intake:
    case Stage::reference: return {kSourceTopics.begin(), kSourceTopics.end()};
    case Stage::outlet: return {Topic::ledger};
    case Stage::market: return {Topic::deltas};
    case Stage::desk: return {Topic::signals};
  }
  return {};
}

// A number that this process has to itself among those that share a state folder, for as long as it lives. With it the
// members of the consumer groups have names that a restart takes up again: the partitions come back at once, where nameless
// members would be waited for until their session is over.
class InstanceSlot {
 public:
  static Result<InstanceSlot> take(const std::filesystem::path& folder) {
    constexpr int kSlotsMax = 1024;
    for (int number = 0; number < kSlotsMax; ++number) {
      const auto path = folder / fmt::format("instance-{}.lock", number);
      const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      if (descriptor < 0) return fail(Reaction::stop, "Cannot write to the state folder: {}: {}", path.string(), std::strerror(errno));
      if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return InstanceSlot(descriptor, number);
      ::close(descriptor);
    }
    return fail(Reaction::stop, "More than {} processes share the state folder {}.", kSlotsMax, folder.string());
  }
  InstanceSlot(InstanceSlot&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), number_(other.number_) {}
  InstanceSlot& operator=(InstanceSlot&&) = delete;
  ~InstanceSlot() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  InstanceSlot(int descriptor, int number) : descriptor_(descriptor), number_(number) {}
  int descriptor_;
  int number_;
};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "host";
}

// One thread of a stage.
class StageThread {
 public:
  StageThread(const LiveSettings& settings, const MarketCalendar& calendar, const RocksMemory& memory, Stage stage,
              const std::string& member, std::stop_token stop)
      : settings_(settings), calendar_(calendar), memory_(memory), stage_(stage), stop_(std::move(stop)), member_(member) {}

  // Until stopped; an error needs a person.
  Result<void> run() {
    while (!stop_.stop_requested()) {
      const auto ended = attempt();
      if (ended) break;
      if (ended.error().reaction == Reaction::stop) return ended;
      spdlog::warn("{}: {} Starting again from the state.", name_of(stage_), ended.error().what);
      const auto until = Clock::now() + kRestartAfter;
      while (Clock::now() < until && !stop_.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return {};
  }

 private:
  Result<void> attempt() {
    auto sink = KafkaSink::open(settings_.kafka);
    if (!sink) return tl::make_unexpected(sink.error());
    // Intake makes one order out of several logs; behind it, partitions have nothing to do with each other.
    const auto order = stage_ == Stage::intake ? ReadOrder::by_arrival : ReadOrder::as_fetched;
    auto source = KafkaSource::open(settings_.kafka, group_of(settings_.kafka, stage_), topics_of(stage_), member_, order);
    if (!source) return tl::make_unexpected(source.error());
    Worker::Heartbeat heartbeat = WarnOfGaps();
    if (stage_ == Stage::intake) heartbeat = IntakeHeartbeat(settings_, **sink);
    Worker worker(
        **source, [&](const Input& input) { return make_seat(input, **source, **sink); },
        {std::chrono::milliseconds{50}, std::chrono::milliseconds{settings_.config.run.commit_every_ms}}, std::move(heartbeat));
    return worker.run(stop_);
  }

  Result<Seat> make_seat(const Input& input, Source& source, Sink& sink) {
    failpoint("seat.assigned");
    const auto stage = stage_reading(input.topic);
    Seat seat;
    if (stage == Stage::intake) {
      auto committed = source.committed(input);
      if (!committed) return tl::make_unexpected(committed.error());
      seat.store = std::make_unique<GroupStore>(*committed);
    } else {
      const auto folder = std::filesystem::path(settings_.config.state.dir) /
                          fmt::format("{}-{}", name_of(stage), input.partition);
      auto store = RocksStore::open(folder, memory_);
      if (!store) return tl::make_unexpected(store.error());
      seat.store = std::move(*store);
    }
    seat.op = make_operator(stage, input);
    seat.task = std::make_unique<Task>(std::string(stage == Stage::intake ? name_of(input.topic) : name_of(stage)), input,
                                       definition_id(settings_.definition), *seat.op, *seat.store, sink);
    FIVERATE_TRY(seat.task->read_tails(result_topics_of(stage)));
    failpoint("tails.read");
    spdlog::info("{}: reading {} partition {}", name_of(stage), name_of(input.topic), input.partition);
    return seat;
  }

  std::unique_ptr<Operator> make_operator(Stage stage, const Input& input) const {
    const auto& definition = settings_.definition;
    const IntakeSettings intake{definition, settings_.config.intake.clock == IntakeClock::wall};
    switch (stage) {
      case Stage::intake: return std::make_unique<Intake>(intake);
      case Stage::reference: return std::make_unique<Reference>(intake, cache_bytes());
      case Stage::outlet:
        return std::make_unique<OutletStage>(
            OutletStage::Settings{definition, definition.market_partitions(), cache_bytes()}, calendar_);
      case Stage::market:
        return std::make_unique<MarketStage>(
            MarketStage::Settings{definition, input.partition, definition.market_partitions(), true, cache_bytes()},
            calendar_);
      case Stage::desk: return std::make_unique<DeskStage>(DeskStage::Settings{definition, input.partition, cache_bytes()});
    }
    return nullptr;
  }

  // Half of the budget is RocksDB's; the decoded records of all tasks share the other half, as if all tasks ran here.
  std::size_t cache_bytes() const {
    const auto tasks = settings_.definition.ledger_partitions() + 2 * settings_.definition.market_partitions() + 1;
    return (static_cast<std::size_t>(settings_.config.state.memory_mib) << 20) / 2 / static_cast<std::size_t>(tasks);
  }

  const LiveSettings& settings_;
  const MarketCalendar& calendar_;
  const RocksMemory& memory_;
  Stage stage_;
  std::stop_token stop_;
  std::string member_;  // its name in the group
};

int threads_of(const Config& config, Stage stage) {
  switch (stage) {
    case Stage::intake: return config.run.intake_threads;
    case Stage::outlet: return config.run.outlet_threads;
    case Stage::market: return config.run.market_threads;
    case Stage::desk: return config.run.desk_threads;
    case Stage::reference: break;
  }
  return 0;
}

}  // namespace

std::string group_of(const KafkaSettings& settings, Stage stage) {
  return fmt::format("{}fiverate-{}", settings.topic_prefix, name_of(stage == Stage::reference ? Stage::intake : stage));
}

Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, const std::stop_source& stop) {
  std::error_code folder_error;
  std::filesystem::create_directories(settings.config.state.dir, folder_error);
  if (folder_error) {
    return fail(Reaction::stop, "Cannot make the state folder {}: {}", settings.config.state.dir, folder_error.message());
  }
  const RocksMemory memory((static_cast<std::size_t>(settings.config.state.memory_mib) << 20) / 2);
  const auto slot = InstanceSlot::take(settings.config.state.dir);
  if (!slot) return tl::make_unexpected(slot.error());
  failpoint("run.start");
  const auto folder = std::filesystem::absolute(settings.config.state.dir).string();
  // One name a host, folder, process, stage and thread.
  const auto process = fmt::format("{}-{}-{}", host_name(), chain_text(chained(0, "", folder)), slot->number());
  std::mutex mutex;
  Result<void> result;
  std::vector<std::jthread> threads;
  for (const auto stage : settings.stages) {
    for (int i = 0; i < threads_of(settings.config, stage); ++i) {
      threads.emplace_back([&, stage, i] {
        const auto member = fmt::format("{}-{}-{}", process, name_of(stage), i);
        auto ended = StageThread(settings, calendar, memory, stage, member, stop.get_token()).run();
        if (ended) return;
        spdlog::error("{}: {}", name_of(stage), ended.error().what);
        const std::lock_guard lock(mutex);
        if (result) result = std::move(ended);
        static_cast<void>(std::stop_source(stop).request_stop());
      });
    }
  }
  threads.clear();  // joins
  return result;
}

}  // namespace fiverate
