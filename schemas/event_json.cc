#include "schemas/event_json.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "schemas/decode.h"
#include "schemas/event_check.h"
#include "schemas/event_fields.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// ---- text -> tree ---------------------------------------------------------------------------------------------------

// nlohmann's parser fills a tree of our own: the tree distinguishes 5 from 5.0, keeps repeated keys, bounds the depth and uses
// its two buffers again for the next record. The parser refuses a number that its type of floats cannot hold; long double holds
// 1e999, which is then a number of a wrong kind and not a syntax error. docs/decisions/0023 compares parsers.
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
  NodeIndex first = kNoNode;  // child of a list or object
  NodeIndex last = kNoNode;
  NodeIndex next = kNoNode;  // sibling
};

class Tree {
 public:
  // False: the text is not one JSON value, or it is nested too deeply. failed_at() then returns the byte of the error.
  bool parse(std::string_view text);

  [[nodiscard]] const Node& root() const { return nodes_.front(); }
  [[nodiscard]] std::string_view text(TextSpan span) const { return {texts_.data() + span.begin, span.size}; }
  [[nodiscard]] std::size_t failed_at() const { return failed_at_; }
  [[nodiscard]] bool nested_too_deeply() const { return nested_too_deeply_; }

  // Null after the last one.
  [[nodiscard]] const Node* first_in(const Node& parent) const { return at(parent.first); }
  [[nodiscard]] const Node* after(const Node& node) const { return at(node.next); }

  // ---- called by the parser, which stops at the first false
  bool null() { return append({}); }
  bool boolean(bool value) { return append({.kind = Kind::boolean, .boolean = value}); }
  bool number_integer(std::int64_t value) { return append({.kind = Kind::integer, .integer = value}); }
  bool number_unsigned(std::uint64_t value) {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    return number_integer(value > std::uint64_t{kMax} ? kMax : static_cast<std::int64_t>(value));
  }
  bool number_float(long double, const std::string& written) {
    if (written.find_first_of(".eE") != std::string::npos) return append({.kind = Kind::real, .text = keep(written)});
    // The parser also calls this for an integer outside 64 bits.
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
  // The parser takes a NUL for the end of the text and would not read the bytes after it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    failed_at_ = nul;
    return false;
  }
  return Json::sax_parse(text.data(), text.data() + text.size(), this);
}

// ---- tree -> event --------------------------------------------------------------------------------------------------

// Fills messages from objects by the table of fields. Absent fields are left alone. A value of a wrong type, a time that is no
// time and an unknown name of an enum are added to the findings. Dates and ranges are left to the checks.
class Reader {
 public:
  Reader(const Tree& tree, Findings& findings) : tree_(&tree), findings_(&findings) {}

  template <class Message>
  void read_object(const Node& object, Message& message, const FieldPath& path) {
    const auto members = members_of<Message>(object);
    std::size_t i = 0;
    int payloads = 0;
    for_each_field<Message>([&](const auto& field) {
      const Node* node = members[i++];
      // An empty text is an absent value, also where a number or an object belongs.
      if (node == nullptr || (is_empty_text(*node) && field.kHolds != Holds::free_text)) return;
      if (field.kHolds == Holds::payload) ++payloads;
      read_value(field, *node, message, path);
    });
    if (payloads > 1) findings_->add(Reason::bad_payload, path, {}, "{} payloads", payloads);
  }

 private:
  template <class Message>
  static constexpr auto kNames = std::apply([](const auto&... field) { return std::array{field.name...}; },
                                            kFields<Message>);

