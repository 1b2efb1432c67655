#include "processors/stages/market.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "processors/stages/delta_columns.h"
#include "processors/stages/final_days.h"
#include "processors/stages/seal.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// Keys of the store: b/, f/, n/, q/, v/ cells (market_cells.h), r/<region> regions, l/<brand> LIVE rows as published last, p/<sender>
// first pieces of a large record, s/<sku> SKUs, g/<brand> regional alerts, a/<day, 8 hex digits><offset, 16> deferred differences,
// `quality` the alerts of source topics, `market` all else.
constexpr std::string_view kDeferredPrefix = "a/";
constexpr std::size_t kDayDigits = 8;
constexpr std::string_view kMarketKey = "market";
constexpr std::int32_t kDropEveryDays = 7;

std::string deferred_key(const std::pair<Day, std::int64_t>& key) {
  return fmt::format("{}{:0{}x}{:016x}", kDeferredPrefix, key.first.number, kDayDigits, key.second);
}

// `digits` is what stands behind the prefix.
std::pair<Day, std::int64_t> parse_deferred_key(std::string_view digits) {
  std::pair<Day, std::int64_t> key;
  std::from_chars(digits.data(), digits.data() + kDayDigits, key.first.number, 16);
  std::from_chars(digits.data() + kDayDigits, digits.data() + digits.size(), key.second, 16);
  return key;
}

// Numbers of whole outlets are in the rows of every brand. Visits and data quality are not.
bool is_in_rows_of_all_brands(const ColumnDifference& one, const DeltaColumns& columns) {
  return is_step(one.contribution) && brand_of(columns, one.cell).empty();
}

// Keys of the result topics: JSON arrays.
std::string metrics_key(const Row& row) {
  return json_array({row.brand_id, row.region_id, row.class_dimension});
}
std::string metrics_final_key(const Row& row) {
  return json_array({row.brand_id, row.region_id, row.class_dimension, format_date(row.as_of)});
}

}  // namespace

MarketStage::MarketStage(Settings settings, const MarketCalendar& calendar)
    : settings_(std::move(settings)),
      selection_(selection_of(settings_.definition)),
      definition_id_(definition_id(settings_.definition)),
      internal_(settings_.definition),
      calendar_(calendar),
      reference_(&catalogue_, &regions_, calendar),
      cells_(regions_, selection_, settings_.live_rows),
      live_("l/", {}, settings_.cache_bytes / 8),
      pieces_("p/", {}, settings_.cache_bytes / 8),
      regional_("g/", {}, settings_.cache_bytes / 8),
      data_quality_(calendar, settings_.alerts_until, selection_.windows) {
  for (std::int32_t partition = 0; partition < settings_.definition.ledger_partitions(); ++partition) {
    senders_[sender_name(name_of(Stage::outlet), partition)];
  }
}

Result<void> MarketStage::open(const Store& store) {
  live_.open(store);
  pieces_.open(store);
  regional_.open(store);
  TRY_VALUE(saved, store.get(kMarketKey));
  MarketState state;
  state.set_final_values_day(kNoDay.number);
  state.set_live_values_day(kNoDay.number);
  if (saved) {
    if (!state.ParseFromString(*saved)) return damaged(store);
    restore(state);
  }
  TRY(reference_.open(store));
  TRY(cells_.open(store, Day{state.final_values_day()}, Day{state.live_values_day()}));
  if (std::ranges::any_of(changed_cells_.cells(),
                          [&](auto cell) { return static_cast<std::size_t>(cell) >= cells_.size(); })) {
    return damaged(store);
  }
  TRY(data_quality_.open(store));
  return read_messages<PiecesState>(store, kDeferredPrefix, [&](std::string_view key, PiecesState& deferred) {
    if (key.size() < kDayDigits || !std::all_of(deferred.pieces().begin(), deferred.pieces().end(),
                                                [](const Deltas& piece) { return is_valid(piece.columns()); })) {
      return false;
    }
    deferred_.emplace(parse_deferred_key(key), std::move(deferred));
    return true;
  });
}

