#include "processors/edge/history.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <tuple>

#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

// An arrival_time that is there but cannot be read must not be replaced by the event's time.
bool arrival_unreadable(std::string_view line, const Event& event) {
  if (event.has_arrival_time()) return false;
  constexpr std::string_view kField = "\"arrival_time\"";
  auto at = line.rfind(kField);
  if (at == std::string_view::npos) return false;
  at = line.find_first_not_of(" \t:", at + kField.size());
  return at != std::string_view::npos && !line.substr(at).starts_with("null") && !line.substr(at).starts_with("\"\"");
}

std::string_view key_of(const Event& event) {
  return is_document(event.payload_case()) || event.has_outlet() ? std::string_view(outlet_id_of(event))
                                                                 : std::string_view{};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const auto failed = [&] { return fail(Reaction::stop, "{}: {}", path.string(), std::strerror(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed();
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {  // a pipe has no size to map, and would read as empty
    auto error = known && !S_ISDIR(status.st_mode)
                     ? fail(Reaction::stop, "{}: not a regular file", path.string())
                     : (errno = known ? EISDIR : errno, failed());
    ::close(descriptor);
    return error;
  }
  MappedFile file;
  file.name_ = path.filename().string();
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > 0) {
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) {
      auto error = failed();
      ::close(descriptor);
      return error;
    }
    file.text_ = {static_cast<const char*>(memory), size};
    file.owner_ = {memory, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); }};
  }
  ::close(descriptor);
  return file;
}

MappedFile MappedFile::of_text(std::string name, std::string text) {
  MappedFile file;
  file.name_ = std::move(name);
  auto owned = std::make_shared<const std::string>(std::move(text));
  file.text_ = *owned;
  file.owner_ = std::move(owned);
  return file;
}

void History::take(std::size_t file, std::uint32_t number, std::uint64_t offset, std::string_view text,
                   const MarketCalendar& calendar) {
  thread_local Event event;
  const auto rejected = decode(text, event);
  if (event.has_mark() && !rejected) return;  // whoever reads a history says himself what time it is

  Line line{};
  line.offset = offset;
  line.length = static_cast<std::uint32_t>(text.size());
  line.number = number;
  line.file = static_cast<std::uint16_t>(file);
  const bool told = !rejected || (rejected->reason != Reason::malformed && rejected->reason != Reason::bad_payload);
  line.topic = told ? home_of(event.payload_case()).value_or(Topic::deliveries) : Topic::deliveries;
  line.rank = rejected || !told    ? Rank::rest
              : event.has_region() ? Rank::region
              : event.has_sku()    ? Rank::sku
              : event.has_outlet() ? Rank::outlet
                                   : Rank::rest;
  if (event.has_arrival_time()) {
    line.arrival = millis_of(event.arrival_time());
    line.arrival_known = true;
  } else if (event.has_event_time() && !(rejected && arrival_unreadable(text, event))) {
    line.arrival = event_time_of(event);
    line.arrival_known = true;
  }
  line.event_id_offset = ids_.size();
  line.event_id_length = static_cast<std::uint32_t>(event.event_id().size());
  ids_ += event.event_id();
  const auto key = key_of(event);
  line.key_offset = ids_.size();
  line.key_length = static_cast<std::uint32_t>(key.size());
  ids_ += key;
  order_.push_back(line);

  if (!rejected && is_document(event.payload_case())) {
    const AcceptanceLimits limits;
    const auto event_time = event_time_of(event);
    if (event_time <= line.arrival + limits.future_skew &&
        line.arrival - event_time <= limits.lateness_of(kind_of(event))) {
      const auto day = calendar.day_of(event_time);
      last_day_ = last_day_ == kNoDay ? day : std::max(last_day_, day);
    }
  }
}

void History::sort() {
  auto earliest = std::numeric_limits<Millis>::max();
  for (const auto& line : order_) {
    if (line.arrival_known) earliest = std::min(earliest, line.arrival);
  }
  if (earliest == std::numeric_limits<Millis>::max()) earliest = 0;
  for (auto& line : order_) {
    if (!line.arrival_known) line.arrival = earliest;
  }
  const auto key = [&](const Line& line) {
    return std::tuple(line.rank, line.arrival_known, line.arrival,
                      std::string_view(ids_).substr(line.event_id_offset, line.event_id_length), line_of(line));
  };
  std::sort(order_.begin(), order_.end(), [&](const Line& a, const Line& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (a.arrival_known != b.arrival_known) return b.arrival_known;
    if (a.arrival != b.arrival) return a.arrival < b.arrival;
    return key(a) < key(b);
  });
  for (const auto& line : order_) {
    if (line.rank == Rank::rest && begins_ == kNever) begins_ = line.arrival;
    if (line.rank == Rank::rest) ends_ = std::max(ends_, line.arrival);
  }
  if (begins_ == kNever && !order_.empty()) begins_ = ends_ = earliest;
  // What comes first arrives at once: a region may wait for its parent, but not so long that its day of waiting ends.
  for (auto& line : order_) {
    if (line.rank != Rank::rest) line.arrival = earliest;
  }
}

Result<History> History::read(std::vector<MappedFile> files, const MarketCalendar& calendar,
                              const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 4 << 20;
  History history;
  history.files_ = std::move(files);
  if (history.files_.size() > std::numeric_limits<std::uint16_t>::max()) {
    return fail(Reaction::stop, "More files than {} at once.", std::numeric_limits<std::uint16_t>::max());
  }
  std::size_t total = 0;
  for (const auto& file : history.files_) total += file.text().size();
  std::size_t done = 0;
  std::size_t reported = 0;
  for (std::size_t file = 0; file < history.files_.size(); ++file) {
    const auto text = history.files_[file].text();
    std::uint32_t number = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      auto end = text.find('\n', begin);
      if (end == std::string_view::npos) end = text.size();
      ++number;
      auto line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.size() > std::numeric_limits<std::uint32_t>::max()) {
        return fail(Reaction::stop, "{}: line {} is longer than 4 GiB.", history.files_[file].name(), number);
      }
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) history.take(file, number, begin, line, calendar);
      done += end + 1 - begin;
      begin = end + 1;
      if (progress && done - reported >= kReportEvery) progress(reported = done, total);
    }
  }
  history.sort();
  if (progress) progress(total, total);
  return history;
}

HistoryRecord History::operator[](std::size_t position) const {
  const auto& line = order_[position];
  return {line.topic,    line.arrival, line_of(line), ids_.substr(line.key_offset, line.key_length),
          line.file, line.number};
}

}  // namespace fiverate
