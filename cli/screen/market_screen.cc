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

// Lines of a page beside brands and alerts: two at the top, a title above the brands, two headers, two blank lines.
constexpr std::size_t kOtherLines = 7;

struct BrandLine {
  std::string brand_id;
  MeasureGroups groups;
  MetricsRow::Window window;
};

// The brands in order. `as_of` becomes the latest day of their rows.
std::vector<BrandLine> brands_of(const MarketView& view, Day& as_of) {
  std::vector<BrandLine> brands;
  for (const auto* row : view.rows.sorted()) {
    MetricsRow shown = *row;
    if (shown.brand_id().empty() || !view.rate_filter.reduce(shown)) continue;
    as_of = std::max(as_of, day_of(shown));
    brands.push_back({shown.brand_id(), groups_of(shown), shown.lines(0).windows(0)});
  }
  return brands;
}

// How many of `all` fit into `lines`. If not all fit, one line is kept for the number of the others.
std::size_t fitting(std::size_t all, std::size_t lines) {
  return all <= lines ? all : lines - std::min<std::size_t>(lines, 1);
}

void write_more(TextOutput& page, std::size_t count, Language language) {
  if (count > 0) page.write(fmt::format("... {} {}\n", count, label(Label::more_rows, language)));
}

// "critical 3  warning 41  info 7", in the colours of their rows.
std::string severity_counts(const TextOutput& page, const std::vector<const Alert*>& alerts, Language language) {
  std::string text;
  for (const auto& [severity, style] :
       {std::pair(Transition::CRITICAL, RowStyle::red), std::pair(Transition::WARNING, RowStyle::yellow),
        std::pair(Transition::INFO, RowStyle::plain)}) {
    const auto count = std::count_if(alerts.begin(), alerts.end(), [counted = severity](const Alert* alert) {
      return alert->last().severity() == counted;
    });
    const auto part = fmt::format("{} {}", severity_text(severity, language), count);
    text += (text.empty() ? "" : "  ") + (count > 0 ? coloured(page, part, style) : part);
  }
  return text;
}

}  // namespace

std::size_t lines_of(const std::string& warning) {
  return warning.empty() ? 0 : 1 + static_cast<std::size_t>(std::ranges::count(warning, '\n'));
}

void write_warning(TextOutput& page, const std::string& warning) {
  for (std::string_view rest = warning; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    page.write(coloured(page, std::string(rest.substr(0, end)), RowStyle::red) + "\n");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

std::vector<const Alert*> alerts_for_screen(const LatestAlerts& latest, const AlertFilter& filter, Millis now) {
  auto alerts = latest.sorted([&](const Alert& alert) { return is_open(alert) && filter.matches(alert); });
  const auto rank = [&](const Alert* alert) {
    const auto& last = alert->last();
    return std::tuple(is_silenced(*alert, now), -last.severity(), -last.since_ms());
  };
  std::stable_sort(alerts.begin(), alerts.end(), [&](const Alert* a, const Alert* b) { return rank(a) < rank(b); });
  return alerts;
}

void draw_market(TextOutput& page, const MarketView& view, const MarketCalendar& calendar, Language language) {
  const auto text = [&](Label name) { return label(name, language); };
  auto as_of = kNoDay;
  const auto brands = brands_of(view, as_of);
  const auto alerts = alerts_for_screen(view.alerts, view.alert_filter, view.now);
  const auto other_lines = kOtherLines + lines_of(view.warning);
  const auto list_lines = std::max(page.size().lines, other_lines + 2) - other_lines;
  // The brands may use half of the lines, and those that the alerts leave free.
  const auto brand_limit = std::max(list_lines / 2, list_lines - std::min(list_lines, alerts.size()));
  const auto brands_shown = fitting(brands.size(), brand_limit);
  const auto brand_lines = brands_shown + (brands_shown < brands.size() ? 1 : 0);
  const auto alerts_shown =
      fitting(alerts.size(), list_lines - std::min(list_lines, std::max<std::size_t>(brand_lines, 1)));

  page.write(fmt::format("{}   {}   {}\n", text(Label::market_title), minute_text(view.now, calendar),
                         text(Label::stop_with_ctrl_c)));
  write_warning(page, view.warning);
  page.write(fmt::format("{}: {}   {}   {}: {}\n", text(Label::open_alerts), alerts.size(),
                         severity_counts(page, alerts, language), text(Label::quarantined), view.quarantined));

  const auto& region = view.rate_filter.region_id;
  const auto window = view.rate_filter.window_days.value_or(kMonth);
  page.write("\n" + fmt::format(fmt::runtime(text(window == kMonth ? Label::brands_of_month : Label::brands)),
                                !region || region->empty() ? text(Label::whole_market) : std::string_view(*region),
                                window));
  if (brands.empty()) {
    page.write(fmt::format(": {}\n", text(Label::no_data)));
  } else {
    page.write(fmt::format("   {} {}   {}\n", text(Label::as_of), format_date(as_of), text(Label::low_sample)));
    TableWriter table(page, OutputMode::table, brand_columns(language));
    for (std::size_t i = 0; i < brands_shown; ++i) {
      table.row(brand_cells(brands[i].brand_id, brands[i].groups, brands[i].window));
    }
    table.finish();
    write_more(page, brands.size() - brands_shown, language);
  }

  page.write("\n");
  if (alerts.empty()) return;
  TableWriter table(page, OutputMode::table, alert_screen_columns(language));
  for (std::size_t i = 0; i < alerts_shown; ++i) {
    table.row(alert_screen_cells(*alerts[i], calendar, view.now, language), alert_style(*alerts[i], view.now));
  }
  table.finish();
  write_more(page, alerts.size() - alerts_shown, language);
}

}  // namespace fiverate