void MarketStage::restore(const MarketState& state) {
  for (const auto& one : state.senders()) {
    senders_[one.name()] = {one.watermark_ms(), Day{one.closed_day()}, Day{one.first_day()}};
  }
  next_final_ = Day{state.next_final_day()};
  live_at_ = state.live_at_ms();
  all_live_at_ = state.all_live_at();
  changed_brands_ = {state.changed_brands().begin(), state.changed_brands().end()};
  for (const auto cell : state.changed_cells()) changed_cells_.insert(static_cast<CellNumber>(cell));
  for (const auto cell : state.changed_outlets()) changed_outlets_.insert(static_cast<CellNumber>(cell));
  regions_changed_at_ = state.regions_changed_at_ms();
  seal_ = state.seal();
  next_sealed_ = Day{seal_.day()};
}

void MarketStage::save(StoreBatch& batch) {
  cells_.save(batch);
  live_.save(batch);
  pieces_.save(batch);
  regional_.save(batch);
  reference_.save(batch);
  data_quality_.save(batch);
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
  for (const auto& brand : changed_brands_) state.add_changed_brands(brand);
  for (const auto cell : changed_cells_.cells()) state.add_changed_cells(static_cast<std::uint32_t>(cell));
  for (const auto cell : changed_outlets_.cells()) state.add_changed_outlets(static_cast<std::uint32_t>(cell));
  state.set_final_values_day(cells_.final_values().day().number);
  state.set_live_values_day(cells_.live_values().day().number);
  state.set_regions_changed_at_ms(regions_changed_at_);
  *state.mutable_seal() = seal_;
  state.mutable_seal()->set_day(next_sealed_.number);
  batch.put(std::string(kMarketKey), state.SerializeAsString());
}

Result<void> MarketStage::resume(std::string_view tally) {
  if (seal_.ParseFromArray(tally.data(), static_cast<int>(tally.size()))) return {};
  return fail(Reaction::stop, "The seal of a market task in its checkpoint cannot be read.");
}

Result<void> MarketStage::apply(const InRecord& record, Outbox& outbox) {
  DeltasRecord deltas;
  if (!deltas.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) ||
      !is_valid(deltas.deltas().columns())) {
    return fail(Reaction::stop, "The record at offset {} of partition {} of the topic deltas cannot be read.",
                record.offset, record.input.partition);
  }
  switch (deltas.body_case()) {
    case DeltasRecord::kDefinition:
      return check_definition(Topic::deltas, deltas.definition(), definition_id_);
    case DeltasRecord::kReference:
      return on_reference(deltas.reference());
    case DeltasRecord::kDeltas:
      CHECK(record.cause.has_value(), record.offset);
      return on_deltas(record.cause->sender, std::move(*deltas.mutable_deltas()), record.offset, outbox);
    case DeltasRecord::kProgress:
    case DeltasRecord::BODY_NOT_SET:
      return {};
  }
  return {};
}

Result<void> MarketStage::on_reference(const LedgerRecord& reference) {
  const auto& event = reference.event();
  reference_.apply(event, reference.arrival_ms());
  if (event.has_sku()) {
    const auto sku = catalogue_.find(event.sku().sku_id());
    changed_brands_.insert(catalogue_.brand_id(catalogue_.brand_of(*sku)));
  }
  // Counties are in the rows of every brand, from the arrival of their records on.
  if (event.has_region()) regions_changed_at_ = std::max(regions_changed_at_, reference.arrival_ms());
  return {};
}

Result<void> MarketStage::on_deltas(const std::string& sender_name, Deltas deltas, std::int64_t offset,
                                    Outbox& outbox) {
  const auto found = senders_.find(sender_name);
  if (found == senders_.end()) {
    return fail(Reaction::stop, "Deltas came from {}, which the definition does not know.", sender_name);
  }
  TRY_VALUE(pieces, join_pieces(sender_name, std::move(deltas)));
  if (pieces.empty()) return {};  // More of them follow.
  const auto& last = pieces.back();

  auto& sender = found->second;
  const auto sender_had_closed = sender.closed;
  const auto all_had_closed = closed_by_all();
  for (const auto& piece : pieces) add(piece.columns());
  data_quality_.add(last.quality(), sender_had_closed, Day{last.closed_day()});
  if (sender_had_closed > all_had_closed && has_regional_rules(selection_)) defer({sender_had_closed, offset}, pieces);
  sender = {last.watermark_ms(), Day{last.closed_day()}, Day{last.first_day()}};
  if (sender_had_closed == kNoDay && sender.closed != kNoDay) {
    next_sealed_ = next_sealed_ == kNoDay ? sender.closed : std::min(next_sealed_, sender.closed);
  }
  TRY(close_days(all_had_closed, outbox));
  emit_data_quality(data_quality_.evaluate_holds_after(closed_by_all()), outbox);
  TRY(publish_final(first_open_day(clock(), calendar_), outbox));
  if (clock() != kNever) TRY(cells_.move_live_to(calendar_.day_of(clock())));
  if (settings_.live_rows && last.end_of_batch()) return publish_live(offset, outbox);
  return {};
}

