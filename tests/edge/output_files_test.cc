#include "processors/edge/output_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace fiverate {
namespace {

namespace fs = std::filesystem;

class OutputFilesTest : public testing::Test {
 protected:
  OutputFilesTest() {
    std::string name = (fs::temp_directory_path() / "fiverate-output-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~OutputFilesTest() override { fs::remove_all(folder_); }

  static void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string content(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
};

TEST_F(OutputFilesTest, AFolderThatIsNotEmptyNeedsForce) {
  EXPECT_TRUE(check_output_folder(folder_ / "new" / "deep", false));
  ASSERT_TRUE(create_output_folder(folder_ / "new" / "deep"));
  EXPECT_TRUE(check_output_folder(folder_ / "new" / "deep", false)) << "it is empty";
  put(folder_ / "new" / "deep" / "metrics.jsonl", "evidence");
  const auto refused = check_output_folder(folder_ / "new" / "deep", false);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("not empty: it contains metrics.jsonl. Use a new folder, or --force"),
            std::string::npos)
      << refused.error().what;
  EXPECT_TRUE(check_output_folder(folder_ / "new" / "deep", true));
  EXPECT_TRUE(create_output_folder(folder_ / "new" / "deep"));
  EXPECT_EQ(content(folder_ / "new" / "deep" / "metrics.jsonl"), "evidence") << "nothing is removed beforehand";
}

TEST_F(OutputFilesTest, AFileInTheWayOfTheFolderIsRefused) {
  put(folder_ / "file", "x");
  EXPECT_FALSE(create_output_folder(folder_ / "file"));
  EXPECT_FALSE(create_output_folder(folder_ / "file" / "below"));
}

TEST_F(OutputFilesTest, ASymbolicLinkIsReplacedNotFollowed) {
  put(folder_ / "evidence", "kept");
  fs::create_symlink(folder_ / "evidence", folder_ / "out.jsonl");
  fs::create_symlink(folder_ / "nowhere", folder_ / "dangling.jsonl");
  for (const auto* name : {"out.jsonl", "dangling.jsonl"}) {
    ASSERT_TRUE(write_output_file(folder_ / name, "new"));
    EXPECT_FALSE(fs::is_symlink(folder_ / name));
    EXPECT_EQ(content(folder_ / name), "new");
  }
  EXPECT_EQ(content(folder_ / "evidence"), "kept");
  EXPECT_FALSE(fs::exists(folder_ / "nowhere"));
}

TEST_F(OutputFilesTest, AnotherNameOfTheFileKeepsItsContent) {
  put(folder_ / "evidence", "kept");
  fs::create_hard_link(folder_ / "evidence", folder_ / "out.jsonl");
  ASSERT_TRUE(write_output_file(folder_ / "out.jsonl", "new"));
  EXPECT_EQ(content(folder_ / "evidence"), "kept");
}

TEST_F(OutputFilesTest, FoldersAndPipesAreNeverReplaced) {
  fs::create_directory(folder_ / "sub");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(write_output_file(folder_ / "sub", "x"));
  EXPECT_FALSE(write_output_file(folder_ / "pipe", "x"));
  EXPECT_FALSE(write_output_file("/dev/null", "x"));
  EXPECT_TRUE(fs::exists("/dev/null"));
}

TEST_F(OutputFilesTest, ASingleFileThatExistsNeedsForce) {
  EXPECT_TRUE(check_output_file(folder_ / "truth.jsonl", false));
  fs::create_symlink(folder_ / "nowhere", folder_ / "truth.jsonl");
  EXPECT_FALSE(check_output_file(folder_ / "truth.jsonl", false)) << "also a link that leads nowhere";
  EXPECT_TRUE(check_output_file(folder_ / "truth.jsonl", true));
}

}  // namespace
}  // namespace fiverate
