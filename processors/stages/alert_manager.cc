#include "processors/stages/alert_manager.h"

#include <algorithm>
#include <utility>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kManagerKey = "desk";

}  // namespace

AlertManager::AlertManager(Settings settings)
    : definition_id_(definition_id(settings.definition)),
      internal_(settings.definition),
      calendar_(settings.definition.timezone()),
      reference_(nullptr, &regions_, calendar_),
      alerts_(settings.partition, calendar_, settings.cache_bytes),
      log_(settings.partition, calendar_),
      seen_("", {}, settings.cache_bytes / 8) {}

Result<void> AlertManager::open(const Store& store) {
  seen_.open(store);
  auto written_again = kNoDay;
  TRY_VALUE(saved, store.get(kManagerKey));
  if (saved) {
    AlertManagerState state;
    if (!state.ParseFromString(*saved)) return damaged(store);
    clock_ = state.clock_ms();
    written_again = Day{state.published_day()};
    log_.load(state.seal());
  }
  TRY(alerts_.open(store, written_again));
  TRY(silences_.open(store));
  return reference_.open(store);
}

void AlertManager::save(StoreBatch& batch) {
  alerts_.save(batch);
  silences_.save(batch);
  seen_.save(batch);
  reference_.save(batch);
  AlertManagerState state;
  state.set_clock_ms(clock_);
  state.set_published_day(alerts_.written_again().number);
  *state.mutable_seal() = log_.seal();
  batch.put(std::string(kManagerKey), state.SerializeAsString());
}

std::string AlertManager::report() const {
  return fmt::format(R"("alerts_open":{})", alerts_.firing().size());
}

Result<void> AlertManager::apply(const InRecord& record, Outbox& outbox) {
  SignalRecord signal;
  if (!signal.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) {
    return fail(Reaction::stop, "The record at offset {} of signals partition {} cannot be parsed as a SignalRecord.",
                record.offset, record.input.partition);
  }
  log_.begin(record.offset);
  switch (signal.body_case()) {
    case SignalRecord::kDefinition:
      return check_definition(Topic::signals, signal.definition(), definition_id_);
    case SignalRecord::kTransition:
      TRY(advance_to(signal.transition().known_at_ms(), outbox));
      return on_transition(std::move(*signal.mutable_transition()), outbox);
    case SignalRecord::kEvent: {
      const auto arrival = signal.event().arrival_ms();
      const auto& event = signal.event().event();
      TRY(advance_to(arrival, outbox));
      if (event.has_command()) return on_command(event, arrival, outbox);
      reference_.apply(event, arrival);
      return {};
    }
    case SignalRecord::kDayClosed:
      return alerts_.write_again(Day{signal.day_closed().day()} + 1, outbox);
    case SignalRecord::kProgress:
    case SignalRecord::BODY_NOT_SET:
      return {};
  }
  return {};
}

// Silences that have ended at `time` are removed before the record with this time is applied.
Result<void> AlertManager::advance_to(Millis time, Outbox& outbox) {
  if (time <= clock_) return {};
  const auto today = calendar_.day_of(time);
  if (clock_ == kNever || today > calendar_.day_of(clock_)) log_.write_seal(today, outbox);
  TRY(alerts_.write_again(today, outbox));
  clock_ = time;
  const auto ended = silences_.remove_ended(clock_);
  if (ended.empty()) return {};
  for (const auto& alert_id : alerts_.firing()) {
    TRY_VALUE(alert, alerts_.get(alert_id));
    if (std::ranges::none_of(ended, [&](const auto& silence_id) { return is_silenced_by(*alert, silence_id); })) {
      continue;
    }
    TRY_VALUE(changed, alerts_.change(alert_id));
    for (const auto& silence_id : ended) detach_silence(*changed, silence_id);
    alerts_.write(*changed, clock_, outbox);
  }
  return {};
}

// ---- transitions ----------------------------------------------------------------------------------------------------

