// The state that a task starts from: the one in its folder, a snapshot, or none; and that no state is lost on the way.
#include "processors/edge/states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/edge/saved_state.h"

namespace fiverate::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::chrono::hours kNever{24 * 365};

class StatesTest : public testing::Test {
 protected:
  StatesTest() : root_(fs::path(testing::TempDir()) / fmt::format("states-{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "state");
    fs::create_directories(root_ / "shared");
  }
  ~StatesTest() override { fs::remove_all(root_); }

  [[nodiscard]] fs::path folder() const { return root_ / "state" / kSavedTask; }
  static fs::path beside(const fs::path& folder, const std::string& suffix) { return folder.string() + "." + suffix; }

  static void commit(Store& store, std::int64_t offset, const std::string& definition = "d1", bool in_replay = false) {
    auto state = saved_state_at(offset, definition);
    if (in_replay) state.clear_outputs();
    StoreBatch batch;
    batch.put(std::string(kTaskKey), state.SerializeAsString());
    ASSERT_TRUE(store.write(batch).has_value());
  }
  void state_at(std::int64_t offset, const std::string& definition = "d1") const {
    commit(**RocksStore::open(folder(), memory_), offset, definition);
  }
  // A snapshot that another machine has created.
  void snapshot_at(std::int64_t offset, const std::string& definition = "d1") {
    const auto other = root_ / fmt::format("other-{}", offset);
    auto store = std::move(*RocksStore::open(other, memory_));
    commit(*store, offset, definition);
    const auto created = snapshots_.create(store->copier(), kSavedTask, root_ / "copy");
    ASSERT_TRUE(created.has_value() && created->has_value());
    snapshot_bytes_ = (*created)->snapshot.bytes();
  }
  void damage_snapshots() const {
    for (const auto& file : fs::directory_iterator(root_ / "shared" / ("demo." + kSavedTask) / "files")) {
      fs::resize_file(file, fs::file_size(file) / 2);
    }
  }
  // So many records that restoring the snapshot is faster than reading them.
  [[nodiscard]] std::int64_t far() const { return snapshot_bytes_; }

  static std::int64_t offset_of(const Store& store) {
    const auto saved = store.get(kTaskKey);
    TaskState state;
    if (!saved || !*saved || !state.ParseFromString(**saved)) return -1;
    return state.next_offset();
  }
  // The thread of these creates no snapshots: the tests do.
  [[nodiscard]] std::unique_ptr<States> states(const std::string& state_folder = "state") const {
    const SnapshotSettings settings{root_ / "shared", "demo.", 3, kNever};
    return std::make_unique<States>(root_ / state_folder, settings, 64 << 20, "d1");
  }
  struct Opened {
    std::int64_t offset = -1;  // -1: nothing was committed
    std::string error;
  };
  Opened open(const SnapshotFolder::ShouldContinue& should_continue = {}) const {
    const auto process = states();
    const auto opened = process->open(kSavedTask, {}, should_continue);
    if (!opened) return {-1, opened.error().what};
    return {offset_of(**opened), {}};
  }
  [[nodiscard]] std::vector<Snapshot> list() const { return snapshots_.list(kSavedTask); }

  fs::path root_;
  RocksMemory memory_{64 << 20};
  SnapshotFolder snapshots_{root_ / "shared", "demo."};
  std::int64_t snapshot_bytes_ = 0;
};

// ---- where a task starts --------------------------------------------------------------------------------------------

TEST_F(StatesTest, WithoutStateAndSnapshotTheStoreIsEmpty) {
  const auto opened = open();
  EXPECT_EQ(opened.error, "");
  EXPECT_EQ(opened.offset, -1);
}

TEST_F(StatesTest, WithoutSnapshotSettingsTheStateIsOpened) {
  state_at(100);
  States states(root_ / "state", {}, 64 << 20, "d1");
  const auto opened = states.open(kSavedTask, {}, {});
  ASSERT_TRUE(opened.has_value()) << opened.error().what;
  EXPECT_EQ(offset_of(**opened), 100);
  states.create_snapshots();
  EXPECT_TRUE(list().empty());
}

TEST_F(StatesTest, TheStateInTheFolderIsUsed) {
  state_at(100);
  const auto opened = open();
  EXPECT_EQ(opened.offset, 100);
}

TEST_F(StatesTest, WithoutStateTheNewestSnapshotIsRestored) {
  snapshot_at(100);
  snapshot_at(200);
  const auto opened = open();
  EXPECT_EQ(opened.offset, 200);
}

TEST_F(StatesTest, AStateFarBehindTheNewestSnapshotIsReplaced) {
  snapshot_at(1'000'000'000);
  state_at(1'000'000'000 - far());
  const auto opened = open();
  EXPECT_EQ(opened.error, "");
  EXPECT_EQ(opened.offset, 1'000'000'000);
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));
  EXPECT_FALSE(fs::exists(beside(folder(), "newer")));
}

TEST_F(StatesTest, AStateThatIsFasterReadToTheEndThanRestoredIsUsed) {
  snapshot_at(1'000);
  state_at(999);
  EXPECT_EQ(open().offset, 999);
}

TEST_F(StatesTest, AStateNewerThanTheNewestSnapshotIsUsedAlthoughAnOlderSnapshotHasAHigherOffset) {
  snapshot_at(1'000'000'000);  // before the topics were created again
  snapshot_at(50);
  state_at(60);
  const auto opened = open();
  EXPECT_EQ(opened.offset, 60);
}

TEST_F(StatesTest, AStateOfAnotherDefinitionIsLeftForTheTaskToRefuse) {
  snapshot_at(1'000'000'000);
  state_at(1, "d2");
  EXPECT_EQ(open().offset, 1);
}

TEST_F(StatesTest, ASnapshotOfAnotherDefinitionIsNotRestored) {
  snapshot_at(100);
  snapshot_at(200, "d2");
  EXPECT_EQ(open().offset, 100);
}

// ---- faults ---------------------------------------------------------------------------------------------------------

TEST_F(StatesTest, ADamagedSnapshotDoesNotReplaceTheState) {
  snapshot_at(1'000'000'000);
  damage_snapshots();
  state_at(1);
  const auto opened = open();
  EXPECT_EQ(opened.error, "");
  EXPECT_EQ(opened.offset, 1);
}

TEST_F(StatesTest, TheOlderSnapshotIsRestoredWhereTheNewestIsDamaged) {
  snapshot_at(100);
  const auto older = list().front();
  snapshot_at(200);
  const auto newest = list().front();
  for (const auto& file : newest.files) {
    const auto is_same = [&](const auto& other) { return other.checksum == file.checksum; };
    if (std::ranges::none_of(older.files, is_same))
      fs::remove(root_ / "shared" / ("demo." + kSavedTask) / "files" / file.checksum);
  }
  EXPECT_EQ(open().offset, 100);
}

TEST_F(StatesTest, ACancelledRestoreDoesNotReplaceTheState) {
  snapshot_at(1'000'000'000);
  state_at(1);
  EXPECT_THAT(open([] { return false; }).error, HasSubstr("cancelled"));
  fs::remove_all(root_ / "shared" / ("demo." + kSavedTask));
  EXPECT_EQ(open().offset, 1);
  EXPECT_FALSE(fs::exists(beside(folder(), "newer")));
}

TEST_F(StatesTest, AKillDuringTheReplacementDoesNotLoseTheState) {
  state_at(1);
  fs::rename(folder(), beside(folder(), "older"));  // killed between the two renames
  EXPECT_EQ(open().offset, 1);
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));

  fs::copy(folder(), beside(folder(), "older"), fs::copy_options::recursive);  // killed after both
  state_at(2);
  fs::create_directories(beside(folder(), "newer"));  // killed during the copy
  std::ofstream(beside(folder(), "newer") / "CURRENT") << "?";
  snapshot_at(1'000'000'000);
  EXPECT_EQ(open().offset, 1'000'000'000);
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));
}

TEST_F(StatesTest, ADamagedStateIsReportedAndNotReplaced) {
  state_at(1);
  std::ofstream(folder() / "CURRENT") << "MANIFEST-999999\n";
  snapshot_at(1'000'000'000);
  const auto process = states();
  const auto opened = process->open(kSavedTask, {}, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reaction, Reaction::stop);
  EXPECT_THAT(opened.error().what, HasSubstr("remove the folder"));
  EXPECT_TRUE(fs::exists(folder()));

  fs::remove_all(folder());
  StoreBatch nonsense;
  nonsense.put(std::string(kTaskKey), "\xff damaged");
  ASSERT_TRUE((*RocksStore::open(folder(), memory_))->write(nonsense).has_value());
  EXPECT_THAT(open().error, HasSubstr("is damaged: remove the folder"));
}

TEST_F(StatesTest, AStateThatAnotherProcessHasOpenIsNotReplaced) {
  snapshot_at(1'000'000'000);
  state_at(1);
  const auto held = RocksStore::open(folder(), memory_);
  ASSERT_TRUE(held.has_value());
  const auto process = states();
  const auto opened = process->open(kSavedTask, {}, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reaction, Reaction::wait);
  EXPECT_THAT(opened.error().what, HasSubstr("in use by another process"));
  EXPECT_EQ(offset_of(**held), 1);
}

// ---- which process creates snapshots --------------------------------------------------------------------------------

TEST_F(StatesTest, AStateInAStateOnlyReplayGetsNoSnapshot) {
  const auto process = states();
  const auto opened = process->open(kSavedTask, {}, {});
  commit(**opened, 100, "d1", true);
  process->create_snapshots();
  EXPECT_TRUE(list().empty());
  commit(**opened, 200);
  process->create_snapshots();
  EXPECT_THAT(list(), SizeIs(1));
}

TEST_F(StatesTest, TheThreadCreatesSnapshots) {
  States with_thread(root_ / "state", {root_ / "shared", "demo.", 3, std::chrono::seconds(1)}, 64 << 20, "d1");
  const auto opened = with_thread.open(kSavedTask, {}, {});
  commit(**opened, 100);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (list().empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_FALSE(list().empty());
  EXPECT_EQ(list().front().next_offset, 100);
}

TEST_F(StatesTest, OneOfSeveralProcessesCreatesTheSnapshotsOfATask) {
  const auto owner = states();
  const auto standby = states("standby");
  const auto owned = std::move(*owner->open(kSavedTask, {}, {}));
  const auto copy = std::move(*standby->open(kSavedTask, {}, {}));
  std::int64_t offset = 0;
  const auto commit_in_both = [&] {
    commit(*copy, ++offset);
    standby->create_snapshots();
    commit(*owned, offset);
    owner->create_snapshots();
  };
  commit_in_both();
  const auto creator = list().front().store_id;
  for (int round = 0; round < 6; ++round) {
    commit_in_both();
    EXPECT_EQ(list().front().next_offset, offset) << "each round has a snapshot";
    EXPECT_EQ(list().front().store_id, creator);
  }
}

TEST_F(StatesTest, AnotherProcessContinuesWhereTheFirstCreatesNoMoreSnapshots) {
  snapshot_at(1);  // of a machine that is gone
  const auto process = states();
  const auto opened = std::move(*process->open(kSavedTask, {}, {}));
  for (const std::int64_t offset : {2, 3}) {
    commit(*opened, offset);
    process->create_snapshots();
    EXPECT_EQ(list().front().next_offset, 1) << "the other process may still create one";
  }
  for (const std::int64_t offset : {4, 5}) {
    commit(*opened, offset);
    process->create_snapshots();
    EXPECT_EQ(list().front().next_offset, offset);
  }
}

TEST_F(StatesTest, AProcessThatRestartsWithItsStateContinuesToCreateSnapshots) {
  for (const std::int64_t offset : {1, 2}) {
    const auto process = states();
    const auto opened = std::move(*process->open(kSavedTask, {}, {}));
    commit(*opened, offset);
    process->create_snapshots();
    EXPECT_EQ(list().front().next_offset, offset);
  }
}

}  // namespace
}  // namespace fiverate::test
