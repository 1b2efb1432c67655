// The reader of `reference`: what counts and where it is copied, what never changes, what waits.
#include "processors/stages/reference.h"

#include <algorithm>
#include <limits>

#include "schemas/format.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

using Texts = std::vector<std::string>;

class ReferenceTest : public testing::Test {
 protected:
  void enters(const Event& event, Millis arrival) { enters_bytes(event.SerializeAsString(), arrival); }
  void enters_bytes(const std::string& bytes, Millis arrival) {
    const auto fed = bench.feed(Topic::reference, bytes, std::nullopt, arrival);
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void restarts() {
    readers.push_back(std::make_unique<Reference>(IntakeSettings{definition, false}, 500));
    bench.restart_as(*readers.back());
  }
  // What happened since the last question: events in the first partition of the ledger or elsewhere, and reasons.
  Texts happened() {
    Texts texts;
    for (const auto& one : bench.take()) {
      if (one.topic == Topic::quarantine) {
        const auto record = one.as<Quarantined>();
        texts.push_back(record.event_id() + ": " + record.reason());
      } else if (one.topic == Topic::ledger && one.as<LedgerRecord>().has_event()) {
        const auto id = one.as<LedgerRecord>().event().event_id();
        if (texts.empty() || texts.back() != id) texts.push_back(id);  // copies follow each other
      }
    }
    return texts;
  }

  const Definition definition = make_definition("Asia/Shanghai", {1, 2, 3});
  std::vector<std::unique_ptr<Reference>> readers = [this] {
    std::vector<std::unique_ptr<Reference>> first;
    first.push_back(std::make_unique<Reference>(IntakeSettings{definition, false}, 500));
    return first;
  }();
  Bench bench{*readers.front()};
};

const Event kCity = region("city", "", Region::CITY);
const Event kNorth = region("north", "city", Region::COUNTY);

// ---- copies ---------------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, AnOutletGoesToItsLedgerPartitionAllElseEverywhere) {
  enters(kCity, kNow);
  std::map<Topic, int> copies;
  for (const auto& one : bench.take()) ++copies[one.topic];
  EXPECT_EQ(copies, (std::map<Topic, int>{{Topic::ledger, 2}, {Topic::deltas, 3}, {Topic::signals, 3}}));
  enters(outlet("shop", nth(0), "city"), kNow + 5);
  const auto sent = bench.take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].partition, partition_of("shop", 2));
  EXPECT_EQ(sent[0].key, "shop");
  EXPECT_EQ(sent[0].as<LedgerRecord>().arrival_ms(), kNow + 5);
}

TEST_F(ReferenceTest, ACancellationIsCompletedWithWhatNeverChanges) {
  enters(kCity, kNow);
  enters(kNorth, kNow);
  enters(sku("s1", "B1"), kNow);
  bench.take();
  enters(cancelled(kNorth, 2), kNow);
  const auto copy = bench.take(Topic::deltas).at(0).as<DeltasRecord>().reference().event();
  EXPECT_TRUE(copy.cancelled());
  EXPECT_EQ(copy.region().parent_id(), "city");
  EXPECT_EQ(copy.region().level(), Region::COUNTY);
  enters(cancelled(sku("s1", "B1"), 2), kNow);
  EXPECT_EQ(bench.take(Topic::ledger).at(0).as<LedgerRecord>().event().sku().brand_id(), "B1");
}

TEST_F(ReferenceTest, ATimestampBeyondTheYear9999IsQuarantinedAndMovesNothing) {
  enters(kCity, kNow);
  happened();
  const auto before = readers.front()->clock();
  enters(kNorth, std::numeric_limits<Millis>::max());
  EXPECT_EQ(happened(), Texts{kNorth.event_id() + ": bad_value"});
  EXPECT_EQ(readers.front()->clock(), before);
  enters(kNorth, kNow + 1);
  EXPECT_EQ(happened(), Texts{kNorth.event_id()});
}

// ---- verdicts -------------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, WhatNeverChangesCannotBeChanged) {
  for (const auto& event : {kCity, kNorth, sku("s1", "B1")}) enters(event, kNow);
  happened();
  restarts();
  enters(revised(region("north", "city", Region::CITY), 2), kNow);
  enters(revised(region("north", "", Region::COUNTY), 2), kNow);
  enters(revised(sku("s1", "B2"), 2), kNow);
  enters(sku("s1", "B2", "2026-05-01"), kNow);  // nor by another version
  EXPECT_EQ(happened(), (Texts{"region north#2: reference_conflict", "region north#2: reference_conflict",
                               "sku s1 2026-01-01#2: reference_conflict", "sku s1 2026-05-01#1: reference_conflict"}));
  enters(revised(kNorth, 2), kNow);
  EXPECT_EQ(happened(), Texts{"region north#2"});
}

TEST_F(ReferenceTest, ARegionCannotLieInItself) {
  auto gone = region("north", "", Region::COUNTY);
  gone.set_cancelled(true);
  enters(gone, kNow);  // known from here on, but not where it lies
  enters(region("south", "north", Region::COUNTY), kNow);
  happened();
  auto circle = revised(region("north", "south", Region::COUNTY), 2);
  enters(circle, kNow);
  EXPECT_EQ(happened(), (Texts{circle.event_id() + ": reference_conflict"}));
}

