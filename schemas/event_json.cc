#include "schemas/event_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "schemas/decode.h"
#include "schemas/payload.h"

namespace fiverate {
namespace {

// ---- text -> tree ---------------------------------------------------------------------------------------------------

// The parser is nlohmann's, the tree is ours: flat, in two buffers that are used again for the next record, and telling
// 5 from 5.0. Its floats are long double only because the parser refuses a number that they cannot hold, wherever it
// stands; so 1e999 is a number of a wrong kind (or of an unknown field), as it should be.
using Json = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t, std::uint64_t, long double>;

using NodeIndex = std::uint32_t;
constexpr NodeIndex kNoNode = std::numeric_limits<NodeIndex>::max();

struct TextSpan {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
};

enum class Kind : std::uint8_t { null, boolean, integer, real, text, list, object };

struct Node {
  Kind kind = Kind::null;
  bool boolean = false;
  TextSpan key{};             // of a member of an object
  TextSpan text{};            // of a text; of a real, as it was written
  std::int64_t integer = 0;   // clamped to int64
  NodeIndex first = kNoNode;  // of a list or object
  NodeIndex last = kNoNode;
  NodeIndex next = kNoNode;
};

class Tree {
 public:
  // False: not one JSON value, or nested too deeply; failed_at() then says at which byte, nested_too_deeply() which.
  bool parse(std::string_view text);

  [[nodiscard]] const Node& root() const { return nodes_.front(); }
  [[nodiscard]] std::string_view text(TextSpan span) const { return {texts_.data() + span.begin, span.size}; }
  [[nodiscard]] std::size_t failed_at() const { return failed_at_; }
  [[nodiscard]] bool nested_too_deeply() const { return nested_too_deeply_; }

  [[nodiscard]] const Node* first_in(const Node& parent) const { return at(parent.first); }
  [[nodiscard]] const Node* after(const Node& node) const { return at(node.next); }

  // The member that counts: the last of its name, unless that is null.
  [[nodiscard]] const Node* find(const Node& object, std::string_view name) const {
    const Node* found = nullptr;
    for (const Node* member = first_in(object); member != nullptr; member = after(*member)) {
      if (text(member->key) == name) found = member;
    }
    return found != nullptr && found->kind != Kind::null ? found : nullptr;
  }

  // ---- called by the parser: false stops it
  bool null() { return append({}); }
  bool boolean(bool value) { return append({.kind = Kind::boolean, .boolean = value}); }
  bool number_integer(std::int64_t value) { return append({.kind = Kind::integer, .integer = value}); }
  bool number_unsigned(std::uint64_t value) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    return number_integer(value > std::uint64_t{kMax} ? kMax : static_cast<std::int64_t>(value));
  }
  bool number_float(long double, const std::string& written) {
    if (written.find_first_of(".eE") != std::string::npos) return append({.kind = Kind::real, .text = keep(written)});
    // An integer that does not even fit into 64 bits.
    return number_integer(written.front() == '-' ? std::numeric_limits<std::int64_t>::min()
                                                 : std::numeric_limits<std::int64_t>::max());
  }
  bool string(const std::string& value) { return append({.kind = Kind::text, .text = keep(value)}); }
  bool binary(const std::vector<std::uint8_t>&) { return false; }  // does not occur in JSON
  bool key(const std::string& name) {
    key_ = keep(name);
    return true;
  }
  bool start_object(std::size_t) { return open(Kind::object); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(Kind::list); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    failed_at_ = position;
    return false;
  }

 private:
  [[nodiscard]] const Node* at(NodeIndex index) const { return index == kNoNode ? nullptr : &nodes_[index]; }

  TextSpan keep(const std::string& text) {
    const TextSpan span{static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(text.size())};
    texts_ += text;
    return span;
  }

  bool append(Node node) {
    const auto index = static_cast<NodeIndex>(nodes_.size());
    if (depth_ > 0) {
      Node& parent = nodes_[open_[depth_ - 1]];
      (parent.last == kNoNode ? parent.first : nodes_[parent.last].next) = index;
      parent.last = index;
      if (parent.kind == Kind::object) node.key = key_;
    }
    nodes_.push_back(node);
    return true;
  }

