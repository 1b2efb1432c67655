// The store of a task on a real disk: what it guarantees, and the errors that it returns when the disk fails.
#include "processors/edge/rocks_store.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "tests/support/sanitized.h"

namespace fiverate {
namespace {

namespace fs = std::filesystem;

// Random bytes, which do not compress.
std::string noise(std::size_t size) {
  static std::mt19937_64 random(7);
  std::string bytes(size, ' ');
  for (auto& c : bytes) c = static_cast<char>(random());
  return bytes;
}

class RocksStoreTest : public ::testing::Test {
 protected:
  RocksStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "fiverate-store-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~RocksStoreTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  std::unique_ptr<RocksStore> open() {
    auto store = RocksStore::open(folder_(), memory_);
    EXPECT_TRUE(store) << (store ? "" : store.error().what);
    return store ? std::move(*store) : nullptr;
  }
  Error refused() {
    auto store = RocksStore::open(folder_(), memory_);
    EXPECT_FALSE(store);
    return store ? Error{Reaction::retry, "it opened"} : store.error();
  }
  [[nodiscard]] fs::path folder_() const { return root_ / "outlet" / "3"; }

  // Leaves table files, not only a log: opening the store again flushes the log into them.
  void fill(int batches = 40) {
    {
      const auto store = open();
      ASSERT_TRUE(store);
      for (int b = 0; b < batches; ++b) {
        StoreBatch batch;
        batch.put("k" + std::to_string(b), noise(1 << 20));
        ASSERT_TRUE(store->write(batch));
      }
    }
    ASSERT_TRUE(open());
  }
  std::vector<fs::path> files(const std::string& extension) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_())) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
  }
  fs::path manifest() const {
    for (const auto& entry : fs::directory_iterator(folder_())) {
      if (entry.path().filename().string().starts_with("MANIFEST")) return entry.path();
    }
    return {};
  }

  // Runs a test of this program in a process of its own. A fork without exec would inherit locks of RocksDB's threads,
  // but not the threads.
  [[nodiscard]] pid_t another_process(const std::string& test, int report_to) const {
    const auto child = fork();
    if (child != 0) return child;
    setenv("FIVERATE_TEST_FOLDER", folder_().c_str(), 1);
    setenv("FIVERATE_TEST_REPORT_TO", std::to_string(report_to).c_str(), 1);
    const auto filter = "--gtest_filter=*." + test;
    execl("/proc/self/exe", "another_process", filter.c_str(), "--gtest_also_run_disabled_tests", nullptr);
    _exit(127);
  }

  RocksMemory memory_{64 << 20};
  fs::path root_;
};

// The tests that run in other processes. They are disabled, so that they only run on demand.
struct AnotherProcess {
  const char* folder = std::getenv("FIVERATE_TEST_FOLDER");
  const char* report_to = std::getenv("FIVERATE_TEST_REPORT_TO");
};

TEST(RocksStoreProcess, DISABLED_WritesUntilItIsKilled) {
  const AnotherProcess me;
  if (me.folder == nullptr) GTEST_SKIP();
  const RocksMemory memory(64 << 20);
  const auto store = RocksStore::open(me.folder, memory);
  ASSERT_TRUE(store);
  for (int i = 1;; ++i) {
    StoreBatch batch;
    for (int k = 0; k < 50; ++k) batch.put("k" + std::to_string(k), std::to_string(i));
    ASSERT_TRUE((*store)->write(batch));
    ASSERT_EQ(write(std::atoi(me.report_to), &i, sizeof(i)), static_cast<ssize_t>(sizeof(i)));
  }
}

TEST(RocksStoreProcess, DISABLED_CannotOpen) {
  const AnotherProcess me;
  if (me.folder == nullptr) GTEST_SKIP();
  const RocksMemory memory(64 << 20);
  const auto store = RocksStore::open(me.folder, memory);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reaction, Reaction::wait);
  EXPECT_NE(store.error().what.find("in use by another process"), std::string::npos) << store.error().what;
}

