#include "processors/stream/failpoint.h"

#include <gtest/gtest.h>

#include <set>

namespace fiverate {
namespace {

TEST(Failpoint, IsNamedAndCounted) {
  const auto first = parse_failpoint("commit.acked");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "commit.acked");
  EXPECT_EQ(first->pass, 1);
  EXPECT_FALSE(first->stops);
  const auto third = parse_failpoint("run.start:3");
  ASSERT_TRUE(third);
  EXPECT_EQ(third->pass, 3);
  const auto frozen = parse_failpoint("output.sent:1000000:stop");
  ASSERT_TRUE(frozen);
  EXPECT_EQ(frozen->pass, 1'000'000);
  EXPECT_TRUE(frozen->stops);
}

TEST(Failpoint, WhatIsNoneIsRefusedWithTheReason) {
  const auto unknown = parse_failpoint("commit.akced:3");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reaction, Reaction::stop);
  EXPECT_NE(unknown.error().what.find("commit.acked"), std::string::npos) << "the names are listed";
  for (const auto* text :
       {"", ":", "commit.acked:", "commit.acked:0", "commit.acked:-1", "commit.acked:3x", "commit.acked::stop",
        "commit.acked:3:halt", "commit.acked:3:stop:", "commit.acked:99999999999999999999"}) {
    EXPECT_FALSE(parse_failpoint(text)) << text;
  }
}

TEST(Failpoint, NamesAreDifferentAndDescribeWhatACrashMeans) {
  std::set<std::string_view> names;
  for (const auto& [name, crash_there] : kFailpoints) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_FALSE(crash_there.empty()) << name;
    EXPECT_TRUE(parse_failpoint(name)) << name;
  }
}

TEST(Failpoint, StrikesOnceAtItsPass) {
  int struck = 0;
  failpoint("commit.done");  // not armed: nothing
  arm_failpoint({"commit.done", 3}, [&] { ++struck; });
  failpoint("commit.begin");
  failpoint("commit.done");
  failpoint("commit.done");
  EXPECT_EQ(struck, 0);
  failpoint("commit.done");
  EXPECT_EQ(struck, 1);
  failpoint("commit.done");
  EXPECT_EQ(struck, 1);
  disarm_failpoint();
}

}  // namespace
}  // namespace fiverate
