#include "producers/import/csv_import.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::size_t kOpenBytesMax = std::size_t{2} << 30U;  // of open documents: a map or an open_times gone wrong
constexpr std::size_t kContentsMax = 20'000'000;              // two a reference event, about 50 B each
constexpr std::int64_t kReportEvery = 4096;                   // rows between two calls of progress

// ------------------------------------------------------------------------------------------------ JSON

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; };
  out += '"';
  for (;;) {
    const auto* const end = std::find_if_not(text.begin(), text.end(), is_plain);
    out.append(text.begin(), end);
    if (end == text.end()) break;
    const auto byte = static_cast<unsigned char>(*end);
    if (byte >= 0x20) {
      out += '\\';
      out += *end;
    } else {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()) + 1);
  }
  out += '"';
}

// Members of an object that is being written.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) {}
  std::string& name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;  // one of ours: nothing to escape
    return out_ += "\":";
  }
  [[nodiscard]] bool empty() const { return first_; }

 private:
  std::string& out_;
  bool first_ = true;
};

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

// ------------------------------------------------------------------------------------------------ the work

class CsvImport::Work {
 public:
  Work(CsvMap map, const MarketCalendar& calendar) : map_(std::move(map)), calendar_(calendar) {
    for (const auto& section : map_.sections) {
      (section.shape->is_document() ? documents_ : references_).push_back(&section);
    }
    if (map_.since) since_time_ = midnight_of(*map_.since);
  }

