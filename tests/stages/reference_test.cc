// The reference stage: copies of accepted records, validation, pending records.
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
  void feed(const Event& event, Millis arrival) { feed_bytes(event.SerializeAsString(), arrival); }
  void feed_bytes(const std::string& bytes, Millis arrival) {
    const auto fed = bench.feed(Topic::reference, bytes, std::nullopt, arrival);
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void restart() {
    readers.push_back(std::make_unique<Reference>(IntakeSettings{definition}, 500));
    bench.restart_as(*readers.back());
  }
  // The outputs since the last call: event ids in the ledger, and reasons in quarantine.
  Texts outputs() {
    Texts texts;
    for (const auto& one : bench.drain()) {
      if (one.topic == Topic::quarantine) {
        const auto record = one.as<Quarantined>();
        texts.push_back(record.event_id() + ": " + record.reason());
      } else if (one.topic == Topic::ledger && one.as<LedgerRecord>().has_event()) {
        const auto id = one.as<LedgerRecord>().event().event_id();
        if (texts.empty() || texts.back() != id) texts.push_back(id);  // the copy in another partition
      }
    }
    return texts;
  }

  const Definition definition = make_definition("Asia/Shanghai", {1, 2, 3});
  std::vector<std::unique_ptr<Reference>> readers = [this] {
    std::vector<std::unique_ptr<Reference>> first;
    first.push_back(std::make_unique<Reference>(IntakeSettings{definition}, 500));
    return first;
  }();
  Bench bench{*readers.front()};
};

const Event kCity = region("city", "", Region::CITY);
const Event kNorth = region("north", "city", Region::COUNTY);

// ---- copies ---------------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, AnOutletGoesToItsLedgerPartitionAllOtherRecordsToEveryPartition) {
  feed(kCity, kNow);
  std::map<Topic, int> copies;
  for (const auto& one : bench.drain()) ++copies[one.topic];
  EXPECT_EQ(copies, (std::map<Topic, int>{{Topic::ledger, 2}, {Topic::deltas, 3}, {Topic::signals, 3}}));
  feed(outlet("shop", nth(0), "city"), kNow + 5);
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].partition, partition_of("shop", 2));
  EXPECT_EQ(sent[0].key, "shop");
  EXPECT_EQ(sent[0].as<LedgerRecord>().arrival_ms(), kNow + 5);
}

TEST_F(ReferenceTest, ACancellationIsCompletedWithTheFieldsThatNeverChange) {
  feed(kCity, kNow);
  feed(kNorth, kNow);
  feed(sku("s1", "B1"), kNow);
  bench.drain();
  feed(cancelled(kNorth, 2), kNow);
  const auto copy = bench.drain(Topic::deltas).at(0).as<DeltasRecord>().reference().event();
  EXPECT_TRUE(copy.cancelled());
  EXPECT_EQ(copy.region().parent_id(), "city");
  EXPECT_EQ(copy.region().level(), Region::COUNTY);
  feed(cancelled(sku("s1", "B1"), 2), kNow);
  EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().event().sku().brand_id(), "B1");
}

TEST_F(ReferenceTest, ATimestampAfterTheYear9999IsQuarantinedAndDoesNotRaiseTheClock) {
  feed(kCity, kNow);
  outputs();
  const auto before = readers.front()->clock();
  feed(kNorth, std::numeric_limits<Millis>::max());
  EXPECT_EQ(outputs(), Texts{kNorth.event_id() + ": bad_value"});
  EXPECT_EQ(readers.front()->clock(), before);
  feed(kNorth, kNow + 1);
  EXPECT_EQ(outputs(), Texts{kNorth.event_id()});
}

// ---- validation -----------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, AChangeOfAFieldThatNeverChangesIsAConflict) {
  for (const auto& event : {kCity, kNorth, sku("s1", "B1")}) feed(event, kNow);
  outputs();
  restart();
  feed(revised(region("north", "city", Region::CITY), 2), kNow);
  feed(revised(region("north", "", Region::COUNTY), 2), kNow);
  feed(revised(sku("s1", "B2"), 2), kNow);
  feed(sku("s1", "B2", "2026-05-01"), kNow);  // nor by another version
  EXPECT_EQ(outputs(), (Texts{"region north#2: reference_conflict", "region north#2: reference_conflict",
                              "sku s1 2026-01-01#2: reference_conflict", "sku s1 2026-05-01#1: reference_conflict"}));
  feed(revised(kNorth, 2), kNow);
  EXPECT_EQ(outputs(), Texts{"region north#2"});
}

