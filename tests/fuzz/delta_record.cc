// A record of deltas in the market stage: an invalid one is rejected. A valid one is added to cells, which are equal after saving
// and loading; the sums do not depend on the order.
#include <algorithm>
#include <map>

#include "deltas.pb.h"
#include "processors/stages/seal.h"
#include "processors/stages/state_codec.h"
#include "processors/trade/rows/series.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

std::string saved(const Cell& cell) {
  CellState state;
  save(cell, state);
  CHECK(is_valid(state));
  return state.SerializeAsString();
}

void check_cell(const Cell& cell) {
  const auto once = saved(cell);
  CellState state;
  CHECK(state.ParseFromString(once));
  CHECK(saved(load(state)) == once);
}

void check_deltas(const Deltas& deltas) {
  for (const auto& part : deltas.cells()) {
    if (!is_valid(part)) return;
  }
  std::map<std::string, Cell> cells;
  Seal forwards;
  Seal backwards;
  for (const auto& part : deltas.cells()) {
    cells[part.region_id()].add(part);
    sum_deltas(part, forwards);
  }
  for (auto part = deltas.cells().rbegin(); part != deltas.cells().rend(); ++part) sum_deltas(*part, backwards);
  CHECK(forwards.SerializeAsString() == backwards.SerializeAsString());
  for (const auto& [region, cell] : cells) check_cell(cell);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DeltasRecord record;
  if (record.ParseFromArray(data, static_cast<int>(size))) check_deltas(record.deltas());
  CellState state;
  if (state.ParseFromArray(data, static_cast<int>(size)) && is_valid(state)) check_cell(load(state));
  return 0;
}