std::vector<std::string> keys(const RocksStore& store, std::string_view prefix, std::size_t max = 1000) {
  std::vector<std::string> found;
  const auto scanned = store.scan(prefix, [&](std::string_view key, std::string_view) {
    found.emplace_back(key);
    return found.size() < max;
  });
  EXPECT_TRUE(scanned);
  return found;
}

std::optional<std::string> value(const RocksStore& store, std::string_view key) {
  const auto found = store.get(key);
  EXPECT_TRUE(found);
  return found.value_or(std::nullopt);
}

void flip(const fs::path& file, std::uintmax_t at, std::size_t count = 64) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(count, '\0');
  stream.seekg(static_cast<std::streamoff>(at));
  stream.read(bytes.data(), static_cast<std::streamsize>(count));
  for (auto& c : bytes) c = static_cast<char>(~c);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.write(bytes.data(), static_cast<std::streamsize>(count));
}

TEST_F(RocksStoreTest, WritesAreThereAfterReopening) {
  {
    const auto store = open();
    StoreBatch batch;
    batch.put("a", "1");
    batch.put("b", std::string("\0\xff", 2));
    batch.put("c", "");
    ASSERT_TRUE(store->write(batch));
    batch = {};
    batch.erase("a");
    ASSERT_TRUE(store->write(batch));
    EXPECT_NE(store->location().find("outlet"), std::string::npos);
  }
  const auto store = open();
  EXPECT_EQ(value(*store, "a"), std::nullopt);
  EXPECT_EQ(value(*store, "b"), std::string("\0\xff", 2));
  EXPECT_EQ(value(*store, "c"), "");
}

TEST_F(RocksStoreTest, TheLastChangeOfAKeyInABatchCounts) {
  const auto store = open();
  StoreBatch batch;
  batch.put("a", "1");
  batch.erase("a");
  batch.erase("b");
  batch.put("b", "2");
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(value(*store, "a"), std::nullopt);
  EXPECT_EQ(value(*store, "b"), "2");
}

TEST_F(RocksStoreTest, ScansInOrderOfBytesAndWithinThePrefix) {
  const auto store = open();
  StoreBatch batch;
  for (const auto* key : {"b", "a/2", "a/1", "a/10", "a", "a0", "\xff\xff", "\xff"}) batch.put(key, key);
  ASSERT_TRUE(store->write(batch));
  EXPECT_EQ(keys(*store, "a/"), (std::vector<std::string>{"a/1", "a/10", "a/2"}));
  EXPECT_EQ(keys(*store, "a/", 1), (std::vector<std::string>{"a/1"}));
  EXPECT_EQ(keys(*store, "\xff"), (std::vector<std::string>{"\xff", "\xff\xff"}));
  EXPECT_EQ(keys(*store, ""), (std::vector<std::string>{"a", "a/1", "a/10", "a/2", "a0", "b", "\xff", "\xff\xff"}));
  EXPECT_TRUE(keys(*store, "x").empty());
}

// A child process writes batches and is killed: each acknowledged batch is there, and none is there in part.
TEST_F(RocksStoreTest, AfterAKillEachBatchIsCompleteOrAbsent) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const auto child = another_process("DISABLED_WritesUntilItIsKilled", pipe_ends[1]);
  close(pipe_ends[1]);
  int acknowledged = 0;
  while (acknowledged < 500 && read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) > 0) {
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  while (read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) > 0) {
  }
  close(pipe_ends[0]);
  ASSERT_GE(acknowledged, 500);

  const auto store = open();
  ASSERT_TRUE(store);
  const auto last = value(*store, "k0").value_or("0");
  EXPECT_GE(std::stoi(last), acknowledged);
  for (int k = 0; k < 50; ++k) EXPECT_EQ(value(*store, "k" + std::to_string(k)), last);
}

