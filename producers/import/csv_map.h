// The map of a CSV import: which columns of a table become which fields of which events. A person writes it in TOML;
// csv_import.h applies it to the rows. docs/import.md has a full example.
//
//   [csv]        delimiter = ","  header = true  columns = ["a"] (without a header)  source = "csv"  open_times = 64
//   [reference]  since = "2012-01-01": event_time of reference events, and valid_from where a section has none
//   [delivery] [order] [visit]   a document for each id; rows with the same id become its lines
//   [region] [sku] [outlet]      reference data: one event for each set of values
//
// Each of the last six may also be written as [[name]] several times: for regions of two levels, or for a table with one
// column of delivered and one of returned quantities. In a section the keys are the fields of an event; a value is
//
//   text     "{city}/{county}"   {{ and }} for braces; if one of the columns is empty, the field is absent
//   choice   a text, or { column = "kind", values = { S = "OUT", R = "RETURN" } }
//   number   7, "{boxes}", or { column = "litres", times = 1000, rounding = "half_up" }; times may be "0.75"
//   flag     true, or "{column}" with true/false, yes/no, 1/0
//   time     "{day}T12:00:00": local time of the market, or RFC 3339 with an offset
//
// Columns are compared with those of the table when the table is opened (bind).
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

// A fault of a map, or a table without the columns that the map names. The text has a line for each fault, with file, line
// and column. Thrown at start-up only: main catches it and exits with 2.
class MapError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class FieldKind : std::uint8_t { text, date, choice, number, flag, time, classes };
enum class FieldLevel : std::uint8_t {
  event,    // of the event itself: event_time, revision, ...
  payload,  // of the document or the reference object
  line,     // of a line of the document
};

// A field that a section of the map may set.
struct FieldShape {
  std::string_view key;   // in the map
  std::string_view name;  // in the event
  FieldKind kind;
  FieldLevel level;
  bool needed;
  std::span<const std::string_view> choices;
};

struct SectionShape {
  std::string_view name;   // of the section and of the payload
  std::string_view lines;  // name of the list; empty: reference
  std::span<const FieldShape> fields;
  [[nodiscard]] bool is_document() const { return !lines.empty(); }
};

struct MapPosition {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// A text that contains columns. `column` is an index into CsvMap::columns_used.
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
  Template value;                             // of every kind except classes
  Decimal times{1, 0};                        // of a number
  Rounding rounding = Rounding::refuse;       // of a number
  std::map<std::string, std::string> values;  // of a choice; empty: the table has the names of the choices
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
    MapPosition position;  // first use
  };

  std::string file;  // the path of the map, for messages
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

  // Returns the position of each used column among the columns of the table. Throws MapError if one is missing or
  // occurs twice.
  [[nodiscard]] std::vector<std::size_t> bind(std::span<const std::string> table_columns, std::string_view table) const;
};

}  // namespace fiverate
