#include "producers/simulate/trouble.h"

#include <algorithm>

#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr Millis kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kQuantityMax = 1'000'000'000;

// The fault of a broken record.
enum class Breakage : std::uint8_t {
  truncated,
  no_time,
  no_id,
  bad_time,
  negative,
  sku_twice,
  unknown_sku,
  unknown_outlet,
  too_much
};
constexpr std::int64_t kBreakages = 9;

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

// Replaces each quantity of a document that is present by change(quantity).
template <typename Change>
void for_each_quantity(Event& event, const Change& change) {
  if (event.has_order()) {
    for (auto& line : *event.mutable_order()->mutable_lines()) line.set_requested(change(line.requested()));
  } else if (event.has_delivery()) {
    for (auto& line : *event.mutable_delivery()->mutable_lines()) line.set_quantity(change(line.quantity()));
  } else if (event.has_visit()) {
    for (auto& check : *event.mutable_visit()->mutable_checks()) {
      if (check.has_count()) check.set_count(change(check.count()));
    }
  }
}

template <typename Change>
void with_lines(Event& event, const Change& change) {
  if (event.has_order()) change(*event.mutable_order()->mutable_lines());
  if (event.has_delivery()) change(*event.mutable_delivery()->mutable_lines());
  if (event.has_visit()) change(*event.mutable_visit()->mutable_checks());
}

void set_outlet(Event& event, const std::string& outlet) {
  if (event.has_order()) event.mutable_order()->set_outlet_id(outlet);
  if (event.has_delivery()) event.mutable_delivery()->set_outlet_id(outlet);
  if (event.has_visit()) event.mutable_visit()->set_outlet_id(outlet);
}

std::string* document_id(Event& event) {
  if (event.has_order()) return event.mutable_order()->mutable_order_id();
  if (event.has_delivery()) return event.mutable_delivery()->mutable_delivery_id();
  return event.mutable_visit()->mutable_visit_id();
}

std::string outlet_of(const Event& event) {
  if (event.has_outlet()) return event.outlet().outlet_id();
  return outlet_id_of(event);
}

// Removes everything but the ids, which are all that a cancellation needs.
void leave_ids_only(Event& event) {
  with_lines(event, [](auto& lines) { lines.Clear(); });
  if (event.has_order()) event.mutable_order()->clear_promised_date();
  if (event.has_delivery()) event.mutable_delivery()->clear_order_id();
}

}  // namespace

std::optional<Mishap> mishap_named(std::string_view name) {
  const auto* const found = std::ranges::find(kMishapNames, name);
  if (found == kMishapNames.end()) return std::nullopt;
  return static_cast<Mishap>(found - kMishapNames.begin());
}

void TroubleRates::scale(std::int64_t factor) {
  for (auto& each : share) each = std::min(kCertain, scaled(each, factor));
}

// One document and the records that are made of it.
class Trouble::Passing {
 public:
  Passing(const Trouble& trouble, Event& document, const Send& send)
      : trouble_(trouble),
        send_(send),
        random_(Random::derive(trouble.seed_, {0x7806B1EU, hash_of(document.event_id())})),
        event_(document),
        at_(event_time_of(document)),
        outlet_(outlet_of(document)),
        topic_(home_of(document.payload_case()).value_or(Topic::deliveries)) {}

  void run() {
    if (event_.has_outlet()) return arrive(event_, at_ + soon());
    mistake_numbers();
    const auto mishap = draw_mishap();
    if (!mishap) return arrive(event_, at_ + soon());
    switch (*mishap) {
      case Mishap::duplicate:
        return duplicate();
      case Mishap::correction:
        return correction();
      case Mishap::cancellation:
        return cancellation();
      case Mishap::delayed:
        return arrive(event_, at_ + random_.between(4 * kHourMs, lateness() - kHourMs));
      case Mishap::late:
        return arrive(event_, at_ + lateness() + random_.between(1, 10 * kDayMs));
      case Mishap::future:
        return future();
      case Mishap::broken:
        return broken();
      case Mishap::conflict:
        return conflict();
      case Mishap::miscount:
      case Mishap::misdeclared:
      case Mishap::misprice:
        break;  // these concern numbers, not documents
    }
  }

 private:
  std::optional<Mishap> draw_mishap() {
    auto drawn = random_.below(kCertain);
    for (auto i = std::size_t{0}; i <= static_cast<std::size_t>(Mishap::conflict); ++i) {
      drawn -= trouble_.rates_.share[i];
      if (drawn < 0) return static_cast<Mishap>(i);
    }
    return std::nullopt;
  }