TEST_F(ReferenceTest, ARegionIsBelowOneOfAHigherLevel) {
  for (const auto& event : {region("p", "", Region::PROVINCE), region("c", "p", Region::COUNTY)}) feed(event, kNow);
  outputs();
  restart();
  const auto county = region("county", "c", Region::COUNTY);
  feed(county, kNow);
  feed(region("city", "c", Region::CITY), kNow);
  feed(region("province", "p", Region::PROVINCE), kNow);
  feed(region("country", "p", Region::COUNTRY), kNow);
  const auto sent = bench.drain(Topic::quarantine);
  ASSERT_EQ(sent.size(), 4U);
  for (const auto& one : sent) EXPECT_EQ(one.as<Quarantined>().reason(), "bad_value");
  EXPECT_EQ(sent[0].as<Quarantined>().detail(),
            "region.parent_id: a COUNTY cannot be below c, which is a COUNTY; the parent's level has to be higher");
  EXPECT_EQ(sent[2].as<Quarantined>().detail(),
            "region.parent_id: a PROVINCE cannot be below p, which is a PROVINCE; the parent's level has to be higher");
  feed(region("county", "p", Region::COUNTY), kNow);  // a quarantined record occupies no id
  EXPECT_EQ(outputs(), Texts{county.event_id()});
}

TEST_F(ReferenceTest, AChildThatCameBeforeItsParentIsComparedWhenTheParentComes) {
  feed(region("below", "county", Region::COUNTY), kNow);  // waits
  feed(region("fine", "county", Region::CITY), kNow);     // waits
  EXPECT_EQ(outputs(), Texts{});
  feed(region("county", "", Region::PROVINCE), kNow);
  EXPECT_EQ(outputs(), (Texts{"region county#1", "region below#1", "region fine#1"}));
  feed(region("deeper", "late", Region::COUNTY), kNow);
  restart();
  feed(region("late", "fine", Region::COUNTY), kNow);
  EXPECT_EQ(outputs(), (Texts{"region late#1", "region deeper#1: bad_value"}));
}

TEST_F(ReferenceTest, ALevelThatIsFixedLaterIsComparedWithTheChildren) {
  auto gone = region("middle", "", Region::COUNTY);
  gone.set_cancelled(true);
  feed(gone, kNow);  // known from here on, without a level
  feed(region("city", "middle", Region::CITY), kNow);
  feed(region("county", "middle", Region::COUNTY), kNow);
  outputs();
  restart();
  feed(revised(region("middle", "", Region::COUNTY), 2), kNow);
  feed(revised(region("middle", "", Region::CITY), 2), kNow);
  feed(revised(region("middle", "city", Region::PROVINCE), 2), kNow);  // a cycle
  feed(revised(region("middle", "middle", Region::PROVINCE), 2), kNow);
  EXPECT_EQ(outputs(), Texts(4, "region middle#2: bad_value"));
  feed(revised(region("middle", "", Region::PROVINCE), 2), kNow);
  EXPECT_EQ(outputs(), Texts{"region middle#2"});
}

TEST_F(ReferenceTest, ACancellationThatFixesNothingNamesNoParent) {
  auto gone = region("a", "", Region::CITY);
  gone.set_cancelled(true);
  feed(gone, kNow);
  feed(region("b", "a", Region::COUNTY), kNow);
  bench.drain();
  auto circle = revised(region("a", "b", Region::CITY), 2);
  circle.set_cancelled(true);
  feed(circle, kNow);
  const auto copies = bench.drain(Topic::ledger);
  ASSERT_FALSE(copies.empty());
  EXPECT_FALSE(copies[0].as<LedgerRecord>().event().region().has_parent_id())
      << "the tree of regions would have a cycle";
}

TEST_F(ReferenceTest, ARegionCannotBeAboveItself) {
  auto gone = region("north", "", Region::COUNTY);
  gone.set_cancelled(true);
  feed(gone, kNow);  // known from here on, without a parent
  feed(region("south", "north", Region::COUNTY), kNow);
  outputs();
  auto circle = revised(region("north", "south", Region::COUNTY), 2);
  feed(circle, kNow);
  EXPECT_EQ(outputs(), (Texts{circle.event_id() + ": bad_value"}));
}