  Result<void> convert(CsvInput& input, const CsvSink& sink, const CsvProgress& progress) {
    ++files_;
    table_ = input.name();
    CsvReader reader(input, map_.delimiter);
    CsvRow row;
    std::vector<std::string> columns = map_.columns;
    if (map_.header) {
      const auto some = reader.next(row);
      TRY(some);
      if (!*some) return fail(Reaction::stop, "{}: is empty, not even a header", table_);
      columns.assign(row.fields.begin(), row.fields.end());
    }
    positions_ = map_.bind(columns, table_);
    width_ = columns.size();
    for (;;) {
      const auto some = reader.next(row);
      TRY(some);
      if (!*some) break;
      TRY(take(row, sink));
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
    std::string place;  // of the first row
  };
  struct OpenTime {
    std::vector<Document> documents;                         // as they first appeared
    std::unordered_map<std::string, std::size_t> positions;  // by section, outlet, id, revision
    std::size_t bytes = 0;
  };
  struct TimeCache {  // rows beside each other mostly have the same time
    std::string text;
    std::optional<Millis> instant;
    std::string formatted;
  };

  // -- a row

  Result<void> take(const CsvRow& row, const CsvSink& sink) {
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
    // A row out of shape may have its values in the wrong columns: nothing for the reference data, where the first word
    // stays. It is a refused document; if the map makes none, a refused reference event.
    if (complaint_.empty() || documents_.empty()) {
      for (const auto* section : references_) TRY(take_reference(*section, sink));
    }
    for (const auto* section : documents_) TRY(take_document(*section, sink));
    if (!bad_.empty()) {
      ++summary_.bad_rows;
      problem(bad_);
    }
    return {};
  }

  void bad(std::string_view what) {
    if (bad_.empty()) bad_ = what;
  }
  [[nodiscard]] std::string place() const { return fmt::format("{}:{}", table_, row_->line); }
  void problem(std::string_view what) {
    if (summary_.problems.size() < CsvSummary::kProblemsMax)
      summary_.problems.push_back(fmt::format("{}: {}", place(), what));
  }
  void conflict(const std::string& what) {
    ++summary_.conflicts;
    problem(what);
  }
  // For what is written apart: tells the rows of all files apart.
  [[nodiscard]] std::string line_mark() const {
    return files_ == 1 ? fmt::format("~{}", row_->line) : fmt::format("~{}.{}", files_, row_->line);
  }

  // -- reference

  Result<void> take_reference(const MappedSection& section, const CsvSink& sink) {
    const auto name = section.shape->name;
    const bool has_versions = name != "region";
    if (complaint_.empty() && !contents_.insert(source_of(section)).second) return {};  // most rows tell nothing new
    std::string id;
    if (!expand(section.fields.front().value, id) && complaint_.empty()) return {};  // the row speaks of no such thing
    const auto* const dated = has_versions ? section.find("valid_from") : nullptr;
    std::string valid_from = dated == nullptr ? map_.since.value_or("") : "";
    if (dated != nullptr) static_cast<void>(expand(dated->value, valid_from));

    const auto bad_before = bad_;
    payload_.clear();
    Members members(payload_);
    for (const auto& field : section.fields) {
      const bool replaced =
          field.shape->key == "valid_from" || (!complaint_.empty() && field.shape->kind == FieldKind::choice);
      if (!replaced) write_field(section, field, members);
    }
    if (has_versions && !valid_from.empty()) append_string(members.name("valid_from"), valid_from);
    if (!complaint_.empty()) append_string(members.name(has_versions ? "valid_from" : "level"), complaint_);

    std::string event_id = fmt::format("{}/{}", name, id) + (has_versions ? "@" + valid_from : "");
    if (!complaint_.empty()) {
      event_id = fmt::format("{}{}/{}", name, line_mark(), id);
    } else if (!contents_.insert(Hash(event_id + '\n' + payload_)).second) {
      bad_ = bad_before;  // said before
      return {};
    } else if (const auto version = ++versions_[Hash(event_id)]; version > 1) {
      conflict(fmt::format("{} was something else before", event_id));
      event_id += fmt::format("~{}", version);
    }
    if (contents_.size() > kContentsMax) {
      return fail(Reaction::stop, "{}: more than {} different reference events: is an id in [{}] too fine?", place(),
                  kContentsMax / 2, name);
    }
    begin_event(event_id);
    line_ += ",\"event_time\":";
    append_string(line_, since_time_.empty() ? midnight_of(valid_from) : since_time_);
    line_ += fmt::format(",\"{}\":{{{}}}}}", name, payload_);
    ++summary_.references;
    return sink(CsvLine::reference, line_);
  }

  // What the section would be made from, in this row.
  [[nodiscard]] Hash source_of(const MappedSection& section) {
    payload_.clear();
    payload_ += static_cast<char>(&section - map_.sections.data());
    const auto take = [&](const Template& value) {
      for (const auto& part : value.parts) {
        if (!part.column) continue;
        payload_ += row_->fields[positions_[*part.column]];
        payload_ += '\0';
      }
    };
    for (const auto& field : section.fields) {
      take(field.value);
      for (const auto& each : field.classes) {
        take(each.dimension);
        take(each.value);
      }
    }
    return Hash(payload_);
  }

  [[nodiscard]] std::string midnight_of(const std::string& date) const {
    const auto day = parse_date(date);
    return day ? calendar_.format(calendar_.start_of(*day)) : date;
  }

  // -- documents

  Result<void> take_document(const MappedSection& section, const CsvSink& sink) {
    const auto kind = section.shape->name;
    std::string id;
    std::string outlet;
    std::string revision;
    const bool has_id = expand(section.find("id")->value, id);
    const bool has_outlet = expand(section.find("outlet_id")->value, outlet);
    if (const auto* field = section.find("revision")) static_cast<void>(expand(field->value, revision));
    if (revision == "1") revision.clear();

    Document document{&section, {}, {}, {}, {}};
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
      document.place = place();
      at.documents.push_back(std::move(document));
    } else if (auto& first = at.documents[found->second]; first.head == document.head) {
      if (!first.lines.empty() && !document.lines.empty()) first.lines += ',';
      first.lines += document.lines;
    } else {
      conflict(fmt::format("contradicts {}, of the same document", first.place));
      document.event_id = fmt::format("{}{}/{}", document.section->shape->name, line_mark(), id);
      return write(document, {}, sink);
    }
    at.bytes += bytes;
    open_bytes_ += bytes;
    if (open_bytes_ > kOpenBytesMax) {
      return fail(Reaction::stop,
                  "{}: the open documents need more than {} bytes; lower open_times ({}) in [csv] of {}", place(),
                  kOpenBytesMax, map_.open_times, map_.file);
    }
    return {};
  }

