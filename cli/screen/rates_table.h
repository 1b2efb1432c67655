// Rates as rows of a table, of CSV or as JSON lines. `rates` and `watch rates` use the same.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/screen/console.h"
#include "cli/screen/texts.h"
#include "processors/trade/measures/selection.h"
#include "readers/query/rates_query.h"
#include "readers/query/row_json.h"

namespace fiverate {

// The options of the command line.
struct RateArguments {
  RateFilter filter;
  std::string brand;
  std::string region;
  std::string dimension;
  std::int32_t window = 0;
  std::string as_of;
  bool final_rows = false;
  std::string from;
  std::string through;
  OutputArguments output;
  std::string language;  // --lang, for the live table
};

void add_filters(CLI::App& command, RateArguments& arguments);

// Column names: those of the contract, or labels if a language is given. CSV has every rate and measure of a brand, a
// table has the most important ones. Cells of measures and rates that a row does not have are empty.
std::vector<TableColumn> rate_columns(OutputMode mode, std::optional<Language> language = std::nullopt);
void write_table_rows(TableWriter& table, const MetricsRow& row, OutputMode mode, Language language = Language::en);

// The compact table of `watch market`: one row for each brand, with one window. Growth has a sign and a colour.
std::vector<TableColumn> brand_columns(Language language);
std::vector<TableCell> brand_cells(const std::string& brand_id, MeasureGroups of_row, const MetricsRow::Window& window);

// Writes rows as a table, as CSV or as JSON lines.
class RowWriter {
 public:
  RowWriter(TextOutput& out, OutputMode mode) : out_(out), mode_(mode) {
    if (mode != OutputMode::json) table_.emplace(out, mode, rate_columns(mode));
  }
  void write(const MetricsRow& row) {
    if (table_) {
      write_table_rows(*table_, row, mode_);
      return;
    }
    buffer_.clear();
    append_json_lines(row, buffer_);
    out_.write_json({buffer_.data(), buffer_.size()});
  }
  void flush() {
    if (table_) table_->flush();
    out_.flush();
  }
  void finish() {
    if (table_) table_->finish();
    out_.flush();
  }

 private:
  TextOutput& out_;
  OutputMode mode_;
  std::optional<TableWriter> table_;
  fmt::memory_buffer buffer_;
};

}  // namespace fiverate
