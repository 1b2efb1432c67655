// The outlet stage: pending documents, flushes, time and alerts.
#include "processors/stages/outlet.h"

#include <gmock/gmock.h>

#include "schemas/format.h"
#include "tests/stages/bench.h"
#include "tests/support/columns.h"

namespace fiverate::test {
namespace {

constexpr Millis kHourMs = 60 * kMinuteMs;

class Outlets : public testing::Test {
 protected:
  explicit Outlets(std::int32_t day_documents_max = 10'000) : Outlets(definition_with(day_documents_max)) {}
  explicit Outlets(Definition its_definition) : definition(std::move(its_definition)) {
    feed(sku("s1", "B1"), kStart);
    feed(outlet("shop", nth(-10), "north"), kStart);
  }

  void feed(const Event& event, Millis arrival) {
    const auto fed = bench.feed(Topic::ledger, ledger(event, arrival).SerializeAsString(),
                                Cause{"deliveries/0", {bench.next_offset(), 0}});
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void advance(Millis clock) {
    ASSERT_TRUE(bench.feed(Topic::ledger, progress_to(clock, definition).SerializeAsString()).has_value());
  }
  void restart() {
    stages.push_back(std::make_unique<OutletStage>(OutletStage::Settings{definition, 2, 1000}, shanghai()));
    bench.restart_as(*stages.back());
  }

  // The sum of all differences of a contribution sent so far; those of brand "" go to all partitions and count once.
  std::int64_t sent(std::string_view brand, Contribution contribution) {
    collect();
    return sums[{std::string(brand), contribution}];
  }
  std::int64_t quality(Contribution contribution) { return sent("", contribution); }
  // The day of its last difference.
  Day quality_day(Contribution contribution) {
    collect();
    return days[{"", contribution}];
  }
  std::vector<std::string> quarantined() {
    collect();
    return rejected;
  }
  void collect() {
    for (const auto& one : bench.drain()) {
      if (one.topic == Topic::quarantine) {
        const auto record = one.as<Quarantined>();
        rejected.push_back(record.event_id() + " " + record.reason());
        EXPECT_EQ(record.topic(), "deliveries");
      }
      if (one.topic != Topic::deltas) continue;
      const auto record = one.as<DeltasRecord>();
      for (const auto& sent : differences_of(record.deltas().columns())) {
        if (sent.brand_id.empty() && one.partition != 0) continue;
        auto& sum = sums[{sent.brand_id, sent.contribution}];
        sum = wrapped_sum(sum, sent.value);
        days[{sent.brand_id, sent.contribution}] = sent.day;
      }
    }
  }

  static Definition definition_with(std::int32_t day_documents_max) {
    auto made = make_definition("Asia/Shanghai", {1, 1, 2});
    made.set_outlet_day_documents_max(day_documents_max);
    return made;
  }

  const Definition definition;
  std::vector<std::unique_ptr<OutletStage>> stages = [this] {
    std::vector<std::unique_ptr<OutletStage>> first;
    first.push_back(std::make_unique<OutletStage>(OutletStage::Settings{definition, 2, 1000}, shanghai()));
    return first;
  }();
  Bench bench{*stages.front()};
  std::map<std::pair<std::string, Contribution>, std::int64_t> sums;
  std::map<std::pair<std::string, Contribution>, Day> days;
  std::vector<std::string> rejected;
};

using Texts = std::vector<std::string>;

// ---- what is selected -----------------------------------------------------------------------------------------------

class OutletsOfPurchases : public Outlets {
 protected:
  static Selection purchases() {
    Selection selection{MeasureGroups::none(), {}};
    selection.measures.insert(MeasureGroup::purchases);
    selection.windows.insert(1);
    return selection;
  }
  OutletsOfPurchases() : Outlets(make_definition("Asia/Shanghai", {1, 1, 2}, {}, purchases())) {}
};

TEST_F(OutletsOfPurchases, SendNothingElse) {
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  feed(order("O", "shop", kStart, {{"s1", 5}}), kStart);
  auto counted = visit("V", "shop", kStart + kHourMs);
  auto& check = *counted.mutable_visit()->add_checks();
  check.set_sku_id("s1");
  check.set_count(2);
  check.set_retail_price_fen(900);
  feed(counted, kStart + kHourMs);
  advance(kStart + kDayMs);
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 5);
  EXPECT_EQ(sent("", Contribution::active_outlets), 1);
  EXPECT_EQ(sent("", Contribution::visits_done), 1);
  EXPECT_TRUE(sums.contains({"B1", in_window(Contribution::buying_outlets, 1)}));
  for (const auto& [key, sum] : sums) EXPECT_TRUE(purchases().has(key.second)) << static_cast<int>(key.second);
}

// ---- pending documents ----------------------------------------------------------------------------------------------

TEST_F(Outlets, ADocumentOfAnUnknownSkuIsPendingUntilItIsKnown) {
  feed(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  advance(kStart + kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 1);
  EXPECT_EQ(quality(Contribution::accepted), 0);
  restart();
  feed(sku("s9", "B9"), kStart + 2 * kHourMs);
  advance(kStart + 3 * kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(Contribution::accepted), 1);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 5);
}

TEST_F(Outlets, ADocumentOfAnUnknownOutletIsPendingUntilItIsKnown) {
  feed(delivery("D", "new shop", kStart, {{"s1", 5}}), kStart);
  feed(outlet("new shop", nth(-1), "south"), kStart + kHourMs);
  advance(kStart + 3 * kHourMs);
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 5);
}

TEST_F(Outlets, ADocumentWaitsForASkuIdWithANulAcrossARestart) {
  const std::string odd("n\0w", 3);
  feed(delivery("D", "shop", kStart, {{odd, 5}}), kStart);
  advance(kStart + kMinuteMs);
  restart();
  feed(sku(odd, "B9"), kStart + kHourMs);
  advance(kStart + 2 * kHourMs);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 5);
}

TEST_F(Outlets, QualityOfARetryAfterItsDayIsFinalCountsOnTheFirstOpenDay) {
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  advance(kStart + 40 * kDayMs);
  feed(delivery("E", "shop", kStart, {{"s1", 5}}), kStart);  // a retry with its original arrival
  advance(kStart + 40 * kDayMs + kMinuteMs);
  EXPECT_EQ(quality_day(quarantined_for(Reason::late)), first_open_day(kStart + 40 * kDayMs, shanghai()));
}

TEST_F(Outlets, APendingDocumentIsQuarantinedAfterADay) {
  feed(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  feed(delivery("E", "no shop", kStart, {{"s1", 5}}), kStart);
  advance(kStart + kDayMs);
  EXPECT_EQ(quarantined(), Texts{}) << "exactly a day is in time";
  restart();
  advance(kStart + kDayMs + 1);
  EXPECT_EQ(quarantined(), (Texts{"E#1 unknown_outlet", "D#1 unknown_sku"}));
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(quarantined_for(Reason::unknown_sku)), 1);
  feed(sku("s9", "B9"), kStart + kDayMs + 2);
  advance(kStart + kDayMs + 3);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 0) << "too late";
}