TEST_F(RocksStoreTest, ASecondOpenIsRefusedAndNamesTheFolder) {
  const auto first = open();
  const auto begin = std::chrono::steady_clock::now();
  const auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::wait);
  EXPECT_NE(error.what.find("in use by another process"), std::string::npos) << error.what;
  EXPECT_NE(error.what.find(folder_().string()), std::string::npos) << error.what;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2))
      << "other tasks of the thread would wait";
}

TEST_F(RocksStoreTest, AnOpenByAnotherProcessIsRefused) {
  const auto first = open();
  const auto child = another_process("DISABLED_CannotOpen", STDOUT_FILENO);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(RocksStoreTest, FlippedBytesInAFileAreNoticed) {
  fill();
  const auto sorted = files(".sst");
  ASSERT_FALSE(sorted.empty());
  for (const auto& file : sorted) flip(file, fs::file_size(file) / 2);
  auto store = RocksStore::open(folder_(), memory_);
  if (!store) {
    EXPECT_EQ(store.error().reaction, Reaction::stop);
    return;
  }
  const auto scanned = (*store)->scan("", [](std::string_view, std::string_view) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().reaction, Reaction::stop);
  EXPECT_NE(scanned.error().what.find("damaged: remove the folder"), std::string::npos) << scanned.error().what;
}

TEST_F(RocksStoreTest, AShortenedFileIsNoticed) {
  fill();
  const auto sorted = files(".sst");
  ASSERT_FALSE(sorted.empty());
  fs::resize_file(sorted.front(), fs::file_size(sorted.front()) / 2);
  auto store = RocksStore::open(folder_(), memory_);
  if (store) {
    const auto scanned = (*store)->scan("", [](std::string_view, std::string_view) { return true; });
    ASSERT_FALSE(scanned);
    EXPECT_EQ(scanned.error().reaction, Reaction::stop);
  } else {
    EXPECT_EQ(store.error().reaction, Reaction::stop);
  }
}

TEST_F(RocksStoreTest, AMissingFileIsNoticed) {
  fill();
  fs::remove(files(".sst").front());
  const auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find(folder_().string()), std::string::npos) << error.what;
}

TEST_F(RocksStoreTest, AnEmptyCurrentIsNoticed) {
  fill(1);
  fs::resize_file(folder_() / "CURRENT", 0);
  const auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find("damaged"), std::string::npos) << error.what;
}

TEST_F(RocksStoreTest, AFolderWithoutCurrentIsNotTreatedAsEmpty) {
  fill(1);
  fs::remove(folder_() / "CURRENT");
  const auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find("damaged"), std::string::npos) << error.what;
}

TEST_F(RocksStoreTest, ADamagedManifestIsNoticed) {
  fill();
  const auto file = manifest();
  const auto refused_by_name = [&] {
    const auto error = refused();
    EXPECT_EQ(error.reaction, Reaction::stop);
    EXPECT_NE(error.what.find(folder_().string()), std::string::npos) << error.what;
  };
  flip(file, 10, 20);
  refused_by_name();
  fs::resize_file(file, 0);
  refused_by_name();
  fs::remove(file);
  refused_by_name();
}