  bool open(Kind kind) {
    nested_too_deeply_ = depth_ == open_.size();
    if (nested_too_deeply_) return false;
    append({.kind = kind});
    open_[depth_++] = static_cast<NodeIndex>(nodes_.size() - 1);
    return true;
  }

  bool close() {
    --depth_;
    return true;
  }

  std::vector<Node> nodes_;
  std::string texts_;
  TextSpan key_;  // of the member whose value comes next
  std::array<NodeIndex, kJsonDepthMax> open_{};
  std::size_t depth_ = 0;
  std::size_t failed_at_ = 0;
  bool nested_too_deeply_ = false;
};

bool Tree::parse(std::string_view text) {
  nodes_.clear();
  texts_.clear();
  depth_ = 0;
  failed_at_ = 0;
  nested_too_deeply_ = false;
  // The parser takes a NUL for the end of the text and would not see what follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    failed_at_ = nul;
    return false;
  }
  return Json::sax_parse(text.data(), text.data() + text.size(), this);
}

// ---- tree -> event --------------------------------------------------------------------------------------------------

// One object on its way into one message: a sentence per kind of field. Absent fields are left alone; what has a wrong
// type, or is no date, time or name of an enum, goes to the findings. Ranges are for the checks.
template <class Message>
class Reader {
 public:
  Reader(const Tree& tree, const Node& object, Message& message, FieldPath path, Findings& findings)
      : tree_(&tree), object_(&object), message_(&message), path_(path), findings_(&findings) {}

  // Empty is absent.
  void text(std::string_view name, std::string* (Message::*mutable_field)()) {
    const Node* node = find(name, Kind::text, "text");
    if (node != nullptr && node->text.size > 0) (message_->*mutable_field)()->assign(tree_->text(node->text));
  }

  // Empty is a text like any other.
  void free_text(std::string_view name, std::string* (Message::*mutable_field)()) {
    const Node* node = find(name, Kind::text, "text");
    if (node != nullptr) (message_->*mutable_field)()->assign(tree_->text(node->text));
  }

  // The value of a setting: a text, or the text of a number.
  void number_or_text(std::string_view name, std::string* (Message::*mutable_field)()) {
    const Node* node = tree_->find(*object_, name);
    if (node == nullptr) return;
    if (node->kind == Kind::integer) {
      *(message_->*mutable_field)() = std::to_string(node->integer);
    } else if (node->kind == Kind::text || node->kind == Kind::real) {
      (message_->*mutable_field)()->assign(tree_->text(node->text));
    } else {
      unreadable(name, "not a number or text");
    }
  }

  void integer(std::string_view name, void (Message::*set)(std::int64_t)) {
    if (const Node* node = find(name, Kind::integer, "an integer")) (message_->*set)(node->integer);
  }

  void boolean(std::string_view name, void (Message::*set)(bool)) {
    if (const Node* node = find(name, Kind::boolean, "true or false")) (message_->*set)(node->boolean);
  }

  template <class Enum>
  void choice(std::string_view name, void (Message::*set)(Enum), bool (*parse)(const std::string&, Enum*)) {
    const Node* node = find(name, Kind::text, "text");
    if (node == nullptr || node->text.size == 0) return;
    Enum value{};
    const std::string_view text = tree_->text(node->text);
    if (parse(std::string(text), &value) && value != Enum{}) {
      (message_->*set)(value);
    } else {
      unreadable(name, "{} is not a known name", quoted(text));
    }
  }

  void time(std::string_view name, google::protobuf::Timestamp* (Message::*mutable_field)()) {
    const Node* node = find(name, Kind::text, "text");
    if (node == nullptr || node->text.size == 0) return;
    const std::string_view text = tree_->text(node->text);
    if (const auto instant = parse_time(text)) {
      set_millis(*(message_->*mutable_field)(), *instant);
    } else {
      unreadable(name, "{} is not a time with an offset in 1970..9999", quoted(text));
    }
  }

  // True if it is there, if only as something else than an object.
  template <class Inner>
  bool object(std::string_view name, Inner* (Message::*mutable_field)()) {
    const Node* node = tree_->find(*object_, name);
    if (node == nullptr || (node->kind == Kind::text && node->text.size == 0)) return false;
    Inner* inner = (message_->*mutable_field)();
    if (node->kind == Kind::object) {
      read(Reader<Inner>(*tree_, *node, *inner, {&path_, name}, *findings_));
    } else {
      findings_->note_unreadable(inner, {});
      findings_->add(Reason::bad_value, path_, name, "not an object");
    }
    return true;
  }

