#include "processors/stages/market.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "processors/stages/final_days.h"
#include "processors/stages/seal.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// Keys of the store: m/<brand, region, dimension, value> cells, r/<region> regions, l/<brand> published rows,
// p/<sender> pieces, s/<sku> SKUs, g/<brand> regional alerts, a/<day, 8 hex digits><offset, 16> held apart, market.
constexpr std::string_view kAheadPrefix = "a/";
constexpr std::size_t kDayDigits = 8;
constexpr std::string_view kMarketKey = "market";
constexpr std::int32_t kFoldEveryDays = 28;  // old days are merged now and then

std::string ahead_key(const std::pair<Day, std::int64_t>& place) {
  return fmt::format("{}{:0{}x}{:016x}", kAheadPrefix, place.first.number, kDayDigits, place.second);
}

std::pair<Day, std::int64_t> ahead_place(std::string_view key) {
  std::pair<Day, std::int64_t> place;
  std::from_chars(key.data(), key.data() + kDayDigits, place.first.number, 16);
  std::from_chars(key.data() + kDayDigits, key.data() + key.size(), place.second, 16);
  return place;
}

std::string cell_key(const CellDeltas& cell) {
  return joined_parts({cell.brand_id(), cell.region_id(), cell.class_dimension(), cell.class_value()});
}

std::pair<std::string, CellKey> parse_cell_key(std::string_view key) {
  auto parts = split_parts(key);
  CHECK(parts.size() == 4, parts.size());
  return {std::move(parts[0]), CellKey{std::move(parts[1]), std::move(parts[2]), std::move(parts[3])}};
}

bool are_sound(const Deltas& deltas) {
  return std::all_of(deltas.cells().begin(), deltas.cells().end(), [](const CellDeltas& cell) { return is_valid(cell); });
}

bool is_of_a_brand(std::string_view cell_key) { return !cell_key.starts_with(kPartEnds); }

// Its last two parts are empty: behind the region's end stand theirs.
bool is_of_all_classes(std::string_view cell_key) { return cell_key.ends_with(std::string_view("\0\0\0\0\0\0", 6)); }

}  // namespace

std::string metrics_key(const MetricsRow& row) {
  return json_array({row.brand_id(), row.region_id(), row.class_dimension()});
}

std::string metrics_final_key(const MetricsRow& row) {
  return json_array({row.brand_id(), row.region_id(), row.class_dimension(), format_date(Day{row.as_of_day()})});
}

MarketStage::MarketStage(Settings settings, const MarketCalendar& calendar)
    : settings_(std::move(settings)),
      definition_bytes_(definition_bytes(settings_.definition)),
      calendar_(calendar),
      reference_(&catalogue_, &regions_, calendar),
      cells_("m/", {}, settings_.cache_bytes),
      live_("l/", {}, settings_.cache_bytes / 8),
      pieces_("p/", {}, settings_.cache_bytes / 8),
      regional_("g/", {}, settings_.cache_bytes / 8) {
  for (std::int32_t partition = 0; partition < settings_.definition.ledger_partitions(); ++partition) {
    senders_[sender_name(name_of(Stage::outlet), partition)];
  }
}

Result<Cell> MarketStage::CellCodec::decode(std::string_view bytes) const {
  CellState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !is_valid(state)) {
    return fail(Reaction::stop, "not a CellState");
  }
  return load(state);
}

std::string MarketStage::CellCodec::encode(const Cell& cell) const {
  CellState state;
  fiverate::save(cell, state);
  return state.SerializeAsString();
}

