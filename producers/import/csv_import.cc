#include "producers/import/csv_import.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "schemas/format.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kOpenBytesMax = std::size_t{2} << 30U;  // of open documents; more means a wrong map or open_times
constexpr std::size_t kContentsMax = 20'000'000;              // two for each reference event, about 50 B each
constexpr std::int64_t kReportEvery = 4096;                   // rows between two calls of progress

struct Hash {
  XXH128_hash_t value;
  explicit Hash(std::string_view text) : value(XXH3_128bits(text.data(), text.size())) {}
  friend bool operator==(const Hash& a, const Hash& b) { return XXH128_isEqual(a.value, b.value) != 0; }
  struct Fold {
    std::size_t operator()(const Hash& hash) const { return hash.value.low64; }
  };
};

std::optional<std::string_view> flag_of(std::string_view text) {
  std::string lower(text.substr(0, 8));
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (lower == "true" || lower == "yes" || lower == "1") return "true";
  if (lower == "false" || lower == "no" || lower == "0") return "false";
  return std::nullopt;
}

}  // namespace

class CsvImport::Work {
 public:
  Work(CsvMap map, const MarketCalendar& calendar) : map_(std::move(map)), calendar_(calendar) {
    for (const auto& section : map_.sections) {
      (section.shape->is_document() ? documents_ : references_).push_back(&section);
    }
    if (map_.since) since_time_ = midnight_of(*map_.since);
  }

  Result<void> convert(CsvInput& input, const CsvSink& sink, const CsvProgress& progress) {
    tables_.push_back(input.name());
    CsvReader reader(input, map_.delimiter);
    CsvRow row;
    std::vector<std::string> columns = map_.columns;
    if (map_.header) {
      const auto some = reader.next(row);
      TRY(some);
      if (!*some)
        return fail(Reaction::stop,
                    "{}: the file is empty. The map expects a header line; for a table without one write header = "
                    "false and columns = "
                    "[...] in [csv] of {}.",
                    tables_.back(), map_.file);
      columns.assign(row.fields.begin(), row.fields.end());
    }
    positions_ = map_.bind(columns, tables_.back());
    width_ = columns.size();
    for (;;) {
      const auto some = reader.next(row);
      TRY(some);
      if (!*some) break;
      TRY(read_row(row, sink));
      if (progress && summary_.rows % kReportEvery == 0) progress(input.bytes_done(), input.bytes_in_all());
    }
    if (progress) progress(input.bytes_in_all(), input.bytes_in_all());
    return {};
  }

  Result<CsvSummary> finish(const CsvSink& sink) {
    while (!open_.empty()) TRY(write_earliest(sink));
    return std::exchange(summary_, {});
  }

 private:
  struct Document {
    const MappedSection* section;
    std::string event_id;
    std::string head;   // the members behind event_id and source, up to the list of lines
    std::string lines;  // between the brackets of the list
    CsvOrigin origin;
  };
  struct OpenTime {
    std::vector<Document> documents;                         // in order of their first rows
    std::unordered_map<std::string, std::size_t> positions;  // by section, outlet, id, revision
    std::size_t bytes = 0;
  };
  struct TimeCache {  // neighbouring rows mostly have the same time
    std::string text;
    std::optional<Millis> instant;
    std::string formatted;
  };

  // -- a row

  Result<void> read_row(const CsvRow& row, const CsvSink& sink) {
    ++summary_.rows;
    row_ = &row;
    bad_.clear();
    complaint_.clear();
    if (!row.problem.empty()) {
      complaint_ = row.problem;
    } else if (row.fields.size() != width_) {
      complaint_ = fmt::format("{} fields where the table has {} columns", row.fields.size(), width_);
    }
    bad(complaint_);
    // A row with a wrong number of fields may have its values in wrong columns. It makes no reference events, because
    // the first version of those counts. It becomes a document that intake rejects, or, if the map makes no documents, a
    // reference event that intake rejects.
    if (complaint_.empty() || documents_.empty()) {
      for (const auto* section : references_) TRY(read_reference(*section, sink));
    }
    for (const auto* section : documents_) TRY(read_document(*section, sink));
    if (!bad_.empty()) {
      ++summary_.bad_rows;
      problem(bad_);
    }
    return {};
  }

