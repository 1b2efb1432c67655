#include "cli/commands/history_check.h"

#include "cli/screen/message.h"
#include "cli/screen/texts.h"
#include "processors/trade/facts/outliers.h"

namespace fiverate {
namespace {

constexpr std::size_t kFilesShownMax = 20;
constexpr std::size_t kOutliersShownMax = 10;

std::string counted(std::int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// Extends `all` by one file.
void add(FileSummary& all, const FileSummary& file) {
  all.documents += file.documents;
  all.untimely += file.untimely;
  all.others += file.others;
  all.invalid += file.invalid;
  if (file.first_arrival != kNever) {
    all.first_arrival =
        all.first_arrival == kNever ? file.first_arrival : std::min(all.first_arrival, file.first_arrival);
    all.last_arrival = std::max(all.last_arrival, file.last_arrival);
  }
  if (file.first_day != kNoDay) {
    all.first_day = all.first_day == kNoDay ? file.first_day : std::min(all.first_day, file.first_day);
    all.last_day = std::max(all.last_day, file.last_day);
  }
}

// "217 documents of 2026-01-05 to 2026-01-24 and 3 other events, arrivals 2026-01-05 11:50 to 2026-01-24 18:07"
std::string text_of(const FileSummary& file, const MarketCalendar& calendar) {
  std::string text = counted(file.documents, "document", "documents");
  if (file.first_day != kNoDay)
    text += fmt::format(" of {} to {}", format_date(file.first_day), format_date(file.last_day));
  if (file.others > 0) text += fmt::format(" and {}", counted(file.others, "other event", "other events"));
  if (file.first_arrival != kNever) {
    text += fmt::format(", arrivals {} to {}", minute_text(file.first_arrival, calendar),
                        minute_text(file.last_arrival, calendar));
  }
  std::vector<std::string> rejected;
  if (file.untimely > 0) rejected.push_back(fmt::format("{} late or in the future", file.untimely));
  if (file.invalid > 0) rejected.push_back(fmt::format("{} invalid", file.invalid));
  if (!rejected.empty()) text += fmt::format("; {}, to be quarantined", fmt::join(rejected, " and "));
  return text;
}

// Positions in the history of the records whose arrivals can move the clock, sorted by arrival.
std::vector<std::size_t> records_of_the_clock(const History& history) {
  std::vector<std::size_t> records;
  bool begun = false;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto record = history[i];
    if (!record.has_own_arrival) continue;
    if (!begun && record.topic != Topic::reference) {
      records.clear();  // reference data before the first other event
      begun = true;
    }
    records.push_back(i);
  }
  return records;
}

}  // namespace

void print_summaries(const History& history, const MarketCalendar& calendar) {
  const auto& files = history.summaries();
  FileSummary all;
  for (std::size_t i = 0; i < files.size(); ++i) {
    add(all, files[i]);
    if (i < kFilesShownMax) print_note(fmt::format("{}: {}", history.files()[i].name(), text_of(files[i], calendar)));
  }
  if (files.size() > kFilesShownMax) print_note(fmt::format("... and {} more files", files.size() - kFilesShownMax));
  if (files.size() > 1) print_note(fmt::format("All {} files: {}", files.size(), text_of(all, calendar)));
}

void print_invalid_lines(const History& history) {
  std::int64_t count = 0;
  for (const auto& file : history.summaries()) count += file.invalid;
  for (const auto& line : history.invalid()) {
    print_note(fmt::format("  {}: {}: {}", history.files()[line.file].origin_of(line.number),
                           name_of(line.rejected.reason), line.rejected.detail));
  }
  const auto shown = static_cast<std::int64_t>(history.invalid().size());
  if (count > shown) print_note(fmt::format("  ... and {} more", count - shown));
}

void check_outliers(const History& history, const MarketCalendar& calendar, OutlierLimits limits,
                    const char* rejected) {
  const auto records = records_of_the_clock(history);
  std::vector<Millis> arrivals;
  arrivals.reserve(records.size());
  for (const auto record : records) arrivals.push_back(history[record].arrival);
  const auto found = find_outliers(arrivals, limits.days);
  if (found.groups.empty()) return;

  std::size_t count = 0;
  std::string list;
  for (const auto& group : found.groups) {
    for (auto i = group.begin; i < group.end; ++i) {
      if (++count > kOutliersShownMax) continue;
      const auto record = history[records[i]];
      list +=
          fmt::format("\n  {}: arrives {}{}{}", history.files()[record.file].origin_of(record.number),
                      calendar.format(record.arrival), record.event_id.empty() ? "" : ", event_id ", record.event_id);
    }
  }
  if (count > kOutliersShownMax) list += fmt::format("\n  ... and {} more", count - kOutliersShownMax);
  const auto what =
      fmt::format("{} of {} events {} far from the others, which arrive from {} to {}:{}", count, arrivals.size(),
                  count == 1 ? "arrives" : "arrive", minute_text(arrivals[found.others.begin], calendar),
                  minute_text(arrivals[found.others.end - 1], calendar), list);
  if (limits.accepted) {
    print_message(fmt::format("Accepted with --yes: {}", what));
    return;
  }
  throw ExitError(kExitFailed,
                  fmt::format("{}, nothing was written: {}\nThe market's clock would go there, and each day on the way "
                              "would get rows and become final. Correct the times, or accept them with --yes. The "
                              "limit is import.outlier_days ({}).",
                              rejected, what, limits.days));
}

}  // namespace fiverate
