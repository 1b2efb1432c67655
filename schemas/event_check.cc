#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/decode.h"
#include "schemas/event_json.h"
#include "schemas/payload.h"

namespace fiverate {
namespace {

constexpr std::int64_t kQuantityMax = 1'000'000'000;
constexpr std::int64_t kRevisionMax = std::int64_t{1} << 53;  // what every JSON reader still reads exactly
constexpr std::int32_t kNanosMax = 999'999'999;

// When a field must be there. A cancellation needs the ids of what it cancels and nothing else.
enum class Need : std::uint8_t { always, unless_cancelled, never };
constexpr Need kId = Need::always;
constexpr Need kNeeded = Need::unless_cancelled;
constexpr Need kOptional = Need::never;

// One message under check: where it stands, and a sentence per kind of field.
class Checker {
 public:
  Checker(const void* message, FieldPath path, bool cancelled, Findings& findings)
      : message_(message), path_(path), cancelled_(cancelled), findings_(&findings) {}

  [[nodiscard]] Checker inside(const void* message, std::string_view name, int index = FieldPath::kNoIndex) const {
    return {message, FieldPath{&path_, name, index}, cancelled_, *findings_};
  }

  // False: the reader found no object here, and said so; there is nothing to check.
  [[nodiscard]] bool is_readable() const { return !findings_->is_unreadable(message_, {}); }

  bool present(std::string_view name, bool is_present, Need need) {
    if (is_present || need == kOptional || (need == kNeeded && cancelled_)) return is_present;
    if (!findings_->is_unreadable(message_, name)) findings_->add(Reason::missing_field, path_, name, "missing");
    return false;
  }

  void text(std::string_view name, const std::string& value, Need need) { present(name, !value.empty(), need); }

  void date(std::string_view name, const std::string& value, Need need) {
    if (present(name, !value.empty(), need) && !parse_date(value)) bad(name, "{} is not a date", quoted(value));
  }

  void time(std::string_view name, bool is_present, const google::protobuf::Timestamp& value, Need need) {
    if (!present(name, is_present, need)) return;
    if (value.seconds() < 0 || value.seconds() > kTimestampSecondsMax || value.nanos() < 0 ||
        value.nanos() > kNanosMax) {
      bad(name, "{} s {} ns is not a time in 1970..9999", value.seconds(), value.nanos());
    }
  }

  void quantity(std::string_view name, bool is_present, std::int64_t value, Need need) {
    if (!present(name, is_present, need)) return;
    if (value < 0) {
      findings_->add(Reason::negative_quantity, path_, name, "{}", value);
    } else {
      within(name, value, 0, kQuantityMax);
    }
  }

  void integer(std::string_view name, bool is_present, std::int64_t value, std::int64_t low, std::int64_t high,
               Need need) {
    if (present(name, is_present, need)) within(name, value, low, high);
  }

  // `known` is the generated check of the enum; number 0 is its "unspecified": absent.
  void choice(std::string_view name, int value, bool (*known)(int), Need need) {
    if (present(name, value != 0, need) && !known(value)) bad(name, "{} is not a known value", value);
  }

  // No name twice among the items; empty ones (of a cancellation) do not count.
  template <class Items, class Name>
  void distinct(std::string_view list, const Items& items, Name name, Reason reason) {
    constexpr int kFewItems = 16;  // up to here comparing all pairs beats sorting
    std::string_view twice;
    if (items.size() <= kFewItems) {
      for (int i = 1; i < items.size() && twice.empty(); ++i) {
        const auto earlier_end = items.begin() + i;
        const bool found =
            std::any_of(items.begin(), earlier_end, [&](const auto& item) { return name(item) == name(*earlier_end); });
        if (found) twice = name(*earlier_end);
      }
    } else {
      std::vector<std::string_view> names;
      names.reserve(static_cast<std::size_t>(items.size()));
      for (const auto& item : items) names.emplace_back(name(item));
      std::ranges::sort(names);
      const auto found = std::ranges::adjacent_find(names, [](auto a, auto b) { return a == b && !a.empty(); });
      if (found != names.end()) twice = *found;
    }
    if (!twice.empty()) findings_->add(reason, path_, list, "{} is there twice", quoted(twice));
  }

 private:
  template <class... Args>
  void bad(std::string_view name, fmt::format_string<Args...> what, Args&&... args) {
    findings_->add(Reason::bad_value, path_, name, what, std::forward<Args>(args)...);
  }

  void within(std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high) bad(name, "{} is not in {}..{}", value, low, high);
  }

