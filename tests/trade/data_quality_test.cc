// Rule R16: the share of rejected documents at its limits, and the alert of a source topic as tables of days and held records.
#include "processors/trade/rules/data_quality.h"

#include <gtest/gtest.h>

#include "processors/trade/rules/alert_id.h"
#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

TEST(ShareOfRejectedDocuments, AtItsLimits) {
  struct Case {
    std::int64_t documents, rejected;
    bool holds, is_clear, is_critical;
  };
  for (const auto& [documents, rejected, holds, is_clear, is_critical] : std::vector<Case>{
           {0, 0, false, true, true},  // no documents: the severity is of no interest
           {19, 19, false, false, true},
           {20, 20, true, false, true},
           {2'000, 20, true, false, false},
           {2'001, 20, false, false, false},
           {4'000, 20, false, false, false},
           {4'001, 20, false, true, false},
           {9, 9, false, true, true},
           {10, 10, false, false, true},
           {1'000'000, 10'000, true, false, false},
           {1'000'000, 9'999, false, false, false},
           {1'000'000, 5'000, false, false, false},
           {1'000'000, 4'999, false, true, false},
           {1'000, 100, true, false, true},
           {1'000, 99, true, false, false},
       }) {
    SCOPED_TRACE(fmt::format("{} of {}", rejected, documents));
    const auto verdict = evaluate_share({documents, rejected});
    EXPECT_EQ(verdict.holds, holds);
    EXPECT_EQ(verdict.clear, is_clear);
    EXPECT_EQ(verdict.severity == Transition::CRITICAL, is_critical);
  }
}

class SourceTopic : public testing::Test {
 protected:
  static std::string text_of(const std::optional<Transition>& transition) {
    if (!transition) return "";
    EXPECT_EQ(transition->rule(), "R16");
    EXPECT_EQ(transition->source_topic(), "deliveries");
    EXPECT_EQ(transition->alert_id(), alert_id_of({.rule = "R16", .source_topic = "deliveries"}));
    return fmt::format("{}. e{} {} {} {} of {} {} {}", transition->transition(), transition->episode(),
                       Transition::State_Name(transition->state()), Transition::Severity_Name(transition->severity()),
                       transition->value(), transition->threshold(), transition->unit(), transition->reason().code());
  }
  // The close of a day with these documents.
  std::string closes(std::int32_t on, std::int64_t rejected, std::int64_t documents) {
    const auto transition = close_day(alert, {nth(on), shanghai().end_of(nth(on))}, {documents, rejected}, 7);
    if (transition) {
      EXPECT_EQ(transition->at_ms(), shanghai().start_of(nth(on + 1)));
      EXPECT_EQ(transition->evidence(0).row().as_of_day(), nth(on).number);
    }
    return text_of(transition);
  }
  std::string holds(std::int32_t on, std::vector<HeldRecord> held) {
    const auto transition = change_held(alert, std::move(held), noon(nth(on)));
    positions.clear();
    if (!transition) return "";
    for (const auto& evidence : transition->evidence()) {
      positions += fmt::format("{}{}/{}/{}", positions.empty() ? "" : " ", evidence.topic(), evidence.partition(),
                               evidence.offset());
    }
    return text_of(transition);
  }

  SourceTopicAlert alert{.topic = "deliveries", .held = {}, .share = {}, .published = {}};
  std::string positions;  // the evidence of the last holds()
};

TEST_F(SourceTopic, AShareFiresAtOnceRisesAndResolvesAfterThreeCloses) {
  EXPECT_EQ(closes(0, 19, 100), "") << "too few";
  EXPECT_EQ(closes(1, 20, 1'000), "1. e1 FIRING WARNING 20 of 1000 records DATA_QUALITY");
  EXPECT_EQ(closes(2, 90, 1'000), "") << "still firing";
  EXPECT_EQ(closes(3, 100, 1'000), "2. e1 FIRING CRITICAL 100 of 1000 records DATA_QUALITY");
  EXPECT_EQ(closes(4, 3, 1'000), "");
  EXPECT_EQ(closes(5, 3, 1'000), "");
  EXPECT_EQ(closes(6, 12, 1'000), "") << "neither: begins anew";
  EXPECT_EQ(closes(7, 3, 1'000), "");
  EXPECT_EQ(closes(8, 0, 0), "") << "a day without documents is clear";
  EXPECT_EQ(closes(9, 3, 1'000), "3. e1 RESOLVED CRITICAL 3 of 1000 records QUALITY_RECOVERED");
  EXPECT_EQ(closes(10, 20, 1'000), "4. e2 FIRING WARNING 20 of 1000 records DATA_QUALITY");
}

TEST(SourceTopicEvidence, IsTheRowOfTheShortestWindow) {
  WindowSet windows;
  windows.insert(0);
  EXPECT_EQ(evidence_window(windows), kMonth);
  windows.insert(3);
  windows.insert(2);
  EXPECT_EQ(evidence_window(windows), 28);
  EXPECT_EQ(evidence_window(WindowSet::all()), 7);
}

TEST_F(SourceTopic, AHeldRecordFiresUntilItIsDecided) {
  EXPECT_EQ(holds(0, {{3, 1234}}), "1. e1 FIRING CRITICAL 1 of 0 partitions DATA_QUALITY");
  EXPECT_EQ(positions, "deliveries/3/1234");
  EXPECT_EQ(holds(0, {{1, 7}, {3, 1234}}), "") << "a second partition of the topic";
  EXPECT_EQ(holds(0, {{1, 7}}), "");
  EXPECT_EQ(holds(0, {}), "2. e1 RESOLVED CRITICAL 0 of 0 partitions QUALITY_RECOVERED");
  EXPECT_EQ(positions, "deliveries/1/7") << "what was decided last";
  EXPECT_EQ(holds(0, {}), "");
  EXPECT_EQ(holds(1, {{3, 1300}}), "3. e2 FIRING CRITICAL 1 of 0 partitions DATA_QUALITY");
}

TEST_F(SourceTopic, FiresWhileOneOfTheTwoConditionsHolds) {
  EXPECT_EQ(closes(0, 20, 1'000), "1. e1 FIRING WARNING 20 of 1000 records DATA_QUALITY");
  EXPECT_EQ(holds(1, {{3, 1234}}), "2. e1 FIRING CRITICAL 1 of 0 partitions DATA_QUALITY") << "more severe";
  EXPECT_EQ(holds(1, {}), "") << "the share still fires";
  EXPECT_EQ(closes(1, 0, 1'000), "");
  EXPECT_EQ(closes(2, 0, 1'000), "");
  EXPECT_EQ(holds(3, {{3, 1300}}), "") << "as severe as before";
  EXPECT_EQ(closes(3, 0, 1'000), "") << "the share is clear, a record is held";
  EXPECT_EQ(holds(4, {}), "3. e1 RESOLVED CRITICAL 0 of 0 partitions QUALITY_RECOVERED");
}

// The clock of a market that has just begun may be behind the time at which a hold was reported.
TEST_F(SourceTopic, AnAlertDoesNotEndBeforeItBegan) {
  holds(5, {{3, 1234}});
  const auto resolved = change_held(alert, {}, noon(nth(2)));
  ASSERT_TRUE(resolved.has_value());
  EXPECT_EQ(resolved->at_ms(), noon(nth(5)));
  EXPECT_EQ(resolved->known_at_ms(), noon(nth(5)));
}

}  // namespace
}  // namespace fiverate::test
