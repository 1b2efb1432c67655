// Which records a task applies, as a table.
#include "processors/stream/admission.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace fiverate::test {
namespace {

constexpr std::uint64_t kFirstChain = 0;  // before the first record of a sender

InRecord record(const std::string& sender, CausePosition position, std::optional<Link> link,
                std::vector<Cause> depends_on = {}) {
  InRecord made;
  made.key = "k";
  made.value = "v";
  made.cause = Cause{sender, position};
  made.link = link;
  made.depends_on = std::move(depends_on);
  return made;
}

// From "a" two records were applied, the last one at 5/1; from "b" one without a link, at 3/0.
class AdmissionTest : public testing::Test {
 protected:
  AdmissionTest() {
    const auto first = record("a", {4, 0}, Link{{}, kFirstChain});
    admission.applied(first);
    after_first = chained(kFirstChain, "k", "v");
    admission.applied(record("a", {5, 1}, Link{{4, 0}, after_first}));
    after_second = chained(after_first, "k", "v");
    admission.applied(record("b", {3, 0}, std::nullopt));
  }
  InputAdmission admission;
  std::uint64_t after_first = 0;
  std::uint64_t after_second = 0;
};

TEST_F(AdmissionTest, Table) {
  struct Case {
    const char* title;
    InRecord record;
    std::optional<Admission> expected;  // nothing: stop
  };
  auto without_cause = record("a", {9, 0}, std::nullopt);
  without_cause.cause.reset();
  auto without_cause_incomplete = without_cause;
  without_cause_incomplete.depends_on = {{"a", {5, 2}}};
  auto without_cause_complete = without_cause;
  without_cause_complete.depends_on = {{"a", {5, 1}}, {"b", {3, 0}}, {"c", {-1, 0}}};
  for (const auto& [title, one, expected] : std::vector<Case>{
           {"the next one", record("a", {6, 0}, Link{{5, 1}, after_second}), Admission::apply},
           {"the last one again", record("a", {5, 1}, Link{{4, 0}, after_first}), Admission::repetition},
           {"an earlier one again", record("a", {4, 0}, Link{{}, kFirstChain}), Admission::repetition},
           {"an earlier one with another chain", record("a", {4, 0}, Link{{}, 77}), Admission::repetition},
           {"its predecessor is missing", record("a", {8, 0}, Link{{7, 0}, 77}), Admission::sequence_gap},
           {"another chain", record("a", {6, 0}, Link{{5, 1}, after_second + 1}), std::nullopt},
           {"an earlier predecessor", record("a", {6, 0}, Link{{4, 0}, after_first}), std::nullopt},
           {"no predecessor, although there was one", record("a", {6, 0}, Link{{}, kFirstChain}), std::nullopt},
           {"the first of a new sender", record("c", {0, 0}, Link{{}, kFirstChain}), Admission::apply},
           {"a new sender whose first is missing", record("c", {1, 0}, Link{{0, 0}, 77}), Admission::sequence_gap},
           {"without a link", record("b", {4, 0}, std::nullopt), Admission::apply},
           {"without a link, again", record("b", {3, 0}, std::nullopt), Admission::repetition},
           {"a dependency is applied", record("a", {6, 0}, Link{{5, 1}, after_second}, {{"b", {3, 0}}}),
            Admission::apply},
           {"a dependency is missing", record("a", {6, 0}, Link{{5, 1}, after_second}, {{"b", {3, 1}}}),
            Admission::sequence_gap},
           {"a dependency on an unknown sender", record("b", {4, 0}, std::nullopt, {{"c", {0, 0}}}),
            Admission::sequence_gap},
           {"a repetition with a missing dependency", record("b", {3, 0}, std::nullopt, {{"c", {0, 0}}}),
            Admission::repetition},
           {"another chain with a missing dependency", record("a", {6, 0}, Link{{5, 1}, 1}, {{"c", {0, 0}}}),
            std::nullopt},
           {"no cause", without_cause, Admission::apply},
           {"no cause, dependencies are applied", without_cause_complete, Admission::apply},
           {"no cause, a dependency is missing", without_cause_incomplete, Admission::sequence_gap},
       }) {
    const auto checked = admission.check(one, "market/0");
    ASSERT_EQ(checked.has_value(), expected.has_value()) << title;
    if (checked) {
      EXPECT_EQ(*checked, *expected) << title;
    } else {
      EXPECT_EQ(checked.error().reaction, Reaction::stop) << title;
      EXPECT_NE(checked.error().what.find("market/0"), std::string::npos) << title;
    }
  }
}

TEST_F(AdmissionTest, RemembersWhichRecordsOfWhichSendersAreMissing) {
  using Missing = std::vector<MissingRange>;
  EXPECT_TRUE(admission.is_complete());
  admission.note_sequence_gap(record("a", {9, 0}, Link{{8, 0}, 1}, {{"c", {2, 0}}, {"b", {3, 0}}}));
  EXPECT_EQ(admission.missing(), (Missing{{"a", 5, 8}, {"c", 0, 2}}));
  admission.applied(record("a", {6, 0}, Link{{5, 1}, after_second}));
  EXPECT_EQ(admission.missing(), (Missing{{"a", 6, 8}, {"c", 0, 2}})) << "up to 8/0 of a is still missing";
  admission.applied(record("a", {8, 0}, Link{{6, 0}, chained(after_second, "k", "v")}));
  admission.applied(record("c", {2, 0}, Link{{}, kFirstChain}));
  EXPECT_TRUE(admission.is_complete());
}

TEST_F(AdmissionTest, ExpectsAfterARestartWhatWasMissingBeforeUnlessItHasCome) {
  admission.expect({{"a", 2, 5}, {"b", 3, 9}, {"c", 0, 0}});
  EXPECT_EQ(admission.missing(), (std::vector<MissingRange>{{"b", 3, 9}, {"c", 0, 0}}));
  admission.applied(record("c", {0, 0}, Link{{}, kFirstChain}));
  admission.applied(record("b", {9, 1}, std::nullopt));
  EXPECT_TRUE(admission.is_complete());
}

TEST_F(AdmissionTest, ContinuesFromASavedState) {
  TaskState state;
  admission.save(state);
  InputAdmission loaded;
  loaded.load(state);
  EXPECT_EQ(*loaded.check(record("a", {5, 1}, Link{{4, 0}, after_first}), "t"), Admission::repetition);
  EXPECT_EQ(*loaded.check(record("a", {6, 0}, Link{{5, 1}, after_second}), "t"), Admission::apply);
  EXPECT_EQ(*loaded.check(record("b", {3, 0}, std::nullopt), "t"), Admission::repetition);
}

}  // namespace
}  // namespace fiverate::test