TEST_F(ReferenceTest, DuplicatesAreDroppedAndConflictsQuarantined) {
  const auto first = sku("s1", "B1");
  auto other = first;
  other.mutable_sku()->set_guide_price_fen(1);
  enters(first, kNow);
  EXPECT_EQ(happened().size(), 1U);
  restarts();
  enters(first, kNow + 1);
  enters(with_event_id(first, "another id"), kNow + 2);
  EXPECT_EQ(happened(), Texts{});
  enters(other, kNow + 3);
  enters(with_event_id(other, "another id"), kNow + 4);
  enters(with_event_id(sku("s2", "B1"), first.event_id()), kNow + 5);
  EXPECT_EQ(happened(), (Texts{first.event_id() + ": event_id_conflict", "another id: revision_conflict",
                               first.event_id() + ": event_id_conflict"}));
}

TEST_F(ReferenceTest, ALowerRevisionIsSuperseded) {
  enters(kCity, kNow);
  happened();
  const auto version = outlet("shop", nth(0), "city");
  enters(revised(version, 3), kNow);
  enters(revised(outlet("shop", nth(0), "city", Outlet::CLOSED), 2), kNow);
  EXPECT_EQ(happened(), Texts{"outlet shop 2026-03-01#3"});
  enters(cancelled(version, 4), kNow);
  enters(revised(version, 5), kNow);
  EXPECT_EQ(happened(), (Texts{"outlet shop 2026-03-01#4", "outlet shop 2026-03-01#5"}));
}

TEST_F(ReferenceTest, WhatIsNoReferenceIsQuarantinedAndNoDocument) {
  enters_bytes("rubbish{", kNow);
  enters(delivery("D", "shop", kNow, {}), kNow);
  const auto sent = bench.take();
  ASSERT_EQ(sent.size(), 4U);
  EXPECT_EQ(sent[0].as<Quarantined>().reason(), "malformed");
  EXPECT_EQ(sent[2].as<Quarantined>().reason(), "bad_payload");
  for (const auto i : {1U, 3U}) EXPECT_FALSE(sent[i].as<LedgerRecord>().rejection().document());
}

// ---- waiting --------------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, AChildWaitsForItsParentAndAllThatHangsOnIt) {
  enters(outlet("shop", nth(0), "north"), kNow);
  enters(kNorth, kNow + 1);
  EXPECT_EQ(happened(), Texts{});
  restarts();
  enters(kCity, kNow + kDayMs);
  EXPECT_EQ(happened(), (Texts{"region city#1", "region north#1", "outlet shop 2026-03-01#1"}));
  restarts();
  enters(mark(kNow + 9 * kDayMs), kNow + 9 * kDayMs);
  EXPECT_EQ(happened(), Texts{});
}

TEST_F(ReferenceTest, AfterADayItIsQuarantined) {
  enters(kNorth, kNow);
  enters(mark(kNow + kDayMs), kNow);
  EXPECT_EQ(happened(), Texts{}) << "exactly a day is in time";
  restarts();
  enters(mark(kNow + kDayMs + 1), kNow);
  EXPECT_EQ(happened(), Texts{"region north#1: unknown_region"});
  enters(kCity, kNow + kDayMs + 2);
  EXPECT_EQ(happened(), Texts{"region city#1"});
  enters(kNorth, kNow + kDayMs + 3);
  EXPECT_EQ(happened(), Texts{"region north#1"}) << "a quarantined record occupies no id";
}

TEST_F(ReferenceTest, WhatSharesAnIdWithAWaitingOneWaitsBehindIt) {
  enters(outlet("shop", nth(0), "north"), kNow);
  enters(kCity, kNow);
  happened();
  enters(revised(outlet("shop", nth(0), "city"), 2), kNow + 1);                                  // its identity
  enters(with_event_id(sku("s1", "B1"), outlet("shop", nth(0), "north").event_id()), kNow + 2);  // its event_id
  EXPECT_EQ(happened(), Texts{});
  enters(kNorth, kNow + 3);
  EXPECT_EQ(happened(), (Texts{"region north#1", "outlet shop 2026-03-01#1", "outlet shop 2026-03-01#2",
                               "outlet shop 2026-03-01#1: event_id_conflict"}));
}

TEST_F(ReferenceTest, AllocationsWaitForRegionAndSku) {
  Event event;
  event.set_event_id("a1");
  *event.mutable_event_time() = kCity.event_time();
  auto& allocation = *event.mutable_allocation();
  allocation.set_sku_id("s1");
  allocation.set_region_id("city");
  allocation.set_valid_from("2026-03-01");
  allocation.set_valid_to("2026-03-31");
  allocation.set_quantity(5);
  allocation.set_rationed(true);
  enters(event, kNow);
  enters(kCity, kNow);
  EXPECT_EQ(happened(), Texts{"region city#1"});
  enters(sku("s1", "B1"), kNow);
  EXPECT_EQ(happened(), (Texts{"sku s1 2026-01-01#1", "a1"}));
}

}  // namespace
}  // namespace fiverate::test
