#include "processors/trade/reference/segments.h"

#include <algorithm>

namespace fiverate {

Segments::Segments() : cells_of_segment_(1) {
  cells_of_segment_.push_back({number_of_cell({"", "", ""})});
}

CellNumber Segments::number_of_cell(CellKey key) {
  const auto [found, added] = cell_numbers_.try_emplace(key, static_cast<CellNumber>(cells_.size()));
  if (added) cells_.push_back(std::move(key));
  return found->second;
}

SegmentNumber Segments::number_of(const std::string& region_id, std::span<const ClassValue> classes) {
  if (region_id.empty()) return kNoSegment;
  std::vector<const ClassValue*> sorted;
  for (const auto& value : classes) sorted.push_back(&value);
  std::sort(sorted.begin(), sorted.end(),
            [](const ClassValue* a, const ClassValue* b) { return a->dimension() < b->dimension(); });
  std::vector<CellNumber> cells{number_of_cell({region_id, "", ""})};
  for (const auto* value : sorted) cells.push_back(number_of_cell({region_id, value->dimension(), value->value()}));
  const auto [found, added] = segment_numbers_.try_emplace(cells, static_cast<SegmentNumber>(cells_of_segment_.size()));
  if (added) cells_of_segment_.push_back(std::move(cells));
  return found->second;
}

const std::string& Segments::region_of(SegmentNumber segment) const {
  static const std::string kNone;
  const auto cells = cells_of(segment);
  return cells.empty() ? kNone : cell(cells.front()).region_id;
}

std::vector<ClassValue> Segments::classes_of(SegmentNumber segment) const {
  std::vector<ClassValue> classes;
  const auto cells = cells_of(segment);
  for (std::size_t i = 1; i < cells.size(); ++i) {
    ClassValue value;
    value.set_dimension(cell(cells[i]).class_dimension);
    value.set_value(cell(cells[i]).class_value);
    classes.push_back(std::move(value));
  }
  return classes;
}

}  // namespace fiverate
