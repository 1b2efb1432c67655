#include "cli/screen/rates_table.h"

#include "processors/trade/measures/measure.h"
#include "processors/trade/rows/rates.h"
#include "processors/trade/rows/row_fields.h"

namespace fiverate {
namespace {

// "69.2%", with "*" for LOW_SAMPLE; "-" without a value.
TableCell percent(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  const auto value = rate.value_millionths();
  const auto tenths = (value + (value < 0 ? -500 : 500)) / 1000;
  const auto absolute = tenths < 0 ? -tenths : tenths;
  return fmt::format("{}{}.{}%{}", tenths < 0 ? "-" : "", absolute / 10, absolute % 10,
                     rate.status == MetricsRow::Rate::LOW_SAMPLE ? "*" : "");
}

// "+8.3%" in green, "-17.8%" in red.
TableCell signed_percent(const Rate& rate) {
  const auto cell = percent(rate);
  if (!cell.text() || rate.value_millionths() == 0) return cell;
  const bool grows = rate.value_millionths() > 0;
  return TableCell((grows ? "+" : "") + *cell.text()).colour(grows ? RowStyle::green : RowStyle::red);
}

// The value with six decimals, as it is published.
TableCell plain_value(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  return millionths_text(rate.value_millionths());
}

// The rates of the tables. CSV and JSON have all rates.
struct ShownRate {
  RateName rate;
  Label label;
};
constexpr ShownRate kShownRates[] = {{RateName::buying, Label::buying},
                                     {RateName::coverage, Label::coverage},
                                     {RateName::on_shelf, Label::on_shelf},
                                     {RateName::sell_through, Label::sell_through},
                                     {RateName::stockout_rate, Label::stockout_rate},
                                     {RateName::growth, Label::growth}};
struct ShownMeasure {
  BrandMeasure measure;
  Label label;
};
constexpr ShownMeasure kShownMeasures[] = {{BrandMeasure::net_delivered_units, Label::net_delivered_units},
                                           {BrandMeasure::buying_outlets, Label::buying_outlets},
                                           {BrandMeasure::active_outlets, Label::active_outlets}};
constexpr std::size_t kBrandMeasuresShown = 1;  // the compact table has the first one only, to fit into 80 columns

// Cells of a measure and of the status of a rate; empty if the row does not have it.
TableCell measure_cell(MeasureGroups of_row, const MetricsRow::Measures& measures, BrandMeasure measure) {
  if (!has_value(of_row, measures, measure)) return std::nullopt;
  return value_of(measures, measure);
}
TableCell status_cell(MeasureGroups of_row, const Rate& rate) {
  if (!of_row.has(rate.which)) return std::nullopt;
  return name_of(rate.status);
}

TableCell shown_percent(const Rate& rate) {
  return rate.which == RateName::growth ? signed_percent(rate) : percent(rate);
}

}  // namespace

void add_filters(CLI::App& command, RateArguments& arguments) {
  command.add_option("--brand", arguments.brand, "Only this brand (\"\": lines without a brand)")
      ->each([&arguments](const std::string& value) { arguments.filter.brand_id = value; });
  command.add_option("--region", arguments.region, "Only this region (\"\": the whole market)")
      ->each([&arguments](const std::string& value) { arguments.filter.region_id = value; });
  command.add_option("--class", arguments.dimension, "Only this class dimension (\"\": all classes)")
      ->each([&arguments](const std::string& value) { arguments.filter.class_dimension = value; });
  command.add_option("--window", arguments.window, "Only this window: 7, 28 or 91 days, or 0: the calendar month")
      ->check(CLI::IsMember({0, 7, 28, 91}))
      ->each([&arguments](const std::string& value) { arguments.filter.window_days = std::stoi(value); });
}

std::vector<TableColumn> rate_columns(OutputMode mode, std::optional<Language> language) {
  std::vector<TableColumn> columns;
  const auto add = [&](std::string_view name, Label shown, ColumnType type) {
    columns.push_back({std::string(language ? label(shown, *language) : name), type});
  };
  add("as_of", Label::as_of, ColumnType::text);
  add("brand_id", Label::brand, ColumnType::text);
  add("region_id", Label::region, ColumnType::text);
  add("class", Label::class_value, ColumnType::text);
  add("window", Label::window, ColumnType::number);
  if (mode == OutputMode::csv) {
    for (const auto name : kRateNames) {
      columns.push_back({std::string(name), ColumnType::number});
      columns.push_back({std::string(name) + "_status", ColumnType::text});
    }
    for (const auto name : kBrandMeasureNames) columns.push_back({std::string(name), ColumnType::number});
  } else {
    for (const auto& [rate, shown] : kShownRates)
      add(kRateNames[static_cast<std::size_t>(rate)], shown, ColumnType::number);
    for (const auto& [measure, shown] : kShownMeasures) {
      add(kBrandMeasureNames[static_cast<std::size_t>(measure)], shown, ColumnType::number);
    }
  }
  add("status", Label::status, ColumnType::text);
  return columns;
}

std::vector<TableColumn> brand_columns(Language language) {
  std::vector<TableColumn> columns{{std::string(label(Label::brand, language)), ColumnType::text}};
  const auto add = [&](Label name) { columns.push_back({std::string(label(name, language)), ColumnType::number}); };
  for (const auto& shown : kShownRates) add(shown.label);
  for (std::size_t i = 0; i < kBrandMeasuresShown; ++i) add(kShownMeasures[i].label);
  return columns;
}

std::vector<TableCell> brand_cells(const std::string& brand_id, MeasureGroups of_row,
                                   const MetricsRow::Window& window) {
  std::vector<TableCell> cells{brand_id};
  const auto rates = rates_of(window);
  for (const auto& shown : kShownRates) cells.push_back(shown_percent(rates[static_cast<std::size_t>(shown.rate)]));
  for (std::size_t i = 0; i < kBrandMeasuresShown; ++i) {
    cells.push_back(measure_cell(of_row, window.measures(), kShownMeasures[i].measure));
  }
  return cells;
}

void write_table_rows(TableWriter& table, const MetricsRow& row, OutputMode mode, Language language) {
  const auto columns = rate_columns(mode, std::nullopt).size();
  const auto of_row = groups_of(row);
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      std::vector<TableCell> cells{
          row.as_of(), row.brand_id(),
          row.region_id().empty() && mode == OutputMode::table ? std::string(label(Label::market, language))
                                                               : row.region_id(),
          row.class_dimension().empty() ? "" : row.class_dimension() + "=" + line.class_value(),
          window.window_days() == kMonth && mode == OutputMode::table ? TableCell(window.period())
                                                                      : TableCell(window.window_days())};
      if (!row.brand_id().empty()) {
        const auto rates = rates_of(window);
        if (mode == OutputMode::csv) {
          for (const auto& rate : rates) {
            cells.push_back(plain_value(rate));
            cells.push_back(status_cell(of_row, rate));
          }
          for (std::size_t i = 0; i < kBrandMeasureNames.size(); ++i) {
            cells.push_back(measure_cell(of_row, window.measures(), static_cast<BrandMeasure>(i)));
          }
        } else {
          for (const auto& shown : kShownRates) cells.push_back(percent(rates[static_cast<std::size_t>(shown.rate)]));
          for (const auto& shown : kShownMeasures)
            cells.push_back(measure_cell(of_row, window.measures(), shown.measure));
        }
      } else {
        while (cells.size() < columns - 1) cells.emplace_back(std::nullopt);  // lines without a brand have no rates
      }
      cells.emplace_back(MetricsRow::Status_Name(row.status()));
      table.row(std::move(cells));
    }
  }
}

}  // namespace fiverate
