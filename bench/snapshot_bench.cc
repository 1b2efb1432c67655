// How fast a snapshot of a state is created and restored: a store of some MB that do not compress, on the disk of the
// temporary folder (TMPDIR). Both read, hash, write and sync. The source was written just before, so it is read from
// the page cache; on a shared disk it would not be.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <random>

#include "processors/edge/snapshots.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "state.pb.h"

namespace fiverate {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kValueBytes = 4096;
const std::string kFolderName = "outlet-0";

struct StateOnDisk {
  explicit StateOnDisk(std::int64_t megabytes) : root(fs::temp_directory_path() / "fiverate-snapshot-bench") {
    fs::remove_all(root);
    fs::create_directories(root);
    auto opened = RocksStore::open(root / kFolderName, memory);
    CHECK(opened.has_value());
    store = std::move(*opened);
    std::mt19937_64 random(1);
    std::string value(kValueBytes, ' ');
    const auto values = megabytes * 1'000'000 / static_cast<std::int64_t>(kValueBytes);
    for (std::int64_t i = 0; i < values;) {
      StoreBatch batch;
      for (int in_batch = 0; in_batch < 1000 && i < values; ++in_batch, ++i) {
        for (auto& byte : value) byte = static_cast<char>(random());
        batch.put(fmt::format("o/R{:010}", i), value);
      }
      TaskState state;
      state.set_task("outlet/0");
      state.set_next_offset(i);
      state.mutable_outputs();
      batch.put(std::string(kTaskKey), state.SerializeAsString());
      CHECK(store->write(batch).has_value());
    }
  }
  ~StateOnDisk() {
    store.reset();
    fs::remove_all(root);
  }
  SnapshotFolder::Created create_snapshot() {
    const auto created = snapshots.create(store->copier(), kFolderName, root / "copy");
    CHECK(created.has_value() && created->has_value());
    return **created;
  }

  fs::path root;
  RocksMemory memory{256 << 20};
  std::unique_ptr<RocksStore> store;
  SnapshotFolder snapshots{root / "shared", ""};
};

void report_rate(benchmark::State& bench, std::int64_t bytes) {
  bench.counters["MB/s"] = benchmark::Counter(
      static_cast<double>(bytes) / 1e6 * static_cast<double>(bench.iterations()), benchmark::Counter::kIsRate);
}

void snapshot_create(benchmark::State& bench) {
  StateOnDisk state(bench.range(0));
  std::int64_t bytes = 0;
  for (auto _ : bench) {
    bench.PauseTiming();
    fs::remove_all(state.root / "shared");
    bench.ResumeTiming();
    bytes = state.create_snapshot().copied_bytes;
  }
  report_rate(bench, bytes);
}

void snapshot_restore(benchmark::State& bench) {
  StateOnDisk state(bench.range(0));
  const auto snapshot = state.create_snapshot().snapshot;
  for (auto _ : bench) {
    bench.PauseTiming();
    fs::remove_all(state.root / "restored");
    bench.ResumeTiming();
    const auto restored = state.snapshots.restore(kFolderName, snapshot, state.root / "restored");
    CHECK(restored.has_value() && *restored);
  }
  report_rate(bench, snapshot.bytes());
}

BENCHMARK(snapshot_create)->Arg(1000)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);
BENCHMARK(snapshot_restore)->Arg(1000)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);

}  // namespace
}  // namespace fiverate