  void bad(std::string_view what) {
    if (bad_.empty()) bad_ = what;
  }
  [[nodiscard]] CsvOrigin origin() const { return {static_cast<std::uint32_t>(tables_.size() - 1), row_->line}; }
  [[nodiscard]] std::string text_of(CsvOrigin origin) const {
    return fmt::format("{}:{}", tables_[origin.table], origin.line);
  }
  [[nodiscard]] std::string position() const { return text_of(origin()); }
  void problem(std::string_view what) {
    if (summary_.problems.size() < CsvSummary::kProblemsMax)
      summary_.problems.push_back(fmt::format("{}: {}", position(), what));
  }
  void conflict(const std::string& what) {
    ++summary_.conflicts;
    problem(what);
  }
  // Part of an event_id that no other row of any file has, for events that are written separately.
  [[nodiscard]] std::string line_mark() const {
    return tables_.size() == 1 ? fmt::format("~{}", row_->line) : fmt::format("~{}.{}", tables_.size(), row_->line);
  }

  // -- reference

  Result<void> read_reference(const MappedSection& section, const CsvSink& sink) {
    const auto name = section.shape->name;
    const bool has_versions = name != "region";
    if (complaint_.empty() && !contents_.insert(source_of(section)).second) return {};  // most rows repeat earlier ones
    std::string id;
    if (!expand(section.fields.front().value, id) && complaint_.empty())
      return {};  // the row has no id for this section
    const auto* const dated = has_versions ? section.find("valid_from") : nullptr;
    std::string valid_from = dated == nullptr ? map_.since.value_or("") : "";
    if (dated != nullptr) static_cast<void>(expand(dated->value, valid_from));

    const auto bad_before = bad_;
    payload_.clear();
    JsonWriter json(payload_);
    for (const auto& field : section.fields) {
      const bool replaced =
          field.shape->key == "valid_from" || (!complaint_.empty() && field.shape->kind == FieldKind::choice);
      if (!replaced) write_field(section, field, json);
    }
    if (has_versions && !valid_from.empty()) json.text("valid_from", valid_from);
    if (!complaint_.empty()) json.text(has_versions ? "valid_from" : "level", complaint_);

    std::string event_id = fmt::format("{}/{}", name, id) + (has_versions ? "@" + valid_from : "");
    if (!complaint_.empty()) {
      event_id = fmt::format("{}{}/{}", name, line_mark(), id);
    } else if (!contents_.insert(Hash(event_id + '\n' + payload_)).second) {
      bad_ = bad_before;  // counted with the first row of this content
      return {};
    } else if (const auto version = ++versions_[Hash(event_id)]; version > 1) {
      conflict(fmt::format("{} has other values than in an earlier row; intake will reject them", event_id));
      event_id += fmt::format("~{}", version);
    }
    if (contents_.size() > kContentsMax) {
      return fail(Reaction::stop,
                  "{}: more than {} different reference events. Check the ids in [{}] of {}: they probably contain a "
                  "column that differs in every row.",
                  position(), kContentsMax / 2, name, map_.file);
    }
    auto event = begin_event(event_id);
    event.text("event_time", since_time_.empty() ? midnight_of(valid_from) : since_time_);
    event.key(name);
    event.begin_object();
    event.literal(payload_);
    event.end_object();
    event.end_object();
    ++summary_.references;
    return sink(CsvLine::reference, line_, origin());
  }

