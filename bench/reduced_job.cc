// The data of the reduced job (bench/run) and the table in which its results are compared. Only the standard library; bench/run compiles it.
//
//   reduced_job generate --out DIR [--outlets 5000] [--weeks 8] [--lines 30] [--brands 150] [--skus-per-brand 1] [--counties 100]
//                        [--values 6] [--dimensions 1] [--revised 0] [--seed 1]
//     Writes events.jsonl and reference.jsonl. Every outlet gets one delivery a week of so many different SKUs; brands are drawn from a
//     Zipf distribution. --revised so many of 1,000 deliveries come again a day later as revision 2, with another first quantity.
//   reduced_job table --out FILE [--days 56] [--first 2026-01-05] [--brands 150] [--counties 100] [--values 6] [METRICS.jsonl]
//     Reads the lines of `fiverate replay` or `fiverate rates -o json` from the file or stdin and writes the dense table.
//
// The dense table: int32, little endian, in this order: day, brand, region (0 = the market), class value (0 = all), window (7, 28, 91),
// measure (buying_outlets, repeat_buying_outlets, delivered_units, previous_net_delivered_units). A line that does not exist is zeros.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "reduced_job: %s\n", what.c_str());
  std::exit(2);
}

class Options {
 public:
  Options(int count, char** arguments) {
    for (int at = 2; at < count; ++at) {
      const std::string_view one = arguments[at];
      if (one.substr(0, 2) != "--") {
        files_.emplace_back(one);
      } else if (at + 1 < count) {
        values_[std::string(one.substr(2))] = arguments[++at];
      } else {
        fail(std::string(one) + " needs a value");
      }
    }
  }
  std::string text(const std::string& name, const std::string& otherwise) {
    known_.insert(name);
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  std::int64_t number(const std::string& name, std::int64_t otherwise) {
    const auto value = text(name, std::to_string(otherwise));
    std::int64_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size() || parsed < 0)
      fail("--" + name + " needs a number, not " + value);
    return parsed;
  }
  void check() const {
    for (const auto& [name, value] : values_) {
      if (known_.count(name) == 0) fail("--" + name + " is unknown");
    }
  }
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }

 private:
  std::map<std::string, std::string> values_;
  std::set<std::string> known_;
  std::vector<std::string> files_;
};

// splitmix64: one 64-bit state, the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    auto z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  double fraction() { return static_cast<double>(next() >> 11U) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

std::string date(std::int64_t days_since_first) {
  using namespace std::chrono;
  const year_month_day day{sys_days{year{2026} / January / 5} + days{days_since_first}};
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", int(day.year()), unsigned(day.month()),
                unsigned(day.day()));
  return text.data();
}

class File {
 public:
  explicit File(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) fail("cannot write " + path);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    flush();
    if (std::fclose(file_) != 0) fail("cannot write " + path_);
  }
  std::string& buffer() {
    if (buffer_.size() > (1U << 20U)) flush();
    return buffer_;
  }

 private:
  void flush() {
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) fail("cannot write " + path_);
    buffer_.clear();
  }
  std::string path_;
  std::FILE* file_;
  std::string buffer_;
};

void append(std::string& to, std::uint64_t number, int width = 1) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  for (auto length = end - digits.data(); length < width; ++length) to += '0';
  to.append(digits.data(), end);
}

struct Job {
  std::int64_t outlets, weeks, lines, brands, skus_per_brand, counties, values, dimensions, revised, seed;
};

