#include "producers/import/csv_map.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "schemas/did_you_mean.h"
#include "schemas/format.h"
#include "schemas/time.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kMapBytesMax = std::size_t{1} << 20U;  // a larger file is not a map
constexpr std::int64_t kOpenTimesMax = 1'000'000;
constexpr std::size_t kColumnsMax = 10'000;

// ------------------------------------------------------------------------------------------------ sections and keys

constexpr std::array<std::string_view, 2> kDirections{"OUT", "RETURN"};
constexpr std::array<std::string_view, 3> kOutcomes{"DONE", "CLOSED", "REFUSED"};
constexpr std::array<std::string_view, 3> kPriceTags{"OK", "WRONG", "MISSING"};
constexpr std::array<std::string_view, 4> kLevels{"COUNTRY", "PROVINCE", "CITY", "COUNTY"};
constexpr std::array<std::string_view, 3> kStates{"ACTIVE", "SUSPENDED", "CLOSED"};

using Shape = FieldShape;
using K = FieldKind;
using P = FieldLevel;
constexpr Shape kEventTime{"event_time", "event_time", K::time, P::event, true, {}};
constexpr Shape kArrivalTime{"arrival_time", "arrival_time", K::time, P::event, false, {}};
constexpr Shape kRevision{"revision", "revision", K::number, P::event, false, {}};
constexpr Shape kCancelled{"cancelled", "cancelled", K::flag, P::event, false, {}};
constexpr Shape kOutletId{"outlet_id", "outlet_id", K::text, P::payload, true, {}};
constexpr Shape kLineSku{"sku_id", "sku_id", K::text, P::line, true, {}};

constexpr std::array kDeliveryFields{
    kEventTime,
    kArrivalTime,
    kRevision,
    kCancelled,
    Shape{"id", "delivery_id", K::text, P::payload, true, {}},
    Shape{"order_id", "order_id", K::text, P::payload, false, {}},
    kOutletId,
    Shape{"direction", "direction", K::choice, P::payload, true, kDirections},
    kLineSku,
    Shape{"quantity", "quantity", K::number, P::line, true, {}},
};
constexpr std::array kOrderFields{
    kEventTime,
    kArrivalTime,
    kRevision,
    kCancelled,
    Shape{"id", "order_id", K::text, P::payload, true, {}},
    kOutletId,
    Shape{"promised_date", "promised_date", K::date, P::payload, false, {}},
    kLineSku,
    Shape{"requested", "requested", K::number, P::line, true, {}},
    Shape{"confirmed", "confirmed", K::number, P::line, true, {}},
    Shape{"declared_stock", "declared_stock", K::number, P::line, false, {}},
};
constexpr std::array kVisitFields{
    kEventTime,
    kArrivalTime,
    kRevision,
    kCancelled,
    Shape{"id", "visit_id", K::text, P::payload, true, {}},
    kOutletId,
    Shape{"visitor_id", "visitor_id", K::text, P::payload, true, {}},
    Shape{"outcome", "outcome", K::choice, P::payload, true, kOutcomes},
    Shape{"sku_id", "sku_id", K::text, P::line, false, {}},
    Shape{"count", "count", K::number, P::line, false, {}},
    Shape{"on_shelf", "on_shelf", K::flag, P::line, false, {}},
    Shape{"facings", "facings", K::number, P::line, false, {}},
    Shape{"retail_price_fen", "retail_price_fen", K::number, P::line, false, {}},
    Shape{"price_tag", "price_tag", K::choice, P::line, false, kPriceTags},
};
constexpr std::array kRegionFields{
    Shape{"region_id", "region_id", K::text, P::payload, true, {}},
    Shape{"parent_id", "parent_id", K::text, P::payload, false, {}},
    Shape{"level", "level", K::choice, P::payload, true, kLevels},
    Shape{"name", "name", K::text, P::payload, false, {}},
};
constexpr std::array kSkuFields{
    Shape{"sku_id", "sku_id", K::text, P::payload, true, {}},
    Shape{"brand_id", "brand_id", K::text, P::payload, true, {}},
    Shape{"valid_from", "valid_from", K::date, P::payload, false, {}},
    Shape{"guide_price_fen", "guide_price_fen", K::number, P::payload, false, {}},
    Shape{"wholesale_price_fen", "wholesale_price_fen", K::number, P::payload, false, {}},
    Shape{"brand_group", "brand_group", K::text, P::payload, false, {}},
    Shape{"pack", "pack", K::text, P::payload, false, {}},
    Shape{"name", "name", K::text, P::payload, false, {}},
};
constexpr std::array kOutletFields{
    Shape{"outlet_id", "outlet_id", K::text, P::payload, true, {}},
    Shape{"valid_from", "valid_from", K::date, P::payload, false, {}},
    Shape{"region_id", "region_id", K::text, P::payload, true, {}},
    Shape{"state", "state", K::choice, P::payload, true, kStates},
    Shape{"classes", "classes", K::classes, P::payload, false, {}},
    Shape{"name", "name", K::text, P::payload, false, {}},
};
constexpr std::array<SectionShape, 6> kSections{{
    {"region", "", kRegionFields},
    {"sku", "", kSkuFields},
    {"outlet", "", kOutletFields},
    {"order", "lines", kOrderFields},
    {"delivery", "lines", kDeliveryFields},
    {"visit", "checks", kVisitFields},
}};

