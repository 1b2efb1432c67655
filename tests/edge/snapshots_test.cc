// Snapshots of states: complete or ignored, incremental, and checked when they are restored.
#include "processors/edge/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "tests/edge/saved_state.h"

namespace fiverate::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

// Commits a state at this input offset, with values that compress badly.
void advance(RocksStore& store, std::int64_t offset, int values = 200) {
  StoreBatch batch;
  for (int i = 0; i < values; ++i) {
    std::string value;
    for (int part = 0; part < 50; ++part)
      value += std::to_string((offset * 7919 + i * 104729LL + part * 1299709LL) % 1000003);
    batch.put(fmt::format("o/{}-{}", offset, i), value);
  }
  batch.put(std::string(kTaskKey), saved_state_at(offset).SerializeAsString());
  ASSERT_TRUE(store.write(batch).has_value());
}

void flip_bit(const fs::path& file, std::uintmax_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const auto byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(byte ^ 1));
}

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() : root_(fs::path(testing::TempDir()) / fmt::format("snapshots-{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~SnapshotsTest() override { fs::remove_all(root_); }

  std::unique_ptr<RocksStore> open(const std::string& name = kSavedTask) {
    auto store = RocksStore::open(root_ / name, memory_);
    EXPECT_TRUE(store.has_value()) << store.error().what;
    return std::move(*store);
  }
  std::optional<SnapshotFolder::Created> create(const RocksStore& store) {
    const auto scratch = root_ / "copy";
    auto created = snapshots_.create(store.copier(), kSavedTask, scratch);
    EXPECT_TRUE(created.has_value()) << created.error().what;
    EXPECT_FALSE(fs::exists(scratch));
    return created ? *created : std::nullopt;
  }
  static std::map<std::string, std::string> content(const RocksStore& store) {
    std::map<std::string, std::string> all;
    EXPECT_TRUE(store.scan("", [&](auto key, auto value) { return all.emplace(key, value), true; }).has_value());
    return all;
  }
  bool restore(const Snapshot& snapshot, const std::string& to) {
    const auto restored = snapshots_.restore(kSavedTask, snapshot, root_ / to);
    EXPECT_TRUE(restored.has_value()) << restored.error().what;
    return restored && *restored;
  }
  // The offset of the newest snapshot that can be restored; -1: there is none.
  std::int64_t restore_newest(const std::string& to = "restored") {
    for (const auto& snapshot : snapshots_.list(kSavedTask)) {
      if (restore(snapshot, to)) return snapshot.next_offset;
      EXPECT_FALSE(fs::exists(root_ / to)) << "a part of a snapshot is not left behind";
    }
    return -1;
  }
  fs::path files() const { return shared() / "files"; }
  fs::path shared() const { return root_ / "shared" / ("demo." + kSavedTask); }

  fs::path root_;
  RocksMemory memory_{64 << 20};
  SnapshotFolder snapshots_{root_ / "shared", "demo.", 2};
};

TEST_F(SnapshotsTest, ARestoredStateEqualsTheCopiedOne) {
  auto store = open();
  advance(*store, 100);
  const auto expected = content(*store);
  ASSERT_TRUE(create(*store).has_value());
  advance(*store, 200);
  const auto snapshot = snapshots_.list(kSavedTask).front();
  EXPECT_EQ(snapshot.next_offset, 100);
  EXPECT_EQ(snapshot.task, "outlet/3");
  EXPECT_EQ(snapshot.definition_id, "d1");
  ASSERT_TRUE(restore(snapshot, "restored"));
  EXPECT_EQ(content(*open("restored")), expected);
}

TEST_F(SnapshotsTest, ARestoreReplacesWhatAnInterruptedOneHasLeft) {
  auto store = open();
  advance(*store, 100);
  ASSERT_TRUE(create(*store).has_value());
  fs::create_directories(root_ / "restored");
  std::ofstream(root_ / "restored" / "CURRENT") << "?";
  EXPECT_EQ(restore_newest(), 100);
  EXPECT_EQ(content(*open("restored")), content(*store));
}

TEST_F(SnapshotsTest, AnEmptyOrUnchangedStateGetsNoSnapshot) {
  auto store = open();
  EXPECT_FALSE(create(*store).has_value());
  advance(*store, 100);
  EXPECT_TRUE(create(*store).has_value());
  EXPECT_FALSE(create(*store).has_value());
  EXPECT_THAT(snapshots_.list(kSavedTask), SizeIs(1));
}

TEST_F(SnapshotsTest, OnlyNewFilesAreCopied) {
  auto store = open();
  advance(*store, 100, 5'000);
  const auto first = create(*store);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->copied_bytes, first->snapshot.bytes());
  advance(*store, 101, 10);
  const auto second = create(*store);
  ASSERT_TRUE(second.has_value());
  EXPECT_LT(second->copied_bytes, second->snapshot.bytes() / 10);
}

TEST_F(SnapshotsTest, AClosedStoreIsNoError) {
  auto store = open();
  advance(*store, 100);
  const auto copier = store->copier();
  store.reset();
  const auto created = snapshots_.create(copier, kSavedTask, root_ / "copy");
  ASSERT_TRUE(created.has_value()) << created.error().what;
  EXPECT_FALSE(created->has_value());
}

TEST_F(SnapshotsTest, OnlyTheNewestSnapshotsAndTheirFilesAreKept) {
  auto store = open();
  for (std::int64_t offset = 1; offset <= 5; ++offset) {
    advance(*store, offset);
    ASSERT_TRUE(create(*store).has_value());
    for (const auto& file : fs::directory_iterator(files())) {  // old enough to be deleted
      fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(48));
    }
  }
  advance(*store, 6);
  ASSERT_TRUE(create(*store).has_value());
  const auto kept = snapshots_.list(kSavedTask);
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].next_offset, 6);
  EXPECT_EQ(kept[1].next_offset, 5);
  EXPECT_TRUE(restore(kept[0], "newest"));
  EXPECT_TRUE(restore(kept[1], "older"));
  std::set<std::string> named;
  for (const auto& snapshot : kept) {
    for (const auto& file : snapshot.files) named.insert(file.checksum);
  }
  for (const auto& file : fs::directory_iterator(files()))
    EXPECT_TRUE(named.contains(file.path().filename())) << file.path();
}