  // The hash of all columns of this row that the section uses.
  [[nodiscard]] Hash source_of(const MappedSection& section) {
    payload_.clear();
    payload_ += static_cast<char>(&section - map_.sections.data());
    const auto append_columns = [&](const Template& value) {
      for (const auto& part : value.parts) {
        if (!part.column) continue;
        payload_ += row_->fields[positions_[*part.column]];
        payload_ += '\0';
      }
    };
    for (const auto& field : section.fields) {
      append_columns(field.value);
      for (const auto& each : field.classes) {
        append_columns(each.dimension);
        append_columns(each.value);
      }
    }
    return Hash(payload_);
  }

  [[nodiscard]] std::string midnight_of(const std::string& date) const {
    const auto day = parse_date(date);
    return day ? calendar_.format(calendar_.start_of(*day)) : date;
  }

  // -- documents

  Result<void> read_document(const MappedSection& section, const CsvSink& sink) {
    const auto kind = section.shape->name;
    std::string id;
    std::string outlet;
    std::string revision;
    const bool has_id = expand(section.find("id")->value, id);
    const bool has_outlet = expand(section.find("outlet_id")->value, outlet);
    if (const auto* field = section.find("revision")) static_cast<void>(expand(field->value, revision));
    if (revision == "1") revision.clear();

    Document document{&section, {}, {}, {}, origin()};
    const auto time = write_head(section, document.head);
    write_line(section, document.lines);
    if (!has_id || !has_outlet || !time || !complaint_.empty()) {
      document.event_id = fmt::format("{}{}/{}", kind, line_mark(), id);
      return write(document, complaint_, sink);
    }
    if (*time <= written_through_) return comes_too_late(*time);
    document.event_id = fmt::format("{}{}{}/{}", kind, revision.empty() ? "" : "#", revision, id);
    auto key = fmt::format("{}\n{}\n{}\n{}", &section - map_.sections.data(), revision, outlet, id);
    TRY(add(*time, std::move(document), std::move(key), id, sink));
    while (open_.size() > static_cast<std::size_t>(map_.open_times)) TRY(write_earliest(sink));
    return {};
  }

  Result<void> add(Millis time, Document document, std::string key, const std::string& id, const CsvSink& sink) {
    auto& at = open_[time];
    const auto [found, is_new] = at.positions.try_emplace(std::move(key), at.documents.size());
    const auto bytes = document.lines.size() + (is_new ? sizeof(Document) + document.head.size() + 4 * id.size() : 0);
    if (is_new) {
      at.documents.push_back(std::move(document));
    } else if (auto& first = at.documents[found->second]; first.head == document.head) {
      if (!first.lines.empty() && !document.lines.empty()) first.lines += ',';
      first.lines += document.lines;
    } else {
      conflict(
          fmt::format("the values of this row contradict {}, which has the same document id", text_of(first.origin)));
      document.event_id = fmt::format("{}{}/{}", document.section->shape->name, line_mark(), id);
      return write(document, {}, sink);
    }
    at.bytes += bytes;
    open_bytes_ += bytes;
    if (open_bytes_ > kOpenBytesMax) {
      return fail(
          Reaction::stop,
          "{}: the documents of the last {} event times need more than {} bytes. Lower open_times in [csv] of {}.",
          position(), map_.open_times, kOpenBytesMax, map_.file);
    }
    return {};
  }

  [[nodiscard]] Result<void> comes_too_late(Millis time) const {
    return fail(
        Reaction::stop,
        "{}: the row of event_time {} comes too late: documents up to {} are written already, because rows of more "
        "than {} other times precede it. Sort the table by time, or raise open_times in [csv] of {}. To sort a table "
        "that has the time in its first column and no line ends in quotes: (head -n 1 FILE; tail -n +2 FILE | sort -s "
        "-t, -k1,1) > SORTED",
        position(), calendar_.format(time), calendar_.format(written_through_), map_.open_times, map_.file);
  }

