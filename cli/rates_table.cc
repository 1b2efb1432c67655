#include "cli/rates_table.h"

#include "processors/trade/measure.h"
#include "processors/trade/rates.h"

namespace fiverate {
namespace {

// "69.2 %"; a small sample is marked, what has no denominator shows a dash.
TableCell percent(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  const auto tenths = (rate.value_millionths + (rate.value_millionths < 0 ? -500 : 500)) / 1000;
  const auto absolute = tenths < 0 ? -tenths : tenths;
  return fmt::format("{}{}.{}%{}", tenths < 0 ? "-" : "", absolute / 10, absolute % 10,
                     rate.status == RateStatus::low_sample ? "*" : "");
}

// "+8.3%" in green, "-17.8%" in red.
TableCell signed_percent(const Rate& rate) {
  const auto cell = percent(rate);
  if (!cell.text() || rate.value_millionths == 0) return cell;
  const bool grows = rate.value_millionths > 0;
  return TableCell((grows ? "+" : "") + *cell.text()).colour(grows ? RowStyle::green : RowStyle::red);
}

// The value as published, for programs.
TableCell plain_value(const Rate& rate) {
  if (!rate.has_value()) return std::nullopt;
  return value_text(rate);
}

}  // namespace

void add_filters(CLI::App& command, RateArguments& arguments) {
  command.add_option("--brand", arguments.brand, "Only this brand (\"\": the market as a whole)")
      ->each([&arguments](const std::string& value) { arguments.filter.brand_id = value; });
  command.add_option("--region", arguments.region, "Only this region (\"\": the whole market)")
      ->each([&arguments](const std::string& value) { arguments.filter.region_id = value; });
  command.add_option("--class", arguments.dimension, "Only this class dimension (\"\": all classes)")
      ->each([&arguments](const std::string& value) { arguments.filter.class_dimension = value; });
  command.add_option("--window", arguments.window, "Only this window: 7, 28 or 91 days")
      ->check(CLI::IsMember({7, 28, 91}))
      ->each([&arguments](const std::string& value) { arguments.filter.window_days = std::stoi(value); });
}

std::vector<TableColumn> rate_columns(std::optional<Language> language) {
  struct Column {
    std::string_view name;
    Word word;
    ColumnType type;
  };
  constexpr Column kColumns[] = {{"as_of", Word::as_of, ColumnType::text},
                                 {"brand_id", Word::brand, ColumnType::text},
                                 {"region_id", Word::region, ColumnType::text},
                                 {"class", Word::class_value, ColumnType::text},
                                 {"window", Word::window, ColumnType::number},
                                 {"buying", Word::buying, ColumnType::number},
                                 {"coverage", Word::coverage, ColumnType::number},
                                 {"repurchase", Word::repurchase, ColumnType::number},
                                 {"growth", Word::growth, ColumnType::number},
                                 {"net_delivered_units", Word::net_delivered_units, ColumnType::number},
                                 {"buying_outlets", Word::buying_outlets, ColumnType::number},
                                 {"active_outlets", Word::active_outlets, ColumnType::number},
                                 {"status", Word::status, ColumnType::text}};
  std::vector<TableColumn> columns;
  for (const auto& column : kColumns) {
    columns.push_back({std::string(language ? word(column.word, *language) : column.name), column.type});
  }
  return columns;
}

std::vector<TableColumn> brand_columns(Language language) {
  std::vector<TableColumn> columns;
  for (const auto name : {Word::brand, Word::buying, Word::coverage, Word::repurchase, Word::growth,
                          Word::net_delivered_units, Word::buying_outlets}) {
    columns.push_back({std::string(word(name, language)), name == Word::brand ? ColumnType::text : ColumnType::number});
  }
  return columns;
}

std::vector<TableCell> brand_cells(const std::string& brand_id, const MetricsRow::Window& window) {
  std::vector<TableCell> cells{brand_id};
  for (const auto& rate : rates_of({window.values().data(), static_cast<std::size_t>(window.values_size())})) {
    cells.push_back(rate.name == "growth" ? signed_percent(rate) : percent(rate));
  }
  for (const auto measure : {BrandMeasure::net_delivered_units, BrandMeasure::buying_outlets}) {
    cells.emplace_back(window.values(static_cast<int>(measure)));
  }
  return cells;
}

void write_table_rows(TableWriter& table, const MetricsRow& row, OutputMode mode, Language language) {
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      const bool of_brand = !row.brand_id().empty();
      std::vector<TableCell> cells{
          format_date(Day{row.as_of_day()}), row.brand_id(),
          row.region_id().empty() && mode == OutputMode::table ? std::string(word(Word::market, language))
                                                               : row.region_id(),
          row.class_dimension().empty() ? "" : row.class_dimension() + "=" + line.class_value(), window.window_days()};
      if (of_brand) {
        const auto rates = rates_of({window.values().data(), static_cast<std::size_t>(window.values_size())});
        for (const auto& rate : rates) cells.push_back(mode == OutputMode::csv ? plain_value(rate) : percent(rate));
        for (const auto measure :
             {BrandMeasure::net_delivered_units, BrandMeasure::buying_outlets, BrandMeasure::active_outlets}) {
          cells.emplace_back(window.values(static_cast<int>(measure)));
        }
      } else {
        for (int i = 0; i < 6; ++i) cells.emplace_back(std::nullopt);
        cells.emplace_back(window.values(0));
      }
      cells.emplace_back(MetricsRow::Status_Name(row.status()));
      table.row(std::move(cells));
    }
  }
}

}  // namespace fiverate
