#include "tests/support/random_history.h"

#include <algorithm>
#include <random>
#include <set>

#include "processors/trade/facts/acceptance.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

constexpr Millis kHourMs = 60 * kMinuteMs;

class Writer {
 public:
  Writer(std::uint64_t seed, const HistoryShape& shape) : random_(seed), shape_(shape) {}

  std::vector<SourceRecord> write() {
    write_reference();
    if (chance(30) && shape_.silences) pause_days_ = pick<std::int32_t>({30, 57, 57, 80, below(10) == 0 ? 200 : 60});
    for (int i = 0; i < shape_.documents; ++i) write_document();
    if (shape_.nasty) write_rubbish();
    std::stable_sort(records_.begin(), records_.end(),
                     [](const SourceRecord& a, const SourceRecord& b) { return a.arrival < b.arrival; });
    return std::move(records_);
  }

 private:
  struct Document {
    Event event;
    Millis arrival;
  };

  // ---- chance ----
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(end));
  }
  std::int64_t between(std::int64_t first, std::int64_t last) { return first + below(last - first + 1); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  T pick(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(below(static_cast<std::int64_t>(values.size())))];
  }

  // Any instant of a day of the history, often at or next to a midnight. In the middle there may be a long pause
  // without documents.
  Millis moment() {
    auto number = static_cast<std::int32_t>(below(shape_.days));
    if (number >= shape_.days / 2) number += pause_days_;
    const auto start = shanghai().start_of(nth(number));
    return start + (chance(25) ? pick<Millis>({0, 1, kDayMs - 1, 8 * kHourMs}) : below(kDayMs));
  }

  void add(const Event& event, Millis arrival) {
    const auto topic = home_of(event.payload_case());
    CHECK(topic.has_value());
    records_.push_back({*topic, is_document(event.payload_case()) ? outlet_id_of(event) : std::string(), arrival,
                        event.SerializeAsString()});
  }

  // ---- reference ----
  void write_reference() {
    auto now = at("2026-02-28T08:00:00");
    const auto add_next = [&](const Event& event) { add(event, now += kMinuteMs); };
    add_next(region("CN", "", Region::COUNTRY));
    add_next(region("city", "CN", Region::CITY));
    for (const auto* county : {"k1", "k2", "k3"}) add_next(region(county, "city", Region::COUNTY));
    add_next(region("island", "", Region::COUNTY));
    add_next(sku("s1", "B1"));
    add_next(sku("s2", "B1"));
    add_next(sku("s3", "B2"));
    for (int i = 0; i < shape_.outlets; ++i) write_outlet(fmt::format("o{}", i), now);
    if (shape_.nasty) write_spoiled_reference();
    if (shape_.counties_change) write_county_changes();
  }

  Event version(const std::string& outlet_id, Day valid_from) {
    Classes classes;
    if (chance(70)) classes.emplace_back("channel", pick<std::string>({"a", "b"}));
    if (chance(40)) classes.emplace_back("size", "big");
    const auto state = pick<Outlet::State>({Outlet::ACTIVE, Outlet::ACTIVE, Outlet::ACTIVE, Outlet::CLOSED});
    return outlet(outlet_id, valid_from, pick<std::string>({"k1", "k2", "k3", "island", "city"}), state, classes);
  }

  // The first version does not change, because its segment also applies to the days before it.
  void write_outlet(const std::string& outlet_id, Millis now) {
    outlets_.push_back(outlet_id);
    auto valid_from = nth(static_cast<std::int32_t>(pick<std::int64_t>({-400, -20, 0, 3})));
    add(version(outlet_id, valid_from), now + below(kHourMs));
    for (auto further = below(3); further > 0; --further) {
      const auto arrival = moment();
      valid_from = std::max(valid_from + 1, shanghai().day_of(arrival) + static_cast<std::int32_t>(between(-5, 9)));
      const auto event = version(outlet_id, valid_from);
      add(event, arrival);
      const auto later = arrival + below(4 * kDayMs);
      if (chance(20)) add(cancelled(event, 2), later);
      if (chance(20)) add(revised(version(outlet_id, valid_from), 3), later + below(kDayMs));
      if (chance(10)) add(event, later);
    }
  }

  void write_spoiled_reference() {
    const auto now = at("2026-03-03T10:00:00");
    add(region("k1", "CN", Region::COUNTY), now);                  // A parent never changes,
    add(revised(region("k2", "city", Region::CITY), 2), now + 1);  // nor does a level,
    add(revised(sku("s1", "B2"), 2), now + 2);                     // nor a brand.
    add(with_event_id(sku("s2", "B1", "2026-02-01"), sku("s1", "B1").event_id()), now + 3);
    add(region("lost", "nowhere", Region::COUNTY), now + 4);
    // A county that arrives during the history, and an outlet in it that arrives before it.
    add(outlet("early", nth(2), "k9"), now + 5);
    outlets_.push_back("early");
    early_from_ = now + 5;
    add(region("k9", "city", Region::COUNTY), now + 6 * kHourMs);
    // A SKU that becomes known after its first documents.
    late_sku_at_ = moment();
    add(sku("s4", "B3"), late_sku_at_);
  }

  void write_county_changes() {
    for (const auto* county : {"k1", "k2", "k3"}) {
      auto renamed = revised(region(county, "city", Region::COUNTY), 2);
      renamed.mutable_region()->set_name("renamed");
      const auto when = moment();
      add(renamed, when);
      if (chance(50)) continue;
      add(cancelled(renamed, 3), when + kDayMs);
      if (chance(50)) add(revised(renamed, 4), when + 3 * kDayMs);
    }
  }

  // ---- documents ----
  Lines lines() {
    Lines result{{pick<std::string>({"s1", "s2", "s3"}), between(0, 9)}};
    if (chance(40)) {
      auto another = pick<std::string>({"s1", "s2", "s3"});
      if (another != result.front().first) result.emplace_back(std::move(another), between(1, 5));
    }
    return result;
  }

  Event order_of(const std::string& id, const std::string& outlet_id, Millis time) {
    auto event = order(id, outlet_id, time, lines());
    for (auto& line : *event.mutable_order()->mutable_lines()) {
      if (chance(30)) line.set_confirmed(line.requested() / 2);
      if (chance(40)) line.set_declared_stock(between(0, 9));
    }
    return event;
  }

  // Most checks have a count; half of the counts are 0.
  Event visit_of(const std::string& id, const std::string& outlet_id, Millis time) {
    auto event = visit(id, outlet_id, time, pick<Visit::Outcome>({Visit::DONE, Visit::DONE, Visit::REFUSED}));
    for (const auto* sku_id : {"s1", "s2", "s3"}) {
      if (chance(30)) continue;
      auto& check = *event.mutable_visit()->add_checks();
      check.set_sku_id(sku_id);
      check.set_count(chance(50) ? 0 : between(1, 12));
    }
    return event;
  }

  Event body(int kind, const std::string& id, const std::string& outlet_id, Millis time) {
    switch (kind) {
      case 0:
        return order_of(id, outlet_id, time);
      case 1:
        return visit_of(id, outlet_id, time);
      case 2:
        return returned(id, outlet_id, time, lines());
      default:
        return delivery(id, outlet_id, time, lines());
    }
  }

  void write_document() {
    const auto outlet_id = pick(outlets_);
    auto time = moment();
    if (outlet_id == "early") time = std::max(time, early_from_);
    const auto kind = static_cast<int>(below(7));
    const auto id = fmt::format("D{}", ++documents_);
    Document document{body(kind, id, outlet_id, time), time + (chance(50) ? 0 : below(2 * kDayMs))};
    // A document may name a SKU up to a day before the SKU is known: it waits for it.
    if (shape_.nasty && chance(8) && document.event.has_delivery() && outlet_id != "early") {
      document.event.mutable_delivery()->mutable_lines(0)->set_sku_id("s4");
      document.arrival = late_sku_at_ + between(-kDayMs, kDayMs);
      set_millis(*document.event.mutable_event_time(), document.arrival - below(kDayMs));
    }
    add(document.event, document.arrival);
    if (chance(25)) write_revisions(document, kind);
    if (shape_.nasty && chance(30)) write_trouble(document);
  }

  // Revisions 2..4 in any order, the last one perhaps a cancellation; all event times within a day of the first.
  void write_revisions(const Document& first, int kind) {
    const auto& id = document_id_of(first.event);
    const auto count = between(1, 3);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto time = event_time_of(first.event) + below(kDayMs);
      auto event = revised(body(kind, id, outlet_id_of(first.event), time), i + 2);
      if (chance(25)) event = cancelled(event, i + 2);
      add(event, std::max(time, first.arrival) + below(3 * kDayMs));
    }
  }

  void write_trouble(const Document& document) {
    const auto& event = document.event;
    const auto later = document.arrival + below(3 * kDayMs);
    switch (below(9)) {
      case 0:
        return add(event, later);  // an equal record
      case 1:
        return add(with_event_id(event, event.event_id() + "again"), later);  // with another event_id
      case 2: {  // the same revision with different content
        auto other = with_event_id(event, event.event_id() + "other");
        set_millis(*other.mutable_event_time(), event_time_of(event) + 1);
        return add(other, later);
      }
      case 3:
        return add(with_event_id(delivery(fmt::format("X{}", ++documents_), outlet_id_of(event), event_time_of(event),
                                          {{"s1", 1}}),
                                 event.event_id()),
                   later);
      case 4:
        return add(revised(event, 9), document.arrival + pick<Millis>({6, 8, 15}) * kDayMs);  // late or just in time
      case 5:
        return add(delivery(fmt::format("F{}", ++documents_), outlet_id_of(event), later + kHourMs, {{"s1", 1}}),
                   later);
      case 6:
        return add(delivery(fmt::format("U{}", ++documents_), "unheard", later, {{"s1", 1}}), later);
      case 7: {  // an unknown SKU, and a second record of the same document after it
        const auto id = fmt::format("N{}", ++documents_);
        add(delivery(id, outlet_id_of(event), later, {{"never", 1}}), later);
        return add(revised(delivery(id, outlet_id_of(event), later, {{"s1", 3}}), 2), later + below(2 * kDayMs));
      }
      default:
        return add(visit(fmt::format("L{}", ++documents_), outlet_id_of(event), document.arrival),
                   document.arrival + pick<Millis>({14 * kDayMs, 14 * kDayMs + 1}));
    }
  }

  void write_rubbish() {
    const auto put = [&](Topic topic, const Event& event) {
      records_.push_back({topic, "k", moment(), event.SerializeAsString()});
    };
    records_.push_back({Topic::deliveries, "k", moment(), "{\"event_id\":"});
    records_.push_back({Topic::visits, "k", moment(), std::string("\xff\xff\xff", 3)});
    records_.push_back({Topic::reference, "", moment(), "nonsense"});
    put(Topic::orders, delivery("wrong topic", "o0", moment(), {{"s1", 1}}));
    put(Topic::deliveries, delivery("negative", "o0", moment(), {{"s1", -1}}));
    put(Topic::deliveries, delivery("twice", "o0", moment(), {{"s1", 1}, {"s1", 2}}));
    put(Topic::deliveries, delivery("no line", "", moment(), {{"s1", 1}}));
  }

  std::mt19937_64 random_;
  HistoryShape shape_;
  std::vector<SourceRecord> records_;
  std::vector<std::string> outlets_;
  std::int32_t pause_days_ = 0;
  int documents_ = 0;
  Millis late_sku_at_ = 0;
  Millis early_from_ = 0;
};

}  // namespace

std::vector<SourceRecord> random_history(std::uint64_t seed, const HistoryShape& shape) {
  return Writer(seed, shape).write();
}

std::vector<SourceRecord> arriving_otherwise(std::vector<SourceRecord> history, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (auto& record : history) {
    if (record.topic == Topic::reference) continue;
    Event event;
    CHECK(!decode(record.value, event));
    // All revisions of a document lie within a day, so up to five days after its own time none of them is late.
    record.arrival = event_time_of(event) + static_cast<Millis>(random() % static_cast<std::uint64_t>(5 * kDayMs));
  }
  std::stable_sort(history.begin(), history.end(),
                   [](const SourceRecord& a, const SourceRecord& b) { return a.arrival < b.arrival; });
  return history;
}

}  // namespace fiverate::test