void write_reference(const Job& job, const std::string& path) {
  File file(path);
  const std::string time = R"(","source":"bench","event_time":"2026-01-05T00:00:00+08:00",)";
  for (std::int64_t county = 1; county <= job.counties; ++county) {
    auto& to = file.buffer();
    to += R"({"event_id":"r)", append(to, county), to += time + R"("region":{"region_id":"R)", append(to, county, 3);
    to += "\",\"level\":\"COUNTY\"}}\n";
  }
  for (std::int64_t sku = 1; sku <= job.brands * job.skus_per_brand; ++sku) {
    auto& to = file.buffer();
    to += R"({"event_id":"s)", append(to, sku), to += time + R"("sku":{"sku_id":"S)", append(to, sku, 4);
    to += R"(","brand_id":"B)", append(to, (sku - 1) % job.brands + 1, 3), to += "\",\"valid_from\":\"2020-01-01\"}}\n";
  }
  Random random(job.seed * 2 + 1);
  for (std::int64_t outlet = 1; outlet <= job.outlets; ++outlet) {
    auto& to = file.buffer();
    to += R"({"event_id":"o)", append(to, outlet), to += time + R"("outlet":{"outlet_id":"O)", append(to, outlet, 7);
    to += R"(","valid_from":"2020-01-01","region_id":"R)", append(to, random.below(job.counties) + 1, 3);
    to += R"(","state":"ACTIVE","classes":[)";
    for (std::int64_t dimension = 1; dimension <= job.dimensions; ++dimension) {
      if (dimension > 1) to += ',';
      to += R"({"dimension":"class)", append(to, dimension), to += R"(","value":"V)",
          append(to, random.below(job.values) + 1), to += "\"}";
    }
    to += "]}}\n";
  }
}

struct Document {
  std::uint64_t outlet, week;
  bool revised;
};

// The lines of a document depend on the seed, the outlet and the week only, so a revision can repeat them.
class Lines {
 public:
  explicit Lines(const Job& job) : job_(job), taken_(job.brands * job.skus_per_brand, 0) {
    double sum = 0;
    for (std::int64_t brand = 1; brand <= job.brands; ++brand)
      cumulated_.push_back(sum += 1.0 / static_cast<double>(brand));
  }

  void append_to(std::string& to, const Document& document) {
    Random random(job_.seed * 0x51ed270b7f4a7c15U + document.outlet * 4096 + document.week);
    ++round_;
    for (std::int64_t line = 0; line < job_.lines; ++line) {
      std::uint64_t sku = 0;
      do {
        const auto brand =
            std::lower_bound(cumulated_.begin(), cumulated_.end(), random.fraction() * cumulated_.back()) -
            cumulated_.begin();
        sku = brand + job_.brands * random.below(job_.skus_per_brand);
      } while (taken_[sku] == round_);
      taken_[sku] = round_;
      const auto quantity = random.below(20) + 1 + (document.revised && line == 0 ? 20 : 0);
      to += line == 0 ? R"({"sku_id":"S)" : R"(,{"sku_id":"S)";
      append(to, sku + 1, 4), to += R"(","quantity":)", append(to, quantity), to += '}';
    }
  }

 private:
  Job job_;
  std::vector<double> cumulated_;
  std::vector<std::uint64_t> taken_;  // by SKU: the last document that has it
  std::uint64_t round_ = 0;
};

// A delivery falls on the weekday of its outlet or, by chance, on the next one, so 6 to 8 days lie between two of them.
std::uint64_t weekday(const Job& job, std::uint64_t outlet, std::uint64_t week) {
  Random random(job.seed * 0x2545f4914f6cdd1dU + outlet * 4096 + week);
  return std::min<std::uint64_t>(6, outlet % 7 + (random.next() >> 63U));
}

void write_events(const Job& job, const std::string& path) {
  File file(path);
  Lines lines(job);
  std::vector<Document> today;
  std::vector<Document> tomorrow;  // revisions of what is delivered today
  for (std::int64_t day = 0; day < 7 * job.weeks; ++day) {
    today.swap(tomorrow);
    tomorrow.clear();
    Random random(job.seed * 0x9e6c63d0876a9a47U + day);
    for (std::int64_t outlet = 1; outlet <= job.outlets; ++outlet) {
      if (weekday(job, outlet, day / 7) != static_cast<std::uint64_t>(day % 7)) continue;
      today.push_back({static_cast<std::uint64_t>(outlet), static_cast<std::uint64_t>(day / 7), false});
      if (static_cast<std::int64_t>(random.below(1000)) < job.revised)
        tomorrow.push_back({today.back().outlet, today.back().week, true});
    }
    for (auto at = today.size(); at > 1; --at) std::swap(today[at - 1], today[random.below(at)]);
    // From 08:00 to 18:00. A revision keeps the day of its delivery and arrives when it is written.
    for (std::size_t at = 0; at < today.size(); ++at) {
      const auto& document = today[at];
      const auto ms = 8 * 3'600'000 + at * 36'000'000 / today.size();
      const auto time = [ms](std::string& to, const std::string& of_day) {
        to += of_day, to += 'T', append(to, ms / 3'600'000, 2), to += ':', append(to, ms / 60'000 % 60, 2), to += ':';
        append(to, ms / 1000 % 60, 2), to += '.', append(to, ms % 1000, 3), to += "+08:00\"";
      };
      auto& to = file.buffer();
      const auto id = [&] { append(to, document.outlet, 7), to += '-', append(to, document.week, 2); };
      to += document.revised ? R"({"event_id":"F)" : R"({"event_id":"E)", id();
      to += R"(","source":"bench","event_time":")", time(to, date(document.revised ? day - 1 : day));
      if (document.revised) to += R"(,"arrival_time":")", time(to, date(day)), to += R"(,"revision":2)";
      to += R"(,"delivery":{"delivery_id":"D)", id(), to += R"(","outlet_id":"O)", append(to, document.outlet, 7);
      to += R"(","direction":"OUT","lines":[)", lines.append_to(to, document), to += "]}}\n";
    }
  }
}