Result<void> MarketStage::open(const Store& store) {
  cells_.open(store);
  live_.open(store);
  pieces_.open(store);
  regional_.open(store);
  const auto saved = store.get(kMarketKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (*saved) {
    MarketState state;
    if (!state.ParseFromString(**saved)) return damaged(store);
    for (const auto& one : state.senders()) {
      senders_[one.name()] = {one.watermark_ms(), Day{one.closed_day()}, Day{one.first_day()}};
    }
    next_final_ = Day{state.next_final_day()};
    live_at_ = state.live_at_ms();
    all_live_at_ = state.all_live_at();
    touched_ = {state.touched_brands().begin(), state.touched_brands().end()};
    all_touched_ = state.all_touched();
    seal_ = state.seal();
    next_sealed_ = Day{seal_.day()};
  }
  TRY(reference_.open(store));
  return read_messages<Deltas>(store, kAheadPrefix, [&](std::string_view key, Deltas& deltas) {
    if (key.size() < kDayDigits || !are_sound(deltas)) return false;
    ahead_.emplace(ahead_place(key), std::move(deltas));
    return true;
  });
}

void MarketStage::save(StoreBatch& batch) {
  cells_.save(batch);
  live_.save(batch);
  pieces_.save(batch);
  regional_.save(batch);
  reference_.save(batch);
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
  MarketState state;
  for (const auto& [name, sender] : senders_) {
    auto& saved = *state.add_senders();
    saved.set_name(name);
    saved.set_watermark_ms(sender.watermark);
    saved.set_closed_day(sender.closed.number);
    saved.set_first_day(sender.first_day.number);
  }
  state.set_next_final_day(next_final_.number);
  state.set_live_at_ms(live_at_);
  state.set_all_live_at(all_live_at_);
  for (const auto& brand : touched_) state.add_touched_brands(brand);
  state.set_all_touched(all_touched_);
  *state.mutable_seal() = seal_;
  state.mutable_seal()->set_day(next_sealed_.number);
  batch.put(std::string(kMarketKey), state.SerializeAsString());
}

Result<void> MarketStage::resume(std::string_view tally) {
  if (seal_.ParseFromArray(tally.data(), static_cast<int>(tally.size()))) return {};
  return fail(Reaction::stop, "What the group keeps of the seal of a market task cannot be read.");
}

Result<void> MarketStage::apply(const InRecord& record, Outbox& outbox) {
  DeltasRecord deltas;
  if (!deltas.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) || !are_sound(deltas.deltas())) {
    return fail(Reaction::stop, "The topic deltas holds a record that is none, at offset {} of partition {}.", record.offset,
                record.input.partition);
  }
  switch (deltas.body_case()) {
    case DeltasRecord::kDefinition: return check_definition(Topic::deltas, deltas.definition(), definition_bytes_);
    case DeltasRecord::kReference: {
      const auto& event = deltas.reference().event();
      reference_.apply(event, deltas.reference().arrival_ms());
      if (event.has_sku()) {
        const auto sku = catalogue_.find(event.sku().sku_id());
        touched_.insert(catalogue_.brand_id(catalogue_.brand_of(*sku)));
      }
      all_touched_ = all_touched_ || event.has_region();  // counties are in the rows of every brand
      return {};
    }
    case DeltasRecord::kDeltas:
      CHECK(record.cause.has_value(), record.offset);
      return on_deltas(record.cause->sender, std::move(*deltas.mutable_deltas()), record.offset, outbox);
    case DeltasRecord::kProgress:
    case DeltasRecord::BODY_NOT_SET: return {};
  }
  return {};
}

Result<void> MarketStage::on_deltas(const std::string& sender_name, Deltas deltas, std::int64_t offset, Outbox& outbox) {
  const auto sender = senders_.find(sender_name);
  if (sender == senders_.end()) {
    return fail(Reaction::stop, "Deltas from {}, which the definition does not know.", sender_name);
  }
  auto pieces = pieces_.get(sender_name);
  if (!pieces) return tl::make_unexpected(pieces.error());
  if (!deltas.last_piece()) {
    auto changed = pieces_.change(sender_name);
    *(*changed)->add_pieces() = std::move(deltas);
    return {};
  }
  const auto told_after = sender->second.closed;
  const auto closed_before = closed_by_all();
  if ((*pieces)->pieces_size() > 0) {
    auto changed = pieces_.change(sender_name);
    auto& first_pieces = *(*changed)->mutable_pieces();
    for (auto& piece : first_pieces) {
      deltas.mutable_cells()->MergeFrom(piece.cells());
    }
    first_pieces.Clear();
  }
  TRY(add(deltas));
  if (told_after > closed_before) hold_apart(told_after, offset, deltas);
  sender->second = {deltas.watermark_ms(), Day{deltas.closed_day()}, Day{deltas.first_day()}};
  if (told_after == kNoDay && sender->second.closed != kNoDay) {
    next_sealed_ = next_sealed_ == kNoDay ? sender->second.closed : std::min(next_sealed_, sender->second.closed);
  }
  TRY(close_days(closed_before, outbox));
  TRY(publish_final(first_open_day(clock(), calendar_), outbox));
  if (settings_.live_rows && deltas.settled()) return publish_live(offset, outbox);
  return {};
}

