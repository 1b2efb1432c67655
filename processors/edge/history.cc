#include "processors/edge/history.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "schemas/cause.h"
#include "schemas/decode.h"

namespace fiverate {
Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const auto failed = [&] { return fail(Reaction::stop, "{}: {}", path.string(), std::strerror(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed();
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {  // A pipe has no size: it would be mapped as an empty file.
    auto error = known && !S_ISDIR(status.st_mode) ? fail(Reaction::stop, "{}: not a regular file", path.string())
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

MappedFile MappedFile::of_text(std::string name, std::string text, Origin origin) {
  MappedFile file;
  file.origin_ = std::move(origin);
  file.name_ = std::move(name);
  auto owned = std::make_shared<const std::string>(std::move(text));
  file.text_ = *owned;
  file.owner_ = std::move(owned);
  return file;
}

std::string MappedFile::origin_of(std::int64_t number) const {
  return origin_ ? origin_(number) : fmt::format("{}:{}", name_, number);
}

void History::add_line(std::size_t file, std::uint32_t number, std::string_view text, const MarketCalendar& calendar) {
  thread_local Event event;
  const auto rejected = decode(text, event);
  const auto decoded = history_line(text, event, rejected, calendar);
  if (!decoded) return;
  summarize(file, event, rejected, *decoded, calendar);
  if (rejected && invalid_.size() < kInvalidMax) invalid_.push_back({file, number, *rejected});
  if (decoded->day) last_day_ = last_day_ == kNoDay ? *decoded->day : std::max(last_day_, *decoded->day);
  const auto keep = [&](std::string_view view) {
    auto* const kept = static_cast<char*>(texts_->allocate(view.size(), 1));
    return std::string_view(kept, view.copy(kept, view.size()));
  };
  auto& line = order_.emplace_back(
      Line{decoded->position, keep(decoded->key), number, static_cast<std::uint16_t>(file), decoded->topic});
  line.position.event_id = keep(line.position.event_id);
}

void History::summarize(std::size_t file, const Event& event, const std::optional<Rejected>& rejected,
                        const HistoryLine& line, const MarketCalendar& calendar) {
  auto& summary = summaries_[file];
  const auto extend = [](auto& first, auto& last, auto value, auto none) {
    first = first == none ? value : std::min(first, value);
    last = last == none ? value : std::max(last, value);
  };
  if (line.position.has_arrival && line.position.group == HistoryPosition::Group::other)
    extend(summary.first_arrival, summary.last_arrival, line.position.arrival, kNever);
  if (rejected) {
    ++summary.invalid;
  } else if (!is_document(event.payload_case())) {
    ++summary.others;
  } else {
    ++summary.documents;
    if (!line.day) ++summary.untimely;
    extend(summary.first_day, summary.last_day, calendar.day_of(event_time_of(event)), kNoDay);
  }
}

void History::sort() {
  std::ranges::sort(order_, {}, &Line::position);
  std::optional<Millis> earliest;
  for (const auto& line : order_) {
    if (line.position.has_arrival && (!earliest || line.position.arrival < *earliest)) earliest = line.position.arrival;
  }
  earliest_ = earliest.value_or(0);
  for (const auto& line : order_) {
    if (line.position.group != HistoryPosition::Group::other) continue;
    const auto arrival = replay_arrival(line.position, earliest_);
    if (begins_ == kNever) begins_ = arrival;
    ends_ = std::max(ends_, arrival);
  }
  if (begins_ == kNever && !order_.empty()) begins_ = ends_ = earliest_;
}

Result<History> History::read(std::vector<MappedFile> files, const MarketCalendar& calendar,
                              const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 4 << 20;
  History history;
  history.files_ = std::move(files);
  history.summaries_.resize(history.files_.size());
  if (history.files_.size() > std::numeric_limits<std::uint16_t>::max()) {
    return fail(Reaction::stop, "Too many files: at most {} can be read at once.",
                std::numeric_limits<std::uint16_t>::max());
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
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) history.add_line(file, number, line, calendar);
      done += end + 1 - begin;
      begin = end + 1;
      if (progress && done - reported >= kReportEvery) progress(reported = done, total);
    }
  }
  history.sort();
  if (progress) progress(total, total);
  return history;
}

std::uint64_t History::hash() const {
  std::uint64_t hash = 0;
  for (const auto& line : order_) hash = chained(hash, "", line.position.line);
  return hash;
}

HistoryRecord History::operator[](std::size_t position) const {
  const auto& line = order_[position];
  return {line.topic,
          replay_arrival(line.position, earliest_),
          line.position.has_arrival && line.position.group == HistoryPosition::Group::other,
          line.position.line,
          std::string(line.key),
          line.position.event_id,
          line.file,
          line.number};
}

}  // namespace fiverate