TEST_F(ReferenceTest, DuplicatesAreDroppedAndConflictsQuarantined) {
  const auto first = sku("s1", "B1");
  auto other = first;
  other.mutable_sku()->set_guide_price_fen(1);
  feed(first, kNow);
  EXPECT_EQ(outputs().size(), 1U);
  restart();
  feed(first, kNow + 1);
  feed(with_event_id(first, "another id"), kNow + 2);
  EXPECT_EQ(outputs(), Texts{});
  feed(other, kNow + 3);
  feed(with_event_id(other, "another id"), kNow + 4);
  feed(with_event_id(sku("s2", "B1"), first.event_id()), kNow + 5);
  EXPECT_EQ(outputs(), (Texts{first.event_id() + ": event_id_conflict", "another id: revision_conflict",
                              first.event_id() + ": event_id_conflict"}));
}

TEST_F(ReferenceTest, ALowerRevisionIsSuperseded) {
  feed(kCity, kNow);
  outputs();
  const auto version = outlet("shop", nth(0), "city");
  feed(revised(version, 3), kNow);
  feed(revised(outlet("shop", nth(0), "city", Outlet::CLOSED), 2), kNow);
  EXPECT_EQ(outputs(), Texts{"outlet shop 2026-03-01#3"});
  feed(cancelled(version, 4), kNow);
  feed(revised(version, 5), kNow);
  EXPECT_EQ(outputs(), (Texts{"outlet shop 2026-03-01#4", "outlet shop 2026-03-01#5"}));
}

TEST_F(ReferenceTest, ARecordThatIsNoReferenceRecordIsQuarantinedAndCountsAsNoDocument) {
  feed_bytes("rubbish{", kNow);
  feed(delivery("D", "shop", kNow, {}), kNow);
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 4U);
  EXPECT_EQ(sent[0].as<Quarantined>().reason(), "malformed");
  EXPECT_EQ(sent[2].as<Quarantined>().reason(), "bad_payload");
  for (const auto i : {1U, 3U}) EXPECT_FALSE(sent[i].as<LedgerRecord>().rejection().document());
}

// ---- pending --------------------------------------------------------------------------------------------------------

TEST_F(ReferenceTest, ARegionWaitsForItsParentAndAnOutletForItsRegion) {
  feed(outlet("shop", nth(0), "north"), kNow);
  feed(kNorth, kNow + 1);
  EXPECT_EQ(outputs(), Texts{});
  restart();
  feed(kCity, kNow + kDayMs);
  EXPECT_EQ(outputs(), (Texts{"region city#1", "region north#1", "outlet shop 2026-03-01#1"}));
  restart();
  feed(mark(kNow + 9 * kDayMs), kNow + 9 * kDayMs);
  EXPECT_EQ(outputs(), Texts{});
}

TEST_F(ReferenceTest, APendingRecordIsQuarantinedAfterADay) {
  feed(kNorth, kNow);
  feed(mark(kNow + kDayMs), kNow);
  EXPECT_EQ(outputs(), Texts{}) << "exactly a day is in time";
  restart();
  feed(mark(kNow + kDayMs + 1), kNow);
  EXPECT_EQ(outputs(), Texts{"region north#1: unknown_region"});
  feed(kCity, kNow + kDayMs + 2);
  EXPECT_EQ(outputs(), Texts{"region city#1"});
  feed(kNorth, kNow + kDayMs + 3);
  EXPECT_EQ(outputs(), Texts{"region north#1"}) << "a quarantined record leaves its ids free";
}

TEST_F(ReferenceTest, ARecordWithTheIdOfAPendingOneWaitsForThatOne) {
  feed(outlet("shop", nth(0), "north"), kNow);
  feed(kCity, kNow);
  outputs();
  feed(revised(outlet("shop", nth(0), "city"), 2), kNow + 1);                                  // its identity
  feed(with_event_id(sku("s1", "B1"), outlet("shop", nth(0), "north").event_id()), kNow + 2);  // its event_id
  EXPECT_EQ(outputs(), Texts{});
  feed(kNorth, kNow + 3);
  EXPECT_EQ(outputs(), (Texts{"region north#1", "outlet shop 2026-03-01#1", "outlet shop 2026-03-01#2",
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
  feed(event, kNow);
  feed(kCity, kNow);
  EXPECT_EQ(outputs(), Texts{"region city#1"});
  feed(sku("s1", "B1"), kNow);
  EXPECT_EQ(outputs(), (Texts{"sku s1 2026-01-01#1", "a1"}));
}

}  // namespace
}  // namespace fiverate::test