  [[nodiscard]] Result<void> comes_too_late(Millis time) const {
    return fail(
        Reaction::stop,
        "{}: event_time {} comes too late: documents up to {} are written already, since rows of more than {} other "
        "times stand before it. Sort the table by time, for example, with the time in the first column and no line "
        "ends "
        "in quotes: (head -n 1 FILE; tail -n +2 FILE | sort -s -t, -k1,1) > SORTED; or raise open_times in [csv] of "
        "{}.",
        place(), calendar_.format(time), calendar_.format(written_through_), map_.open_times, map_.file);
  }

  Result<void> write_earliest(const CsvSink& sink) {
    const auto earliest = open_.extract(open_.begin());
    for (const auto& document : earliest.mapped().documents) TRY(write(document, {}, sink));
    open_bytes_ -= earliest.mapped().bytes;
    written_through_ = earliest.key();
    return {};
  }

  // A complaint stands in place of the lines: a text where a list belongs is refused, and says why.
  Result<void> write(const Document& document, std::string_view complaint, const CsvSink& sink) {
    begin_event(document.event_id);
    line_ += ',';
    line_ += document.head;
    if (!line_.ends_with('{')) line_ += ',';
    append_string(line_, document.section->shape->lines);
    line_ += ':';
    if (complaint.empty()) {
      line_ += '[';
      line_ += document.lines;
      line_ += ']';
    } else {
      append_string(line_, complaint);
    }
    line_ += "}}";
    ++summary_.documents;
    return sink(CsvLine::event, line_);
  }

  void begin_event(std::string_view event_id) {
    line_.clear();
    line_ += '{';
    Members members(line_);
    append_string(members.name("event_id"), event_id);
    append_string(members.name("source"), map_.source);
  }

  // "event_time":...,"delivery":{"delivery_id":... without the lines. Nothing: there is no event time.
  std::optional<Millis> write_head(const MappedSection& section, std::string& out) {
    std::optional<Millis> time;
    Members event(out);
    for (const auto& field : section.fields) {
      if (field.shape->place != FieldPlace::event) continue;
      const auto written = write_field(section, field, event);
      if (field.shape->key == "event_time") time = written;
    }
    event.name(section.shape->name) += '{';
    Members payload(out);
    for (const auto& field : section.fields) {
      if (field.shape->place == FieldPlace::payload) write_field(section, field, payload);
    }
    return time;
  }

  // A row that says nothing of any SKU adds no line.
  void write_line(const MappedSection& section, std::string& out) {
    const auto bad_before = bad_;
    out += '{';
    Members members(out);
    for (const auto& field : section.fields) {
      if (field.shape->place == FieldPlace::line) write_field(section, field, members);
    }
    out += '}';
    if (members.empty()) {
      out.clear();
      bad_ = bad_before;
    }
  }

  // -- fields

  // Writes a member, or nothing if it is absent. Of a time: the instant.
  std::optional<Millis> write_field(const MappedSection& section, const MappedField& field, Members& members) {
    const auto& shape = *field.shape;
    if (shape.kind == FieldKind::classes) {
      write_classes(field, members);
      return std::nullopt;
    }
    if (!expand(field.value, value_)) {
      // A cancellation needs its ids only; whether it is one, intake sees.
      if (shape.needed && section.find("cancelled") == nullptr) bad(fmt::format("{} is empty", shape.key));
      return std::nullopt;
    }
    switch (shape.kind) {
      case FieldKind::text:
        append_string(members.name(shape.name), value_);
        break;
      case FieldKind::date:
        if (!parse_date(value_)) bad(fmt::format("{}: \"{}\" is not a date", shape.key, value_));
        append_string(members.name(shape.name), value_);
        break;
      case FieldKind::choice:
        write_choice(field, members);
        break;
      case FieldKind::number:
        write_number(field, members);
        break;
      case FieldKind::flag:
        if (const auto flag = flag_of(value_)) {
          members.name(shape.name) += *flag;
        } else {
          bad(fmt::format("{}: \"{}\" is not true or false", shape.key, value_));
          append_string(members.name(shape.name), value_);
        }
        break;
      case FieldKind::time:
        return write_time(field, members);
      case FieldKind::classes:
        break;
    }
    return std::nullopt;
  }

