// The map of a CSV import: which columns of a table become which fields of which events. Written by a person in TOML,
// read here, applied to the rows by csv_import.h; docs/import.md shows it with a full example.
//
//   [csv]        delimiter = ","  header = true  columns = ["a"] (without a header)  source = "csv"  open_times = 64
//   [reference]  since = "2012-01-01": event_time of reference events, and valid_from where a section has none
//   [delivery] [order] [visit]   a document for each id; rows with the same id become its lines
//   [region] [sku] [outlet]      reference: one event for each distinct content
//
// Each of the last six may also stand as [[name]], as often as needed: regions of two levels, a table with one column
// for what went out and one for what came back. In a section the keys are the fields of contract's events; a value is
//
//   text     "{city}/{county}"   {{ and }} for braces; if one of the columns is empty, the whole is absent
//   choice   as text, or { column = "kind", values = { S = "OUT", R = "RETURN" } }
//   number   7, "{boxes}", or { column = "litres", times = 1000, rounding = "half_up" }; times may be "0.75"
//   flag     true, or "{column}" with true/false, yes/no, 1/0
//   time     "{day}T12:00:00": local time of the market, or RFC 3339 with an offset
//
// A column that a section names and the table does not have is found only when the table is opened (bind).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "producers/import/decimal.h"

namespace fiverate {

// Something is wrong with a map, or a table does not have the columns that the map names. A line for each problem, with
// file, line and column. Start-up only: main catches it and exits with 2.
class MapError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class FieldKind : std::uint8_t { text, date, choice, number, flag, time, classes };
enum class FieldPlace : std::uint8_t {
  event,    // of the event itself: event_time, revision, ...
  payload,  // of the document or the reference object
  line,     // of a line of the document
};

// A field that a section may set.
struct FieldShape {
  std::string_view key;   // in the map
  std::string_view name;  // in the event
  FieldKind kind;
  FieldPlace place;
  bool needed;
  std::span<const std::string_view> choices;
};

struct SectionShape {
  std::string_view name;   // of the section and of the payload
  std::string_view lines;  // name of the list; empty: reference
  std::span<const FieldShape> fields;
  [[nodiscard]] bool is_document() const { return !lines.empty(); }
};

struct MapPlace {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// Text with columns in it. `column` is a position in CsvMap::columns_used.
struct Template {
  struct Part {
    std::string text;
    std::optional<std::size_t> column;
  };
  std::vector<Part> parts;
  [[nodiscard]] bool is_constant() const;  // names no column
  [[nodiscard]] std::string constant() const;
};

struct MappedField {
  const FieldShape* shape = nullptr;
  Template value;                             // of all kinds but classes
  Decimal times{1, 0};                        // of a number
  Rounding rounding = Rounding::refuse;       // of a number
  std::map<std::string, std::string> values;  // of a choice; empty: as in the table
  struct Class {
    Template dimension;
    Template value;
  };
  std::vector<Class> classes;
};

struct MappedSection {
  const SectionShape* shape = nullptr;
  std::vector<MappedField> fields;  // in the order of the shape
  [[nodiscard]] const MappedField* find(std::string_view key) const;
};

struct CsvMap {
  struct UsedColumn {
    std::string name;
    MapPlace place;  // first use
  };

  std::string file;  // name of the map, for messages
  char delimiter = ',';
  bool header = true;
  std::vector<std::string> columns;  // without a header
  std::string source = "csv";
  std::int32_t open_times = 64;      // see csv_import.h
  std::optional<std::string> since;  // a date
  std::vector<MappedSection> sections;
  std::vector<UsedColumn> columns_used;

  // Both throw MapError.
  static CsvMap parse(std::string_view toml, std::string file);
  static CsvMap read(const std::filesystem::path& path);

  // For each used column its position among the columns of the table. Throws MapError if one is not there or twice.
  [[nodiscard]] std::vector<std::size_t> bind(std::span<const std::string> table_columns, std::string_view table) const;
};

}  // namespace fiverate
