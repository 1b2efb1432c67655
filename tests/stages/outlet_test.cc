// The stage that knows each shop: parking, cuts, time.
#include "processors/stages/outlet.h"

#include <gmock/gmock.h>

#include "schemas/format.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

constexpr Millis kHourMs = 60 * kMinuteMs;

class Outlets : public testing::Test {
 protected:
  Outlets() {
    enters(sku("s1", "B1"), kStart);
    enters(outlet("shop", nth(-10), "north"), kStart);
  }

  void enters(const Event& event, Millis arrival) {
    const auto fed = bench.feed(Topic::ledger, ledger(event, arrival).SerializeAsString(),
                                Cause{"deliveries/0", {bench.next_offset(), 0}});
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void passes(Millis clock) {
    ASSERT_TRUE(bench.feed(Topic::ledger, progress_to(clock, definition).SerializeAsString()).has_value());
  }
  void restarts() {
    stages.push_back(std::make_unique<OutletStage>(OutletStage::Settings{definition, 2, 1000}, shanghai()));
    bench.restart_as(*stages.back());
  }

  // Sums what was sent about a contribution so far; of brand "" from the first market partition only.
  std::int64_t sent(std::string_view brand, Contribution contribution) {
    collect();
    return sums[{std::string(brand), contribution}];
  }
  std::int64_t quality(Contribution contribution) { return sent("", contribution); }
  // The day that it was last counted on.
  Day quality_day(Contribution contribution) {
    collect();
    return days[{"", contribution}];
  }
  std::vector<std::string> quarantined() {
    collect();
    return rejected;
  }
  void collect() {
    for (const auto& one : bench.take()) {
      if (one.topic == Topic::quarantine) {
        const auto record = one.as<Quarantined>();
        rejected.push_back(record.event_id() + " " + record.reason());
        EXPECT_EQ(record.topic(), "deliveries");
      }
      if (one.topic != Topic::deltas) continue;
      const auto record = one.as<DeltasRecord>();
      for (const auto& cell : record.deltas().cells()) {
        if (!cell.class_dimension().empty() || (cell.brand_id().empty() && one.partition != 0)) continue;
        for (int i = 0; i < cell.values_size(); ++i) {
          auto& sum = sums[{cell.brand_id(), static_cast<Contribution>(cell.measures(i))}];
          sum = wrapped_sum(sum, cell.values(i));
          days[{cell.brand_id(), static_cast<Contribution>(cell.measures(i))}] = Day{cell.days(i)};
        }
      }
    }
  }

  const Definition definition = make_definition("Asia/Shanghai", {1, 1, 2});
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

// ---- parking --------------------------------------------------------------------------------------------------------

TEST_F(Outlets, ADocumentOfAnUnknownSkuWaitsUntilItIsKnown) {
  enters(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  passes(kStart + kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 1);
  EXPECT_EQ(quality(Contribution::accepted), 0);
  restarts();
  enters(sku("s9", "B9"), kStart + 2 * kHourMs);
  passes(kStart + 3 * kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(Contribution::accepted), 1);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 5);
}

TEST_F(Outlets, ADocumentOfAnUnknownOutletWaitsUntilItIsKnown) {
  enters(delivery("D", "new shop", kStart, {{"s1", 5}}), kStart);
  enters(outlet("new shop", nth(-1), "south"), kStart + kHourMs);
  passes(kStart + 3 * kHourMs);
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 5);
}

TEST_F(Outlets, ADocumentWaitsForAnIdWithANulThroughARestart) {
  const std::string odd("n\0w", 3);
  enters(delivery("D", "shop", kStart, {{odd, 5}}), kStart);
  passes(kStart + kMinuteMs);
  restarts();
  enters(sku(odd, "B9"), kStart + kHourMs);
  passes(kStart + 2 * kHourMs);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 5);
}