class OutletsWithThreeDocumentsADay : public Outlets {
 protected:
  OutletsWithThreeDocumentsADay() : Outlets(3) {}
};

TEST_F(OutletsWithThreeDocumentsADay, PendingDocumentsCountInTheLimit) {
  struct Step {
    const char* what;
    Event event;
    std::int64_t pending;  // after it
    std::int64_t accepted;
    std::size_t rejected;  // as too_many_documents
  };
  const auto today = kStart + kHourMs;
  const auto yesterday = today - kDayMs;
  const auto of_unknown_sku = [&](const std::string& id, Millis time = 0) {
    return delivery(id, "shop", time == 0 ? today : time, {{"s9", 1}});
  };
  const auto of_known_sku = [&](const std::string& id) { return delivery(id, "shop", today, {{"s1", 1}}); };
  const Step steps[] = {
      {"a first one is known", of_known_sku("A"), 0, 1, 0},
      {"a second one waits", of_unknown_sku("B"), 1, 1, 0},
      {"a revision that waits takes a place", revised(of_unknown_sku("B"), 2), 2, 1, 0},
      {"one more would wait", of_unknown_sku("C"), 2, 1, 1},
      {"one more with known SKUs", of_known_sku("D"), 2, 1, 2},
      {"a revision of the known one", revised(of_known_sku("A"), 2), 2, 2, 2},
      {"a revision of the known one that waits", revised(of_unknown_sku("A"), 3), 3, 2, 2},
      {"so many wait that no revision may", revised(of_unknown_sku("A"), 4), 3, 2, 3},
      {"another day", of_unknown_sku("E", yesterday), 4, 2, 3},
      {"another outlet waits in its own places", delivery("F", "new shop", today, {{"s1", 1}}), 5, 2, 3},
      {"its second", delivery("G", "new shop", today, {{"s1", 1}}), 6, 2, 3},
      {"its third", delivery("H", "new shop", today, {{"s1", 1}}), 7, 2, 3},
      {"its fourth", delivery("I", "new shop", today, {{"s1", 1}}), 7, 2, 4},
      {"its version", outlet("new shop", nth(-10), "north"), 4, 5, 4},
      {"the SKU: B, its revision, the revision of A, E", sku("s9", "B9"), 0, 9, 4},
      {"a third document of the day has its place", of_known_sku("J"), 0, 10, 4},
      {"a fourth has none", of_known_sku("K"), 0, 10, 5},
  };
  auto arrival = today;
  for (const auto& [what, event, pending, accepted, rejected_now] : steps) {
    feed(event, ++arrival);
    advance(arrival);
    restart();  // The numbers are derived from the saved state.
    EXPECT_EQ(quality(Contribution::parked), pending) << what;
    EXPECT_EQ(quality(Contribution::accepted), accepted) << what;
    EXPECT_EQ(quarantined().size(), rejected_now) << what;
  }
  EXPECT_EQ(quarantined(),
            (Texts{"C#1 bad_value", "D#1 bad_value", "A#4 bad_value", "I#1 bad_value", "K#1 bad_value"}));
}

