// The member name in the consumer groups is the same after a restart, and differs between machines and folders.
#include "cli/live/member_name.h"

#include <gtest/gtest.h>

namespace fiverate::test {
namespace {

namespace fs = std::filesystem;

class MemberNameTest : public testing::Test {
 protected:
  MemberNameTest() : root_(fs::path(testing::TempDir()) / fmt::format("member-name-{}", ::getpid())) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "state");
    std::ofstream(root_ / "boot") << "16ba6c2c-2d4c-4d4b-8a5e-0c9bb8a3e1f0\n";
    std::ofstream(root_ / "other-boot") << "b1c1e6a0-57e3-4d2f-9f0e-6a1a4bb0c7d1\n";
  }
  ~MemberNameTest() override { fs::remove_all(root_); }
  std::string name(const std::string& folder, int number = 0, const std::string& boot = "boot") {
    return *process_name(root_ / folder, number, root_ / boot);
  }

  fs::path root_;
};

TEST_F(MemberNameTest, ARestartHasTheSameNameWithAnyFormOfThePath) {
  EXPECT_EQ(name("state"), name("state"));
  EXPECT_EQ(*process_name(root_ / "state", 0), *process_name(root_ / "." / "state", 0))
      << "with the boot id of this system";
}

TEST_F(MemberNameTest, AnotherProcessFolderOrMachineHasAnother) {
  EXPECT_NE(name("state", 0), name("state", 1));
  EXPECT_NE(name("state"), name("state", 0, "other-boot")) << "a clone of the disk on another machine";
  fs::copy(root_ / "state", root_ / "copy", fs::copy_options::recursive);
  EXPECT_NE(name("state"), name("copy"));
  EXPECT_NE(name("state", 0, "none"), name("state", 0, "none")) << "without a boot id every name is new";
}

TEST_F(MemberNameTest, AMissingFolderIsAnError) {
  EXPECT_EQ(process_name(root_ / "nowhere", 0).error().reaction, Reaction::stop);
}

}  // namespace
}  // namespace fiverate::test