const SectionShape* section_named(std::string_view name) {
  const auto* const found = std::ranges::find(kSections, name, &SectionShape::name);
  return found == kSections.end() ? nullptr : found;
}

std::vector<std::string> keys_of(const SectionShape& section) {
  std::vector<std::string> keys;
  for (const auto& field : section.fields) keys.emplace_back(field.key);
  return keys;
}

// ------------------------------------------------------------------------------------------------ names

template <typename Names>
std::string one_of(const Names& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  }
  return out;
}

// ------------------------------------------------------------------------------------------------ the reader

class MapReader {
 public:
  MapReader(std::string_view toml, std::string file) : text_(toml) { map_.file = std::move(file); }

  CsvMap read() {
    toml::table root;
    try {
      root = toml::parse(text_);
    } catch (const toml::parse_error& error) {
      throw MapError(fmt::format("{}:{}:{}: {}", map_.file, error.source().begin.line, error.source().begin.column,
                                 error.description()));
    }
    for (const auto& [key, node] : root) read_top(key, node);
    if (problems_.empty()) check_whole(root);
    if (!problems_.empty()) throw_problems();
    return std::move(map_);
  }

 private:
  void read_top(const toml::key& key, const toml::node& node) {
    const auto name = key.str();
    if (name == "csv" || name == "reference") {
      if (const auto* table = node.as_table()) {
        name == "csv" ? read_csv(*table) : read_reference(*table);
      } else {
        problem(key.source().begin, "{} must be a section: write [{}]", name, name);
      }
      return;
    }
    const auto* const shape = section_named(name);
    if (shape == nullptr) {
      std::vector<std::string> known{"csv", "reference"};
      for (const auto& section : kSections) known.emplace_back(section.name);
      problem(key.source().begin, "unknown section [{}]{}", name, did_you_mean(name, known));
    } else if (const auto* table = node.as_table()) {
      read_section(*shape, *table);
    } else if (const auto* tables = node.as_array(); tables != nullptr && tables->is_array_of_tables()) {
      for (const auto& each : *tables) read_section(*shape, *each.as_table());
    } else {
      problem(key.source().begin, "{} must be a section: write [{}]", name, name);
    }
  }