  template <class Inner>
  void objects(std::string_view name, Inner* (Message::*add)()) {
    const Node* list = find(name, Kind::list, "a list");
    if (list == nullptr) return;
    int index = 0;
    for (const Node* node = tree_->first_in(*list); node != nullptr; node = tree_->after(*node), ++index) {
      if (node->kind == Kind::object) {
        read(Reader<Inner>(*tree_, *node, *(message_->*add)(), {&path_, name, index}, *findings_));
      } else {
        findings_->add(Reason::bad_value, {&path_, name, index}, {}, "not an object");
      }
    }
  }

  template <class... Args>
  void reject(Reason reason, fmt::format_string<Args...> what, Args&&... args) {
    findings_->add(reason, path_, {}, what, std::forward<Args>(args)...);
  }

 private:
  const Node* find(std::string_view name, Kind kind, std::string_view kind_name) {
    const Node* node = tree_->find(*object_, name);
    if (node == nullptr || node->kind == kind) return node;
    if (node->kind == Kind::text && node->text.size == 0) return nullptr;  // empty is absent, whatever belongs here
    unreadable(name, "not {}", kind_name);
    return nullptr;
  }

  template <class... Args>
  void unreadable(std::string_view name, fmt::format_string<Args...> what, Args&&... args) {
    findings_->note_unreadable(message_, name);
    findings_->add(Reason::bad_value, path_, name, what, std::forward<Args>(args)...);
  }

  const Tree* tree_;
  const Node* object_;
  Message* message_;
  FieldPath path_;
  Findings* findings_;
};

void read(Reader<Order::Line> in) {
  in.text("sku_id", &Order::Line::mutable_sku_id);
  in.integer("requested", &Order::Line::set_requested);
  in.integer("confirmed", &Order::Line::set_confirmed);
  in.integer("declared_stock", &Order::Line::set_declared_stock);
}

void read(Reader<Order> in) {
  in.text("order_id", &Order::mutable_order_id);
  in.text("outlet_id", &Order::mutable_outlet_id);
  in.text("promised_date", &Order::mutable_promised_date);
  in.objects("lines", &Order::add_lines);
}

void read(Reader<Delivery::Line> in) {
  in.text("sku_id", &Delivery::Line::mutable_sku_id);
  in.integer("quantity", &Delivery::Line::set_quantity);
}

void read(Reader<Delivery> in) {
  in.text("delivery_id", &Delivery::mutable_delivery_id);
  in.free_text("order_id", &Delivery::mutable_order_id);
  in.text("outlet_id", &Delivery::mutable_outlet_id);
  in.choice("direction", &Delivery::set_direction, Delivery::Direction_Parse);
  in.objects("lines", &Delivery::add_lines);
}

void read(Reader<Visit::Check> in) {
  in.text("sku_id", &Visit::Check::mutable_sku_id);
  in.integer("count", &Visit::Check::set_count);
  in.boolean("on_shelf", &Visit::Check::set_on_shelf);
  in.integer("facings", &Visit::Check::set_facings);
  in.integer("retail_price_fen", &Visit::Check::set_retail_price_fen);
  in.choice("price_tag", &Visit::Check::set_price_tag, Visit::PriceTag_Parse);
}

void read(Reader<Visit> in) {
  in.text("visit_id", &Visit::mutable_visit_id);
  in.text("outlet_id", &Visit::mutable_outlet_id);
  in.text("visitor_id", &Visit::mutable_visitor_id);
  in.choice("outcome", &Visit::set_outcome, Visit::Outcome_Parse);
  in.objects("checks", &Visit::add_checks);
}

void read(Reader<ClassValue> in) {
  in.text("dimension", &ClassValue::mutable_dimension);
  in.text("value", &ClassValue::mutable_value);
}

void read(Reader<Outlet> in) {
  in.text("outlet_id", &Outlet::mutable_outlet_id);
  in.text("valid_from", &Outlet::mutable_valid_from);
  in.text("region_id", &Outlet::mutable_region_id);
  in.choice("state", &Outlet::set_state, Outlet::State_Parse);
  in.objects("classes", &Outlet::add_classes);
  in.free_text("name", &Outlet::mutable_name);
}