Result<void> MarketStage::add(const Deltas& deltas) {
  for (const auto& part : deltas.cells()) {
    const auto cell = cells_.change(cell_key(part));
    if (!cell) return tl::make_unexpected(cell.error());
    (*cell)->add(part);
    touched_.insert(part.brand_id());
    // Whole outlets are in the rows of every brand; data quality and visits are not.
    all_touched_ = all_touched_ || (part.brand_id().empty() && std::any_of(part.measures().begin(), part.measures().end(), [](int m) {
                                      return is_step(static_cast<Contribution>(m));
                                    }));
  }
  return {};
}

// ---- the close of a day -------------------------------------------------------------------------------------------

Day MarketStage::closed_by_all() const {
  auto lowest = senders_.empty() ? kNoDay : senders_.begin()->second.closed;
  for (const auto& [name, sender] : senders_) lowest = std::min(lowest, sender.closed);
  return lowest;
}

// Only what the rules look at.
void MarketStage::hold_apart(Day closed_by_sender, std::int64_t offset, const Deltas& deltas) {
  Deltas kept;
  for (const auto& cell : deltas.cells()) {
    if (cell.brand_id().empty() || !cell.class_dimension().empty()) continue;
    auto& part = *kept.add_cells();
    part.set_brand_id(cell.brand_id());
    part.set_region_id(cell.region_id());
    for (int i = 0; i < cell.days_size(); ++i) {
      const auto contribution = static_cast<Contribution>(cell.measures(i));
      if (!is_regional_rule_input(contribution)) continue;
      part.add_measures(cell.measures(i));
      part.add_days(cell.days(i));
      part.add_values(cell.values(i));
    }
    if (part.days_size() == 0) kept.mutable_cells()->RemoveLast();
  }
  if (kept.cells_size() == 0) return;
  const std::pair place{closed_by_sender, offset};
  unsaved_.put(ahead_key(place), kept.SerializeAsString());
  ahead_.emplace(place, std::move(kept));
}

// From the next close on it counts.
void MarketStage::stop_holding(Day closed) {
  while (!ahead_.empty() && ahead_.begin()->first.first <= closed) {
    unsaved_.erase(ahead_key(ahead_.begin()->first));
    ahead_.erase(ahead_.begin());
  }
}

// The days that have closed by now, in order.
Result<void> MarketStage::close_days(Day after, Outbox& outbox) {
  const auto closed = closed_by_all();
  if (closed <= after) return {};
  // Before anything was accepted there is nothing to judge.
  const auto begins = history_begins();
  const auto judged_from = begins == kNoDay ? closed + 1 : std::max(after + 1, begins);
  for (auto day = std::min(judged_from, next_sealed_); day <= closed; day = day + 1) {
    if (day >= judged_from) {
      TRY(ask_rules(day, outbox));
      stop_holding(day);
    }
    if (day < next_sealed_) continue;
    // What is final at the day's end, and nothing that only the clock of now says.
    TRY(publish_final(first_open_day(calendar_.end_of(day), calendar_), outbox));
    write_seal(Stage::market, settings_.partition, day, calendar_.end_of(day), seal_, outbox);
  }
  next_sealed_ = closed + 1;
  stop_holding(closed);
  return {};
}