// Keeps a piece until the last one of the same sender has come, then returns all of them in order.
Result<std::vector<Deltas>> MarketStage::join_pieces(const std::string& sender_name, Deltas deltas) {
  TRY_VALUE(kept, pieces_.get(sender_name));
  const bool is_last = deltas.last_piece();
  std::vector<Deltas> pieces;
  if (!is_last || kept->pieces_size() > 0) {
    TRY_VALUE(changed, pieces_.change(sender_name));
    if (!is_last) {
      *changed->add_pieces() = std::move(deltas);
      return pieces;
    }
    for (auto& piece : *changed->mutable_pieces()) pieces.push_back(std::move(piece));
    changed->clear_pieces();
  }
  pieces.push_back(std::move(deltas));
  return pieces;
}

void MarketStage::add(const DeltaColumns& columns) {
  const auto cells = cells_.add(columns);
  if (!settings_.live_rows) return;
  for (const auto cell : cells) changed_cells_.insert(cell);
  if (columns.brand_ids().empty() || !columns.brand_ids(0).empty()) return;  // Brand "" is the first one.
  each_day(columns, [&](Day, std::span<const ColumnDifference> differences) {
    for (const auto& one : differences) {
      if (is_in_rows_of_all_brands(one, columns)) changed_outlets_.insert(cells[one.cell]);
    }
  });
}

// ---- the close of a day -------------------------------------------------------------------------------------------

Day MarketStage::closed_by_all() const {
  auto lowest = senders_.empty() ? kNoDay : senders_.begin()->second.closed;
  for (const auto& [name, sender] : senders_) lowest = std::min(lowest, sender.closed);
  return lowest;
}

// Keeps the differences that are inputs of the regional rules.
void MarketStage::defer(DeferredKey key, const std::vector<Deltas>& pieces) {
  PiecesState deferred;
  for (const auto& piece : pieces) {
    auto kept = only(piece.columns(), is_regional_rule_input);
    if (kept.cells().empty()) continue;
    *deferred.add_pieces()->mutable_columns() = std::move(kept);
  }
  if (deferred.pieces().empty()) return;
  unsaved_.put(deferred_key(key), deferred.SerializeAsString());
  deferred_.emplace(key, std::move(deferred));
}

// Differences of senders that had closed `closed` at most count at the next close.
void MarketStage::drop_deferred(Day closed) {
  while (!deferred_.empty() && deferred_.begin()->first.first <= closed) {
    unsaved_.erase(deferred_key(deferred_.begin()->first));
    deferred_.erase(deferred_.begin());
  }
}

// Closes the days that all senders have passed by now, in order.
Result<void> MarketStage::close_days(Day closed_before, Outbox& outbox) {
  const auto closed = closed_by_all();
  if (closed <= closed_before) return {};
  // Rules are evaluated from the first day with an accepted document on.
  const auto begins = history_begins();
  const auto evaluated_from = begins == kNoDay ? closed + 1 : std::max(closed_before + 1, begins);
  for (auto day = std::min(evaluated_from, next_sealed_); day <= closed; day = day + 1) {
    if (day >= evaluated_from) {
      TRY(evaluate_rules(day, outbox));
      drop_deferred(day);
    }
    emit_data_quality(data_quality_.close_days_to(day), outbox);
    if (day < next_sealed_) continue;
    // The seal has the rows that are final at the end of the day, however far the clock is beyond it.
    TRY(publish_final(first_open_day(calendar_.end_of(day), calendar_), outbox));
    write_seal(Stage::market, settings_.partition, day, calendar_.end_of(day), seal_, outbox);
  }
  next_sealed_ = closed + 1;
  drop_deferred(closed);
  if (outbox.outputs_enabled()) {
    SignalRecord signal;
    signal.mutable_day_closed()->set_day(closed.number);
    outbox.to_task(Topic::signals, settings_.partition, calendar_.end_of(closed), "", signal.SerializeAsString());
  }
  return {};
}