  void write_choice(const MappedField& field, Members& members) {
    const auto& shape = *field.shape;
    if (const auto found = field.values.find(value_); found != field.values.end()) {
      append_string(members.name(shape.name), found->second);
      return;
    }
    auto& out = members.name(shape.name);
    if (field.values.empty() && std::ranges::find(shape.choices, value_) != shape.choices.end()) {
      append_string(out, value_);
      return;
    }
    bad(fmt::format("{}: \"{}\" has no meaning", shape.key, value_));
    // What the map does not translate is refused, even if it happens to read like a choice.
    append_string(out, std::ranges::find(shape.choices, value_) == shape.choices.end() ? value_ : "(" + value_ + ")");
  }

  void write_number(const MappedField& field, Members& members) {
    auto& out = members.name(field.shape->name);
    const auto decimal = Decimal::parse(value_);
    if (const auto number = decimal ? times(*decimal, field.times, field.rounding) : std::nullopt) {
      fmt::format_to(std::back_inserter(out), "{}", *number);
      return;
    }
    bad(fmt::format(
        "{}: \"{}\" {}", field.shape->key, value_,
        decimal ? "does not come out as an integer (rounding = \"half_up\" would round it)" : "is not a number"));
    append_string(out, value_);
  }

  std::optional<Millis> write_time(const MappedField& field, Members& members) {
    auto& cache = times_[&field];
    if (cache.text != value_) {
      cache.text = value_;
      cache.instant = parse_time(value_);
      if (!cache.instant) cache.instant = calendar_.parse_local(value_);
      cache.formatted = cache.instant ? calendar_.format(*cache.instant) : value_;
    }
    if (!cache.instant) bad(fmt::format("{}: \"{}\" is not a time", field.shape->key, value_));
    append_string(members.name(field.shape->name), cache.formatted);
    return cache.instant;
  }

  // A class without a value is left out: the outlet is in no line of that dimension.
  void write_classes(const MappedField& field, Members& members) {
    auto& out = members.name(field.shape->name) += '[';
    bool first = true;
    for (const auto& each : field.classes) {
      std::string dimension;
      if (!expand(each.dimension, dimension) || !expand(each.value, value_)) continue;
      out += first ? "{" : ",{";
      first = false;
      Members in(out);
      append_string(in.name("dimension"), dimension);
      append_string(in.name("value"), value_);
      out += '}';
    }
    out += ']';
  }

  // False, and nothing in `out`: one of the columns is empty, the whole is absent.
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

  // the present table and row
  std::string table_;
  int files_ = 0;
  std::vector<std::size_t> positions_;  // of the map's columns
  std::size_t width_ = 0;
  const CsvRow* row_ = nullptr;
  std::string complaint_;               // about the row's shape
  std::string bad_;                     // the first thing that intake will refuse
  std::string value_, payload_, line_;  // scratch

  std::unordered_map<const MappedField*, TimeCache> times_;
  std::unordered_set<Hash, Hash::Fold> contents_;  // of reference events written, and what they were made from
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

Result<CsvText> convert_to_text(CsvMap map, const MarketCalendar& calendar, CsvInput& input,
                                const CsvProgress& progress) {
  CsvImport import(std::move(map), calendar);
  CsvText out;
  const CsvSink sink = [&](CsvLine kind, std::string_view line) -> Result<void> {
    auto& text = kind == CsvLine::reference ? out.reference : out.events;
    text += line;
    text += '\n';
    return {};
  };
  TRY(import.convert(input, sink, progress));
  auto summary = import.finish(sink);
  TRY(summary);
  out.summary = std::move(*summary);
  return out;
}

}  // namespace fiverate
