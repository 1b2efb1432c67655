// Snapshots of states: whole or not there, incremental, checked when they are read back.
#include "processors/edge/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "processors/stream/task.h"
#include "schemas/format.h"
#include "state.pb.h"

namespace fiverate::test {
namespace {

namespace fs = std::filesystem;
using testing::SizeIs;

class SnapshotsTest : public testing::Test {
 protected:
  SnapshotsTest() : root_(fs::path(testing::TempDir()) / fmt::format("snapshots-{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~SnapshotsTest() override { fs::remove_all(root_); }

  std::unique_ptr<RocksStore> open(const std::string& name = "outlet-3") {
    auto store = RocksStore::open(root_ / name, memory_);
    EXPECT_TRUE(store.has_value()) << store.error().what;
    return std::move(*store);
  }
  // A state at this input offset, with some content that compresses badly.
  static void advance(RocksStore& store, std::int64_t offset, int values = 200) {
    TaskState state;
    state.set_task("outlet/3");
    state.set_definition_id("d1");
    state.set_next_offset(offset);
    StoreBatch batch;
    for (int i = 0; i < values; ++i) {
      std::string value;
      for (int part = 0; part < 50; ++part) value += std::to_string((offset * 7919 + i * 104729 + part * 1299709) % 1000003);
      batch.put(fmt::format("o/{}-{}", offset, i), value);
    }
    batch.put(std::string(kTaskKey), state.SerializeAsString());
    ASSERT_TRUE(store.write(batch).has_value());
  }
  std::optional<SnapshotFolder::Taken> take(const RocksStore& store) {
    auto taken = snapshots_.take(store.checkpoint(), store.identity(), "outlet-3", root_ / "outlet-3.checkpoint");
    EXPECT_TRUE(taken.has_value()) << taken.error().what;
    EXPECT_FALSE(fs::exists(root_ / "outlet-3.checkpoint"));
    return *taken;
  }
  static std::map<std::string, std::string> content(const RocksStore& store) {
    std::map<std::string, std::string> all;
    EXPECT_TRUE(store.scan("", [&](auto key, auto value) { return all.emplace(key, value), true; }).has_value());
    return all;
  }
  std::optional<Snapshot> restore(const std::string& to, std::int64_t at_most = 1'000'000, const std::string& definition = "d1") {
    auto restored = snapshots_.restore("outlet-3", definition, root_ / to, {at_most, {}});
    EXPECT_TRUE(restored.has_value()) << restored.error().what;
    return *restored;
  }
  fs::path files() const { return shared() / "files"; }
  fs::path shared() const { return root_ / "shared" / "demo.outlet-3"; }

  fs::path root_;
  RocksMemory memory_{64 << 20};
  SnapshotFolder snapshots_{root_ / "shared", "demo.", 2};
};

TEST_F(SnapshotsTest, RestoredIsTheSameStateByteForByte) {
  auto store = open();
  advance(*store, 100);
  const auto expected = content(*store);
  ASSERT_TRUE(take(*store).has_value());
  advance(*store, 200);  // behind it
  const auto restored = restore("again");
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->next_offset, 100);
  EXPECT_EQ(restored->task, "outlet/3");
  EXPECT_EQ(content(*open("again")), expected);
}

TEST_F(SnapshotsTest, NothingCommittedNothingChangedNothingTaken) {
  auto store = open();
  EXPECT_FALSE(take(*store).has_value());
  advance(*store, 100);
  EXPECT_TRUE(take(*store).has_value());
  EXPECT_FALSE(take(*store).has_value());
  EXPECT_THAT(snapshots_.list("outlet-3"), SizeIs(1));
}

TEST_F(SnapshotsTest, OnlyWhatIsNewIsCopied) {
  auto store = open();
  advance(*store, 100, 5'000);
  const auto first = take(*store);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->copied_bytes, first->snapshot.bytes());
  advance(*store, 101, 10);
  const auto second = take(*store);
  ASSERT_TRUE(second.has_value());
  EXPECT_LT(second->copied_bytes, second->snapshot.bytes() / 10);
}

TEST_F(SnapshotsTest, AClosedStoreIsNoError) {
  auto store = open();
  advance(*store, 100);
  const auto checkpoint = store->checkpoint();
  store.reset();
  const auto taken = snapshots_.take(checkpoint, "id", "outlet-3", root_ / "c");
  ASSERT_TRUE(taken.has_value()) << taken.error().what;
  EXPECT_FALSE(taken->has_value());
}

TEST_F(SnapshotsTest, KeepsTheNewestAndTheirFilesAlone) {
  auto store = open();
  for (std::int64_t offset = 1; offset <= 5; ++offset) {
    advance(*store, offset);
    ASSERT_TRUE(take(*store).has_value());
    for (const auto& file : fs::directory_iterator(files())) {  // as if all of it were old
      fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(48));
    }
  }
  const auto kept = snapshots_.list("outlet-3");
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].next_offset, 5);
  EXPECT_EQ(kept[1].next_offset, 4);
  EXPECT_TRUE(restore("five").has_value());
  EXPECT_EQ(restore("four", 4)->next_offset, 4);
  EXPECT_FALSE(restore("three", 3).has_value());
}