TEST_F(OutletsWithThreeDocumentsADay, APlaceIsFreeAgainWhenAPendingDocumentExpires) {
  for (const auto* id : {"A", "B", "C", "D"}) feed(delivery(id, "shop", kStart, {{"s9", 1}}), kStart);
  advance(kStart + kHourMs);
  EXPECT_EQ(quarantined(), Texts{"D#1 bad_value"});
  advance(kStart + kDayMs + 1);
  const Texts expired{"D#1 bad_value", "A#1 unknown_sku", "B#1 unknown_sku", "C#1 unknown_sku"};
  EXPECT_EQ(quarantined(), expired);
  rejected.clear();
  for (const auto* id : {"E", "F", "G", "H"}) feed(delivery(id, "shop", kStart, {{"s1", 1}}), kStart + kDayMs + 2);
  advance(kStart + kDayMs + 3);
  EXPECT_EQ(quality(Contribution::accepted), 3);
  EXPECT_EQ(quarantined(), Texts{"H#1 bad_value"});
}

TEST_F(Outlets, ADocumentWithTheIdOfAPendingOneWaitsForThatOne) {
  feed(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  feed(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + 1);
  feed(with_event_id(delivery("E", "shop", kStart, {{"s1", 3}}), "D#2"),
       kStart + 2);                                              // its event_id is that of a document that waits itself
  feed(delivery("F", "shop", kStart, {{"s1", 1}}), kStart + 3);  // no id in common
  feed(with_event_id(visit("D", "shop", kStart), "D#1"), kStart + 4);  // another kind
  advance(kStart + kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 3);
  EXPECT_EQ(quality(Contribution::accepted), 2);
  feed(sku("s9", "B9"), kStart + kHourMs);
  advance(kStart + 2 * kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(Contribution::accepted), 4);
  EXPECT_EQ(quarantined(), Texts{"D#2 event_id_conflict"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 4);
}

TEST_F(Outlets, ADocumentThatWaitedForAnExpiredOneIsValidated) {
  feed(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  feed(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + kHourMs);
  advance(kStart + kDayMs + 1);
  EXPECT_EQ(quarantined(), Texts{"D#1 unknown_sku"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 3);
  EXPECT_EQ(quality(Contribution::parked), 0);
}

// The first watermark may be far ahead. A timer on the way fires at its own time: at the new watermark, the day of the
// document that waited for the expired one is already final.
TEST_F(Outlets, AWaitingDocumentIsValidatedAtItsOwnTimeWhenTheFirstWatermarkIsFarAhead) {
  feed(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  feed(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + kHourMs);
  advance(kStart + 40 * kDayMs);
  EXPECT_EQ(quarantined(), Texts{"D#1 unknown_sku"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 3);
}

TEST(OutletRecordCodec, RefusesAPendingEventThatIsNoDocument) {
  MarketContext context{shanghai(), {}, {}};
  const OutletRecordCodec codec{&context};
  OutletRecord outlet;
  PendingRecord pending;
  *pending.mutable_event() = delivery("D", "shop", kStart, {{"s1", 5}});
  outlet.pending.add(pending, MissingReference{Reason::unknown_sku, "s1"});
  EXPECT_TRUE(codec.decode(codec.encode(outlet)).has_value());
  *pending.mutable_event() = sku("s1", "B1");
  outlet.pending = PendingRecords([](const Event&) { return std::vector<std::string>{}; });
  outlet.pending.add(pending, MissingReference{Reason::unknown_sku, "s1"});
  EXPECT_FALSE(codec.decode(codec.encode(outlet)).has_value());
}

// ---- flushes --------------------------------------------------------------------------------------------------------

class Flushes : public Outlets {
 protected:
  struct Flush {
    std::int32_t partition;
    std::string watermark;
    std::string closed;
    bool end_of_batch;
    int cells;
  };
  std::vector<Flush> flushes() {
    std::vector<Flush> result;
    for (const auto& one : bench.drain(Topic::deltas)) {
      EXPECT_TRUE(one.to_task);
      const auto deltas = one.as<DeltasRecord>().deltas();
      EXPECT_TRUE(deltas.last_piece());
      result.push_back({one.partition,
                        deltas.watermark_ms() == kNever ? "-" : shanghai().format(deltas.watermark_ms()).substr(5, 11),
                        format_date(Day{deltas.closed_day()}).substr(5), deltas.end_of_batch(),
                        deltas.columns().cell_brands_size()});
    }
    return result;
  }
  // The flushes to partition 0, as "03-02T00:00 closes 03-01".
  Texts shown() {
    Texts texts;
    for (const auto& flush : flushes()) {
      if (flush.partition == 0)
        texts.push_back(fmt::format("{} closes {}{}", flush.watermark, flush.closed, flush.end_of_batch ? " end" : ""));
    }
    return texts;
  }
};

TEST_F(Flushes, OneForEachProgressRecordAndForEachMidnight) {
  advance(kStart);
  EXPECT_EQ(shown(), (Texts{"03-01T00:00 closes 02-28", "03-01T12:00 closes 02-28 end"}));
  advance(kStart + 3 * kDayMs);
  EXPECT_EQ(shown(), (Texts{"03-02T00:00 closes 03-01", "03-03T00:00 closes 03-02", "03-04T00:00 closes 03-03",
                            "03-04T12:00 closes 03-03 end"}));
}

TEST_F(Flushes, DependOnTheReferenceRecordsBeforeThem) {
  const auto dependencies = [&](std::int64_t copied_until, Millis clock) {
    auto progress = progress_to(clock, definition);
    progress.mutable_progress()->set_copied_until(copied_until);
    if (copied_until > 0) progress.mutable_progress()->set_copied_index(4);
    EXPECT_TRUE(bench.feed(Topic::ledger, progress.SerializeAsString()).has_value());
    std::set<std::string> causes;
    for (const auto& one : bench.drain(Topic::deltas)) {
      EXPECT_LE(one.depends_on.size(), 1U);
      causes.insert(one.depends_on.empty() ? "nothing" : to_text(one.depends_on[0]));
    }
    return causes;
  };
  EXPECT_THAT(dependencies(0, kStart), testing::ElementsAre("nothing"));
  EXPECT_THAT(dependencies(8, kStart + kDayMs), testing::ElementsAre("reference/0/7/4"));
  EXPECT_THAT(dependencies(0, kStart + 2 * kDayMs), testing::ElementsAre("reference/0/7/4"))
      << "progress of a worker without the reference task";
  restart();
  EXPECT_THAT(dependencies(0, kStart + 3 * kDayMs), testing::ElementsAre("reference/0/7/4"));
}

TEST_F(Flushes, AreEmptyOnlyAtAMidnightOrAFullMinute) {
  advance(kStart);
  flushes();
  advance(kStart + 59 * kSecondMs);
  EXPECT_EQ(shown(), Texts{}) << "no differences within the minute";
  advance(kStart + 60 * kSecondMs);
  EXPECT_EQ(shown(), Texts{"03-01T12:01 closes 02-28 end"});
  advance(kStart + 30 * kSecondMs);  // a lower progress record has no effect
  EXPECT_EQ(shown(), Texts{});
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart + 61 * kSecondMs);
  EXPECT_EQ(shown(), Texts{}) << "no progress record";
  advance(kStart + 62 * kSecondMs);
  EXPECT_EQ(shown(), Texts{"03-01T12:01 closes 02-28 end"}) << "with differences";
}

TEST_F(Flushes, GoOnlyToPartitionsWithDifferences) {
  advance(kStart);
  flushes();
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart + kSecondMs);
  advance(kStart + 2 * kSecondMs);
  // Data quality and active outlets go everywhere, the brand to its own partition only.
  const auto own = partition_of("B1", 2);
  for (const auto& flush : flushes()) EXPECT_EQ(flush.cells, flush.partition == own ? 3 : 2) << flush.partition;
}

TEST_F(Flushes, OneAfter4096Records) {
  const auto rejection = [&] {
    LedgerRecord record;
    record.set_arrival_ms(kStart);
    record.mutable_rejection()->set_reason("malformed");
    record.mutable_rejection()->set_document(true);
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString()).has_value());
  };
  advance(kStart);
  flushes();
  for (int i = 0; i < OutletOutput::kRecordsMax - 1; ++i) rejection();
  EXPECT_EQ(flushes().size(), 0U);
  EXPECT_FALSE(stages.back()->at_boundary());
  rejection();
  EXPECT_EQ(shown(), Texts{"03-01T12:00 closes 02-28"});
  EXPECT_TRUE(stages.back()->at_boundary());
}

TEST_F(Flushes, LeaveOutDifferencesThatCancelOut) {
  advance(kStart);
  flushes();
  const auto first = delivery("D", "shop", kStart, {{"s1", 5}});
  feed(first, kStart);
  feed(cancelled(first, 2), kStart);
  advance(kStart + kSecondMs);
  for (const auto& flush : flushes()) EXPECT_EQ(flush.cells, 1) << "data quality only";
}

TEST_F(Flushes, CarryTheEarliestDayOfAnyAcceptedDocument) {
  const auto first_day = [&] { return bench.drain(Topic::deltas).back().as<DeltasRecord>().deltas().first_day(); };
  advance(kStart);
  EXPECT_EQ(first_day(), kNoDay.number);
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  feed(delivery("E", "shop", kStart - kDayMs, {{"s1", 5}}), kStart);
  advance(kStart + kMinuteMs);
  EXPECT_EQ(first_day(), nth(-1).number);
  restart();
  advance(kStart + 2 * kMinuteMs);
  EXPECT_EQ(first_day(), nth(-1).number);
}

TEST(DeltaMerge, SplitsALargeFlushIntoPiecesInCanonicalOrder) {
  MarketContext context{shanghai(), {}, {}};
  const auto brand = context.catalogue.brand_of(*[&] {
    context.catalogue.apply(sku("s1", "B1").sku());
    return context.catalogue.find("s1");
  }());
  DeltaMerge merge;
  constexpr int kCells = 2000;
  for (int i = 0; i < kCells; ++i) {
    const auto segment =
        context.segments.number_of(fmt::format("{:05}{}", (i * 7919) % kCells, std::string(600, 'x')), {});
    merge.add({{{brand, segment, Contribution::delivered_units, nth(0), 1}}, {}}, {});
  }
  const auto partitions = merge.drain(context, 1, false);
  ASSERT_EQ(partitions.size(), 1U);
  EXPECT_EQ(partitions[0].size(), 3U) << "1.2 MB";
  std::vector<std::string> regions;
  for (const auto& piece : partitions[0]) {
    EXPECT_LT(piece.ByteSizeLong(), DeltaMerge::kPieceBytes * 102 / 100);
    for (const auto& one : differences_of(piece.columns())) regions.push_back(one.region_id);
  }
  EXPECT_EQ(regions.size(), static_cast<std::size_t>(kCells));
  EXPECT_TRUE(std::is_sorted(regions.begin(), regions.end()));
  EXPECT_TRUE(merge.drain(context, 1, false)[0].empty()) << "the merge is empty";
}

TEST(DeltaMerge, IsFullAtDifferencesMax) {
  MarketContext context{shanghai(), {}, {}};
  DeltaMerge merge;
  for (std::size_t i = 0; i < DeltaMerge::kDifferencesMax; ++i) {
    EXPECT_FALSE(merge.full());
    merge.add({{{kNoBrand, kWholeMarket, Contribution::accepted, nth(static_cast<std::int32_t>(i)), 1}}, {}}, {});
  }
  EXPECT_TRUE(merge.full());
}

// ---- time -----------------------------------------------------------------------------------------------------------

TEST_F(Outlets, AnOutletBecomesDormantWithoutAnyEvent) {
  feed(visit("V", "shop", kStart), kStart);
  advance(kStart + kMinuteMs);
  EXPECT_EQ(sent("", Contribution::active_outlets), 1);
  restart();
  advance(shanghai().start_of(nth(56)) - 1);
  EXPECT_EQ(sent("", Contribution::active_outlets), 1);
  advance(shanghai().start_of(nth(56)));
  EXPECT_EQ(sent("", Contribution::active_outlets), 0);
}

TEST_F(Outlets, ADocumentThatWouldChangeAFinalDayIsRejected) {
  advance(kStart + 16 * kDayMs);
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);  // its arrival is earlier than that of the records before
  advance(kStart + 16 * kDayMs + kMinuteMs);
  EXPECT_EQ(quarantined(), Texts{"D#1 late"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 0);
}

TEST(FirstOpenDay, IsFifteenDaysAfterItsEnd) {
  const auto end_of_first = shanghai().end_of(nth(0));
  EXPECT_EQ(first_open_day(end_of_first + 15 * kDayMs - 1, shanghai()), nth(0));
  EXPECT_EQ(first_open_day(end_of_first + 15 * kDayMs, shanghai()), nth(1));
  EXPECT_EQ(first_open_day(kNever, shanghai()), kNoDay);
}

TEST_F(Outlets, DataQualityCountsRejectionsOfDocumentsOnly) {
  for (const auto document : {true, false}) {
    LedgerRecord record;
    record.set_arrival_ms(kStart);
    record.mutable_rejection()->set_reason("missing_field");
    record.mutable_rejection()->set_document(document);
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString()).has_value());
  }
  advance(kStart + 1);
  EXPECT_EQ(quality(quarantined_for(Reason::missing_field)), 1);
}