  // Most documents arrive within two minutes, some within hours: a visitor without signal, a depot that sends at night.
  Millis soon() {
    return random_.chance(870'000) ? random_.between(800, 2 * kMinuteMs) : random_.between(2 * kMinuteMs, 4 * kHourMs);
  }

  [[nodiscard]] Millis lateness() const { return AcceptanceLimits{}.lateness_of(kind_of(event_)); }

  void mistake_numbers() {
    const auto& rates = trouble_.rates_;
    if (event_.has_order()) {
      for (auto& line : *event_.mutable_order()->mutable_lines()) {
        if (line.has_declared_stock() && random_.chance(rates.of(Mishap::misdeclared)))
          line.set_declared_stock(wrong_count(line.declared_stock()));
      }
    }
    if (!event_.has_visit()) return;
    for (auto& check : *event_.mutable_visit()->mutable_checks()) {
      if (check.has_count() && random_.chance(rates.of(Mishap::miscount))) check.set_count(wrong_count(check.count()));
      if (check.has_retail_price_fen() && random_.chance(rates.of(Mishap::misprice))) {
        check.set_retail_price_fen(random_.chance(500'000) ? check.retail_price_fen() * 10
                                                           : check.retail_price_fen() / 10);
      }
    }
  }

  // Usually a small difference; sometimes a carton counted as a pack, or an impossible number.
  std::int64_t wrong_count(std::int64_t right) {
    const auto drawn = random_.below(100);
    if (drawn < 4) return right * 10 + 500;
    if (drawn < 12) return right / 10;
    const auto off = random_.between(1, 2 + right / 10);
    return random_.chance(400'000) ? right + off : std::max<std::int64_t>(0, right - off);
  }

  // The same number, or one that differs by 10.
  std::int64_t mistaken(std::int64_t right) {
    const auto drawn = random_.below(3);
    return drawn == 0 ? right : drawn == 1 ? right + 10 : std::max<std::int64_t>(right - 10, 1);
  }

  void mistake_quantities(Event& event) {
    bool changed = false;
    for_each_quantity(event, [&](std::int64_t right) {
      const auto wrong = mistaken(right);
      changed = changed || wrong != right;
      return wrong;
    });
    if (!changed) for_each_quantity(event, [](std::int64_t right) { return right + 10; });
  }

  void arrive(Event& event, Millis arrival) {
    set_millis(*event.mutable_arrival_time(), arrival);
    send_({arrival, topic_, outlet_, event.event_id(), to_json(event, *trouble_.calendar_)});
  }

  void duplicate() {
    const auto first = at_ + soon();
    arrive(event_, first);
    if (random_.chance(500'000)) event_.set_event_id(event_.event_id() + "/again");
    arrive(event_, first + random_.between(kSecondMs, 2 * kDayMs));
  }

  void correction() {
    Event wrong(event_);
    mistake_quantities(wrong);
    const auto first = at_ + soon();
    arrive(wrong, first);
    event_.set_event_id(event_.event_id() + "/2");
    event_.set_revision(2);
    arrive(event_, first + random_.between(10 * kMinuteMs, 4 * kDayMs));
  }

  void cancellation() {
    arrive(event_, at_ + soon());
    Event extra(event_);
    *document_id(extra) += "-X";
    extra.set_event_id(event_.event_id() + "-X");
    mistake_quantities(extra);
    const auto first = at_ + soon();
    arrive(extra, first);
    extra.set_event_id(extra.event_id() + "/2");
    extra.set_revision(2);
    extra.set_cancelled(true);
    leave_ids_only(extra);
    arrive(extra, first + random_.between(10 * kMinuteMs, 2 * kDayMs));
  }

  void future() {
    const auto arrival = at_ + soon();
    Event early(event_);
    set_millis(*early.mutable_event_time(), arrival + random_.between(10 * kMinuteMs, 3 * kDayMs));
    arrive(early, arrival);
    arrive(event_, arrival + random_.between(kMinuteMs, 5 * kHourMs));
  }

  void conflict() {
    const auto first = at_ + soon();
    arrive(event_, first);
    if (random_.chance(500'000)) event_.set_event_id(event_.event_id() + "/other");
    mistake_quantities(event_);
    arrive(event_, first + random_.between(kMinuteMs, 2 * kDayMs));
  }

  void broken() {
    const auto first = at_ + soon();
    Event bad(event_);
    set_millis(*bad.mutable_arrival_time(), first);
    auto key = outlet_;
    auto what = static_cast<Breakage>(random_.below(kBreakages));
    bool has_lines = false;
    with_lines(bad, [&](auto& lines) { has_lines = lines.size() > 0; });
    if (!has_lines && what != Breakage::no_id && what != Breakage::bad_time && what != Breakage::unknown_outlet) {
      what = Breakage::truncated;
    }
    switch (what) {
      case Breakage::no_time:
        bad.clear_event_time();
        break;
      case Breakage::no_id:
        document_id(bad)->clear();
        break;
      case Breakage::negative:
        for_each_quantity(bad, [](std::int64_t right) { return -right - 1; });
        break;
      case Breakage::too_much:
        for_each_quantity(bad, [](std::int64_t right) { return right + kQuantityMax + 1; });
        break;
      case Breakage::sku_twice:
        with_lines(bad,
                   [](auto& lines) { *lines.Add() = typename std::decay_t<decltype(lines)>::value_type(lines[0]); });
        break;
      case Breakage::unknown_sku:
        with_lines(bad, [](auto& lines) { lines[0].set_sku_id("B99-0" + lines[0].sku_id()); });
        break;
      case Breakage::unknown_outlet:
        set_outlet(bad, key = "R9" + outlet_);
        break;
      case Breakage::truncated:
      case Breakage::bad_time:
        break;
    }
    auto line = to_json(bad, *trouble_.calendar_);
    if (what == Breakage::truncated)
      line.resize(line.size() - 1 -
                  static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(line.size()) / 2)));
    if (what == Breakage::bad_time) {
      constexpr std::string_view kField = R"("event_time":")";
      line.replace(line.find(kField) + kField.size() + 10, 1, "_");  // the T between date and time
    }
    send_({first, topic_, std::move(key), event_.event_id(), std::move(line)});
    if (random_.chance(800'000)) arrive(event_, first + random_.between(kMinuteMs, kDayMs));
  }

  const Trouble& trouble_;
  const Send& send_;
  Random random_;
  Event& event_;
  Millis at_;
  std::string outlet_;
  Topic topic_;
};

void Trouble::pass(Event& document, const Send& send) const {
  Passing(*this, document, send).run();
}

}  // namespace fiverate
