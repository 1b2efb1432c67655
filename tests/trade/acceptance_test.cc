// The verdicts on a document: their limits, and which one comes first.
#include "processors/trade/facts/acceptance.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schemas/decode.h"
#include "tests/support/shop.h"

namespace fiverate::test {
namespace {

std::string shown(const Verdict& verdict) {
  switch (verdict.outcome) {
    case Outcome::accepted:
      return "accepted";
    case Outcome::superseded:
      return "superseded";
    case Outcome::duplicate:
      return "duplicate";
    case Outcome::rejected:
      return std::string(name_of(verdict.reason));
  }
  return "?";
}

class Acceptance : public testing::Test {
 protected:
  Acceptance() {
    shop.knows_sku("s1", "B1");
    shop.version(outlet("shop", nth(-500), "north"));
  }
  std::string verdict(const Event& event, Millis arrival) { return shown(shop.receives(event, arrival)); }
  std::string verdict(const Event& event) { return shown(shop.receives(event)); }
  // The verdict only, without adding the document to the facts.
  [[nodiscard]] std::string validated(const Event& event, Millis arrival, Day first_open_day) const {
    return shown(
        validate(shop.facts, {event, arrival, shop.context.catalogue}, first_open_day, shop.limits, shop.context));
  }
  std::int64_t delivered(std::int32_t on) const { return shop.value("B1", Contribution::delivered_units, nth(on)); }