// A power failure may truncate the log at any byte. Only the last batches are lost, and each of them completely. The
// test truncates at every byte of the last 512 and at every 11th of the last 4 KiB; with FIVERATE_TEST_EVERY_BYTE=1 at
// each of these. With sanitizers opening is slow, so it uses every 13th and every 67th byte: still several in each
// batch, which has 270 bytes.
TEST_F(RocksStoreTest, ALogTruncatedAtAnyByteLosesOnlyCompleteBatchesFromItsEnd) {
  constexpr int kBatches = 60;
  constexpr std::size_t kTruncatedBytes = 4096;
  {
    const auto store = open();
    for (int i = 1; i <= kBatches; ++i) {
      StoreBatch batch;
      batch.put("first", std::to_string(i));
      for (int k = 0; k < 3; ++k) batch.put(std::to_string(k), std::string(static_cast<std::size_t>(i), 'x'));
      batch.put("last", std::to_string(i));
      ASSERT_TRUE(store->write(batch));
    }
  }
  const auto logs = files(".log");
  ASSERT_EQ(logs.size(), 1U);
  const auto whole = fs::file_size(logs.front());
  ASSERT_GT(whole, 2 * kTruncatedBytes);
  const auto copy = root_ / "copy";
  int before = kBatches;  // batches that were left by the truncation one step later in the log
  const bool every_byte = std::getenv("FIVERATE_TEST_EVERY_BYTE") != nullptr;
  const std::size_t stride = test::kSanitized ? 13 : 1;
  const std::size_t wide_stride = test::kSanitized ? 67 : 11;
  for (auto size = whole - 1; size > whole - kTruncatedBytes; size -= every_byte           ? 1
                                                                      : size > whole - 512 ? stride
                                                                                           : wide_stride) {
    fs::remove_all(copy);
    fs::copy(folder_(), copy, fs::copy_options::recursive);
    fs::resize_file(copy / logs.front().filename(), size);
    const auto store = RocksStore::open(copy, memory_);
    ASSERT_TRUE(store) << size << ": " << store.error().what;
    const int left = std::stoi(value(**store, "last").value_or("0"));
    ASSERT_EQ(value(**store, "first").value_or("0"), std::to_string(left)) << size;
    for (int k = 0; k < 3; ++k) {
      ASSERT_EQ(value(**store, std::to_string(k)).value_or("").size(), static_cast<std::size_t>(left)) << size;
    }
    ASSERT_TRUE(left == before || left == before - 1) << size << ": " << left << " of " << before;
    before = left;
  }
  EXPECT_LT(before, kBatches - 10);
  EXPECT_GT(before, 0);
}

// The log is read up to a flipped bit, because the records after it may be wrong.
TEST_F(RocksStoreTest, TheLogIsReadUpToAFlippedByte) {
  constexpr int kBatches = 40;
  {
    const auto store = open();
    for (int i = 1; i <= kBatches; ++i) {
      StoreBatch batch;
      batch.put("first", std::to_string(i));
      batch.put("last", std::to_string(i));
      ASSERT_TRUE(store->write(batch));
    }
  }
  const auto log = files(".log").front();
  const auto copy = root_ / "copy";
  for (auto at = fs::file_size(log) - 1; at > 40; at -= 37) {
    fs::remove_all(copy);
    fs::copy(folder_(), copy, fs::copy_options::recursive);
    flip(copy / log.filename(), at, 1);
    const auto store = RocksStore::open(copy, memory_);
    if (!store) {
      EXPECT_EQ(store.error().reaction, Reaction::stop);
      EXPECT_NE(store.error().what.find(copy.string()), std::string::npos) << store.error().what;
      continue;
    }
    EXPECT_EQ(value(**store, "first"), value(**store, "last")) << at;
    EXPECT_LT(std::stoi(value(**store, "last").value_or("0")), kBatches) << at;
  }
}

TEST_F(RocksStoreTest, AFolderThatCannotBeCreatedIsNamed) {
  std::ofstream(root_ / "outlet") << "a file where the folder should be";
  const auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find(folder_().string()), std::string::npos) << error.what;
}

