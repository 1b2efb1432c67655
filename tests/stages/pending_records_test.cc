// Pending records: against a plain list that is searched from the beginning each time.
#include "processors/stages/pending_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

constexpr Millis kWaitingTime = 20;
constexpr Millis kTime = 1'770'000'000'000;  // of all events

// The document and the event id.
std::vector<std::string> identities_of(const Event& event) {
  return {"D " + event.delivery().delivery_id(), "E " + event.event_id()};
}

class Known {
 public:
  void add(const std::string& sku_id) { skus_.insert(sku_id); }
  Result<std::optional<MissingReference>> operator()(const Event& event) const {
    for (const auto& line : event.delivery().lines()) {
      if (skus_.count(line.sku_id()) == 0) return MissingReference{Reason::unknown_sku, line.sku_id()};
    }
    return std::nullopt;
  }

 private:
  std::set<std::string> skus_;
};

// What PendingRecords promises, without any index.
class PlainList {
 public:
  void add(PendingRecord record) { records_.push_back(std::move(record)); }
  [[nodiscard]] bool blocks(const Event& event) const { return blocks(event, records_.size()); }
  std::optional<PendingRecord> pop_ready(const Known& known) {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (!known(records_[i].event())->has_value() && !blocks(records_[i].event(), i)) return remove(i);
    }
    return std::nullopt;
  }
  std::optional<PendingRecord> pop_expired(Millis clock, const Known& known) {
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const auto arrival = records_[i].arrival_ms();
      if (arrival + kWaitingTime >= clock || !known(records_[i].event())->has_value()) continue;
      if (!first || arrival < records_[*first].arrival_ms()) first = i;
    }
    return first ? std::optional(remove(*first)) : std::nullopt;
  }
  [[nodiscard]] const std::vector<PendingRecord>& records() const { return records_; }

 private:
  [[nodiscard]] bool blocks(const Event& event, std::size_t count) const {
    const auto identities = identities_of(event);
    return std::any_of(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(count), [&](const auto& other) {
      const auto others = identities_of(other.event());
      return std::find_first_of(others.begin(), others.end(), identities.begin(), identities.end()) != others.end();
    });
  }
  PendingRecord remove(std::size_t i) {
    auto record = std::move(records_[i]);
    records_.erase(records_.begin() + static_cast<std::ptrdiff_t>(i));
    return record;
  }

  std::vector<PendingRecord> records_;
};

std::string text(const std::optional<PendingRecord>& record) {
  return record ? fmt::format("{} {}", record->offset(), record->event().event_id()) : "none";
}

TEST(PendingRecords, BehaveAsAPlainListInAnyHistory) {
  int popped = 0;
  int expired = 0;
  int blocked = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random); };
    PendingRecords indexed(identities_of);
    PlainList plain;
    Known known;
    Millis clock = 0;
    const auto drain = [&] {
      for (;;) {
        const auto one = indexed.pop_ready();
        ASSERT_EQ(text(one), text(plain.pop_ready(known))) << "seed " << seed;
        if (!one) return;
        ++popped;
      }
    };
    for (int step = 0; step < 120; ++step) {
      clock += below(3);
      const auto action = below(10);
      if (action == 0) {
        const auto sku_id = fmt::format("s{}", below(12));
        known.add(sku_id);
        ASSERT_TRUE(indexed.on_known({Reason::unknown_sku, sku_id}, known).has_value());
        drain();
      } else if (action == 1) {
        for (;;) {
          const auto one = indexed.pop_expired(clock, kWaitingTime);
          ASSERT_EQ(text(one ? std::optional(one->record) : std::nullopt), text(plain.pop_expired(clock, known)));
          if (!one) break;
          EXPECT_EQ(one->missing, **known(one->record.event()));
          ++expired;
          drain();
        }
      } else {
        auto event = delivery(fmt::format("D{}", below(20)), "shop", kTime,
                              {{fmt::format("s{}", below(12)), 1}, {fmt::format("s{}", 12 + below(2)), 1}});
        if (below(3) != 0) event.mutable_delivery()->mutable_lines()->RemoveLast();
        event = with_event_id(event, fmt::format("E{}", below(60)));
        const auto blocks = indexed.blocks(event);
        ASSERT_EQ(blocks, plain.blocks(event)) << "seed " << seed;
        auto missing = *known(event);
        if (!missing && !blocks) continue;
        blocked += missing ? 0 : 1;
        PendingRecord record;
        *record.mutable_event() = event;
        record.set_arrival_ms(clock - below(3));
        record.set_offset(step);
        indexed.add(record, std::move(missing));
        plain.add(record);
      }
      std::vector<std::string> order;
      indexed.each([&](const PendingRecord& record) { order.push_back(text(record)); });
      std::vector<std::string> expected;
      for (const auto& record : plain.records()) expected.push_back(text(record));
      ASSERT_EQ(order, expected) << "seed " << seed;
    }
  }
  EXPECT_GT(popped, 1000);
  EXPECT_GT(expired, 1000);
  EXPECT_GT(blocked, 100);
}

TEST(PendingRecords, TheNextExpiryIsThatOfTheEarliestArrivalThatMissesSomething) {
  PendingRecords pending(identities_of);
  EXPECT_EQ(pending.next_expiry(kWaitingTime), kNever);
  const auto add = [&](const std::string& id, Millis arrival, std::optional<MissingReference> missing) {
    PendingRecord record;
    *record.mutable_event() = delivery(id, "shop", kTime, {});
    record.set_arrival_ms(arrival);
    pending.add(record, std::move(missing));
  };
  add("D", 30, MissingReference{Reason::unknown_sku, "s1"});
  add("D", 10, std::nullopt);
  EXPECT_EQ(pending.next_expiry(kWaitingTime), 51) << "the record that only waits for an earlier one does not expire";
  add("E", 20, MissingReference{Reason::unknown_outlet, "shop"});
  EXPECT_EQ(pending.next_expiry(kWaitingTime), 41);
}

}  // namespace
}  // namespace fiverate::test