TEST_F(SnapshotsTest, AFileThatAnotherProcessIsWritingIsNotDeleted) {
  auto store = open();
  advance(*store, 1);
  ASSERT_TRUE(create(*store).has_value());
  std::ofstream(files() / "0123.partial") << "of a snapshot that is not complete yet";
  advance(*store, 2);
  ASSERT_TRUE(create(*store).has_value());
  EXPECT_TRUE(fs::exists(files() / "0123.partial"));
}

TEST_F(SnapshotsTest, ADamagedFileMakesTheOlderSnapshotTheNewest) {
  auto store = open();
  advance(*store, 1, 3'000);
  ASSERT_TRUE(create(*store).has_value());
  const auto older = snapshots_.list(kSavedTask).front();
  advance(*store, 2, 3'000);
  const auto newest = create(*store);
  ASSERT_TRUE(newest.has_value());
  const auto file = std::ranges::find_if(newest->snapshot.files, [&](const auto& candidate) {
    return std::ranges::none_of(older.files, [&](const auto& other) { return other.checksum == candidate.checksum; });
  });
  ASSERT_NE(file, newest->snapshot.files.end());
  const auto path = files() / file->checksum;
  const auto middle = static_cast<std::uintmax_t>(file->bytes) / 2;
  EXPECT_EQ(restore_newest(), 2);
  flip_bit(path, middle);
  EXPECT_EQ(restore_newest("damaged"), 1);
  fs::resize_file(path, middle);
  EXPECT_EQ(restore_newest("truncated"), 1);
  fs::remove(path);
  EXPECT_EQ(restore_newest("missing"), 1);
}

TEST_F(SnapshotsTest, AFlippedBitAnywhereInAFileIsFound) {
  auto store = open();
  advance(*store, 1);
  const auto created = create(*store);
  ASSERT_TRUE(created.has_value());
  for (const auto& file : created->snapshot.files) {
    for (const std::int64_t at : {std::int64_t{0}, file.bytes / 2, file.bytes - 1}) {
      if (file.bytes == 0) continue;
      flip_bit(files() / file.checksum, static_cast<std::uintmax_t>(at));
      EXPECT_EQ(restore_newest(), -1) << file.name << " at " << at;
      flip_bit(files() / file.checksum, static_cast<std::uintmax_t>(at));
    }
  }
  EXPECT_EQ(restore_newest(), 1);
}

TEST_F(SnapshotsTest, ASnapshotWithADamagedManifestIsIgnored) {
  auto store = open();
  advance(*store, 1);
  ASSERT_TRUE(create(*store).has_value());
  fs::path manifest;
  for (const auto& entry : fs::directory_iterator(shared())) {
    if (entry.path().extension() == ".json") manifest = entry.path();
  }
  for (std::uintmax_t at = 0; at < fs::file_size(manifest); ++at) {
    flip_bit(manifest, at);
    EXPECT_TRUE(snapshots_.list(kSavedTask).empty()) << at;
    flip_bit(manifest, at);
  }
  EXPECT_EQ(restore_newest(), 1);
  fs::resize_file(manifest, fs::file_size(manifest) / 2);
  EXPECT_TRUE(snapshots_.list(kSavedTask).empty());
  advance(*store, 2);
  ASSERT_TRUE(create(*store).has_value());
  EXPECT_EQ(restore_newest(), 2);
}

TEST_F(SnapshotsTest, ATruncatedFileIsCopiedAgainForTheNextSnapshot) {
  auto store = open();
  advance(*store, 1, 3'000);
  const auto first = create(*store);
  ASSERT_TRUE(first.has_value());
  for (const auto& file : first->snapshot.files)
    fs::resize_file(files() / file.checksum, static_cast<std::uintmax_t>(file.bytes) / 2);
  advance(*store, 2, 10);
  ASSERT_TRUE(create(*store).has_value());
  EXPECT_EQ(restore_newest(), 2);
}

TEST_F(SnapshotsTest, ACancelledCopyIsAnErrorAndLeavesNoSnapshot) {
  auto store = open();
  advance(*store, 1);
  const auto cancelled = snapshots_.create(store->copier(), kSavedTask, root_ / "copy", [] { return false; });
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().reaction, Reaction::retry);
  EXPECT_TRUE(snapshots_.list(kSavedTask).empty());
  const auto created = create(*store);
  ASSERT_TRUE(created.has_value());
  const auto restored = snapshots_.restore(kSavedTask, created->snapshot, root_ / "restored", [] { return false; });
  ASSERT_FALSE(restored.has_value());
  EXPECT_EQ(restored.error().reaction, Reaction::retry);
  EXPECT_THAT(restored.error().what, HasSubstr("cancelled"));
}

TEST_F(SnapshotsTest, TwoStoresRestoredFromOneSnapshotDoNotShareTheirNewFiles) {
  auto store = open();
  advance(*store, 1, 2'000);
  ASSERT_TRUE(create(*store).has_value());
  ASSERT_EQ(restore_newest("other"), 1);
  auto other = open("other");
  EXPECT_NE(other->copier().store_id(), store->copier().store_id());
  advance(*store, 2, 2'000);
  advance(*other, 3, 2'000);  // the new tables of both have the same file number
  ASSERT_TRUE(create(*store).has_value());
  ASSERT_TRUE(create(*other).has_value());
  ASSERT_EQ(restore_newest("third"), 3);
  EXPECT_EQ(content(*open("third")), content(*other));
}

TEST_F(SnapshotsTest, TwoWritersAtOnceLeaveCompleteSnapshotsOnly) {
  constexpr int kRounds = 10;
  const auto write = [&](const std::string& name, std::int64_t first_offset) {
    SnapshotFolder snapshots(root_ / "shared", "demo.", 2);
    const auto store = open(name);
    for (int round = 0; round < kRounds; ++round) {
      advance(*store, first_offset + round);
      const auto created = snapshots.create(store->copier(), kSavedTask, root_ / (name + ".copy"));
      ASSERT_TRUE(created.has_value()) << created.error().what;
    }
  };
  std::thread other(write, "other", 1'000);
  write(kSavedTask, 1);
  other.join();
  const auto kept = snapshots_.list(kSavedTask);
  ASSERT_FALSE(kept.empty());
  for (const auto& snapshot : kept) EXPECT_TRUE(restore(snapshot, "restored")) << snapshot.next_offset;
}

TEST_F(SnapshotsTest, AFolderThatCannotBeWrittenIsNamed) {
  auto store = open();
  advance(*store, 1);
  std::ofstream(root_ / "a-file") << "no folder";
  SnapshotFolder snapshots(root_ / "a-file", "", 2);
  const auto created = snapshots.create(store->copier(), kSavedTask, root_ / "copy");
  ASSERT_FALSE(created.has_value());
  EXPECT_THAT(created.error().what, HasSubstr("a-file"));
  EXPECT_EQ(created.error().reaction, Reaction::retry);
}

TEST_F(SnapshotsTest, AFullDiskLeavesTheOlderSnapshots) {
  const auto disk = root_ / "shared";
  fs::create_directories(disk);
  if (geteuid() != 0 || mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=4m") != 0)
    GTEST_SKIP() << "cannot mount a tmpfs here";
  auto store = open();
  advance(*store, 1);
  EXPECT_TRUE(create(*store).has_value());
  advance(*store, 2, 40'000);  // 12 MB
  const auto created = snapshots_.create(store->copier(), kSavedTask, root_ / "copy");
  EXPECT_THAT(created.has_value() ? "a snapshot" : created.error().what, HasSubstr("No space left"));
  EXPECT_EQ(restore_newest(), 1);
  EXPECT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  EXPECT_TRUE(create(*store).has_value());
  EXPECT_EQ(restore_newest(), 2);
  EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
}

// Runs in a process of its own, started by the test below. Disabled, so that it does not run by itself.
TEST(SnapshotsProcess, DISABLED_CreatesSnapshotsUntilItIsKilled) {
  const auto* root = std::getenv("FIVERATE_TEST_FOLDER");
  if (root == nullptr) GTEST_SKIP();
  const RocksMemory memory(64 << 20);
  const auto store = RocksStore::open(fs::path(root) / kSavedTask, memory);
  ASSERT_TRUE(store.has_value()) << store.error().what;
  SnapshotFolder snapshots(fs::path(root) / "shared", "demo.", 2);
  for (std::int64_t offset = 1;; ++offset) {
    advance(**store, offset);
    ASSERT_TRUE(snapshots.create((*store)->copier(), kSavedTask, fs::path(root) / "copy").has_value());
  }
}

TEST_F(SnapshotsTest, AKillAtAnyTimeLeavesCompleteSnapshotsOnly) {
  for (int kill_number = 0; kill_number < 5; ++kill_number) {
    fs::remove_all(root_ / kSavedTask);
    const auto newest_store = [&] {
      const auto snapshots = snapshots_.list(kSavedTask);
      return snapshots.empty() ? std::string() : snapshots.front().store_id;
    };
    const auto store_before = newest_store();
    const auto child = fork();
    if (child == 0) {
      setenv("FIVERATE_TEST_FOLDER", root_.c_str(), 1);
      execl("/proc/self/exe", "snapshots", "--gtest_filter=*.DISABLED_CreatesSnapshotsUntilItIsKilled",
            "--gtest_also_run_disabled_tests", nullptr);
      _exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (newest_store() == store_before && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * kill_number));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    const auto snapshots = snapshots_.list(kSavedTask);
    ASSERT_FALSE(snapshots.empty());
    EXPECT_NE(snapshots.front().store_id, store_before);
    for (const auto& snapshot : snapshots) EXPECT_TRUE(restore(snapshot, "restored")) << snapshot.next_offset;
  }
}

}  // namespace
}  // namespace fiverate::test
