#include "processors/stream/arrival_merge.h"
#include "schemas/format.h"

#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <string>

namespace fiverate {
namespace {

using namespace std::chrono_literals;

// Lanes as lists of timestamps, and whether more is known to come behind them.
class ArrivalMergeTest : public ::testing::Test {
 protected:
  struct Lane {
    std::deque<Millis> records;
    bool more = false;
  };

  void begin(std::vector<Lane> lanes) {
    lanes_ = std::move(lanes);
    merge_ = ArrivalMerge(lanes_.size());
    for (std::size_t i = 0; i < lanes_.size(); ++i) look_into(i);
  }
  void look_into(std::size_t lane) {
    const auto& [records, more] = lanes_[lane];
    if (records.empty()) {
      merge_.is_empty(lane, more);
    } else {
      merge_.offers(lane, records.front());
    }
  }
  // It had nothing; now this has come.
  void comes(std::size_t lane, Lane news) {
    ASSERT_TRUE(lanes_[lane].records.empty());
    lanes_[lane] = std::move(news);
    look_into(lane);
  }
  // All that passes at this moment: "a10 b20", lanes by letter.
  std::string read(ArrivalMerge::Instant now = 0ms) {
    std::string passed;
    while (const auto lane = merge_.next(now)) {
      if (!passed.empty()) passed += ' ';
      passed += fmt::format("{}{}", static_cast<char>('a' + *lane), lanes_[*lane].records.front());
      lanes_[*lane].records.pop_front();
      look_into(*lane);
    }
    return passed;
  }

  std::vector<Lane> lanes_;
  ArrivalMerge merge_;
};

TEST_F(ArrivalMergeTest, TakesByArrivalOverAllLanes) {
  const struct {
    std::string what;
    std::vector<Lane> lanes;
    std::string expected;
  } cases[] = {
      {"nothing at all", {}, ""},
      {"one lane", {{{1, 2}}}, "a1 a2"},
      {"by arrival", {{{10, 40}}, {{20, 30, 50}}}, "a10 b20 b30 a40 b50"},
      {"at the same arrival the first lane first", {{{10}}, {{10}}, {{5, 10}}}, "c5 a10 b10 c10"},
      {"one at its end holds nobody back", {{{10, 20}}, {}, {{15}}}, "a10 c15 a20"},
      {"all at their ends", {{}, {}}, ""},
      {"arrival never runs back in a lane", {{{10, 50, 20, 60}}, {{30, 55}}}, "a10 b30 a50 a20 b55 a60"},
      {"a back-fill of old events behind new ones", {{{100, 1, 2}}, {{99, 101}}}, "b99 a100 a1 a2 b101"},
      {"what no instant is raises nothing", {{{10, std::numeric_limits<Millis>::max(), 30}}, {{20, -1, 40}}},
       fmt::format("a10 a{} b20 b-1 a30 b40", std::numeric_limits<Millis>::max())},
  };
  for (const auto& [what, lanes, expected] : cases) {
    begin(lanes);
    EXPECT_EQ(read(), expected) << what;
  }
}

TEST_F(ArrivalMergeTest, WaitsForALaneThatHasMore) {
  begin({{{10, 30}}, {{20}, true}});
  EXPECT_EQ(read(0ms), "a10 b20") << "a30 waits for what b still has";
  EXPECT_EQ(read(1999ms), "");
  comes(1, {{25, 40}, false});
  EXPECT_EQ(read(1999ms), "b25 a30 b40");
}

TEST_F(ArrivalMergeTest, WaitsUntilALaneIsKnownToBeAtItsEnd) {
  begin({{{10}}, {{}, true}});
  EXPECT_EQ(read(0ms), "");
  comes(1, {{}, false});
  EXPECT_EQ(read(1ms), "a10");
}

TEST_F(ArrivalMergeTest, LosesPatienceWithALaneThatDoesNotComeUntilItDoes) {
  begin({{{10, 20}}, {{}, true}, {}});
  EXPECT_EQ(read(5s), "") << "it counts from when somebody had to wait";
  EXPECT_TRUE(merge_.take_left_behind().empty());
  EXPECT_EQ(read(5s + ArrivalMerge::kPatience), "a10 a20");
  EXPECT_EQ(merge_.take_left_behind(), std::vector<std::size_t>{1});
  comes(0, {{30}});
  merge_.is_empty(1, true);
  EXPECT_EQ(read(8s), "a30") << "no patience is left";
  EXPECT_TRUE(merge_.take_left_behind().empty()) << "told once";

  comes(1, {{15}, true});
  comes(0, {{40}});
  EXPECT_EQ(read(20s), "b15") << "it is awaited again, from now on";
  EXPECT_EQ(read(21s), "");
  EXPECT_EQ(read(22s), "a40");
  EXPECT_EQ(merge_.take_left_behind(), std::vector<std::size_t>{1});
}

TEST_F(ArrivalMergeTest, EachLaneIsWaitedForByItself) {
  begin({{{10, 30}}, {{}, true}, {{20}, true}});
  EXPECT_EQ(read(0s), "");
  comes(1, {{5}, false});
  EXPECT_EQ(read(1s), "b5 a10 c20");
  EXPECT_EQ(read(2s), "") << "c has been awaited for a second";
  EXPECT_EQ(read(3s), "a30");
}

TEST_F(ArrivalMergeTest, WhoIsAwaitedWhileNobodyWaitsLosesNoPatience) {
  begin({{}, {{}, true}});
  EXPECT_EQ(read(0s), "");
  EXPECT_EQ(read(1h), "");
  comes(0, {{10}});
  EXPECT_EQ(read(1h), "");
  EXPECT_EQ(read(1h + ArrivalMerge::kPatience), "a10");
}

}  // namespace
}  // namespace fiverate