Result<void> MarketStage::evaluate_rules(Day day, Outbox& outbox) {
  const DayClose close{day, calendar_.end_of(day)};
  if (close.at >= settings_.alerts_until || !has_regional_rules(selection_)) return {};
  TRY(cells_.move_live_to(day));
  std::vector<Transition> transitions;
  for (const auto& [brand_id, facts] : facts_of_brands(day)) {
    TRY(evaluate_rules_of(brand_id, facts, close, transitions));
  }
  if (outbox.outputs_enabled()) emit(std::move(transitions), close.at, outbox);
  return {};
}

// The inputs of the rules, without the differences that senders emitted after they had closed the day.
MarketStage::BrandFacts MarketStage::facts_of_brands(Day day) const {
  BrandFacts brands;
  const auto& values = cells_.live_values();
  for (const auto& [brand_id, cells] : cells_.by_brand()) {
    if (brand_id.empty()) continue;
    auto& regions = brands[brand_id];
    for (const auto number : cells) {
      const auto& region_id = cells_.cell(number).segment->region_id;
      regions[region_id].add(region_facts_of(values.layout(number), values.values(number), day));
    }
  }
  for (const auto& [key, deferred] : deferred_) {
    if (key.first < day) continue;
    for (const auto& piece : deferred.pieces()) subtract(piece.columns(), day, brands);
  }
  return brands;
}

void MarketStage::subtract(const DeltaColumns& columns, Day as_of, BrandFacts& brands) const {
  const CellLayout layout(CellLayout::Content::regional_rules, selection_);
  const auto windows = windows_as_of(as_of, selection_.windows);
  const auto cells = static_cast<std::size_t>(columns.cell_brands_size());
  std::vector<std::int64_t> values(cells * layout.size());
  each_day(columns, [&](Day day, std::span<const ColumnDifference> differences) {
    const LayoutWeights weights(layout, weights_of(day, as_of, windows));
    for (const auto& one : differences) {
      weights.add(one.contribution, one.value, values.data() + one.cell * layout.size());
    }
  });
  for (std::uint32_t cell = 0; cell < cells; ++cell) {
    const auto& brand_id = brand_of(columns, cell);
    if (brand_id.empty()) continue;
    const auto facts = region_facts_of(layout, values.data() + cell * layout.size(), as_of);
    brands[brand_id][segment_of(columns, cell).region_id()].add(facts, -1);
  }
}

Result<void> MarketStage::evaluate_rules_of(const std::string& brand_id,
                                            const std::map<std::string, RegionFacts>& facts, const DayClose& close,
                                            std::vector<Transition>& transitions) {
  const auto saved = regional_.get(brand_id);
  if (!saved) return tl::make_unexpected(saved.error());
  RegionalAlerts alerts;
  for (const auto& one : (*saved)->alerts()) alerts[{one.rule(), one.region_id()}] = load(one.state());
  if (!evaluate_regional_rules(brand_id, facts, close, selection_, regions_, alerts, transitions)) return {};
  RegionalState after;
  for (const auto& [key, alert] : alerts) {
    auto& one = *after.add_alerts();
    one.set_rule(key.first);
    one.set_region_id(key.second);
    fiverate::save(alert, *one.mutable_state());
  }
  const auto changed = regional_.change(brand_id);
  if (!changed) return tl::make_unexpected(changed.error());
  **changed = std::move(after);
  return {};
}

void MarketStage::emit(std::vector<Transition> transitions, Millis at, Outbox& outbox) {
  for (auto& transition : transitions) {
    auto alert_id = transition.alert_id();
    SignalRecord record;
    *record.mutable_transition() = std::move(transition);
    auto bytes = record.SerializeAsString();
    chain_transition(alert_id, bytes, seal_);
    outbox.to_task(Topic::signals, settings_.partition, at, std::move(alert_id), std::move(bytes));
  }
}

