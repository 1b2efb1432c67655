// What a task begins from: the state in its folder, a snapshot, or nothing; and that no state is lost on the way.
#include "cli/live/states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "processors/stream/task.h"
#include "schemas/format.h"
#include "state.pb.h"

namespace fiverate::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kTask = "outlet-3";

class StatesTest : public testing::Test {
 protected:
  StatesTest() : root_(fs::path(testing::TempDir()) / fmt::format("states-{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "state");
    fs::create_directories(root_ / "shared");
    config_.state.dir = root_ / "state";
    config_.snapshots.dir = root_ / "shared";
    config_.topics.prefix = "demo.";
  }
  ~StatesTest() override { fs::remove_all(root_); }

  [[nodiscard]] fs::path folder() const { return root_ / "state" / kTask; }
  static fs::path beside(const fs::path& folder, const std::string& what) { return folder.string() + "." + what; }

  static void commit(Store& store, std::int64_t offset, const std::string& definition = "d1", std::int64_t may_speak_from = 0) {
    TaskState state;
    if (may_speak_from > 0) state.mutable_continuation()->set_offset(may_speak_from);
    state.set_task("outlet/3");
    state.set_definition_id(definition);
    state.set_next_offset(offset);
    StoreBatch batch;
    batch.put(std::string(kTaskKey), state.SerializeAsString());
    ASSERT_TRUE(store.write(batch).has_value());
  }
  void state_at(std::int64_t offset, const std::string& definition = "d1") const {
    commit(**RocksStore::open(folder(), memory_), offset, definition);
  }
  // As another machine has left it.
  void snapshot_at(std::int64_t offset, const std::string& definition = "d1") {
    const auto other = root_ / fmt::format("other-{}", offset);
    auto store = std::move(*RocksStore::open(other, memory_));
    commit(*store, offset, definition);
    SnapshotFolder snapshots(root_ / "shared", "demo.");
    const auto taken = snapshots.take(store->checkpoint(), store->identity(), kTask, root_ / "checkpoint");
    ASSERT_TRUE(taken.has_value() && taken->has_value());
    snapshot_bytes_ = (*taken)->snapshot.bytes();
  }
  void damage_snapshots() const {
    for (const auto& file : fs::directory_iterator(root_ / "shared" / ("demo." + kTask) / "files")) {
      fs::resize_file(file, fs::file_size(file) / 2);
    }
  }
  // More records than the snapshot is worth.
  [[nodiscard]] std::int64_t far() const { return snapshot_bytes_; }

  static std::int64_t offset_of(const Store& store) {
    const auto saved = store.get(kTaskKey);
    TaskState state;
    if (!saved || !*saved || !state.ParseFromString(**saved)) return -1;
    return state.next_offset();
  }
  struct Begun {
    std::int64_t offset = -1;  // -1: nothing was committed
    bool rebuilt = false;
    std::string error;
  };
  Begun begin(std::map<std::string, std::int64_t> orders = {}, const SnapshotFolder::GoingOn& going_on = {}) {
    States states(config_, 64 << 20, "d1", std::move(orders));
    const auto opened = states.open(kTask, going_on);
    if (!opened) return {-1, false, opened.error().what};
    return {offset_of(*opened->store), opened->rebuilt, {}};
  }

  fs::path root_;
  Config config_;
  RocksMemory memory_{64 << 20};
  std::int64_t snapshot_bytes_ = 0;
};

TEST_F(StatesTest, WithoutAnythingItIsNew) {
  const auto begun = begin();
  EXPECT_EQ(begun.error, "");
  EXPECT_EQ(begun.offset, -1);
  EXPECT_TRUE(begun.rebuilt);
}

TEST_F(StatesTest, AStateThatMayNotSpeakYetIsNoUseToAnOrderToSpeakAgain) {
  commit(**RocksStore::open(folder(), memory_), 100, "d1", 200);
  EXPECT_EQ(begin().offset, 100);
  EXPECT_EQ(begin({{kTask, 200}}).offset, 100);
  EXPECT_EQ(begin({{kTask, 150}}).offset, -1);
  EXPECT_TRUE(fs::exists(beside(folder(), "before-speak-from")));
}

TEST_F(StatesTest, NoSnapshotIsTakenOfAStateThatMayNotSpeakYet) {
  States states(config_, 64 << 20, "d1", {});
  const auto opened = states.open(kTask, {});
  commit(*opened->store, 100, "d1", 200);
  states.take_snapshots();
  EXPECT_TRUE(SnapshotFolder(root_ / "shared", "demo.").list(kTask).empty());
  commit(*opened->store, 200);
  states.take_snapshots();
  EXPECT_EQ(SnapshotFolder(root_ / "shared", "demo.").list(kTask).size(), 1U);
}

TEST_F(StatesTest, ItsOwnStateGoesOn) {
  state_at(100);
  const auto begun = begin();
  EXPECT_EQ(begun.offset, 100);
  EXPECT_FALSE(begun.rebuilt);
}

TEST_F(StatesTest, WhoHasNoneBeginsFromTheNewestSnapshot) {
  snapshot_at(100);
  snapshot_at(200);
  const auto begun = begin();
  EXPECT_EQ(begun.offset, 200);
  EXPECT_TRUE(begun.rebuilt);
}

TEST_F(StatesTest, AStateFarBehindTheNewestSnapshotIsReplaced) {
  snapshot_at(1'000'000'000);
  state_at(1'000'000'000 - far());
  const auto begun = begin();
  EXPECT_EQ(begun.error, "");
  EXPECT_EQ(begun.offset, 1'000'000'000);
  EXPECT_TRUE(begun.rebuilt) << "others have spoken for it meanwhile";
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));
  EXPECT_FALSE(fs::exists(beside(folder(), "newer")));
}

TEST_F(StatesTest, OneThatCatchesUpSoonerThanItIsCopiedStays) {
  snapshot_at(1'000);
  state_at(999);
  EXPECT_EQ(begin().offset, 999);
}

TEST_F(StatesTest, OneAheadOfTheNewestStaysWhateverOlderSnapshotsSay) {
  snapshot_at(1'000'000'000);  // of topics that were made anew since
  snapshot_at(50);
  state_at(60);
  const auto begun = begin();
  EXPECT_EQ(begun.offset, 60);
  EXPECT_FALSE(begun.rebuilt);
}

TEST_F(StatesTest, OneOfAnotherDefinitionIsLeftForTheTaskToRefuse) {
  snapshot_at(1'000'000'000);
  state_at(1, "d2");
  EXPECT_EQ(begin().offset, 1);
}

TEST_F(StatesTest, AStateIsNotLostWithADamagedSnapshot) {
  snapshot_at(1'000'000'000);
  damage_snapshots();
  state_at(1);
  const auto begun = begin();
  EXPECT_EQ(begun.error, "");
  EXPECT_EQ(begun.offset, 1);
  EXPECT_FALSE(begun.rebuilt);
}

TEST_F(StatesTest, AStateIsNotLostWhenCopyingIsLeftOff) {
  snapshot_at(1'000'000'000);
  state_at(1);
  EXPECT_THAT(begin({}, [] { return false; }).error, HasSubstr("left off"));
  fs::remove_all(root_ / "shared" / ("demo." + kTask));
  EXPECT_EQ(begin().offset, 1);
}

TEST_F(StatesTest, AStateIsNotLostWhenItsReplacementIsKilled) {
  state_at(1);
  fs::rename(folder(), beside(folder(), "older"));  // between two renames
  EXPECT_EQ(begin().offset, 1);
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));

  fs::copy(folder(), beside(folder(), "older"), fs::copy_options::recursive);  // behind both
  state_at(2);
  fs::create_directories(beside(folder(), "newer"));  // and a copy that was not whole
  std::ofstream(beside(folder(), "newer") / "CURRENT") << "?";
  snapshot_at(1'000'000'000);
  EXPECT_EQ(begin().offset, 1'000'000'000);
  EXPECT_FALSE(fs::exists(beside(folder(), "older")));
}

TEST_F(StatesTest, ByOrderItGoesBackBeforeAnOffset) {
  snapshot_at(80);
  snapshot_at(200);
  state_at(300);
  const auto begun = begin({{kTask, 100}});
  EXPECT_EQ(begun.offset, 80);
  EXPECT_TRUE(begun.rebuilt);
  EXPECT_EQ(offset_of(**RocksStore::open(beside(folder(), "before-speak-from"), memory_)), 300)
      << "for a person to remove";

  state_at(90);
  EXPECT_EQ(begin({{kTask, 100}}).offset, 90) << "it need not go back";

  state_at(400);
  config_.snapshots.dir.clear();
  EXPECT_EQ(begin({{kTask, 100}}).offset, -1);
  EXPECT_EQ(offset_of(**RocksStore::open(beside(folder(), "before-speak-from"), memory_)), 300)
      << "that of the first try";
}

TEST_F(StatesTest, AnOrderIsThereUntilItIsCarriedOut) {
  States states(config_, 64 << 20, "d1", {{kTask, 100}});
  EXPECT_EQ(states.open(kTask, {})->speak_from, 100);
  EXPECT_EQ(states.orders().size(), 1U);
  states.carried_out(kTask);
  EXPECT_TRUE(states.orders().empty());
}

TEST_F(StatesTest, ADamagedStateIsForAPerson) {
  state_at(1);
  std::ofstream(folder() / "CURRENT") << "MANIFEST-999999\n";
  snapshot_at(1'000'000'000);
  States states(config_, 64 << 20, "d1", {});
  const auto opened = states.open(kTask, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reaction, Reaction::stop);
  EXPECT_THAT(opened.error().what, HasSubstr("remove the folder"));
  EXPECT_TRUE(fs::exists(folder()));

  fs::remove_all(folder());
  StoreBatch nonsense;
  nonsense.put(std::string(kTaskKey), "\xff damaged");
  ASSERT_TRUE((*RocksStore::open(folder(), memory_))->write(nonsense).has_value());
  EXPECT_THAT(begin().error, HasSubstr("is damaged: remove the folder"));
}

TEST_F(StatesTest, OneThatAnotherProcessHoldsIsLeftToIt) {
  snapshot_at(1'000'000'000);
  state_at(1);
  const auto held = RocksStore::open(folder(), memory_);
  ASSERT_TRUE(held.has_value());
  States states(config_, 64 << 20, "d1", {});
  const auto opened = states.open(kTask, {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reaction, Reaction::wait);
  EXPECT_THAT(opened.error().what, HasSubstr("in use by another process"));
  EXPECT_EQ(offset_of(**held), 1);
}

// ---- who takes snapshots ---------------------------------------------------------------------------------------------

TEST_F(StatesTest, WhereSeveralHaveAStateOneTakesItsSnapshots) {
  config_.snapshots.every_s = 604'800;  // rounds are ours
  auto elsewhere = config_;
  elsewhere.state.dir = root_ / "standby";
  States owner(config_, 64 << 20, "d1", {});
  States standby(elsewhere, 64 << 20, "d1", {});
  const auto owned = std::move(*owner.open(kTask, {}));
  const auto copy = std::move(*standby.open(kTask, {}));
  const SnapshotFolder snapshots(root_ / "shared", "demo.");
  const auto newest = [&] { return snapshots.list(kTask).front(); };
  std::int64_t offset = 0;
  const auto both_go_on = [&] {
    commit(*copy.store, ++offset);
    standby.take_snapshots();
    commit(*owned.store, offset);
    owner.take_snapshots();
  };
  both_go_on();
  const auto taker = newest().store;
  for (int round = 0; round < 6; ++round) {
    both_go_on();
    EXPECT_EQ(newest().next_offset, offset) << "each round has one";
    EXPECT_EQ(newest().store, taker);
  }
}

TEST_F(StatesTest, WhoTakesThemNoLongerIsFollowedByAnother) {
  config_.snapshots.every_s = 604'800;
  snapshot_at(1);  // whose machine is gone
  States states(config_, 64 << 20, "d1", {});
  const auto opened = std::move(*states.open(kTask, {}));
  const SnapshotFolder snapshots(root_ / "shared", "demo.");
  for (const std::int64_t offset : {2, 3}) {
    commit(*opened.store, offset);
    states.take_snapshots();
    EXPECT_EQ(snapshots.list(kTask).front().next_offset, 1) << "it may come yet";
  }
  for (const std::int64_t offset : {4, 5}) {
    commit(*opened.store, offset);
    states.take_snapshots();
    EXPECT_EQ(snapshots.list(kTask).front().next_offset, offset);
  }
}

TEST_F(StatesTest, WhoComesBackWithItsStateGoesOnTakingThem) {
  config_.snapshots.every_s = 604'800;
  for (const std::int64_t offset : {1, 2}) {
    States states(config_, 64 << 20, "d1", {});
    const auto opened = std::move(*states.open(kTask, {}));
    commit(*opened.store, offset);
    states.take_snapshots();
    EXPECT_EQ(SnapshotFolder(root_ / "shared", "demo.").list(kTask).front().next_offset, offset);
  }
}

}  // namespace
}  // namespace fiverate::test