Result<void> MarketStage::ask_rules(Day day, Outbox& outbox) {
  const DayClose close{day, calendar_.end_of(day)};
  if (close.at >= settings_.alerts_until) return {};
  std::map<std::string, std::map<std::string, RegionFacts>> brands;
  TRY(cells_.scan("", [&](std::string_view key, Cell& cell) {
    if (!is_of_a_brand(key) || !is_of_all_classes(key)) return true;
    const auto [brand_id, leaf] = parse_cell_key(key);
    brands[brand_id][leaf.region_id] = region_facts_of(cell, day);
    return true;
  }));
  for (const auto& [place, deltas] : ahead_) {
    if (place.first < day) continue;
    for (const auto& part : deltas.cells()) {
      Cell cell;
      cell.add(part);
      brands[part.brand_id()][part.region_id()].add(region_facts_of(cell, day), -1);
    }
  }
  std::vector<Transition> transitions;
  for (const auto& [brand_id, leaves] : brands) {
    const auto saved = regional_.get(brand_id);
    if (!saved) return tl::make_unexpected(saved.error());
    RegionalAlerts alerts;
    for (const auto& one : (*saved)->alerts()) alerts[{one.rule(), one.region_id()}] = load(one.state());
    if (!evaluate_regional_rules(brand_id, leaves, close, regions_, alerts, transitions)) continue;
    RegionalState after;
    for (const auto& [key, alert] : alerts) {
      auto& one = *after.add_alerts();
      one.set_rule(key.first);
      one.set_region_id(key.second);
      fiverate::save(alert, *one.mutable_state());
    }
    **regional_.change(brand_id) = std::move(after);
  }
  if (!outbox.outputs_enabled()) return {};
  for (auto& transition : transitions) {
    auto alert_id = transition.alert_id();
    SignalRecord record;
    *record.mutable_transition() = std::move(transition);
    auto bytes = record.SerializeAsString();
    chain_transition(alert_id, bytes, seal_);
    outbox.to_task(Topic::signals, settings_.partition, close.at, std::move(alert_id), std::move(bytes));
  }
  return {};
}

// ---- rows -----------------------------------------------------------------------------------------------------------

Millis MarketStage::clock() const {
  auto lowest = senders_.empty() ? kNever : senders_.begin()->second.watermark;
  for (const auto& [name, sender] : senders_) lowest = std::min(lowest, sender.watermark);
  return lowest;
}

Day MarketStage::history_begins() const {
  auto first = kNoDay;
  for (const auto& [name, sender] : senders_) {
    if (sender.first_day != kNoDay) first = first == kNoDay ? sender.first_day : std::min(first, sender.first_day);
  }
  return first;
}

bool MarketStage::owns_whole_market() const {
  return partition_of("", settings_.market_partitions) == settings_.partition;
}

Result<MarketStage::BrandCells> MarketStage::all_cells() {
  BrandCells brands;
  TRY(cells_.scan("", [&](std::string_view key, Cell& cell) {
    auto [brand_id, leaf] = parse_cell_key(key);
    regions_.index_of(leaf.region_id);  // its own event may still be on the way
    brands[std::move(brand_id)].emplace_back(std::move(leaf), &cell);
    return true;
  }));
  return brands;
}

Result<void> MarketStage::publish_final(Day first_open, Outbox& outbox) {
  if (first_open == kNoDay || first_open <= next_final_) return {};
  const auto begins = history_begins();
  const auto from = std::max(next_final_, begins);
  next_final_ = first_open;
  // Nothing accepted later can lie before the first open day: without history so far there are no rows.
  if (begins == kNoDay || from >= first_open) return {};

  if (outbox.outputs_enabled()) TRY(write_final(from, first_open, outbox));
  if (from.number / kFoldEveryDays != first_open.number / kFoldEveryDays) return fold_before(first_open);
  return {};
}