  Shop shop;
  const Millis now = noon(nth(30));
  const Event first = delivery("D", "shop", now, {{"s1", 5}});
};

// ---- limits ---------------------------------------------------------------------------------------------------------

TEST_F(Acceptance, LatenessAndSkewIncludeTheirLimit) {
  struct Case {
    Event event;
    Millis latest;
  };
  int number = 0;
  for (const auto& [event, latest] :
       {Case{order("O", "shop", now), 7 * kDayMs}, Case{delivery("D", "shop", now, {}), 7 * kDayMs},
        Case{visit("V", "shop", now), 14 * kDayMs}}) {
    const auto one = [&] { return with_event_id(event, std::to_string(++number)); };
    EXPECT_EQ(validated(one(), now + latest, kNoDay), "accepted");
    EXPECT_EQ(validated(one(), now + latest + 1, kNoDay), "late");
    EXPECT_EQ(validated(one(), now - 5 * kMinuteMs, kNoDay), "accepted");
    EXPECT_EQ(validated(one(), now - 5 * kMinuteMs - 1, kNoDay), "future");
  }
}

TEST_F(Acceptance, ARevisionThatWouldReplaceATooOldOneIsLate) {
  ASSERT_EQ(verdict(first), "accepted");
  const auto moved = revised(delivery("D", "shop", now + 6 * kDayMs, {{"s1", 7}}), 2);
  EXPECT_EQ(verdict(moved, now + 7 * kDayMs + 1), "late");
  EXPECT_EQ(delivered(30), 5) << "the older revision still counts";
  EXPECT_EQ(verdict(moved, now + 7 * kDayMs), "accepted");
  EXPECT_EQ(delivered(30), 0);
  EXPECT_EQ(delivered(36), 7);
}

TEST_F(Acceptance, ADocumentThatWouldChangeAFinalDayIsLate) {
  EXPECT_EQ(validated(first, now + 1, nth(30)), "accepted");
  EXPECT_EQ(validated(first, now + 1, nth(31)), "late");
  ASSERT_EQ(verdict(first), "accepted");
  const auto moved = revised(delivery("D", "shop", now + kDayMs, {{"s1", 7}}), 2);
  EXPECT_EQ(validated(moved, now + kDayMs, nth(30)), "accepted");
  EXPECT_EQ(validated(moved, now + kDayMs, nth(31)), "late") << "it would take units away from day 30";
}

// ---- identity -------------------------------------------------------------------------------------------------------

TEST_F(Acceptance, AnEqualDocumentIsADuplicate) {
  ASSERT_EQ(verdict(first), "accepted");
  EXPECT_EQ(verdict(first, now + 9), "duplicate");
  EXPECT_EQ(verdict(with_event_id(first, "another id"), now + 9), "duplicate");
  auto elsewhere = first;
  elsewhere.set_source("another system");
  EXPECT_EQ(verdict(elsewhere), "duplicate") << "the source is not part of the content";
  EXPECT_EQ(delivered(30), 5);
}

TEST_F(Acceptance, AnEventIdOrARevisionWithOtherContentIsAConflict) {
  ASSERT_EQ(verdict(first), "accepted");
  const auto other = delivery("D", "shop", now, {{"s1", 6}});
  EXPECT_EQ(verdict(other), "event_id_conflict");
  EXPECT_EQ(verdict(with_event_id(other, "another id")), "revision_conflict");
  EXPECT_EQ(verdict(with_event_id(revised(first, 2), first.event_id())), "event_id_conflict") << "the revision differs";
  EXPECT_EQ(verdict(with_event_id(delivery("E", "shop", now, {{"s1", 5}}), first.event_id())), "event_id_conflict");
  EXPECT_EQ(verdict(with_event_id(visit("V", "shop", now), first.event_id())), "accepted")
      << "event ids are unique within a kind of document";
  EXPECT_EQ(delivered(30), 5);
}

TEST_F(Acceptance, TheOrderOfLinesIsContent) {
  shop.knows_sku("s2", "B1");
  ASSERT_EQ(verdict(delivery("D", "shop", now, {{"s1", 1}, {"s2", 1}})), "accepted");
  EXPECT_EQ(verdict(with_event_id(delivery("D", "shop", now, {{"s2", 1}, {"s1", 1}}), "another id")),
            "revision_conflict");
}

TEST_F(Acceptance, AQuarantinedRecordOccupiesNoId) {
  ASSERT_EQ(verdict(first, now + 8 * kDayMs), "late");
  EXPECT_EQ(verdict(first, now), "accepted");
}

TEST_F(Acceptance, ASupersededRecordOccupiesItsIds) {
  ASSERT_EQ(verdict(revised(first, 3)), "accepted");
  EXPECT_EQ(verdict(first, now + 1), "superseded");
  EXPECT_EQ(verdict(first, now + 2), "duplicate");
  EXPECT_EQ(verdict(with_event_id(delivery("E", "shop", now, {}), first.event_id()), now + 2), "event_id_conflict");
}

// ---- documents of one outlet and day --------------------------------------------------------------------------------

TEST_F(Acceptance, ADayTakesSoManyDocuments) {
  shop.limits.outlet_day_documents_max = 2;
  struct Case {
    const char* what;
    Event event;
    const char* verdict;
  };
  const auto noon_of = [](std::int32_t day) { return noon(nth(day)); };
  const Case cases[] = {
      {"the first", delivery("D", "shop", noon_of(30), {{"s1", 5}}), "accepted"},
      {"the second, of another kind", visit("V", "shop", noon_of(30)), "accepted"},
      {"a third one", order("O", "shop", noon_of(30)), "bad_value"},
      {"again", order("O", "shop", noon_of(30)), "bad_value"},
      {"a duplicate", delivery("D", "shop", noon_of(30), {{"s1", 5}}), "duplicate"},
      {"a revision", revised(delivery("D", "shop", noon_of(30), {{"s1", 6}}), 3), "accepted"},
      {"a superseded revision", revised(delivery("D", "shop", noon_of(30), {{"s1", 7}}), 2), "superseded"},
      {"a cancellation", cancelled(visit("V", "shop", noon_of(30)), 2), "accepted"},
      {"a cancelled document keeps its place", order("O", "shop", noon_of(30)), "bad_value"},
      {"the cancellation of an unknown document", cancelled(order("P", "shop", noon_of(30)), 2), "bad_value"},
      {"another day", order("Q", "shop", noon_of(31)), "accepted"},
      {"a revision that moves to the next day", revised(delivery("D", "shop", noon_of(31), {{"s1", 6}}), 4),
       "accepted"},
      {"the next day is full", order("R", "shop", noon_of(31)), "bad_value"},
      {"the day is not full any more", order("O", "shop", noon_of(30)), "accepted"},
      {"a revision that moves to a full day", revised(delivery("D", "shop", noon_of(30), {{"s1", 6}}), 5), "accepted"},
      {"and full again", order("S", "shop", noon_of(30)), "bad_value"},
  };
  for (const auto& [what, event, expected] : cases) EXPECT_EQ(verdict(event, noon_of(32)), expected) << what;
}

TEST_F(Acceptance, TheDetailNamesOutletDayAndLimit) {
  shop.limits.outlet_day_documents_max = 1;
  ASSERT_EQ(verdict(first), "accepted");
  const auto rejected = shop.receives(delivery("E", "shop", now, {{"s1", 5}}));
  EXPECT_EQ(rejected.detail, "too_many_documents: outlet shop has 1 documents of 2026-03-31; 1 are allowed");
}

TEST_F(Acceptance, ThePlacesOfADayAreSharedWithPendingDocuments) {
  shop.limits.outlet_day_documents_max = 3;
  ASSERT_EQ(verdict(first), "accepted");
  const auto other = delivery("E", "shop", now, {{"s1", 5}});
  const auto revision = revised(first, 2);
  const auto validated = [&](const Event& event, std::int32_t pending) {
    const ArrivedDocument arrived(event, now, shop.context.catalogue);
    return validate(shop.facts, arrived, kNoDay, shop.limits, shop.context, pending);
  };
  EXPECT_EQ(validated(other, 1).outcome, Outcome::accepted);
  EXPECT_EQ(validated(other, 2).detail,
            "too_many_documents: outlet shop has 3 documents of 2026-03-31, of which 2 are pending; 3 are allowed");
  EXPECT_EQ(validated(revision, 3).outcome, Outcome::accepted);
  const auto waits = [&](const Event& event, std::int32_t pending) {
    return !too_many_to_wait(shop.facts, event, now, shop.limits, shop.context, pending);
  };
  EXPECT_TRUE(waits(other, 1));
  EXPECT_FALSE(waits(other, 2));
  EXPECT_TRUE(waits(revision, 2));
  EXPECT_FALSE(waits(revision, 3));
}

// ---- order of the checks: each record fails two of them, and the first one is the reason ---------------------------

TEST_F(Acceptance, TheFirstFailedCheckIsTheReason) {
  ASSERT_EQ(verdict(first), "accepted");
  const auto other = delivery("D", "shop", now, {{"s1", 6}});
  EXPECT_EQ(verdict(other, now + 8 * kDayMs), "late") << "before event_id_conflict";
  EXPECT_EQ(verdict(other, now - kDayMs), "future") << "before event_id_conflict";
  EXPECT_EQ(verdict(first, now + 8 * kDayMs), "late") << "before duplicate";
  ASSERT_EQ(verdict(revised(delivery("D", "shop", now, {{"s1", 9}}), 5)), "accepted");
  EXPECT_EQ(verdict(with_event_id(revised(first, 2), "D#5")), "event_id_conflict") << "before superseded";
  EXPECT_EQ(verdict(with_event_id(other, "D#1 corrected")), "revision_conflict") << "before superseded";
  EXPECT_EQ(validated(revised(first, 2), now, nth(99)), "superseded") << "before late: it changes no final day";
}

// ---- revisions ------------------------------------------------------------------------------------------------------

TEST_F(Acceptance, TheHighestRevisionCountsInAnyOrder) {
  std::vector<int> order{1, 2, 3};
  do {
    Shop one;
    one.knows_sku("s1", "B1");
    one.version(outlet("shop", nth(-500), "north"));
    for (const auto number : order) one.receives(revised(delivery("D", "shop", now, {{"s1", number}}), number));
    EXPECT_EQ(one.value("B1", Contribution::delivered_units, nth(30)), 3);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Acceptance, CancelledAndRevived) {
  ASSERT_EQ(verdict(first), "accepted");
  EXPECT_EQ(verdict(cancelled(first, 2)), "accepted");
  EXPECT_EQ(delivered(30), 0);
  EXPECT_EQ(verdict(revised(first, 3)), "accepted");
  EXPECT_EQ(delivered(30), 5);
  EXPECT_EQ(verdict(cancelled(first, 2)), "duplicate");
  EXPECT_EQ(verdict(with_event_id(cancelled(first, 1), "x")), "revision_conflict")
      << "`cancelled` is part of the content";
}

TEST_F(Acceptance, ACancellationMayComeFirst) {
  EXPECT_EQ(verdict(cancelled(first, 2)), "accepted");
  EXPECT_EQ(verdict(first), "superseded");
  EXPECT_EQ(delivered(30), 0);
}

TEST_F(Acceptance, ARevisionMayMoveTheDocumentToAnotherDay) {
  ASSERT_EQ(verdict(first), "accepted");
  EXPECT_EQ(verdict(revised(delivery("D", "shop", now - 2 * kDayMs, {{"s1", 8}}), 2)), "accepted");
  EXPECT_EQ(delivered(30), 0);
  EXPECT_EQ(delivered(28), 8);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

TEST_F(Acceptance, IdsAreRememberedFor196Days) {
  ASSERT_EQ(verdict(first), "accepted");  // on day 30
  const auto again = [&](std::int32_t on) {
    return with_event_id(delivery("D", "shop", noon(nth(on)), {{"s1", 6}}), "other");
  };
  const auto at_start = [&](std::int32_t on) { return shanghai().start_of(nth(on)); };
  EXPECT_EQ(verdict(again(30 + 196), at_start(30 + 197) - 1), "revision_conflict");
  EXPECT_EQ(verdict(again(30 + 197), noon(nth(30 + 197))), "accepted") << "the id is unknown again";
  EXPECT_EQ(delivered(30 + 197), 6);
  EXPECT_EQ(delivered(30), 5) << "the old document stays";
  EXPECT_EQ(verdict(revised(again(30 + 198), 2), noon(nth(30 + 198))), "accepted");
  EXPECT_EQ(delivered(30 + 197), 0) << "it replaces the newer document";
  EXPECT_EQ(delivered(30), 5);
}

TEST(ContentOf, DependsOnTimeCancelledAndPayloadOnly) {
  const auto event = delivery("D", "shop", noon(nth(1)), {{"s1", 5}});
  auto other = event;
  other.set_event_id("x");
  other.set_source("y");
  set_millis(*other.mutable_arrival_time(), 5);
  other.set_revision(7);
  EXPECT_EQ(content_of(event), content_of(other));
  EXPECT_NE(content_of(event), content_of(cancelled(event, 1)));
  EXPECT_NE(content_of(event), content_of(delivery("D", "shop", noon(nth(1)) + 1, {{"s1", 5}})));
  EXPECT_NE(content_of(event), content_of(delivery("D", "shop", noon(nth(1)), {{"s1", 4}})));
}

}  // namespace
}  // namespace fiverate::test