Result<void> AlertManager::on_transition(Transition transition, Outbox& outbox) {
  TRY_VALUE(known, alerts_.get(transition.alert_id()));
  // A repetition: one sender numbers the transitions of an alert.
  if (transition.transition() <= known->transitions()) return {};
  TRY_VALUE(changed, alerts_.change(transition.alert_id()));
  auto& alert = *changed;
  log_.append(transition, path_of(transition.region_id()), outbox);

  const auto known_at = transition.known_at_ms();
  const bool first = !alert.has_last();
  const auto episode = alert.last().episode();
  add_transition(std::move(transition), alert);
  if (!first && alert.last().episode() != episode) {
    alert.clear_acked_by();
    alert.clear_acked_at_ms();
    alert.clear_true_alarm();
  }
  *alert.mutable_region_path() = path_of(alert.last().region_id());
  silences_.attach_to(alert);
  alerts_.write(alert, known_at, outbox);
  return {};
}

RegionPath AlertManager::path_of(const std::string& region_id) {
  RegionPath path;
  for (const auto region : regions_.path_of(regions_.index_of(region_id))) {
    if (region != RegionTree::kRoot) *path.Add() = regions_.region_id(region);
  }
  return path;
}

// ---- commands -------------------------------------------------------------------------------------------------------

Result<bool> AlertManager::is_repeated(const Event& event) {
  bool repeated = false;
  for (const auto& id : {"c/" + event.command().command_id(), "e/" + event.event_id()}) {
    TRY_VALUE(seen, seen_.get(id));
    if (*seen) {
      repeated = true;
      continue;
    }
    **seen_.change(id) = true;
  }
  return repeated;
}

Result<void> AlertManager::on_command(const Event& event, Millis arrival, Outbox& outbox) {
  TRY_VALUE(repeated, is_repeated(event));
  if (repeated || event.cancelled()) return {};
  const auto& command = event.command();
  switch (command.verb()) {
    case Command::ACK:
    case Command::ASSIGN:
    case Command::COMMENT:
    case Command::VERDICT:
      return on_alert_command({command, arrival}, outbox);
    case Command::SILENCE:
      return silence(command, arrival, outbox);
    case Command::UNSILENCE:
      return unsilence(command, arrival, outbox);
    default:
      return {};
  }
}

Result<void> AlertManager::on_alert_command(const Execution& execution, Outbox& outbox) {
  const auto& command = execution.command;
  TRY_VALUE(known, alerts_.get(command.alert_id()));
  if (!known->has_last()) return {};  // another partition may have it
  auto& alert = **alerts_.change(command.alert_id());
  switch (command.verb()) {
    case Command::ACK:
      if (!alert.acked_by().empty()) break;
      alert.set_acked_by(command.author());
      alert.set_acked_at_ms(execution.arrival);
      break;
    case Command::ASSIGN:
      alert.set_assignee(command.assignee());
      break;
    case Command::VERDICT:
      alert.clear_true_alarm();
      if (command.has_true_alarm()) alert.set_true_alarm(command.true_alarm());
      break;
    default:
      break;
  }
  if (command.verb() == Command::COMMENT || !command.text().empty()) {
    alert.set_comment(command.text());
    alert.set_comment_by(command.text().empty() ? "" : command.author());
  }
  log_.append(execution, alert, outbox);
  alerts_.write(alert, execution.arrival, outbox);
  return {};
}

Result<void> AlertManager::silence(const Command& command, Millis arrival, Outbox& outbox) {
  const auto added = silences_.add(command, clock_);
  if (!added) return {};
  for (const auto& alert_id : alerts_.firing()) {
    TRY_VALUE(known, alerts_.get(alert_id));
    const bool matched = silences_.matches(added->silence_id(), *known);
    // The silence that it replaces may have matched.
    if (!matched && !is_silenced_by(*known, added->silence_id())) continue;
    auto& alert = **alerts_.change(alert_id);
    silences_.attach_to(alert);
    if (matched) log_.append({command, arrival, &*added}, alert, outbox);
    alerts_.write(alert, arrival, outbox);
  }
  return {};
}

Result<void> AlertManager::unsilence(const Command& command, Millis arrival, Outbox& outbox) {
  const auto ended = silences_.remove(command.silence().silence_id());
  if (!ended) return {};
  for (const auto& alert_id : alerts_.firing()) {
    TRY_VALUE(known, alerts_.get(alert_id));
    if (!detach_silence(*known, ended->silence_id())) continue;
    auto& alert = **alerts_.change(alert_id);
    log_.append({command, arrival, &*ended}, alert, outbox);
    alerts_.write(alert, arrival, outbox);
  }
  return {};
}

}  // namespace fiverate