  // The member of each field: the last one of its name; null if there is none or that one is null.
  template <class Message>
  auto members_of(const Node& object) const {
    constexpr auto& names = kNames<Message>;
    std::array<const Node*, names.size()> members{};
    std::size_t expected = 0;  // members mostly stand in the order of the table
    for (const Node* member = tree_->first_in(object); member != nullptr; member = tree_->after(*member)) {
      const std::string_view name = tree_->text(member->key);
      auto found = std::find(names.begin() + expected, names.end(), name);
      if (found == names.end()) found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) continue;
      const auto index = static_cast<std::size_t>(found - names.begin());
      members[index] = member->kind == Kind::null ? nullptr : member;
      expected = index + 1;
    }
    return members;
  }

  static bool is_empty_text(const Node& node) { return node.kind == Kind::text && node.text.size == 0; }

  template <class Field, class Message>
  void read_value(const Field& field, const Node& node, Message& message, const FieldPath& path) {
    constexpr Holds kHolds = Field::kHolds;
    const std::string_view text = tree_->text(node.text);
    const auto unreadable = [&]<class... Args>(fmt::format_string<Args...> what, Args&&... args) {
      findings_->note_unreadable(&message, field.name);
      findings_->add(Reason::bad_value, path, field.name, what, std::forward<Args>(args)...);
    };
    if constexpr (is_object(kHolds)) {
      auto* inner = field.change(message);
      if (node.kind == Kind::object) {
        read_object(node, *inner, {&path, field.name});
      } else {
        findings_->note_unreadable(inner, {});
        findings_->add(Reason::bad_value, path, field.name, "not an object");
      }
    } else if constexpr (is_list(kHolds)) {
      if (node.kind != Kind::list) return unreadable("not a list");
      int index = 0;
      for (const Node* item = tree_->first_in(node); item != nullptr; item = tree_->after(*item), ++index) {
        const FieldPath item_path{&path, field.name, index};
        if (item->kind == Kind::object) {
          read_object(*item, *field.change(message)->Add(), item_path);
        } else {
          findings_->add(Reason::bad_value, item_path, {}, "not an object");
        }
      }
    } else if constexpr (kHolds == Holds::quantity || kHolds == Holds::revision) {
      if (node.kind != Kind::integer) return unreadable("not an integer");
      field.set(message, node.integer);
    } else if constexpr (kHolds == Holds::boolean) {
      if (node.kind != Kind::boolean) return unreadable("not true or false");
      field.set(message, node.boolean);
    } else if constexpr (kHolds == Holds::setting) {
      if (node.kind == Kind::integer) {
        *field.change(message) = std::to_string(node.integer);
      } else if (node.kind == Kind::text || node.kind == Kind::real) {
        field.change(message)->assign(text);
      } else {
        unreadable("not a number or text");
      }
    } else if (node.kind != Kind::text) {
      unreadable("not text");
    } else if constexpr (kHolds == Holds::choice) {
      using Enum = std::decay_t<decltype(field.get(message))>;
      const auto* value = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByName(std::string(text));
      if (value == nullptr || value->number() == 0) return unreadable("{} is not a known name", quoted_value(text));
      field.set(message, static_cast<Enum>(value->number()));
    } else if constexpr (kHolds == Holds::time) {
      const auto instant = parse_time(text);
      if (!instant) return unreadable("{} is not a time with an offset in 1970..9999", quoted_value(text));
      set_millis(*field.change(message), *instant);
    } else {
      field.change(message)->assign(text);
    }
  }

  const Tree* tree_;
  Findings* findings_;
};

// ---- event -> text --------------------------------------------------------------------------------------------------

// A rejected event may hold any numbers in a Timestamp; they are clamped.
std::string time_text(const google::protobuf::Timestamp& time, const MarketCalendar* calendar) {
  google::protobuf::Timestamp in_range = time;
  in_range.set_seconds(std::clamp<std::int64_t>(time.seconds(), 0, kTimestampSecondsMax));
  in_range.set_nanos(std::max(time.nanos(), 0));
  const Millis instant = millis_of(in_range);
  if (calendar != nullptr) return calendar->format(instant);
  const Day day{static_cast<std::int32_t>(instant / kDayMs)};
  const Millis in_day = instant % kDayMs;
  return fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", format_date(day), in_day / 3'600'000, in_day / kMinuteMs % 60,
                     in_day / kSecondMs % 60, in_day % kSecondMs);
}

// Absent fields are left out, so that reading the text gives the same event again. Without a calendar times are in UTC.
template <class Message>
void write_object(const Message& message, const MarketCalendar* calendar, JsonWriter& json) {
  json.begin_object();
  for_each_field<Message>([&]<class Field>(const Field& field) {
    constexpr Holds kHolds = Field::kHolds;
    // Lists are written also when they are empty.
    if (!is_list(kHolds) && !field.has(message)) return;
    json.key(field.name);
    const auto& value = field.get(message);
    if constexpr (is_object(kHolds)) {
      write_object(value, calendar, json);
    } else if constexpr (is_list(kHolds)) {
      json.begin_array();
      for (const auto& item : value) write_object(item, calendar, json);
      json.end_array();
    } else if constexpr (kHolds == Holds::quantity || kHolds == Holds::revision) {
      json.integer(value);
    } else if constexpr (kHolds == Holds::boolean) {
      json.boolean(value);
    } else if constexpr (kHolds == Holds::choice) {
      const auto* known =
          google::protobuf::GetEnumDescriptor<std::decay_t<decltype(value)>>()->FindValueByNumber(value);
      known != nullptr ? json.text(known->name()) : json.integer(value);  // a rejected event may hold any number
    } else if constexpr (kHolds == Holds::time) {
      json.text(time_text(value, calendar));
    } else {
      json.text(value);
    }
  });
  json.end_object();
}

std::string to_json(const Event& event, const MarketCalendar* calendar) {
  std::string out;
  JsonWriter json(out);
  write_object(event, calendar, json);
  return out;
}

}  // namespace

bool read_json(std::string_view text, Event& event, Findings& findings, std::string& detail) {
  // The tree keeps its buffers, so a record needs no allocation for it. kEventBytesMax bounds them to about 7 MiB a thread.
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
  Reader(tree, findings).read_object(tree.root(), event, {});
  return true;
}

bool is_json(std::string_view text) {
  return text.find('\0') == std::string_view::npos && Json::accept(text.data(), text.data() + text.size());
}

std::string to_json(const Event& event) {
  return to_json(event, nullptr);
}

std::string to_json(const Event& event, const MarketCalendar& calendar) {
  return to_json(event, &calendar);
}

}  // namespace fiverate