  const void* message_;
  FieldPath path_;
  bool cancelled_;
  Findings* findings_;
};

template <class Lines>
void check_skus_distinct(Checker& document, std::string_view list, const Lines& lines) {
  document.distinct(
      list, lines, [](const auto& line) -> std::string_view { return line.sku_id(); }, Reason::duplicate_sku);
}

// ---- documents ------------------------------------------------------------------------------------------------------

void check_payload(Checker check, const Order& order) {
  check.text("order_id", order.order_id(), kId);
  check.text("outlet_id", order.outlet_id(), kId);
  check.date("promised_date", order.promised_date(), kOptional);
  for (int i = 0; i < order.lines_size(); ++i) {
    const Order::Line& line = order.lines(i);
    Checker in = check.inside(&line, "lines", i);
    in.text("sku_id", line.sku_id(), kNeeded);
    in.quantity("requested", line.has_requested(), line.requested(), kNeeded);
    in.quantity("confirmed", line.has_confirmed(), line.confirmed(), kNeeded);
    in.quantity("declared_stock", line.has_declared_stock(), line.declared_stock(), kOptional);
  }
  check_skus_distinct(check, "lines", order.lines());
}

void check_payload(Checker check, const Delivery& delivery) {
  check.text("delivery_id", delivery.delivery_id(), kId);
  check.text("outlet_id", delivery.outlet_id(), kId);
  check.choice("direction", delivery.direction(), Delivery::Direction_IsValid, kNeeded);
  for (int i = 0; i < delivery.lines_size(); ++i) {
    const Delivery::Line& line = delivery.lines(i);
    Checker in = check.inside(&line, "lines", i);
    in.text("sku_id", line.sku_id(), kNeeded);
    in.quantity("quantity", line.has_quantity(), line.quantity(), kNeeded);
  }
  check_skus_distinct(check, "lines", delivery.lines());
}

void check_payload(Checker check, const Visit& visit) {
  check.text("visit_id", visit.visit_id(), kId);
  check.text("outlet_id", visit.outlet_id(), kId);
  check.text("visitor_id", visit.visitor_id(), kNeeded);
  check.choice("outcome", visit.outcome(), Visit::Outcome_IsValid, kNeeded);
  for (int i = 0; i < visit.checks_size(); ++i) {
    const Visit::Check& line = visit.checks(i);
    Checker in = check.inside(&line, "checks", i);
    in.text("sku_id", line.sku_id(), kNeeded);
    in.quantity("count", line.has_count(), line.count(), kOptional);
    in.quantity("facings", line.has_facings(), line.facings(), kOptional);
    in.quantity("retail_price_fen", line.has_retail_price_fen(), line.retail_price_fen(), kOptional);
    in.choice("price_tag", line.price_tag(), Visit::PriceTag_IsValid, kOptional);
  }
  check_skus_distinct(check, "checks", visit.checks());
}

// ---- reference ------------------------------------------------------------------------------------------------------

void check_payload(Checker check, const Outlet& outlet) {
  check.text("outlet_id", outlet.outlet_id(), kId);
  check.date("valid_from", outlet.valid_from(), kId);
  check.text("region_id", outlet.region_id(), kNeeded);
  check.choice("state", outlet.state(), Outlet::State_IsValid, kNeeded);
  for (int i = 0; i < outlet.classes_size(); ++i) {
    const ClassValue& of = outlet.classes(i);
    Checker in = check.inside(&of, "classes", i);
    in.text("dimension", of.dimension(), kNeeded);
    in.text("value", of.value(), kNeeded);
  }
  check.distinct(
      "classes", outlet.classes(), [](const ClassValue& of) -> std::string_view { return of.dimension(); },
      Reason::bad_value);
}

void check_payload(Checker check, const Sku& sku) {
  check.text("sku_id", sku.sku_id(), kId);
  check.date("valid_from", sku.valid_from(), kId);
  check.text("brand_id", sku.brand_id(), kNeeded);
  check.quantity("guide_price_fen", sku.has_guide_price_fen(), sku.guide_price_fen(), kOptional);
  check.quantity("wholesale_price_fen", sku.has_wholesale_price_fen(), sku.wholesale_price_fen(), kOptional);
}

void check_payload(Checker check, const Region& region) {
  check.text("region_id", region.region_id(), kId);
  check.choice("level", region.level(), Region::Level_IsValid, kNeeded);
}

void check_payload(Checker check, const Policy& policy) {
  check.text("policy_id", policy.policy_id(), kId);
  check.date("valid_from", policy.valid_from(), kId);
  for (int i = 0; i < policy.rules_size(); ++i) {
    const Policy::Rule& rule = policy.rules(i);
    Checker in_rule = check.inside(&rule, "rules", i);
    in_rule.text("rule", rule.rule(), kNeeded);
    in_rule.present("scope", rule.has_scope(), kNeeded);
    for (int j = 0; j < rule.set_size(); ++j) {
      const Policy::Setting& setting = rule.set(j);
      Checker in = in_rule.inside(&setting, "set", j);
      in.text("name", setting.name(), kNeeded);
      in.text("value", setting.value(), kNeeded);
    }
  }
}

void check_payload(Checker check, const Target& target) {
  check.text("target_id", target.target_id(), kId);
  check.date("valid_from", target.valid_from(), kId);
  check.text("rate", target.rate(), kNeeded);
  check.present("scope", target.has_scope(), kNeeded);
  check.quantity("value_bp", target.has_value_bp(), target.value_bp(), kNeeded);
}

void check_payload(Checker check, const Plan& plan) {
  check.text("plan_id", plan.plan_id(), kId);
  check.date("valid_from", plan.valid_from(), kId);
  check.text("class_dimension", plan.class_dimension(), kNeeded);
  check.text("class_value", plan.class_value(), kNeeded);
  check.quantity("visits_per_month", plan.has_visits_per_month(), plan.visits_per_month(), kNeeded);
}

void check_payload(Checker check, const Allocation& allocation) {
  check.text("sku_id", allocation.sku_id(), kId);
  check.text("region_id", allocation.region_id(), kId);
  check.date("valid_from", allocation.valid_from(), kId);
  check.date("valid_to", allocation.valid_to(), kNeeded);
  check.quantity("quantity", allocation.has_quantity(), allocation.quantity(), kNeeded);
  check.present("rationed", allocation.has_rationed(), kNeeded);
}

void check_payload(Checker check, const Calendar& calendar) {
  check.date("day", calendar.day(), kId);
  check.choice("kind", calendar.kind(), Calendar::Kind_IsValid, kNeeded);
}

// ---- commands and marks ---------------------------------------------------------------------------------------------

void check_silence(Checker check, const Command::Silence& silence) {
  if (!check.is_readable()) return;
  check.text("silence_id", silence.silence_id(), kNeeded);
  check.time("starts_at", silence.has_starts_at(), silence.starts_at(), kNeeded);
  check.time("ends_at", silence.has_ends_at(), silence.ends_at(), kNeeded);
  for (int i = 0; i < silence.matchers_size(); ++i) {
    const Command::Matcher& matcher = silence.matchers(i);
    Checker in = check.inside(&matcher, "matchers", i);
    in.text("field", matcher.field(), kNeeded);
    in.text("value", matcher.value(), kNeeded);
  }
}

void check_payload(Checker check, const Command& command) {
  check.text("command_id", command.command_id(), kId);
  check.text("author", command.author(), kNeeded);
  check.choice("verb", command.verb(), Command::Verb_IsValid, kNeeded);
  if (command.has_silence()) check_silence(check.inside(&command.silence(), "silence"), command.silence());
}

void check_payload(Checker check, const Mark& mark) {
  check.time("complete_through", mark.has_complete_through(), mark.complete_through(), kId);
}

}  // namespace

void check_fields(const Event& event, Findings& findings) {
  const FieldPath top;
  if (event.payload_case() == Event::PAYLOAD_NOT_SET) {
    findings.add(Reason::bad_payload, top, {}, "no payload");
    return;  // nothing found later is graver
  }
  // A mark says what time it is, not that something happened.
  const Need need = event.has_mark() ? kOptional : kId;
  Checker check(&event, top, event.cancelled(), findings);
  check.text("event_id", event.event_id(), need);
  check.time("event_time", event.has_event_time(), event.event_time(), need);
  check.time("arrival_time", event.has_arrival_time(), event.arrival_time(), kOptional);
  check.integer("revision", event.has_revision(), event.revision(), 1, kRevisionMax, kOptional);

  visit_payload(event, [&](std::string_view name, const auto& message) {
    const Checker inside = check.inside(&message, name);
    if (inside.is_readable()) check_payload(inside, message);
  });
}

std::optional<Rejected> check_fields(const Event& event) {
  Findings findings;
  check_fields(event, findings);
  return std::move(findings).verdict(event);
}

}  // namespace fiverate