  void read_csv(const toml::table& table) {
    static const std::vector<std::string> kKnown{"delimiter", "header", "columns", "source", "open_times"};
    for (const auto& [key, node] : table) {
      const auto name = key.str();
      const auto at = node.source().begin;
      if (name == "delimiter") {
        const auto text = node.value<std::string>().value_or("");
        if (text.size() != 1 || text == "\"" || text == "\n" || text == "\r") {
          problem(at, "delimiter: expected one character, as \",\", \";\" or \"\\t\"");
        } else {
          map_.delimiter = text[0];
        }
      } else if (name == "header") {
        if (!node.is_boolean()) problem(at, "header: expected true or false");
        map_.header = node.value_or(true);
      } else if (name == "columns") {
        read_columns(node);
      } else if (name == "source") {
        map_.source = node.value<std::string>().value_or("");
        if (!node.is_string() || map_.source.empty()) problem(at, "source: expected a text");
      } else if (name == "open_times") {
        const auto number = node.is_integer() ? node.value<std::int64_t>().value_or(0) : 0;
        if (number < 1 || number > kOpenTimesMax) problem(at, "open_times: expected an integer 1..{}", kOpenTimesMax);
        map_.open_times = static_cast<std::int32_t>(std::clamp<std::int64_t>(number, 1, kOpenTimesMax));
      } else {
        problem(key.source().begin, "unknown key {} in [csv]{}", in_quotes(name), did_you_mean(name, kKnown));
      }
    }
    if (!map_.header && map_.columns.empty()) {
      problem(table.source().begin, "[csv]: a table without a header needs columns = [\"...\", ...]");
    }
    if (map_.header && !map_.columns.empty()) {
      problem(table.source().begin, "[csv]: columns are for a table without a header (header = false)");
    }
  }

  void read_columns(const toml::node& node) {
    const auto* const names = node.as_array();
    if (names == nullptr || names->empty() || names->size() > kColumnsMax || !names->is_homogeneous<std::string>()) {
      problem(node.source().begin, "columns: expected a list of names");
      return;
    }
    for (const auto& each : *names) map_.columns.push_back(**each.as_string());
  }

  void read_reference(const toml::table& table) {
    static const std::vector<std::string> kKnown{"since"};
    for (const auto& [key, node] : table) {
      if (key.str() != "since") {
        problem(key.source().begin, "unknown key {} in [reference]{}", in_quotes(key.str()),
                did_you_mean(key.str(), kKnown));
        continue;
      }
      map_.since = text_of(node).value_or("");
      if (!parse_date(*map_.since)) problem(node.source().begin, "since: expected a date, as \"2012-01-01\"");
    }
  }

  void read_section(const SectionShape& shape, const toml::table& table) {
    MappedSection section;
    section.shape = &shape;
    for (const auto& [key, node] : table) {
      const auto known =
          std::ranges::any_of(shape.fields, [&k = key](const auto& field) { return field.key == k.str(); });
      if (!known) {
        problem(key.source().begin, "unknown key {} in [{}]{}", in_quotes(key.str()), shape.name,
                did_you_mean(key.str(), keys_of(shape)));
      }
    }
    for (const auto& field : shape.fields) {
      if (const auto* node = table.get(field.key)) {
        section.fields.push_back(read_field(field, *node));
      } else if (field.needed) {
        problem(table.source().begin, "[{}] needs {}", shape.name, field.key);
      }
    }
    const bool has_lines =
        std::ranges::any_of(section.fields, [](const auto& field) { return field.shape->level == FieldLevel::line; });
    if (has_lines && section.find("sku_id") == nullptr) problem(table.source().begin, "[{}] needs sku_id", shape.name);
    map_.sections.push_back(std::move(section));
  }

  // -- fields

  MappedField read_field(const FieldShape& shape, const toml::node& node) {
    MappedField field;
    field.shape = &shape;
    switch (shape.kind) {
      case FieldKind::text:
        field.value = read_text(shape, node);
        break;
      case FieldKind::date:
        field.value = read_text(shape, node);
        check_constant(field, node, "a date, as \"2012-01-01\"",
                       [](const auto& text) { return parse_date(text).has_value(); });
        break;
      case FieldKind::time:
        field.value = read_text(shape, node);
        check_constant(field, node, "a time, as \"2012-01-01T12:00:00\" or with an offset",
                       [](const auto& text) { return parse_time(text) || parse_time(text + "Z"); });
        break;
      case FieldKind::choice:
        read_choice(field, node);
        break;
      case FieldKind::number:
        read_number(field, node);
        break;
      case FieldKind::flag:
        read_flag(field, node);
        break;
      case FieldKind::classes:
        read_classes(field, node);
        break;
    }
    return field;
  }