void read(Reader<Sku> in) {
  in.text("sku_id", &Sku::mutable_sku_id);
  in.text("brand_id", &Sku::mutable_brand_id);
  in.text("valid_from", &Sku::mutable_valid_from);
  in.integer("guide_price_fen", &Sku::set_guide_price_fen);
  in.integer("wholesale_price_fen", &Sku::set_wholesale_price_fen);
  in.free_text("brand_group", &Sku::mutable_brand_group);
  in.text("pack", &Sku::mutable_pack);
  in.free_text("name", &Sku::mutable_name);
}

void read(Reader<Region> in) {
  in.text("region_id", &Region::mutable_region_id);
  in.free_text("parent_id", &Region::mutable_parent_id);
  in.choice("level", &Region::set_level, Region::Level_Parse);
  in.free_text("name", &Region::mutable_name);
}

void read(Reader<Scope> in) {
  in.text("brand_group", &Scope::mutable_brand_group);
  in.text("brand_id", &Scope::mutable_brand_id);
  in.text("region_id", &Scope::mutable_region_id);
  in.text("class_dimension", &Scope::mutable_class_dimension);
  in.text("class_value", &Scope::mutable_class_value);
}

void read(Reader<Policy::Setting> in) {
  in.text("name", &Policy::Setting::mutable_name);
  in.number_or_text("value", &Policy::Setting::mutable_value);
}

void read(Reader<Policy::Rule> in) {
  in.text("rule", &Policy::Rule::mutable_rule);
  in.object("scope", &Policy::Rule::mutable_scope);
  in.objects("set", &Policy::Rule::add_set);
}

void read(Reader<Policy> in) {
  in.text("policy_id", &Policy::mutable_policy_id);
  in.text("valid_from", &Policy::mutable_valid_from);
  in.objects("rules", &Policy::add_rules);
}

void read(Reader<Target> in) {
  in.text("target_id", &Target::mutable_target_id);
  in.text("valid_from", &Target::mutable_valid_from);
  in.text("rate", &Target::mutable_rate);
  in.object("scope", &Target::mutable_scope);
  in.integer("value_bp", &Target::set_value_bp);
}

void read(Reader<Plan> in) {
  in.text("plan_id", &Plan::mutable_plan_id);
  in.text("valid_from", &Plan::mutable_valid_from);
  in.text("class_dimension", &Plan::mutable_class_dimension);
  in.text("class_value", &Plan::mutable_class_value);
  in.integer("visits_per_month", &Plan::set_visits_per_month);
}

void read(Reader<Allocation> in) {
  in.text("sku_id", &Allocation::mutable_sku_id);
  in.text("region_id", &Allocation::mutable_region_id);
  in.text("valid_from", &Allocation::mutable_valid_from);
  in.text("valid_to", &Allocation::mutable_valid_to);
  in.integer("quantity", &Allocation::set_quantity);
  in.boolean("rationed", &Allocation::set_rationed);
}

void read(Reader<Calendar> in) {
  in.text("day", &Calendar::mutable_day);
  in.choice("kind", &Calendar::set_kind, Calendar::Kind_Parse);
}

void read(Reader<Command::Matcher> in) {
  in.text("field", &Command::Matcher::mutable_field);
  in.text("value", &Command::Matcher::mutable_value);
}

void read(Reader<Command::Silence> in) {
  in.text("silence_id", &Command::Silence::mutable_silence_id);
  in.objects("matchers", &Command::Silence::add_matchers);
  in.time("starts_at", &Command::Silence::mutable_starts_at);
  in.time("ends_at", &Command::Silence::mutable_ends_at);
}

void read(Reader<Command> in) {
  in.text("command_id", &Command::mutable_command_id);
  in.text("author", &Command::mutable_author);
  in.choice("verb", &Command::set_verb, Command::Verb_Parse);
  in.text("alert_id", &Command::mutable_alert_id);
  in.text("assignee", &Command::mutable_assignee);
  in.boolean("true_alarm", &Command::set_true_alarm);
  in.text("text", &Command::mutable_text);
  in.object("silence", &Command::mutable_silence);
}

void read(Reader<Mark> in) {
  in.time("complete_through", &Mark::mutable_complete_through);
}