TEST_F(Outlets, QualityOfWhatComesBackLateCountsOnADayThatIsOpen) {
  enters(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  passes(kStart + 40 * kDayMs);
  enters(delivery("E", "shop", kStart, {{"s1", 5}}), kStart);  // sent again, with the arrival that it had
  passes(kStart + 40 * kDayMs + kMinuteMs);
  EXPECT_EQ(quality_day(quarantined_for(Reason::late)), first_open_day(kStart + 40 * kDayMs, shanghai()));
}

TEST_F(Outlets, IsQuarantinedWhenTheDayIsOver) {
  enters(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  enters(delivery("E", "no shop", kStart, {{"s1", 5}}), kStart);
  passes(kStart + kDayMs);
  EXPECT_EQ(quarantined(), Texts{}) << "exactly a day is in time";
  restarts();
  passes(kStart + kDayMs + 1);
  EXPECT_EQ(quarantined(), (Texts{"E#1 unknown_outlet", "D#1 unknown_sku"}));
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(quarantined_for(Reason::unknown_sku)), 1);
  enters(sku("s9", "B9"), kStart + kDayMs + 2);
  passes(kStart + kDayMs + 3);
  EXPECT_EQ(sent("B9", Contribution::delivered_units), 0) << "too late";
}

TEST_F(Outlets, WhatSharesAnIdWithAParkedOneWaitsBehindIt) {
  enters(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  enters(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + 1);
  enters(with_event_id(delivery("E", "shop", kStart, {{"s1", 3}}), "D#2"), kStart + 2);  // behind the one behind
  enters(delivery("F", "shop", kStart, {{"s1", 1}}), kStart + 3);                        // has nothing to do with it
  enters(with_event_id(visit("D", "shop", kStart), "D#1"), kStart + 4);                  // another kind
  passes(kStart + kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 3);
  EXPECT_EQ(quality(Contribution::accepted), 2);
  enters(sku("s9", "B9"), kStart + kHourMs);
  passes(kStart + 2 * kHourMs);
  EXPECT_EQ(quality(Contribution::parked), 0);
  EXPECT_EQ(quality(Contribution::accepted), 4);
  EXPECT_EQ(quarantined(), Texts{"D#2 event_id_conflict"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 4);
}

TEST_F(Outlets, WhatWaitedBehindOneThatIsGoneIsJudged) {
  enters(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  enters(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + kHourMs);
  passes(kStart + kDayMs + 1);
  EXPECT_EQ(quarantined(), Texts{"D#1 unknown_sku"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 3);
  EXPECT_EQ(quality(Contribution::parked), 0);
}

// Time may begin with a leap (no watermark so far). What is due within it is judged at its own hour, not at the leap's end,
// where the day of what waited behind an expired document is final long ago.
TEST_F(Outlets, WhatWaitedIsJudgedAtItsHourAlsoIfTimeBeginsWithALeap) {
  enters(delivery("D", "shop", kStart, {{"s9", 5}}), kStart);
  enters(revised(delivery("D", "shop", kStart, {{"s1", 3}}), 2), kStart + kHourMs);
  passes(kStart + 40 * kDayMs);
  EXPECT_EQ(quarantined(), Texts{"D#1 unknown_sku"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 3);
}

// ---- cuts -----------------------------------------------------------------------------------------------------------

class Cuts : public Outlets {
 protected:
  struct Cut {
    std::int32_t partition;
    std::string watermark;
    std::string closed;
    bool settled;
    int cells;
  };
  std::vector<Cut> cuts() {
    std::vector<Cut> result;
    for (const auto& one : bench.take(Topic::deltas)) {
      EXPECT_TRUE(one.to_task);
      const auto deltas = one.as<DeltasRecord>().deltas();
      EXPECT_TRUE(deltas.last_piece());
      result.push_back({one.partition,
                        deltas.watermark_ms() == kNever ? "-" : shanghai().format(deltas.watermark_ms()).substr(5, 11),
                        format_date(Day{deltas.closed_day()}).substr(5), deltas.settled(), deltas.cells_size()});
    }
    return result;
  }
  // "03-02T00:00 closes 03-01" of the cuts to partition 0.
  Texts shown() {
    Texts texts;
    for (const auto& cut : cuts()) {
      if (cut.partition == 0)
        texts.push_back(fmt::format("{} closes {}{}", cut.watermark, cut.closed, cut.settled ? " settled" : ""));
    }
    return texts;
  }
};

TEST_F(Cuts, FallAtEveryProgressRecordAndOneAMidnight) {
  passes(kStart);
  EXPECT_EQ(shown(), (Texts{"03-01T00:00 closes 02-28", "03-01T12:00 closes 02-28 settled"}));
  passes(kStart + 3 * kDayMs);
  EXPECT_EQ(shown(), (Texts{"03-02T00:00 closes 03-01", "03-03T00:00 closes 03-02", "03-04T00:00 closes 03-03",
                            "03-04T12:00 closes 03-03 settled"}));
}

TEST_F(Cuts, NeedTheCopiesOfReferenceThatCameBeforeThem) {
  const auto needs = [&](std::int64_t copied_until, Millis clock) {
    auto progress = progress_to(clock, definition);
    progress.mutable_progress()->set_copied_until(copied_until);
    if (copied_until > 0) progress.mutable_progress()->set_copied_index(4);
    EXPECT_TRUE(bench.feed(Topic::ledger, progress.SerializeAsString()).has_value());
    std::set<std::string> said;
    for (const auto& one : bench.take(Topic::deltas)) {
      EXPECT_LE(one.depends_on.size(), 1U);
      said.insert(one.depends_on.empty() ? "nothing" : to_text(one.depends_on[0]));
    }
    return said;
  };
  EXPECT_THAT(needs(0, kStart), testing::ElementsAre("nothing"));
  EXPECT_THAT(needs(8, kStart + kDayMs), testing::ElementsAre("reference/0/7/4"));
  EXPECT_THAT(needs(0, kStart + 2 * kDayMs), testing::ElementsAre("reference/0/7/4")) << "another worker's progress says nothing of it";
  restarts();
  EXPECT_THAT(needs(0, kStart + 3 * kDayMs), testing::ElementsAre("reference/0/7/4"));
}

TEST_F(Cuts, AreEmptyOnlyAtACloseOrAFullMinute) {
  passes(kStart);
  cuts();
  passes(kStart + 59 * kSecondMs);
  EXPECT_EQ(shown(), Texts{}) << "nothing to say within the minute";
  passes(kStart + 60 * kSecondMs);
  EXPECT_EQ(shown(), Texts{"03-01T12:01 closes 02-28 settled"});
  passes(kStart + 30 * kSecondMs);  // lower after higher
  EXPECT_EQ(shown(), Texts{});
  enters(delivery("D", "shop", kStart, {{"s1", 5}}), kStart + 61 * kSecondMs);
  EXPECT_EQ(shown(), Texts{}) << "not by itself";
  passes(kStart + 62 * kSecondMs);
  EXPECT_EQ(shown(), Texts{"03-01T12:01 closes 02-28 settled"}) << "something to say";
}

TEST_F(Cuts, GoOnlyToPartitionsThatGetSomething) {
  passes(kStart);
  cuts();
  enters(delivery("D", "shop", kStart, {{"s1", 5}}), kStart + kSecondMs);
  passes(kStart + 2 * kSecondMs);
  // Data quality and active outlets go everywhere, the brand to its own partition only.
  const auto own = partition_of("B1", 2);
  for (const auto& cut : cuts()) EXPECT_EQ(cut.cells, cut.partition == own ? 3 : 2) << cut.partition;
}

TEST_F(Cuts, FallAfter4096Records) {
  const auto rejection = [&] {
    LedgerRecord record;
    record.set_arrival_ms(kStart);
    record.mutable_rejection()->set_reason("malformed");
    record.mutable_rejection()->set_document(true);
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString()).has_value());
  };
  passes(kStart);
  cuts();
  for (int i = 0; i < OutletStage::kRecordsMax - 1; ++i) rejection();
  EXPECT_EQ(cuts().size(), 0U);
  EXPECT_FALSE(stages.back()->at_boundary());
  rejection();
  EXPECT_EQ(shown(), Texts{"03-01T12:00 closes 02-28"});
  EXPECT_TRUE(stages.back()->at_boundary());
}

TEST_F(Cuts, MergeWhatCancelsOut) {
  passes(kStart);
  cuts();
  const auto first = delivery("D", "shop", kStart, {{"s1", 5}});
  enters(first, kStart);
  enters(cancelled(first, 2), kStart);
  passes(kStart + kSecondMs);
  for (const auto& cut : cuts()) EXPECT_EQ(cut.cells, 1) << "data quality alone";
}

TEST_F(Cuts, TellTheEarliestDayOfAnyAcceptedDocument) {
  const auto first_day = [&] { return bench.take(Topic::deltas).back().as<DeltasRecord>().deltas().first_day(); };
  passes(kStart);
  EXPECT_EQ(first_day(), kNoDay.number);
  enters(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  enters(delivery("E", "shop", kStart - kDayMs, {{"s1", 5}}), kStart);
  passes(kStart + kMinuteMs);
  EXPECT_EQ(first_day(), nth(-1).number);
  restarts();
  passes(kStart + 2 * kMinuteMs);
  EXPECT_EQ(first_day(), nth(-1).number);
}

TEST(DeltaMerge, SplitsALargeEffectIntoPiecesInOneOrder) {
  MarketContext context{shanghai(), {}, {}};
  const auto brand = context.catalogue.brand_of(*[&] {
    context.catalogue.apply(sku("s1", "B1").sku());
    return context.catalogue.find("s1");
  }());
  DeltaMerge merge;
  constexpr int kPlaces = 2000;
  for (int i = 0; i < kPlaces; ++i) {
    const auto place =
        context.places.number_of(fmt::format("{:05}{}", (i * 7919) % kPlaces, std::string(600, 'x')), {});
    merge.add({{{brand, place, Contribution::delivered_units, nth(0), 1}}, {}}, context);
  }
  const auto parts = merge.take(context, 1, false);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].size(), 3U) << "1.2 MB";
  std::vector<std::string> regions;
  for (const auto& piece : parts[0]) {
    EXPECT_LT(piece.ByteSizeLong(), DeltaMerge::kPieceBytes * 102 / 100);
    for (const auto& cell : piece.cells()) regions.push_back(cell.region_id());
  }
  EXPECT_EQ(regions.size(), static_cast<std::size_t>(kPlaces));
  EXPECT_TRUE(std::is_sorted(regions.begin(), regions.end()));
  EXPECT_TRUE(merge.take(context, 1, false)[0].empty()) << "nothing is left";
}

TEST(DeltaMerge, IsFullAtSoManyKeys) {
  MarketContext context{shanghai(), {}, {}};
  DeltaMerge merge;
  for (std::size_t i = 0; i < DeltaMerge::kKeysMax; ++i) {
    EXPECT_FALSE(merge.full());
    merge.add({{{kNoBrand, kWholeMarket, Contribution::accepted, nth(static_cast<std::int32_t>(i)), 1}}, {}}, context);
  }
  EXPECT_TRUE(merge.full());
}

// ---- time -----------------------------------------------------------------------------------------------------------

TEST_F(Outlets, BecomesDormantWhenTheDayComesWithNoEventArriving) {
  enters(visit("V", "shop", kStart), kStart);
  passes(kStart + kMinuteMs);
  EXPECT_EQ(sent("", Contribution::active_outlets), 1);
  restarts();
  passes(shanghai().start_of(nth(56)) - 1);
  EXPECT_EQ(sent("", Contribution::active_outlets), 1);
  passes(shanghai().start_of(nth(56)));
  EXPECT_EQ(sent("", Contribution::active_outlets), 0);
}

TEST_F(Outlets, RefusesWhatWouldChangeAFinalDay) {
  passes(kStart + 16 * kDayMs);
  enters(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);  // its arrival runs backwards
  passes(kStart + 16 * kDayMs + kMinuteMs);
  EXPECT_EQ(quarantined(), Texts{"D#1 late"});
  EXPECT_EQ(sent("B1", Contribution::delivered_units), 0);
}

TEST(FirstOpenDay, IsFifteenDaysAfterItsEnd) {
  const auto end_of_first = shanghai().end_of(nth(0));
  EXPECT_EQ(first_open_day(end_of_first + 15 * kDayMs - 1, shanghai()), nth(0));
  EXPECT_EQ(first_open_day(end_of_first + 15 * kDayMs, shanghai()), nth(1));
  EXPECT_EQ(first_open_day(kNever, shanghai()), kNoDay);
}

TEST_F(Outlets, CountsRejectionsOfDocumentsOnly) {
  for (const auto document : {true, false}) {
    LedgerRecord record;
    record.set_arrival_ms(kStart);
    record.mutable_rejection()->set_reason("missing_field");
    record.mutable_rejection()->set_document(document);
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString()).has_value());
  }
  passes(kStart + 1);
  EXPECT_EQ(quality(quarantined_for(Reason::missing_field)), 1);
}

TEST_F(Outlets, StopsAtAnotherDefinitionAndAtWhatIsNoLedger) {
  const auto other = make_definition("Asia/Shanghai", {1, 1, 3});
  EXPECT_TRUE(bench.feed(Topic::ledger, definition_record(Topic::ledger, definition)).has_value());
  EXPECT_EQ(bench.feed(Topic::ledger, definition_record(Topic::ledger, other)).error().reaction, Reaction::stop);
  EXPECT_EQ(bench.feed(Topic::ledger, "\xff\xff").error().reaction, Reaction::stop);
}

// ---- alerts ----

class Watched : public Outlets {
 protected:
  Event counted(const std::string& id, Millis time, std::int64_t count) {
    auto event = visit(id, "shop", time);
    auto& check = *event.mutable_visit()->add_checks();
    check.set_sku_id("s1");
    check.set_count(count);
    return event;
  }
  // "R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00", in the order sent.
  Texts said() {
    Texts lines;
    for (const auto& one : bench.take(Topic::signals)) {
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

// 2 a day are sold, 6 are left on day 7: less than two days at 00:00 of day 9.
TEST_F(Watched, AnAlertComesOutOfSilenceAtItsDueTime) {
  enters(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  enters(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  passes(noon(nth(7)));
  EXPECT_EQ(said(), Texts{});
  restarts();
  passes(shanghai().start_of(nth(9)) - 1);
  EXPECT_EQ(said(), Texts{});
  passes(shanghai().start_of(nth(9)));
  EXPECT_EQ(said(), Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00"});
}

TEST_F(Watched, ALeapOverWeeksSendsEachAtItsOwnHour) {
  enters(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  enters(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  passes(noon(nth(60)));
  EXPECT_EQ(said(), (Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00",
                           "R2 RESOLVED 2026-04-06T00:00 known 2026-04-06T00:00"}))
      << "the count is too old on day 36";
}

// The watermark of another source stands still: the outlet's own arrivals move its clock.
TEST_F(Watched, WhatIsDueFiresBeforeTheRecordThatArrivesLater) {
  enters(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  enters(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  enters(delivery("D", "shop", noon(nth(10)), {{"s1", 30}}), noon(nth(10)));
  EXPECT_EQ(said(), (Texts{"R2 FIRING 2026-03-10T00:00 known 2026-03-10T00:00",
                           "R2 RESOLVED 2026-03-11T12:00 known 2026-03-11T12:00"}));
  passes(noon(nth(11)));
  EXPECT_EQ(said(), Texts{}) << "not once more when the watermark follows";
}

// A replay that ends on day 28 reads on for the sake of late records. What comes long after must not settle what is open there.
TEST_F(Watched, WhereAReplayEndsNothingIsForgottenInItsStead) {
  stages.push_back(std::make_unique<OutletStage>(
      OutletStage::Settings{definition, 2, 1000, true, shanghai().end_of(nth(28))}, shanghai()));
  bench.restart_as(*stages.back());
  enters(outlet("shop", nth(-10), "north"), kStart);
  enters(delivery("D1", "shop", noon(nth(0)), {{"s1", 10}}), noon(nth(0)));
  enters(counted("V1", noon(nth(20)), 0), noon(nth(20)));
  EXPECT_EQ(said(), Texts{"R1 FIRING 2026-03-21T12:00 known 2026-03-21T12:00"});
  for (const auto day : {32, 240, 260}) {
    enters(delivery(fmt::format("E{}", day), "shop", noon(nth(day)), {{"s1", 10}}), noon(nth(day)));
    passes(noon(nth(day)));
  }
  EXPECT_EQ(said(), Texts{}) << "open where the clock stands still";
}

TEST_F(Watched, ACountThatIsNotBelievedIsQuarantinedByItsLine) {
  enters(counted("V1", noon(nth(0)), 3), noon(nth(0)));
  enters(counted("V2", noon(nth(1)), 90), noon(nth(1)));
  const auto sent = bench.take(Topic::quarantine);
  ASSERT_EQ(sent.size(), 1U);
  const auto record = sent.front().as<Quarantined>();
  EXPECT_EQ(record.reason(), "count_implausible");
  EXPECT_EQ(record.sku_id(), "s1");
  EXPECT_EQ(record.event_id(), "V2#1");
  EXPECT_TRUE(sent.front().key.ends_with("/s1")) << sent.front().key;
  passes(noon(nth(2)));
  EXPECT_EQ(quality(Contribution::accepted), 2) << "the document is accepted";
}

TEST_F(Watched, AnOutletThatClosesTodayEndsThePredictionAtOnce) {
  enters(counted("V1", noon(nth(0)), 20), noon(nth(0)));
  enters(counted("V2", noon(nth(7)), 6), noon(nth(7)));
  passes(noon(nth(9)));
  EXPECT_EQ(said().size(), 1U);
  enters(outlet("shop", nth(9), "north", Outlet::CLOSED), noon(nth(9)));
  EXPECT_EQ(said(), Texts{"R2 RESOLVED 2026-03-10T12:00 known 2026-03-10T12:00"});
}

}  // namespace
}  // namespace fiverate::test