TEST_F(Outlets, AnotherDefinitionOrAnUnreadableRecordStopsTheTask) {
  const auto other = make_definition("Asia/Shanghai", {1, 1, 3});
  EXPECT_TRUE(bench.feed(Topic::ledger, definition_record(Topic::ledger, definition)).has_value());
  EXPECT_EQ(bench.feed(Topic::ledger, definition_record(Topic::ledger, other)).error().reaction, Reaction::stop);
  EXPECT_EQ(bench.feed(Topic::ledger, "\xff\xff").error().reaction, Reaction::stop);
}

// ---- an extension of the source partitions ----

TEST(OutletExtension, TheWatermarkWaitsForNewSourcePartitionsFromTheRecordOfTheExtensionOn) {
  const auto before = make_definition("Asia/Shanghai", {1, 1, 2});
  const auto after = extended(before, 3);
  const std::vector<std::string> ledger_partition{
      definition_record(Topic::ledger, before),
      progress_to(kStart, before).SerializeAsString(),
      progress_to(kStart + kDayMs, before).SerializeAsString(),
      definition_record(Topic::ledger, after),
      progress_to(kStart + 3 * kDayMs, before).SerializeAsString(),
      definition_record(Topic::ledger, after),
      definition_record(Topic::ledger, before),
      progress_to(kStart + 4 * kDayMs, before).SerializeAsString(),
      progress_to(kStart + 2 * kDayMs, after).SerializeAsString(),
      progress_to(kStart + 5 * kDayMs, after).SerializeAsString(),
  };
  const std::vector<std::int64_t> days{-1, 0, 1, 1, 1, 1, 1, 1, 2, 5};
  // The configuration of a process does not matter, and neither do restarts: only the log does.
  const auto outputs_of = [&](const Definition& configured, bool with_restarts) {
    const OutletStage::Settings settings{configured, 2, 1000};
    std::vector<std::unique_ptr<OutletStage>> stages;
    stages.push_back(std::make_unique<OutletStage>(settings, shanghai()));
    Bench bench{*stages.back()};
    for (std::size_t i = 0; i < ledger_partition.size(); ++i) {
      EXPECT_TRUE(bench.feed(Topic::ledger, ledger_partition[i]).has_value());
      if (with_restarts) {
        stages.push_back(std::make_unique<OutletStage>(settings, shanghai()));
        bench.restart_as(*stages.back());
      }
      EXPECT_EQ(stages.back()->clock(), days[i] < 0 ? kNever : kStart + days[i] * kDayMs) << i;
    }
    std::vector<std::string> values;
    for (const auto& sent : bench.drain()) values.push_back(sent.value);
    return values;
  };
  const auto outputs = outputs_of(before, false);
  EXPECT_THAT(outputs, testing::Not(testing::IsEmpty()));
  EXPECT_EQ(outputs_of(before, true), outputs);
  EXPECT_EQ(outputs_of(after, false), outputs);
  EXPECT_EQ(outputs_of(after, true), outputs);
}