  Result<void> write_earliest(const CsvSink& sink) {
    const auto earliest = open_.extract(open_.begin());
    for (const auto& document : earliest.mapped().documents) TRY(write(document, {}, sink));
    open_bytes_ -= earliest.mapped().bytes;
    written_through_ = earliest.key();
    return {};
  }

  // A complaint is written in place of the list of lines, so that intake rejects the document and quotes the complaint.
  Result<void> write(const Document& document, std::string_view complaint, const CsvSink& sink) {
    auto json = begin_event(document.event_id);
    json.literal(document.head);
    if (complaint.empty()) {
      json.key(document.section->shape->lines);
      json.begin_array();
      line_ += document.lines;
      json.end_array();
    } else {
      json.text(document.section->shape->lines, complaint);
    }
    json.end_object();
    json.end_object();
    ++summary_.documents;
    return sink(CsvLine::event, line_, document.origin);
  }

  // Begins `line_` anew, with the members that every event has.
  JsonWriter begin_event(std::string_view event_id) {
    line_.clear();
    JsonWriter json(line_);
    json.begin_object();
    json.text("event_id", event_id);
    json.text("source", map_.source);
    return json;
  }

  // Writes "event_time":...,"delivery":{"delivery_id":... without the lines. Returns the event time; nothing if it has none.
  std::optional<Millis> write_head(const MappedSection& section, std::string& out) {
    std::optional<Millis> time;
    JsonWriter json(out);
    for (const auto& field : section.fields) {
      if (field.shape->level != FieldLevel::event) continue;
      const auto written = write_field(section, field, json);
      if (field.shape->key == "event_time") time = written;
    }
    json.key(section.shape->name);
    json.begin_object();
    for (const auto& field : section.fields) {
      if (field.shape->level == FieldLevel::payload) write_field(section, field, json);
    }
    return time;
  }

  // A row without any field of a line adds no line.
  void write_line(const MappedSection& section, std::string& out) {
    const auto bad_before = bad_;
    JsonWriter json(out);
    json.begin_object();
    for (const auto& field : section.fields) {
      if (field.shape->level == FieldLevel::line) write_field(section, field, json);
    }
    json.end_object();
    if (out == "{}") {
      out.clear();
      bad_ = bad_before;
    }
  }

  // -- fields

  // Writes a member, or nothing if it is absent. Returns the instant of a time.
  std::optional<Millis> write_field(const MappedSection& section, const MappedField& field, JsonWriter& json) {
    const auto& shape = *field.shape;
    if (shape.kind == FieldKind::classes) {
      write_classes(field, json);
      return std::nullopt;
    }
    if (!expand(field.value, value_)) {
      // A cancellation needs its ids only, and intake decides whether the event is one.
      if (shape.needed && section.find("cancelled") == nullptr) bad(fmt::format("{} is empty", shape.key));
      return std::nullopt;
    }
    switch (shape.kind) {
      case FieldKind::text:
        json.text(shape.name, value_);
        break;
      case FieldKind::date:
        if (!parse_date(value_)) bad(fmt::format("{}: \"{}\" is not a date", shape.key, value_));
        json.text(shape.name, value_);
        break;
      case FieldKind::choice:
        write_choice(field, json);
        break;
      case FieldKind::number:
        write_number(field, json);
        break;
      case FieldKind::flag:
        if (const auto flag = flag_of(value_)) {
          json.key(shape.name);
          json.literal(*flag);
        } else {
          bad(fmt::format("{}: \"{}\" is not true or false", shape.key, value_));
          json.text(shape.name, value_);
        }
        break;
      case FieldKind::time:
        return write_time(field, json);
      case FieldKind::classes:
        break;
    }
    return std::nullopt;
  }