  template <typename Check>
  void check_constant(const MappedField& field, const toml::node& node, std::string_view expected, Check fits) {
    if (field.value.parts.empty() || !field.value.is_constant() || fits(field.value.constant())) return;
    problem(node.source().begin, "{}: expected {}, got {}", field.shape->key, expected,
            in_quotes(field.value.constant()));
  }

  Template read_text(const FieldShape& shape, const toml::node& node) {
    if (node.is_date()) return {{{*text_of(node), std::nullopt}}};
    if (const auto* text = node.as_string()) return read_template(shape.key, **text, node.source().begin);
    problem(node.source().begin, "{}: expected a text, as \"{{column}}\"", shape.key);
    return {};
  }

  void read_choice(MappedField& field, const toml::node& node) {
    const auto& choices = field.shape->choices;
    const auto is_choice = [&](std::string_view text) { return std::ranges::find(choices, text) != choices.end(); };
    const auto* const table = node.as_table();
    if (table == nullptr) {
      field.value = read_text(*field.shape, node);
      check_constant(field, node, one_of(choices), is_choice);
      return;
    }
    if (!read_column(field, *table, {"column", "values"})) return;
    const auto* const values = table->get_as<toml::table>("values");
    if (values == nullptr) {
      problem(table->source().begin, "{}: expected values = {{ text = \"{}\", ... }}", field.shape->key,
              choices.front());
      return;
    }
    for (const auto& [from, to] : *values) {
      const auto text = to.value<std::string>().value_or("");
      if (!is_choice(text)) problem(to.source().begin, "{}: expected {}", field.shape->key, one_of(choices));
      field.values.emplace(std::string(from.str()), text);
    }
  }

  void read_number(MappedField& field, const toml::node& node) {
    const auto key = field.shape->key;
    if (const auto* number = node.as_integer()) {
      field.value = {{{fmt::to_string(**number), std::nullopt}}};
    } else if (node.is_string()) {
      field.value = read_text(*field.shape, node);
      check_constant(field, node, "a column or an integer", [](const auto& text) {
        const auto decimal = Decimal::parse(text);
        return decimal && decimal->scale == 0;
      });
    } else if (const auto* table = node.as_table()) {
      if (!read_column(field, *table, {"column", "times", "rounding"})) return;
      if (const auto* factor = table->get("times")) read_factor(field, *factor);
      if (const auto* rounding = table->get("rounding")) {
        const auto text = rounding->value<std::string>().value_or("");
        field.rounding = text == "half_up" ? Rounding::half_up : Rounding::down;
        if (text != "half_up" && text != "down")
          problem(rounding->source().begin, "rounding: expected \"half_up\" or \"down\"");
      }
    } else {
      problem(node.source().begin, "{}: expected an integer, \"{{column}}\" or {{ column = \"...\", times = 1000 }}",
              key);
    }
  }

  void read_factor(MappedField& field, const toml::node& node) {
    std::optional<Decimal> factor;
    if (const auto text = node.is_integer()  ? text_of(node)
                          : node.is_string() ? node.value<std::string>()
                                             : std::nullopt) {
      factor = Decimal::parse(*text);
    }
    if (!factor || factor->digits <= 0) {
      problem(node.source().begin, "times: expected an integer from 1, or a decimal number in quotes, as \"0.75\"");
      return;
    }
    field.times = *factor;
  }