// ---- alerts ----

class OutletAlertsTest : public Outlets {
 protected:
  Event counted(const std::string& id, Millis time, std::int64_t count) {
    auto event = visit(id, "shop", time);
    auto& check = *event.mutable_visit()->add_checks();
    check.set_sku_id("s1");
    check.set_count(count);
    return event;
  }
  // The transitions sent since the last call, as "R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00".
  Texts transitions() {
    Texts lines;
    for (const auto& one : bench.drain(Topic::signals)) {
      const auto transition = one.as<SignalRecord>().transition();
      EXPECT_TRUE(one.to_task);
      EXPECT_EQ(one.partition, market_partition_of("B1", definition));
      const auto minute = [](Millis moment) { return shanghai().format(moment).substr(0, 16); };
      lines.push_back(fmt::format("{} {} {} known {}", transition.rule(), Transition::State_Name(transition.state()),
                                  minute(transition.at_ms()), minute(transition.known_at_ms())));
    }
    return lines;
  }
};

// The shop sells 2 a day and has 6 left on day 7. At 00:00 of day 9 the stock lasts for less than two days.
TEST_F(OutletAlertsTest, AnAlertFiresAtItsDueTimeWithoutAnyEvent) {
  feed(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  feed(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  advance(noon(nth(7)));
  EXPECT_EQ(transitions(), Texts{});
  restart();
  advance(shanghai().start_of(nth(9)) - 1);
  EXPECT_EQ(transitions(), Texts{});
  advance(shanghai().start_of(nth(9)));
  EXPECT_EQ(transitions(), Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00"});
}

TEST_F(OutletAlertsTest, AWatermarkStepOfWeeksFiresEachTimerAtItsOwnTime) {
  feed(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  feed(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  advance(noon(nth(60)));
  EXPECT_EQ(transitions(), (Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00",
                                  "R2 RESOLVED 2026-04-06T00:00 known 2026-04-06T00:00"}))
      << "the count is too old on day 36";
}

// While the watermark waits for another source partition, the arrivals of the outlet's own records advance its clock.
TEST_F(OutletAlertsTest, ATimerFiresBeforeARecordWithALaterArrival) {
  feed(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  feed(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  feed(delivery("D", "shop", noon(nth(10)), {{"s1", 30}}), noon(nth(10)));
  EXPECT_EQ(transitions(), (Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00",
                                  "R2 RESOLVED 2026-03-11T12:00 known 2026-03-11T12:00"}));
  advance(noon(nth(11)));
  EXPECT_EQ(transitions(), Texts{}) << "only once, although the watermark reaches the same time later";
}

// A replay that ends on day 28 also reads later records, for late documents. They must not resolve an alert that is
// open on day 28.
TEST_F(OutletAlertsTest, RecordsAfterTheEndOfAReplayLeaveItsAlertsOpen) {
  stages.push_back(std::make_unique<OutletStage>(
      OutletStage::Settings{definition, 2, 1000, true, shanghai().end_of(nth(28))}, shanghai()));
  bench.restart_as(*stages.back());
  feed(outlet("shop", nth(-10), "north"), kStart);
  feed(delivery("D1", "shop", noon(nth(0)), {{"s1", 10}}), noon(nth(0)));
  feed(counted("V1", noon(nth(20)), 0), noon(nth(20)));
  EXPECT_EQ(transitions(), Texts{"R1 FIRING 2026-03-21T12:00 known 2026-03-21T12:00"});
  for (const auto day : {32, 240, 260}) {
    feed(delivery(fmt::format("E{}", day), "shop", noon(nth(day)), {{"s1", 10}}), noon(nth(day)));
    advance(noon(nth(day)));
  }
  EXPECT_EQ(transitions(), Texts{}) << "the clock of the rules stops on day 28";
}

TEST_F(OutletAlertsTest, ARejectedCountIsQuarantinedWithItsLine) {
  feed(counted("V1", noon(nth(0)), 3), noon(nth(0)));
  feed(counted("V2", noon(nth(1)), 90), noon(nth(1)));
  const auto sent = bench.drain(Topic::quarantine);
  ASSERT_EQ(sent.size(), 1U);
  const auto record = sent.front().as<Quarantined>();
  EXPECT_EQ(record.reason(), "count_implausible");
  EXPECT_EQ(record.sku_id(), "s1");
  EXPECT_EQ(record.event_id(), "V2#1");
  EXPECT_TRUE(sent.front().key.ends_with("/s1")) << sent.front().key;
  advance(noon(nth(2)));
  EXPECT_EQ(quality(Contribution::accepted), 2) << "the document is accepted";
}

TEST_F(OutletAlertsTest, AnOutletThatClosesTodayResolvesThePredictionAtOnce) {
  feed(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  feed(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  advance(noon(nth(9)));
  EXPECT_EQ(transitions().size(), 1U);
  feed(outlet("shop", nth(9), "north", Outlet::CLOSED), noon(nth(9)));
  EXPECT_EQ(transitions(), Texts{"R2 RESOLVED 2026-03-10T12:00 known 2026-03-10T12:00"});
}

}  // namespace
}  // namespace fiverate::test