void MarketStage::emit_data_quality(std::vector<Transition> transitions, Outbox& outbox) {
  if (!outbox.outputs_enabled()) return;
  for (auto& transition : transitions) {
    const auto at = transition.known_at_ms();
    emit({std::move(transition)}, at, outbox);
  }
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

Result<void> MarketStage::publish_final(Day first_open, Outbox& outbox) {
  if (first_open == kNoDay || first_open <= next_final_) return {};
  const auto begins = history_begins();
  const auto from = std::max(next_final_, begins);
  next_final_ = first_open;
  // Days before the first document have no rows, and a document that comes later is of an open day.
  if (begins == kNoDay || from >= first_open) return {};

  if (outbox.outputs_enabled()) TRY(write_final(from, first_open, outbox));
  if (from.number / kDropEveryDays == first_open.number / kDropEveryDays) return {};
  TRY(cells_.move_final_to(first_open - 1));
  return cells_.drop_old();
}

Result<void> MarketStage::write_final(Day from, Day first_open, Outbox& outbox) {
  for (auto day = from; day < first_open; day = day + 1) {
    if (!contains(settings_.published.days, day)) continue;
    TRY(cells_.move_final_to(day));
    auto day_rows = rows_of(cells_.final_values(), calendar_.end_of(day) + kFinalAfter);
    const auto regions = published_regions();
    const auto& brands = settings_.published.brands;
    if (owns_whole_market() && brands.empty()) {
      for (const auto& row : day_rows.market_rows(regions)) write_final_row(row, outbox);
    }
    for (const auto& [brand_id, numbers] : cells_.by_brand()) {
      if (brand_id.empty() || (!brands.empty() && !brands.contains(brand_id))) continue;
      const auto cells = cells_.of_day(numbers, cells_.final_values());
      for (const auto& row : day_rows.brand_rows(brand_id, cells, regions)) write_final_row(row, outbox);
    }
  }
  return {};
}

// By index of the region; empty: all.
std::vector<bool> MarketStage::published_regions() const {
  const auto& selected = settings_.published.regions;
  std::vector<bool> regions(selected.empty() ? 0 : regions_.size());
  for (std::size_t i = 0; i < regions.size(); ++i) regions[i] = selected.contains(regions_.region_id(i));
  return regions;
}

// The rows of the day of `values`.
DayRows MarketStage::rows_of(const RunningValues& values, Millis counties_known_before) const {
  static const std::vector<CellNumber> kNone;
  const auto market = cells_.by_brand().find("");
  const auto cells = cells_.of_day(market == cells_.by_brand().end() ? kNone : market->second, values);
  return {regions_, catalogue_, cells_.lines(), values.layouts(), values.day(), counties_known_before, cells};
}

void MarketStage::write_final_row(const Row& row, Outbox& outbox) {
  auto key = metrics_final_key(row);
  auto bytes = encode(row, selection_.measures, MetricsRow::FINAL, 1);
  chain_record(key, bytes, seal_);
  sum_row(key, bytes, seal_);
  outbox.to_result(Topic::metrics_final, settings_.partition, calendar_.end_of(row.as_of) - 1, std::move(key),
                   std::move(bytes));
}

// The regions whose LIVE rows may have changed.
struct MarketStage::LiveChanges {
  bool all = false;
  std::vector<bool> of_every_brand;  // by index of the region
  std::map<std::string, std::vector<bool>> by_brand;

  // Empty: all regions. nullopt: none.
  [[nodiscard]] std::optional<std::vector<bool>> regions_of(const std::string& brand_id) const {
    if (all) return std::vector<bool>{};
    const auto found = by_brand.find(brand_id);
    if (found == by_brand.end()) {
      const bool any = std::ranges::find(of_every_brand, true) != of_every_brand.end();
      return any ? std::optional(of_every_brand) : std::nullopt;
    }
    auto regions = found->second;
    for (std::size_t i = 0; i < regions.size(); ++i) regions[i] = regions[i] || of_every_brand[i];
    return regions;
  }
};

MarketStage::LiveChanges MarketStage::pop_live_changes(bool all) {
  LiveChanges changes{all, std::vector<bool>(regions_.size()), {}};
  const auto mark = [&](CellNumber cell, std::vector<bool>& regions) {
    regions.resize(regions_.size());
    for (const auto region : regions_.path_of(cells_.cell(cell).region)) regions[region] = true;
  };
  for (const auto cell : changed_cells_.release()) mark(cell, changes.by_brand[cells_.cell(cell).brand_id]);
  for (const auto cell : changed_outlets_.release()) mark(cell, changes.of_every_brand);
  for (const auto& brand_id : std::exchange(changed_brands_, {}))
    changes.by_brand[brand_id].assign(regions_.size(), true);
  return changes;
}

Result<void> MarketStage::publish_live(std::int64_t offset, Outbox& outbox) {
  const auto now = clock();
  if (now == kNever) return {};
  const bool new_day = live_at_ == kNever || calendar_.day_of(live_at_) != calendar_.day_of(now);
  const bool regions_changed = regions_changed_at_ != kNever;
  const bool changed = !changed_cells_.empty() || !changed_brands_.empty() || regions_changed;
  if (!new_day && (!changed || now < live_at_ + kLiveEvery)) return {};
  live_at_ = now;
  const bool all = new_day || regions_changed;
  if (all) all_live_at_ = offset;
  if (regions_changed_at_ <= now) regions_changed_at_ = kNever;
  const auto changes = pop_live_changes(all);
  if (!outbox.outputs_enabled()) return {};

  auto day_rows = rows_of(cells_.live_values(), now + 1);
  for (const auto& [brand_id, numbers] : cells_.by_brand()) {
    const auto regions = changes.regions_of(brand_id);
    if (!regions || (brand_id.empty() && !owns_whole_market())) continue;
    const auto cells = cells_.of_day(numbers, cells_.live_values());
    const auto rows =
        brand_id.empty() ? day_rows.market_rows(*regions) : day_rows.brand_rows(brand_id, cells, *regions);
    TRY(publish_changed(brand_id, rows, *regions, new_day ? row_keys_of(numbers) : RowKeys{}, offset, outbox));
  }
  return {};
}

// The keys of all rows that the cells of a brand can have.
MarketStage::RowKeys MarketStage::row_keys_of(const std::vector<CellNumber>& cells) const {
  RowKeys keys;
  for (const auto number : cells) {
    const auto& cell = cells_.cell(number);
    for (const auto region : regions_.path_of(cell.region)) {
      keys.emplace(regions_.region_id(region), "");
      for (const auto& one : cell.segment->classes) keys.emplace(regions_.region_id(region), one.dimension);
    }
  }
  return keys;
}

// Publishes those of `rows` whose content differs from what was published last; `rows` are all that exist in `regions` (empty: in all
// regions). A row that does not exist any more is published once without lines, and again on each new day (`all_keys`), so that an
// older row that a fenced process has left behind goes as well.
Result<void> MarketStage::publish_changed(const std::string& brand_id, const std::vector<Row>& rows,
                                          const std::vector<bool>& regions, const RowKeys& all_keys,
                                          std::int64_t offset, Outbox& outbox) {
  TRY_VALUE(published, live_.change(brand_id));
  std::map<std::pair<std::string, std::string>, std::uint64_t> before;
  std::map<std::pair<std::string, std::string>, std::uint64_t> after;
  for (const auto& key : all_keys) before[key] = 0;
  for (const auto& row : published->rows()) {
    const bool affected = regions.empty() || regions[regions_.index_of(row.region_id())];
    (affected ? before : after)[{row.region_id(), row.class_dimension()}] = row.content();
  }
  for (const auto& row : rows) {
    const std::pair key(row.region_id, row.class_dimension);
    const auto hash = chained(0, "", row.content);
    after[key] = hash;
    const auto known = before.find(key);
    if (known == before.end() || known->second != hash) write_live_row(row, offset, outbox);
    if (known != before.end()) before.erase(known);
  }
  const auto today = calendar_.day_of(live_at_);
  for (const auto& [key, hash] : before)
    write_live_row(begin_row(brand_id, key.first, key.second, today), offset, outbox);

  published->Clear();
  for (const auto& [key, hash] : after) {
    auto& saved = *published->add_rows();
    saved.set_region_id(key.first);
    saved.set_class_dimension(key.second);
    saved.set_content(hash);
  }
  return {};
}

void MarketStage::write_live_row(const Row& row, std::int64_t offset, Outbox& outbox) {
  outbox.to_result(Topic::metrics, settings_.partition, live_at_, metrics_key(row),
                   encode(row, selection_.measures, MetricsRow::LIVE, offset));
}

}  // namespace fiverate