  void read_flag(MappedField& field, const toml::node& node) {
    if (const auto* flag = node.as_boolean()) {
      field.value = {{{**flag ? "true" : "false", std::nullopt}}};
      return;
    }
    field.value = read_text(*field.shape, node);
    check_constant(field, node, "true, false or a column", [](const auto&) { return false; });
  }

  void read_classes(MappedField& field, const toml::node& node) {
    const auto* const list = node.as_array();
    if (list == nullptr) {
      problem(node.source().begin, "classes: expected [{{ dimension = \"...\", value = \"...\" }}, ...]");
      return;
    }
    for (const auto& each : *list) {
      const auto* const table = each.as_table();
      const auto* const dimension = table == nullptr ? nullptr : table->get_as<std::string>("dimension");
      const auto* const value = table == nullptr ? nullptr : table->get_as<std::string>("value");
      if (dimension == nullptr || value == nullptr || table->size() != 2) {
        problem(each.source().begin, "classes: expected {{ dimension = \"...\", value = \"...\" }}");
        continue;
      }
      field.classes.push_back({read_template("dimension", **dimension, dimension->source().begin),
                               read_template("value", **value, value->source().begin)});
    }
  }

  // Reads { column = "name", ... }; `known` are the keys that it may have.
  bool read_column(MappedField& field, const toml::table& table, const std::vector<std::string>& known) {
    for (const auto& [key, node] : table) {
      if (std::ranges::find(known, key.str()) == known.end()) {
        problem(key.source().begin, "{}: unknown key {}{}", field.shape->key, in_quotes(key.str()),
                did_you_mean(key.str(), known));
      }
    }
    const auto* const column = table.get_as<std::string>("column");
    if (column == nullptr || column->get().empty()) {
      problem(table.source().begin, "{}: expected column = \"...\"", field.shape->key);
      return false;
    }
    field.value.parts.push_back({{}, used(column->get(), column->source().begin)});
    return true;
  }

  // -- templates

  Template read_template(std::string_view key, std::string_view text, toml::source_position at) {
    Template out;
    std::string literal;
    const auto end_literal = [&] {
      if (!literal.empty()) out.parts.push_back({std::exchange(literal, {}), std::nullopt});
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
        literal += c;
        ++i;
      } else if (c == '}') {
        problem(inside(at, text, i), "{}: a }} without a {{ (for the character itself: }}}})", key);
        return out;
      } else if (c == '{') {
        const auto close = text.find('}', i);
        const auto name = text.substr(i + 1, close == std::string_view::npos ? close : close - i - 1);
        if (close == std::string_view::npos || name.empty() || name.find('{') != std::string_view::npos) {
          problem(inside(at, text, i), "{}: {} (for the character itself: {{{{)", key,
                  close == std::string_view::npos || !name.empty() ? "a { without a }" : "no column between { and }");
          return out;
        }
        end_literal();
        out.parts.push_back({{}, used(name, inside(at, text, i + 1))});
        i = close;
      } else {
        literal += c;
      }
    }
    end_literal();
    if (out.parts.empty()) problem(at, "{}: the value is empty. Leave the key out instead.", key);
    return out;
  }

  // The position of the i-th byte of a string in the file. If the string has escapes: the position of its beginning.
  [[nodiscard]] toml::source_position inside(toml::source_position at, std::string_view value, std::size_t i) const {
    std::size_t begin = 0;
    for (auto line = at.line; line > 1; --line) begin = text_.find('\n', begin) + 1;
    begin += at.column;  // columns count from 1, so this is the byte after the quote
    if (begin > text_.size() || text_.substr(begin, value.size()) != value) return at;
    return {at.line, static_cast<toml::source_index>(at.column + 1 + i)};
  }

  std::size_t used(std::string_view name, toml::source_position at) {
    for (std::size_t i = 0; i < map_.columns_used.size(); ++i) {
      auto& column = map_.columns_used[i];
      if (column.name != name) continue;
      if (std::pair(at.line, at.column) < std::pair(column.position.line, column.position.column))
        column.position = {at.line, at.column};
      return i;
    }
    map_.columns_used.push_back({std::string(name), {at.line, at.column}});
    return map_.columns_used.size() - 1;
  }

  // -- the whole map

  void check_whole(const toml::table& root) {
    if (map_.sections.empty()) {
      problem({1, 1},
              "the map makes no events: it has none of the sections [delivery], [order], [visit], [region], [sku], "
              "[outlet]");
    }
    for (const auto& section : map_.sections) {
      if (section.shape->is_document() || map_.since || section.find("valid_from") != nullptr) continue;
      problem(root.get(section.shape->name)->source().begin,
              "[{}] needs a date: write [reference] since = \"2012-01-01\"{}", section.shape->name,
              section.shape->name == "region" ? "" : ", or valid_from");
    }
    if (!map_.header && problems_.empty()) static_cast<void>(map_.bind(map_.columns, "columns of [csv]"));
  }

  static std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* date = node.as_date()) {
      return fmt::format("{:04}-{:02}-{:02}", date->get().year, date->get().month, date->get().day);
    }
    if (const auto* number = node.as_integer()) return fmt::to_string(number->get());
    return node.value<std::string>();
  }

  template <typename... Args>
  void problem(toml::source_position at, fmt::format_string<Args...> what, Args&&... args) {
    problems_.emplace_back(std::pair(at.line, at.column), fmt::format("{}:{}:{}: {}", map_.file, at.line, at.column,
                                                                      fmt::format(what, std::forward<Args>(args)...)));
  }

  [[noreturn]] void throw_problems() {
    // toml++ sorts keys by name; a person reads the file from the top.
    std::ranges::stable_sort(problems_, {}, [](const auto& each) { return each.first; });
    std::string all;
    for (const auto& [position, text] : problems_) all += (all.empty() ? "" : "\n") + text;
    throw MapError(all);
  }

  std::string_view text_;
  CsvMap map_;
  std::vector<std::pair<std::pair<std::uint32_t, std::uint32_t>, std::string>> problems_;
};

}  // namespace