void read(Reader<Event> in) {
  in.text("event_id", &Event::mutable_event_id);
  in.text("source", &Event::mutable_source);
  in.time("event_time", &Event::mutable_event_time);
  in.time("arrival_time", &Event::mutable_arrival_time);
  in.integer("revision", &Event::set_revision);
  in.boolean("cancelled", &Event::set_cancelled);
  int payloads = 0;
  payloads += in.object("order", &Event::mutable_order) ? 1 : 0;
  payloads += in.object("delivery", &Event::mutable_delivery) ? 1 : 0;
  payloads += in.object("visit", &Event::mutable_visit) ? 1 : 0;
  payloads += in.object("outlet", &Event::mutable_outlet) ? 1 : 0;
  payloads += in.object("sku", &Event::mutable_sku) ? 1 : 0;
  payloads += in.object("region", &Event::mutable_region) ? 1 : 0;
  payloads += in.object("policy", &Event::mutable_policy) ? 1 : 0;
  payloads += in.object("target", &Event::mutable_target) ? 1 : 0;
  payloads += in.object("plan", &Event::mutable_plan) ? 1 : 0;
  payloads += in.object("allocation", &Event::mutable_allocation) ? 1 : 0;
  payloads += in.object("calendar", &Event::mutable_calendar) ? 1 : 0;
  payloads += in.object("command", &Event::mutable_command) ? 1 : 0;
  payloads += in.object("mark", &Event::mutable_mark) ? 1 : 0;
  if (payloads > 1) in.reject(Reason::bad_payload, "{} payloads", payloads);
}

// ---- event -> text --------------------------------------------------------------------------------------------------

// Writes JSON on one line. Fields come in the contract's order; absent ones are left out, so that reading gives the
// same event again. A comma stands after every field; the end of what holds the field takes the last one back.
class Writer {
 public:
  template <class Fields>
  void object(Fields fields) {
    out_ += '{';
    fields();
    close('}');
  }

  template <class Fields>
  void object(std::string_view name, Fields fields) {
    key(name);
    object(fields);
    out_ += ',';
  }

  template <class Items, class Fields>
  void objects(std::string_view name, const Items& items, Fields fields) {
    key(name);
    out_ += '[';
    for (const auto& item : items) {
      object([&] { fields(item); });
      out_ += ',';
    }
    close(']');
    out_ += ',';
  }

  void text(std::string_view name, std::string_view value) { free_text(name, !value.empty(), value); }

  void free_text(std::string_view name, bool present, std::string_view value) {
    if (!present) return;
    key(name);
    quote(value);
    out_ += ',';
  }

  void integer(std::string_view name, bool present, std::int64_t value) {
    if (!present) return;
    key(name);
    fmt::format_to(std::back_inserter(out_), "{},", value);
  }

  void boolean(std::string_view name, bool present, bool value) {
    if (!present) return;
    key(name);
    out_ += value ? "true," : "false,";
  }

  void time(std::string_view name, bool present, const google::protobuf::Timestamp& value) {
    if (!present) return;
    key(name);
    // A rejected event may hold any number; what it then says here does not matter, but it has to be said safely.
    google::protobuf::Timestamp in_range = value;
    in_range.set_seconds(std::clamp<std::int64_t>(value.seconds(), 0, kTimestampSecondsMax));
    in_range.set_nanos(std::max(value.nanos(), 0));
    const Millis instant = millis_of(in_range);
    const Day day{static_cast<std::int32_t>(instant / kDayMs)};
    const Millis in_day = instant % kDayMs;
    fmt::format_to(std::back_inserter(out_), "\"{}T{:02}:{:02}:{:02}.{:03}Z\",", format_date(day), in_day / 3'600'000,
                   in_day / kMinuteMs % 60, in_day / kSecondMs % 60, in_day % kSecondMs);
  }

  std::string take() && { return std::move(out_); }