// A mounted tmpfs: root may write to any other folder. The tests that need one are skipped where mounting is not
// permitted.
class Mounted {
 public:
  Mounted(fs::path at, const char* size) : at_(std::move(at)) {
    fs::create_directories(at_);
    mounted_ = geteuid() == 0 && mount("tmpfs", at_.c_str(), "tmpfs", 0, size) == 0;
  }
  ~Mounted() {
    if (mounted_) umount2(at_.c_str(), MNT_DETACH);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  explicit operator bool() const { return mounted_; }
  [[nodiscard]] bool read_only() const {
    return mount("tmpfs", at_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  [[nodiscard]] bool resize(const char* size) const {
    return mount("tmpfs", at_.c_str(), "tmpfs", MS_REMOUNT, size) == 0;
  }

 private:
  fs::path at_;
  bool mounted_ = false;
};

TEST_F(RocksStoreTest, AFullDiskIsAnErrorUntilSpaceIsFreed) {
  const Mounted disk(folder_(), "size=6m");
  if (!disk) GTEST_SKIP() << "cannot mount a tmpfs here";
  int written = 0;
  {
    const auto store = open();
    ASSERT_TRUE(store);
    Result<void> last;
    for (int i = 0; i < 100 && last; ++i) {
      StoreBatch batch;
      batch.put("last", std::to_string(i));
      batch.put("k" + std::to_string(i), noise(200'000));
      last = store->write(batch);
      if (last) written = i;
    }
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().reaction, Reaction::stop);
    EXPECT_NE(last.error().what.find("disk is full"), std::string::npos) << last.error().what;
    // A batch that would fit is refused too: the store does not know which writes have succeeded.
    StoreBatch small;
    small.put("x", "y");
    const auto again = store->write(small);
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().what.find("disk is full"), std::string::npos);
  }
  const auto ballast = folder_() / "ballast";
  {
    std::ofstream stream(ballast, std::ios::binary);
    while (stream << std::string(4096, 'x') << std::flush) {
    }
  }
  const auto still = refused();
  EXPECT_EQ(still.reaction, Reaction::stop);
  EXPECT_NE(still.what.find("disk is full"), std::string::npos) << still.what;
  fs::remove(ballast);
  ASSERT_TRUE(disk.resize("size=64m"));
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(value(*store, "last"), std::to_string(written));
  EXPECT_EQ(value(*store, "x"), std::nullopt);
}

// One batch is larger than the free space, so RocksDB reaches the end of the disk while it writes its log.
TEST_F(RocksStoreTest, ABatchThatDoesNotFitIsAbsent) {
  const Mounted disk(folder_(), "size=80m");
  if (!disk) GTEST_SKIP() << "cannot mount a tmpfs here";
  {
    const auto store = open();
    ASSERT_TRUE(store);
    StoreBatch batch;
    for (int i = 0; i < 100; ++i) batch.put("k" + std::to_string(i), noise(1 << 20));
    const auto written = store->write(batch);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().reaction, Reaction::stop);
    EXPECT_NE(written.error().what.find("disk is full"), std::string::npos) << written.error().what;
  }
  ASSERT_TRUE(disk.resize("size=400m"));
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_TRUE(keys(*store, "").empty());
}

TEST_F(RocksStoreTest, AReadOnlyDiskIsReported) {
  const Mounted disk(root_ / "outlet", "size=128m");
  if (!disk) GTEST_SKIP() << "cannot mount a tmpfs here";
  ASSERT_TRUE(disk.read_only());
  auto error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find("Read-only"), std::string::npos) << error.what;
  ASSERT_TRUE(disk.resize("size=128m"));
  { EXPECT_TRUE(open()); }
  ASSERT_TRUE(disk.read_only());
  error = refused();
  EXPECT_EQ(error.reaction, Reaction::stop);
  EXPECT_NE(error.what.find("read-only"), std::string::npos) << error.what;
}

TEST_F(RocksStoreTest, ManyStoresStayWithinOneBudget) {
  const RocksMemory memory(16 << 20);
  std::vector<std::unique_ptr<RocksStore>> stores;
  for (int s = 0; s < 8; ++s) {
    auto store = RocksStore::open(root_ / std::to_string(s), memory);
    ASSERT_TRUE(store);
    stores.push_back(std::move(*store));
  }
  for (int i = 0; i < 160; ++i) {
    StoreBatch batch;
    batch.put("k" + std::to_string(i), std::string(1 << 20, 'x'));
    ASSERT_TRUE(stores[static_cast<std::size_t>(i) % stores.size()]->write(batch));
  }
  // 160 MiB were written. Writers do not wait for flushes, so a burst may exceed the budget; the use decreases by
  // itself afterwards.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (memory.used_bytes() > std::size_t{32} << 20 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LE(memory.used_bytes(), std::size_t{32} << 20);
}

}  // namespace
}  // namespace fiverate