TEST_F(SnapshotsTest, WhatAnotherIsJustTakingIsLeftAlone) {
  auto store = open();
  advance(*store, 1);
  ASSERT_TRUE(take(*store).has_value());
  std::ofstream(files() / "0123") << "of a snapshot whose name is not written yet";
  advance(*store, 2);
  ASSERT_TRUE(take(*store).has_value());
  EXPECT_TRUE(fs::exists(files() / "0123"));
}

TEST_F(SnapshotsTest, ADamagedFileMeansTheOneBefore) {
  auto store = open();
  advance(*store, 1, 3'000);
  ASSERT_TRUE(take(*store).has_value());
  advance(*store, 2, 3'000);
  const auto newest = take(*store);
  ASSERT_TRUE(newest.has_value());
  const auto older = snapshots_.list("outlet-3").back();
  for (const auto& file : newest->snapshot.files) {
    if (std::ranges::any_of(older.files, [&](const auto& other) { return other.checksum == file.checksum; })) continue;
    if (!file.name.ends_with(".sst")) continue;
    std::fstream damaged(files() / file.checksum, std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(file.bytes / 2);
    damaged.put('!');
    damaged.put('?');
  }
  const auto restored = restore("again");
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->next_offset, 1);
  EXPECT_FALSE(fs::exists(root_ / "again.restoring"));
}

TEST_F(SnapshotsTest, AMissingFileADamagedOrHalfManifestMeanNoSnapshot) {
  auto store = open();
  advance(*store, 1);
  const auto taken = take(*store);
  ASSERT_TRUE(taken.has_value());
  fs::path manifest;
  for (const auto& entry : fs::directory_iterator(shared())) {
    if (entry.path().extension() == ".json") manifest = entry.path();
  }
  std::ofstream(manifest, std::ios::app) << " ";
  EXPECT_FALSE(restore("again").has_value());
  fs::resize_file(manifest, fs::file_size(manifest) - 1);  // right again
  EXPECT_TRUE(restore("again").has_value());
  fs::resize_file(manifest, fs::file_size(manifest) / 2);
  EXPECT_FALSE(restore("half").has_value());
  fs::remove_all(files());
  EXPECT_FALSE(restore("none").has_value());
  EXPECT_FALSE(fs::exists(root_ / "none"));
}

TEST_F(SnapshotsTest, OneOfAnotherDefinitionIsLeftOut) {
  auto store = open();
  advance(*store, 1);
  ASSERT_TRUE(take(*store).has_value());
  EXPECT_FALSE(restore("again", 1'000'000, "d2").has_value());
}

TEST_F(SnapshotsTest, WhereTheNewestIsNotWorthItAnOlderOneIsNeither) {
  auto store = open();
  for (std::int64_t offset = 1; offset <= 2; ++offset) {
    advance(*store, offset);
    ASSERT_TRUE(take(*store).has_value());
  }
  std::vector<std::int64_t> asked;
  const auto restored = snapshots_.restore("outlet-3", "d1", root_ / "again", {100, [&](const auto& snapshot) {
                                                                                 asked.push_back(snapshot.next_offset);
                                                                                 return false;
                                                                               }});
  ASSERT_TRUE(restored.has_value()) << restored.error().what;
  EXPECT_FALSE(restored->has_value());
  EXPECT_EQ(asked, std::vector<std::int64_t>{2});
  EXPECT_FALSE(fs::exists(root_ / "again"));
}

TEST_F(SnapshotsTest, TwoThatBeginFromOneSnapshotDoNotTakeEachOthersFilesForTheirOwn) {
  auto store = open();
  advance(*store, 1, 2'000);
  ASSERT_TRUE(take(*store).has_value());
  ASSERT_TRUE(restore("other").has_value());
  auto other = open("other");
  EXPECT_NE(other->identity(), store->identity());
  advance(*store, 2, 2'000);
  advance(*other, 3, 2'000);  // its next table may well have the same number
  ASSERT_TRUE(take(*store).has_value());
  ASSERT_TRUE(take(*other).has_value());
  EXPECT_EQ(restore("third")->next_offset, 3);
  EXPECT_EQ(content(*open("third")), content(*other));
}

TEST_F(SnapshotsTest, AFolderThatCannotBeWrittenSaysSo) {
  auto store = open();
  advance(*store, 1);
  std::ofstream(root_ / "a-file") << "no folder";
  SnapshotFolder nowhere(root_ / "a-file", "", 2);
  const auto taken = nowhere.take(store->checkpoint(), store->identity(), "outlet-3", root_ / "c");
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().what, testing::HasSubstr("a-file"));
  EXPECT_EQ(taken.error().reaction, Reaction::retry);
}

}  // namespace
}  // namespace fiverate::test