Result<void> MarketStage::write_final(Day from, Day first_open, Outbox& outbox) {
  const auto cells = all_cells();
  if (!cells) return tl::make_unexpected(cells.error());
  const auto market = cells->find("");
  const LeafCells none;
  for (auto day = from; day < first_open; day = day + 1) {
    if (!contains(settings_.published, day)) continue;
    const DayRows day_rows(regions_, catalogue_, day, calendar_.end_of(day) + kFinalAfter, market == cells->end() ? none : market->second);
    const auto publish = [&](std::vector<MetricsRow> rows) {
      for (auto& row : rows) {
        row.set_status(MetricsRow::FINAL);
        row.set_revision(1);
        auto key = metrics_final_key(row);
        auto bytes = row.SerializeAsString();
        chain_record(key, bytes, seal_);
        sum_row(key, bytes, seal_);
        outbox.to_result(Topic::metrics_final, settings_.partition, calendar_.end_of(day) - 1, std::move(key), std::move(bytes));
      }
    };
    if (owns_whole_market()) publish(day_rows.market_rows());
    for (const auto& [brand_id, leaf_cells] : *cells) {
      if (!brand_id.empty()) publish(day_rows.brand_rows(brand_id, leaf_cells));
    }
  }
  return {};
}

Result<void> MarketStage::fold_before(Day day) {
  std::vector<std::string> keys;
  TRY(cells_.scan("", [&](std::string_view key, Cell&) {
    keys.emplace_back(key);
    return true;
  }));
  for (const auto& key : keys) {
    const auto cell = cells_.change(key);
    if (!cell) return tl::make_unexpected(cell.error());
    (*cell)->fold_before(day);
  }
  return {};
}

Result<void> MarketStage::publish_live(std::int64_t offset, Outbox& outbox) {
  const auto now = clock();
  if (now == kNever) return {};
  const bool new_day = live_at_ == kNever || calendar_.day_of(live_at_) != calendar_.day_of(now);
  if (!new_day && ((touched_.empty() && !all_touched_) || now < live_at_ + kLiveEvery)) return {};
  live_at_ = now;
  const bool all = new_day || all_touched_;
  if (all) all_live_at_ = offset;
  const auto touched = std::exchange(touched_, {});
  all_touched_ = false;
  if (!outbox.outputs_enabled()) return {};

  const auto cells = all_cells();
  if (!cells) return tl::make_unexpected(cells.error());
  const auto market = cells->find("");
  const LeafCells none;
  const DayRows day_rows(regions_, catalogue_, calendar_.day_of(now), now + 1, market == cells->end() ? none : market->second);
  for (const auto& [brand_id, leaf_cells] : *cells) {
    if (!all && !touched.contains(brand_id)) continue;
    if (brand_id.empty() && !owns_whole_market()) continue;
    TRY(publish_changes(brand_id, brand_id.empty() ? day_rows.market_rows() : day_rows.brand_rows(brand_id, leaf_cells),
                                 offset, outbox));
  }
  return {};
}

Result<void> MarketStage::publish_changes(const std::string& brand_id, std::vector<MetricsRow> rows, std::int64_t offset,
                                          Outbox& outbox) {
  const auto published = live_.change(brand_id);
  if (!published) return tl::make_unexpected(published.error());
  std::map<std::pair<std::string, std::string>, std::uint64_t> before;
  for (const auto& row : (*published)->rows()) before[{row.region_id(), row.class_dimension()}] = row.content();

  LiveState after;
  const auto publish = [&](MetricsRow& row) {
    row.set_status(MetricsRow::LIVE);
    row.set_revision(offset);
    outbox.to_result(Topic::metrics, settings_.partition, live_at_, metrics_key(row), row.SerializeAsString());
  };
  for (auto& row : rows) {
    const auto content = chained(0, "", row.SerializeAsString());
    auto& saved = *after.add_rows();
    saved.set_region_id(row.region_id());
    saved.set_class_dimension(row.class_dimension());
    saved.set_content(content);
    const auto known = before.find({row.region_id(), row.class_dimension()});
    if (known == before.end() || known->second != content) publish(row);
    if (known != before.end()) before.erase(known);
  }
  // What is no longer there is published once more, without lines.
  for (const auto& [key, content] : before) {
    MetricsRow gone;
    gone.set_brand_id(brand_id);
    gone.set_region_id(key.first);
    gone.set_class_dimension(key.second);
    gone.set_as_of_day(calendar_.day_of(live_at_).number);
    publish(gone);
  }
  **published = std::move(after);
  return {};
}

}  // namespace fiverate