CsvMap CsvMap::parse(std::string_view toml, std::string file) {
  return MapReader(toml, std::move(file)).read();
}

CsvMap CsvMap::read(const std::filesystem::path& path) {
  std::error_code error;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path, error))
    throw MapError(fmt::format("{}: the file cannot be read", path.string()));
  std::string bytes(kMapBytesMax + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.size() > kMapBytesMax)
    throw MapError(fmt::format("{}: the file is larger than 1 MiB, so it is not a map", path.string()));
  return parse(bytes, path.string());
}

std::vector<std::size_t> CsvMap::bind(std::span<const std::string> table_columns, std::string_view table) const {
  std::vector<std::size_t> positions;
  std::string problems;
  for (const auto& column : columns_used) {
    const auto found = std::ranges::find(table_columns, column.name);
    positions.push_back(static_cast<std::size_t>(found - table_columns.begin()));
    const auto report = [&](const std::string& what) {
      problems += fmt::format("{}{}:{}:{}: {}", problems.empty() ? "" : "\n", file, column.position.line,
                              column.position.column, what);
    };
    if (found == table_columns.end()) {
      report(fmt::format("{} has no column {}{}", table, in_quotes(column.name),
                         did_you_mean(column.name, table_columns)));
    } else if (std::find(found + 1, table_columns.end(), column.name) != table_columns.end()) {
      report(fmt::format("{} has more than one column {}", table, in_quotes(column.name)));
    }
  }
  if (!problems.empty()) throw MapError(problems);
  return positions;
}

bool Template::is_constant() const {
  return std::ranges::none_of(parts, [](const auto& part) { return part.column.has_value(); });
}

std::string Template::constant() const {
  std::string out;
  for (const auto& part : parts) out += part.text;
  return out;
}

const MappedField* MappedSection::find(std::string_view key) const {
  const auto found = std::ranges::find_if(fields, [&](const auto& field) { return field.shape->key == key; });
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace fiverate