 private:
  void key(std::string_view name) {
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  void quote(std::string_view value) {
    out_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20) {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", unsigned{byte});
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }

  void close(char bracket) {
    if (out_.back() == ',') out_.pop_back();
    out_ += bracket;
  }

  std::string out_;
};

void write(Writer& out, const Order& order) {
  out.text("order_id", order.order_id());
  out.text("outlet_id", order.outlet_id());
  out.text("promised_date", order.promised_date());
  out.objects("lines", order.lines(), [&](const Order::Line& line) {
    out.text("sku_id", line.sku_id());
    out.integer("requested", line.has_requested(), line.requested());
    out.integer("confirmed", line.has_confirmed(), line.confirmed());
    out.integer("declared_stock", line.has_declared_stock(), line.declared_stock());
  });
}

void write(Writer& out, const Delivery& delivery) {
  out.text("delivery_id", delivery.delivery_id());
  out.free_text("order_id", delivery.has_order_id(), delivery.order_id());
  out.text("outlet_id", delivery.outlet_id());
  if (delivery.direction() != 0) out.text("direction", Delivery::Direction_Name(delivery.direction()));
  out.objects("lines", delivery.lines(), [&](const Delivery::Line& line) {
    out.text("sku_id", line.sku_id());
    out.integer("quantity", line.has_quantity(), line.quantity());
  });
}

void write(Writer& out, const Visit& visit) {
  out.text("visit_id", visit.visit_id());
  out.text("outlet_id", visit.outlet_id());
  out.text("visitor_id", visit.visitor_id());
  if (visit.outcome() != 0) out.text("outcome", Visit::Outcome_Name(visit.outcome()));
  out.objects("checks", visit.checks(), [&](const Visit::Check& check) {
    out.text("sku_id", check.sku_id());
    out.integer("count", check.has_count(), check.count());
    out.boolean("on_shelf", check.has_on_shelf(), check.on_shelf());
    out.integer("facings", check.has_facings(), check.facings());
    out.integer("retail_price_fen", check.has_retail_price_fen(), check.retail_price_fen());
    if (check.price_tag() != 0) out.text("price_tag", Visit::PriceTag_Name(check.price_tag()));
  });
}

void write(Writer& out, const Outlet& outlet) {
  out.text("outlet_id", outlet.outlet_id());
  out.text("valid_from", outlet.valid_from());
  out.text("region_id", outlet.region_id());
  if (outlet.state() != 0) out.text("state", Outlet::State_Name(outlet.state()));
  out.objects("classes", outlet.classes(), [&](const ClassValue& of) {
    out.text("dimension", of.dimension());
    out.text("value", of.value());
  });
  out.free_text("name", outlet.has_name(), outlet.name());
}

void write(Writer& out, const Sku& sku) {
  out.text("sku_id", sku.sku_id());
  out.text("brand_id", sku.brand_id());
  out.text("valid_from", sku.valid_from());
  out.integer("guide_price_fen", sku.has_guide_price_fen(), sku.guide_price_fen());
  out.integer("wholesale_price_fen", sku.has_wholesale_price_fen(), sku.wholesale_price_fen());
  out.free_text("brand_group", sku.has_brand_group(), sku.brand_group());
  out.text("pack", sku.pack());
  out.free_text("name", sku.has_name(), sku.name());
}

void write(Writer& out, const Region& region) {
  out.text("region_id", region.region_id());
  out.free_text("parent_id", region.has_parent_id(), region.parent_id());
  if (region.level() != 0) out.text("level", Region::Level_Name(region.level()));
  out.free_text("name", region.has_name(), region.name());
}

void write_scope(Writer& out, bool present, const Scope& scope) {
  if (!present) return;
  out.object("scope", [&] {
    out.text("brand_group", scope.brand_group());
    out.text("brand_id", scope.brand_id());
    out.text("region_id", scope.region_id());
    out.text("class_dimension", scope.class_dimension());
    out.text("class_value", scope.class_value());
  });
}

void write(Writer& out, const Policy& policy) {
  out.text("policy_id", policy.policy_id());
  out.text("valid_from", policy.valid_from());
  out.objects("rules", policy.rules(), [&](const Policy::Rule& rule) {
    out.text("rule", rule.rule());
    write_scope(out, rule.has_scope(), rule.scope());
    out.objects("set", rule.set(), [&](const Policy::Setting& setting) {
      out.text("name", setting.name());
      out.text("value", setting.value());
    });
  });
}

void write(Writer& out, const Target& target) {
  out.text("target_id", target.target_id());
  out.text("valid_from", target.valid_from());
  out.text("rate", target.rate());
  write_scope(out, target.has_scope(), target.scope());
  out.integer("value_bp", target.has_value_bp(), target.value_bp());
}

void write(Writer& out, const Plan& plan) {
  out.text("plan_id", plan.plan_id());
  out.text("valid_from", plan.valid_from());
  out.text("class_dimension", plan.class_dimension());
  out.text("class_value", plan.class_value());
  out.integer("visits_per_month", plan.has_visits_per_month(), plan.visits_per_month());
}

void write(Writer& out, const Allocation& allocation) {
  out.text("sku_id", allocation.sku_id());
  out.text("region_id", allocation.region_id());
  out.text("valid_from", allocation.valid_from());
  out.text("valid_to", allocation.valid_to());
  out.integer("quantity", allocation.has_quantity(), allocation.quantity());
  out.boolean("rationed", allocation.has_rationed(), allocation.rationed());
}

void write(Writer& out, const Calendar& calendar) {
  out.text("day", calendar.day());
  if (calendar.kind() != 0) out.text("kind", Calendar::Kind_Name(calendar.kind()));
}

void write(Writer& out, const Command& command) {
  out.text("command_id", command.command_id());
  out.text("author", command.author());
  if (command.verb() != 0) out.text("verb", Command::Verb_Name(command.verb()));
  out.text("alert_id", command.alert_id());
  out.text("assignee", command.assignee());
  out.boolean("true_alarm", command.has_true_alarm(), command.true_alarm());
  out.text("text", command.text());
  if (!command.has_silence()) return;
  const Command::Silence& silence = command.silence();
  out.object("silence", [&] {
    out.text("silence_id", silence.silence_id());
    out.objects("matchers", silence.matchers(), [&](const Command::Matcher& matcher) {
      out.text("field", matcher.field());
      out.text("value", matcher.value());
    });
    out.time("starts_at", silence.has_starts_at(), silence.starts_at());
    out.time("ends_at", silence.has_ends_at(), silence.ends_at());
  });
}

void write(Writer& out, const Mark& mark) {
  out.time("complete_through", mark.has_complete_through(), mark.complete_through());
}

}  // namespace

