#include "cli/screen/market_screen.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "cli/screen/alert_table.h"
#include "cli/screen/rates_table.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

// The lines of a page that are neither a brand nor an alert: two at the top, above each table a blank one, above
// the brands a title, and the headers.
constexpr std::size_t kOtherLines = 7;

struct BrandLine {
  std::string brand_id;
  MetricsRow::Window window;
};

// In order of brands; `as_of` becomes the latest day.
std::vector<BrandLine> brands_of(const MarketView& view, Day& as_of) {
  std::vector<BrandLine> brands;
  for (const auto* row : view.rows.sorted()) {
    MetricsRow shown = *row;
    if (shown.brand_id().empty() || !view.wanted_rates.reduce(shown)) continue;
    as_of = std::max(as_of, day_of(shown));
    brands.push_back({shown.brand_id(), shown.lines(0).windows(0)});
  }
  return brands;
}

// How many of `all` fit into `lines`: all, or one less for the line that says how many do not.
std::size_t fitting(std::size_t all, std::size_t lines) {
  return all <= lines ? all : lines - std::min<std::size_t>(lines, 1);
}

void say_more(TextOutput& page, std::size_t count, Language language) {
  if (count > 0) page.write(fmt::format("... {} {}\n", count, word(Word::not_shown, language)));
}

// "critical 3  warning 41  info 7", as their rows are coloured.
std::string counts_of(const TextOutput& page, const std::vector<const Alert*>& alerts, Language language) {
  std::string text;
  for (const auto& [severity, style] :
       {std::pair(Transition::CRITICAL, RowStyle::red), std::pair(Transition::WARNING, RowStyle::yellow),
        std::pair(Transition::INFO, RowStyle::plain)}) {
    const auto count = std::count_if(alerts.begin(), alerts.end(), [wanted = severity](const Alert* alert) {
      return alert->last().severity() == wanted;
    });
    const auto said = fmt::format("{} {}", severity_word(severity, language), count);
    text += (text.empty() ? "" : "  ") + (count > 0 ? coloured(page, said, style) : said);
  }
  return text;
}

std::string clock_text(Millis now, const MarketCalendar& calendar) {
  if (now == kNever) return "-";
  auto text = calendar.format(now).substr(0, 16);
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text;
}

}  // namespace

std::vector<const Alert*> alerts_for_screen(const LatestAlerts& latest, const AlertFilter& wanted, Millis now) {
  auto alerts = latest.sorted([&](const Alert& alert) { return is_open(alert) && wanted.wants(alert); });
  const auto rank = [&](const Alert* alert) {
    const auto& last = alert->last();
    return std::tuple(is_muted(*alert, now), -last.severity(), -last.since_ms());
  };
  std::stable_sort(alerts.begin(), alerts.end(), [&](const Alert* a, const Alert* b) { return rank(a) < rank(b); });
  return alerts;
}

void draw_market(TextOutput& page, const MarketView& view, const MarketCalendar& calendar, Language language) {
  const auto say = [&](Word name) { return word(name, language); };
  auto as_of = kNoDay;
  const auto brands = brands_of(view, as_of);
  const auto alerts = alerts_for_screen(view.alerts, view.wanted_alerts, view.now);
  const auto room = std::max(page.size().lines, kOtherLines + 2) - kOtherLines;
  const auto brands_shown = fitting(brands.size(), std::max(room / 2, room - std::min(room, alerts.size())));
  const auto brand_lines = brands_shown + (brands_shown < brands.size() ? 1 : 0);
  const auto alerts_shown = fitting(alerts.size(), room - std::min(room, std::max<std::size_t>(brand_lines, 1)));

  page.write(
      fmt::format("{}   {}   {}\n", say(Word::fiverate_market), clock_text(view.now, calendar), say(Word::ends_with)));
  page.write(fmt::format("{}: {}   {}   {}: {}\n", say(Word::open_alerts), alerts.size(),
                         counts_of(page, alerts, language), say(Word::quarantined), view.quarantined));

  const auto& region = view.wanted_rates.region_id;
  page.write(fmt::format("\n{} {}, {} {}", say(Word::brands_in),
                         !region || region->empty() ? say(Word::whole_market) : std::string_view(*region),
                         view.wanted_rates.window_days.value_or(0), say(Word::days)));
  if (brands.empty()) {
    page.write(fmt::format(": {}\n", say(Word::none_yet)));
  } else {
    page.write(fmt::format("   {} {}   {}\n", say(Word::as_of), format_date(as_of), say(Word::small_sample)));
    TableWriter table(page, OutputMode::table, brand_columns(language));
    for (std::size_t i = 0; i < brands_shown; ++i) table.row(brand_cells(brands[i].brand_id, brands[i].window));
    table.finish();
    say_more(page, brands.size() - brands_shown, language);
  }

  page.write("\n");
  if (alerts.empty()) return;
  TableWriter table(page, OutputMode::table, alert_screen_columns(language));
  for (std::size_t i = 0; i < alerts_shown; ++i) {
    table.row(alert_screen_cells(*alerts[i], calendar, view.now, language), alert_style(*alerts[i], view.now));
  }
  table.finish();
  say_more(page, alerts.size() - alerts_shown, language);
}

}  // namespace fiverate