  void write_choice(const MappedField& field, JsonWriter& json) {
    const auto& shape = *field.shape;
    if (const auto found = field.values.find(value_); found != field.values.end()) {
      json.text(shape.name, found->second);
      return;
    }
    const bool is_choice = std::ranges::find(shape.choices, value_) != shape.choices.end();
    if (field.values.empty() && is_choice) {
      json.text(shape.name, value_);
      return;
    }
    bad(fmt::format("{}: \"{}\" is not among the values of the map", shape.key, value_));
    // A value that the map does not translate must be rejected, even if it equals the name of a choice.
    json.text(shape.name, is_choice ? "(" + value_ + ")" : value_);
  }

  void write_number(const MappedField& field, JsonWriter& json) {
    const auto name = field.shape->name;
    const auto decimal = Decimal::parse(value_);
    if (const auto number = decimal ? times(*decimal, field.times, field.rounding) : std::nullopt) {
      json.integer(name, *number);
      return;
    }
    bad(fmt::format(
        "{}: \"{}\" {}", field.shape->key, value_,
        decimal ? "does not become an integer; write rounding = \"half_up\" to round it" : "is not a number"));
    json.text(name, value_);
  }

  std::optional<Millis> write_time(const MappedField& field, JsonWriter& json) {
    auto& cache = times_[&field];
    if (cache.text != value_) {
      cache.text = value_;
      cache.instant = parse_time(value_);
      if (!cache.instant) cache.instant = calendar_.parse_local(value_);
      cache.formatted = cache.instant ? calendar_.format(*cache.instant) : value_;
    }
    if (!cache.instant) bad(fmt::format("{}: \"{}\" is not a time", field.shape->key, value_));
    json.text(field.shape->name, cache.formatted);
    return cache.instant;
  }

  // A class without a value is left out: the outlet then counts in no class of that dimension.
  void write_classes(const MappedField& field, JsonWriter& json) {
    json.key(field.shape->name);
    json.begin_array();
    for (const auto& each : field.classes) {
      std::string dimension;
      if (!expand(each.dimension, dimension) || !expand(each.value, value_)) continue;
      json.begin_object();
      json.text("dimension", dimension);
      json.text("value", value_);
      json.end_object();
    }
    json.end_array();
  }

  // False, and `out` is empty: one of the columns is empty, so the whole value is absent.
  bool expand(const Template& value, std::string& out) const {
    out.clear();
    for (const auto& part : value.parts) {
      if (!part.column) {
        out += part.text;
        continue;
      }
      const auto position = positions_[*part.column];
      if (position >= row_->fields.size() || row_->fields[position].empty()) {
        out.clear();
        return false;
      }
      out += row_->fields[position];
    }
    return true;
  }

  const CsvMap map_;
  const MarketCalendar& calendar_;
  std::vector<const MappedSection*> references_;
  std::vector<const MappedSection*> documents_;
  std::string since_time_;

  // The table and row that are being read.
  std::vector<std::string> tables_;
  std::vector<std::size_t> positions_;  // of the map's columns
  std::size_t width_ = 0;
  const CsvRow* row_ = nullptr;
  std::string complaint_;               // about the row's shape
  std::string bad_;                     // the first fault of the row for which intake will reject it
  std::string value_, payload_, line_;  // buffers

  std::unordered_map<const MappedField*, TimeCache> times_;
  std::unordered_set<Hash, Hash::Fold> contents_;  // of written reference events and of the columns they come from
  std::unordered_map<Hash, std::int64_t, Hash::Fold> versions_;  // different contents of an event_id
  std::map<Millis, OpenTime> open_;
  std::size_t open_bytes_ = 0;
  Millis written_through_ = kNever;
  CsvSummary summary_;
};

CsvImport::CsvImport(CsvMap map, const MarketCalendar& calendar)
    : work_(std::make_unique<Work>(std::move(map), calendar)) {}
CsvImport::~CsvImport() = default;

Result<void> CsvImport::convert(CsvInput& input, const CsvSink& sink, const CsvProgress& progress) {
  return work_->convert(input, sink, progress);
}

Result<CsvSummary> CsvImport::finish(const CsvSink& sink) {
  return work_->finish(sink);
}

}  // namespace fiverate