bool read_json(std::string_view text, Event& event, Findings& findings, std::string& detail) {
  // Warm buffers: a record costs no allocation for its tree. Bounded by kEventBytesMax: some 7 MiB a thread.
  thread_local Tree tree;
  if (!tree.parse(text)) {
    detail = tree.nested_too_deeply() ? fmt::format("JSON deeper than {} levels", kJsonDepthMax)
                                      : fmt::format("not JSON at byte {}", tree.failed_at());
    return false;
  }
  if (tree.root().kind != Kind::object) {
    detail = "JSON, but not an object";
    return false;
  }
  read(Reader<Event>(tree, tree.root(), event, {}, findings));
  return true;
}

bool is_json(std::string_view text) {
  return text.find('\0') == std::string_view::npos && Json::accept(text.data(), text.data() + text.size());
}

std::string to_json(const Event& event) {
  Writer out;
  out.object([&] {
    out.text("event_id", event.event_id());
    out.text("source", event.source());
    out.time("event_time", event.has_event_time(), event.event_time());
    out.time("arrival_time", event.has_arrival_time(), event.arrival_time());
    out.integer("revision", event.has_revision(), event.revision());
    out.boolean("cancelled", event.cancelled(), true);
    visit_payload(event, [&](std::string_view name, const auto& payload) { out.object(name, [&] { write(out, payload); }); });
  });
  return std::move(out).take();
}

// ---- findings -------------------------------------------------------------------------------------------------------

std::string FieldPath::text() const {
  std::string text = above == nullptr ? std::string() : above->text();
  if (!text.empty() && !name.empty()) text += '.';
  text += name;
  if (index != kNoIndex) text += fmt::format("[{}]", index);
  return text;
}

std::string Findings::where(const FieldPath& path, std::string_view field) {
  std::string text = FieldPath{&path, field}.text();
  if (!text.empty()) text += ": ";
  return text;
}

std::optional<Rejected> Findings::verdict(const Event& event) && {
  if (!reason_) return std::nullopt;
  return Rejected{*reason_, std::move(detail_), event.event_id()};
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownMax = 60;
  if (text.size() <= kShownMax) return fmt::format("'{}'", text);
  std::size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not inside a character
  return fmt::format("'{}...'", text.substr(0, end));
}

}  // namespace fiverate