int generate(Options options) {
  const Job job{options.number("outlets", 5000), options.number("weeks", 8),          options.number("lines", 30),
                options.number("brands", 150),   options.number("skus-per-brand", 1), options.number("counties", 100),
                options.number("values", 6),     options.number("dimensions", 1),     options.number("revised", 0),
                options.number("seed", 1)};
  const auto out = options.text("out", "");
  options.check();
  if (out.empty() || !options.files().empty()) fail("generate needs --out DIR and no other argument");
  if (job.lines * 2 > job.brands * job.skus_per_brand) fail("--lines is at most half of the SKUs");
  if (job.weeks > 4000 || job.counties < 1 || job.values < 1)
    fail("--weeks is at most 4000, --counties and --values at least 1");
  write_reference(job, out + "/reference.jsonl");
  write_events(job, out + "/events.jsonl");
  return 0;
}

// ---- the table -------------------------------------------------------------------------------------------------------

// The text behind the first `name` at or after `at`, which moves behind it; empty if there is none.
std::string_view behind(std::string_view line, std::string_view name, std::size_t& at) {
  const auto* found = static_cast<const char*>(memmem(line.data() + at, line.size() - at, name.data(), name.size()));
  if (found == nullptr) return {};
  at = static_cast<std::size_t>(found - line.data()) + name.size();
  return line.substr(at);
}

std::int64_t number_at(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "B007", "R012", "V3" -> 7, 12, 3; an empty id -> 0.
std::int64_t number_of(std::string_view text) {
  return text.empty() || text[0] == '"' ? 0 : number_at(text.substr(1));
}

int table(Options options) {
  const auto days = options.number("days", 56), brands = options.number("brands", 150),
             counties = options.number("counties", 100);
  const auto values = options.number("values", 6);
  const auto out = options.text("out", "");
  options.check();
  if (out.empty() || options.files().size() > 1) fail("table needs --out FILE and at most one other file");
  std::FILE* in = options.files().empty() ? stdin : std::fopen(options.files()[0].c_str(), "rb");
  if (in == nullptr) fail("cannot read " + options.files()[0]);
  std::map<std::string, std::int64_t, std::less<>> day_of;
  for (std::int64_t day = 0; day < days; ++day) day_of[date(day)] = day;
  std::vector<std::int32_t> cells(days * brands * (counties + 1) * (values + 1) * 3 * 4);
  std::vector<char> buffer(1U << 20U);
  std::setvbuf(in, buffer.data(), _IOFBF, buffer.size());
  char* text = nullptr;
  std::size_t capacity = 0;
  std::int64_t rows = 0, ignored = 0;
  for (ssize_t size = 0; (size = getline(&text, &capacity, in)) > 0;) {
    const std::string_view line(text, static_cast<std::size_t>(size));
    std::size_t at = 0;
    const auto day = day_of.find(behind(line, "\"as_of\":\"", at).substr(0, 10));
    const auto brand = number_of(behind(line, "\"brand_id\":\"", at));
    const auto region = number_of(behind(line, "\"region_id\":\"", at));
    const auto value = number_of(behind(line, "\"class_value\":\"", at));
    const auto window_days = number_at(behind(line, "\"window_days\":", at));
    const auto window = window_days == 7 ? 0 : window_days == 28 ? 1 : window_days == 91 ? 2 : -1;
    if (day == day_of.end() || brand < 1 || brand > brands || region > counties || value > values || window < 0) {
      ++ignored;  // rows without a brand, calendar months, other days
      continue;
    }
    auto* cell =
        &cells[((((day->second * brands + brand - 1) * (counties + 1) + region) * (values + 1) + value) * 3 + window) *
               4];
    const auto measures = at;
    const std::array<std::string_view, 4> names{"\"buying_outlets\":", "\"repeat_buying_outlets\":",
                                                "\"delivered_units\":", "\"previous_net_delivered_units\":"};
    for (std::size_t number = 0; number < names.size(); ++number) {
      at = measures;
      cell[number] = static_cast<std::int32_t>(number_at(behind(line, names[number], at)));
    }
    ++rows;
  }
  std::free(text);
  File file(out);
  file.buffer().assign(reinterpret_cast<const char*>(cells.data()), cells.size() * sizeof(cells[0]));
  std::printf("%lld rows, %lld ignored\n", static_cast<long long>(rows), static_cast<long long>(ignored));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view command = count > 1 ? arguments[1] : "";
  if (command == "generate") return generate(Options(count, arguments));
  if (command == "table") return table(Options(count, arguments));
  fail("usage: reduced_job generate|table ..., see the head of bench/reduced_job.cc");
}
