#include "cli/live/memory_limit.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <vector>

namespace fiverate {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMib = 1 << 20;

// A file system with /proc/self/cgroup, /proc/self/mountinfo and the files of cgroups.
class CgroupTest : public testing::Test {
 protected:
  CgroupTest() {
    std::string name = (fs::temp_directory_path() / "fiverate-cgroup-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    put("/proc/self/cgroup", "");
    put("/proc/self/mountinfo", "22 1 0:20 / /proc rw,relatime - proc proc rw\n");
  }
  ~CgroupTest() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text) const {
    const auto file = root_ / fs::path(path).relative_path();
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void version_1(const std::string& root = "/") const {
    put("/proc/self/mountinfo", "30 22 0:26 " + root +
                                    " /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n" +
                                    "31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
  }
  void version_2() const {
    put("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  [[nodiscard]] std::string limit() const {
    const auto found = cgroup_memory_limit(root_);
    return found ? std::to_string(found->bytes) + " " + found->file : "none";
  }

  fs::path root_;
};

TEST_F(CgroupTest, Version2TheLowestLimitOfAllLevelsCounts) {
  version_2();
  put("/proc/self/cgroup", "0::/fiverate.slice/run.service\n");
  EXPECT_EQ(limit(), "none");
  put("/sys/fs/cgroup/fiverate.slice/run.service/memory.max", "max\n");
  EXPECT_EQ(limit(), "none");
  put("/sys/fs/cgroup/fiverate.slice/memory.max", "268435456\n");
  EXPECT_EQ(limit(), "268435456 /sys/fs/cgroup/fiverate.slice/memory.max");
  put("/sys/fs/cgroup/fiverate.slice/run.service/memory.max", "134217728\n");
  EXPECT_EQ(limit(), "134217728 /sys/fs/cgroup/fiverate.slice/run.service/memory.max");
}

TEST_F(CgroupTest, Version2InAContainer) {
  version_2();
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "268435456\n");
  EXPECT_EQ(limit(), "268435456 /sys/fs/cgroup/memory.max");
}

TEST_F(CgroupTest, Version1) {
  version_1();
  put("/proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/jobs/run\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(limit(), "none") << "a number that stands for no limit";
  put("/sys/fs/cgroup/memory/jobs/run/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(limit(), "268435456 /sys/fs/cgroup/memory/jobs/run/memory.limit_in_bytes");
}

TEST_F(CgroupTest, Version1InAContainerThatSeesAPartOfTheHierarchy) {
  version_1("/docker/abc");
  put("/proc/self/cgroup", "4:memory:/docker/abc/inner\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  put("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "200000000\n");
  EXPECT_EQ(limit(), "200000000 /sys/fs/cgroup/memory/inner/memory.limit_in_bytes");
}

TEST_F(CgroupTest, ThisMachine) {
  if (const auto found = cgroup_memory_limit()) {
    EXPECT_GT(found->bytes, 0);
    EXPECT_TRUE(fs::exists(found->file)) << found->file;
  }
}

TEST(MemoryProblem, NamesTheSettingThatFits) {
  const auto problem = [](std::int32_t memory_mib, std::int64_t limit_mib) {
    return memory_problem(memory_mib, MemoryLimit{limit_mib * kMib, "/cg/memory.max"}).value_or("none");
  };
  EXPECT_EQ(memory_problem(1024, std::nullopt), std::nullopt);
  EXPECT_EQ(problem(256, 256 + kMemoryOverheadMib), "none");
  EXPECT_EQ(problem(256, 256),
            "state.memory_mib is 256, but this process may use 256 MiB (/cg/memory.max), and it needs 128 MiB beside "
            "state.memory_mib. Set state.memory_mib to 128 or less, or raise the limit to 384 MiB or more.");
  EXPECT_EQ(problem(256, 100),
            "state.memory_mib is 256, but this process may use 100 MiB (/cg/memory.max), and it needs 128 MiB beside "
            "state.memory_mib. Raise the limit to 192 MiB or more.");
}

TEST(MemoryProblem, AnAddressSpaceThatIsTooSmall) {
  EXPECT_EQ(address_space_problem(1024, address_space_limit()), std::nullopt) << "this machine has no limit";
  EXPECT_EQ(address_space_problem(256, std::uint64_t{1024} << 20U), std::nullopt);
  EXPECT_EQ(address_space_problem(1024, std::uint64_t{512} << 20U),
            "The address space of this process is limited to 512 MiB (ulimit -v), but with state.memory_mib 1024 it "
            "needs 1792 "
            "MiB. Raise the limit, or lower state.memory_mib. To limit memory, use a cgroup instead.");
}

TEST(MemoryWatch, ReportsOnceBeforeTheLimitIsReached) {
  std::atomic<int> reports = 0;
  {
    const MemoryWatch far(MemoryLimit{std::int64_t{1} << 50, "far"}, [&](const std::string&) { ++reports; });
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  EXPECT_EQ(reports, 0);
  std::mutex mutex;
  std::condition_variable changed;
  std::string message;
  const std::vector<char> ballast(8 * kMib, 'x');
  const MemoryWatch near(MemoryLimit{4 * kMib, "/cg/memory.max"}, [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    message = text;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return !message.empty(); }));
  EXPECT_NE(message.find("of the 4 MiB that /cg/memory.max allows. Raise the limit"), std::string::npos) << message;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(OutOfMemoryDeathTest, AFailedAllocationInAnyThreadEndsWithASentence) {
  const auto exhaust = [] {
    const rlimit limit{512 * kMib, 512 * kMib};
    ::setrlimit(RLIMIT_AS, &limit);
    exit_when_out_of_memory();
    std::thread([] {
      std::vector<std::vector<char>> all;
      for (;;) all.emplace_back(kMib, 'x');
    }).join();
  };
  EXPECT_EXIT(exhaust(), testing::ExitedWithCode(1), "^fiverate: Out of memory: the system refused an allocation");
}

TEST(OutOfMemoryDeathTest, AnAbortForAnotherReasonStaysAnAbort) {
  EXPECT_EXIT(
      {
        exit_when_out_of_memory();
        std::abort();
      },
      testing::KilledBySignal(SIGABRT), "");
}
#endif

}  // namespace
}  // namespace fiverate
