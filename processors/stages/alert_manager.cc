#include "processors/stages/alert_manager.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include "processors/stages/seal.h"
#include "processors/trade/rules/alert_names.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// Keys of the store:
//   a/<alert>    Alert                  c/<command_id>, e/<event_id>   commands seen
//   f/<alert>    the alert fires        r/<region>                     reference_tables.h
//   s/<silence>  SilenceState           w/<alert>                      the day when it was written last
//   desk         AlertManagerState
constexpr std::string_view kFiringPrefix = "f/";
constexpr std::string_view kSilencePrefix = "s/";
constexpr std::string_view kWrittenPrefix = "w/";
constexpr std::string_view kManagerKey = "desk";
constexpr int kPublishedAgainDays = 3;  // after an alert has changed

constexpr std::string_view kRegionField = "region_id";
constexpr std::string_view kSeverityField = "severity";
constexpr std::array<std::pair<std::string_view, const std::string& (Transition::*)() const>, 6> kTextFields{{
    {"rule", &Transition::rule},
    {"brand_id", &Transition::brand_id},
    {"sku_id", &Transition::sku_id},
    {"outlet_id", &Transition::outlet_id},
    {"class_dimension", &Transition::class_dimension},
    {"class_value", &Transition::class_value},
}};

std::string log_key(std::string_view alert_id, std::string_view number) {
  std::string key = "[";
  append_json_string(alert_id, key);
  key += ',';
  key += number;
  key += ']';
  return key;
}

// If two episodes fire, the later one is the present one.
bool is_later(const Transition& a, const Transition& b) {
  return std::tuple(a.since_ms(), a.episode()) > std::tuple(b.since_ms(), b.episode());
}

bool fires(const Transition& transition) {
  return transition.state() == Transition::FIRING;
}

// Adds the transition to the episodes of the alert, `last` and `also_firing`.
void add_transition(Transition transition, Alert& alert) {
  alert.set_transitions(transition.transition());
  auto& others = *alert.mutable_also_firing();
  others.erase(std::remove_if(others.begin(), others.end(),
                              [&](const Transition& other) { return other.episode() == transition.episode(); }),
               others.end());
  const bool known = alert.has_last();
  if (known && fires(alert.last()) && alert.last().episode() != transition.episode()) *others.Add() = alert.last();
  if (!known || alert.last().episode() == transition.episode() || is_later(transition, alert.last()) ||
      fires(transition)) {
    *alert.mutable_last() = transition;
  }
  if (fires(transition)) *others.Add() = std::move(transition);
  // While episodes fire, `last` is the latest of them.
  const auto present = std::max_element(others.begin(), others.end(),
                                        [](const Transition& a, const Transition& b) { return is_later(b, a); });
  if (present == others.end()) return;
  *alert.mutable_last() = std::move(*present);
  others.erase(present);
  std::sort(others.begin(), others.end(), [](const Transition& a, const Transition& b) { return is_later(b, a); });
}

bool detach_silence(Alert& alert, std::string_view silence_id) {
  auto& silenced = *alert.mutable_silenced();
  const auto kept = std::remove_if(silenced.begin(), silenced.end(),
                                   [&](const Alert::Silenced& one) { return one.silence_id() == silence_id; });
  if (kept == silenced.end()) return false;
  silenced.erase(kept, silenced.end());
  return true;
}

Alert::Silenced silence_of(const Command& command) {
  Alert::Silenced silence;
  silence.set_silence_id(command.silence().silence_id());
  silence.set_starts_ms(millis_of(command.silence().starts_at()));
  silence.set_ends_ms(millis_of(command.silence().ends_at()));
  silence.set_author(command.author());
  silence.set_text(command.text());
  return silence;
}

}  // namespace

std::string transition_key(const Transition& transition) {
  return log_key(transition.alert_id(), std::to_string(transition.transition()));
}

std::string action_key(const Action& action) {
  return log_key(action.alert_id(), fmt::format("\"a{}\"", action.number()));
}

bool is_silence_field(std::string_view field) {
  return field == kRegionField || field == kSeverityField ||
         std::any_of(kTextFields.begin(), kTextFields.end(), [&](const auto& known) { return known.first == field; });
}

AlertManager::AlertManager(Settings settings)
    : settings_(std::move(settings)),
      definition_bytes_(definition_bytes(settings_.definition)),
      calendar_(settings_.definition.timezone()),
      reference_(nullptr, &regions_, calendar_),
      alerts_("a/", {}, settings_.cache_bytes),
      seen_("", {}, settings_.cache_bytes / 8) {}

Result<void> AlertManager::open(const Store& store) {
  alerts_.open(store);
  seen_.open(store);
  const auto saved = store.get(kManagerKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (*saved) {
    AlertManagerState state;
    if (!state.ParseFromString(**saved)) return damaged(store);
    clock_ = state.clock_ms();
    seal_ = state.seal();
    published_day_ = Day{state.published_day()};
  }
  TRY(read_all(store, kWrittenPrefix, [&](std::string_view alert_id, std::string_view day) {
    Day written = kNoDay;
    const auto* const end = day.data() + day.size();
    if (std::from_chars(day.data(), end, written.number).ptr != end) return false;
    written_.emplace(alert_id, written);
    return true;
  }));
  TRY(store.scan(kFiringPrefix, [&](std::string_view key, std::string_view) {
    firing_.emplace(key.substr(kFiringPrefix.size()));
    return true;
  }));
  TRY(read_messages<SilenceState>(store, kSilencePrefix, [&](std::string_view, SilenceState& silence) {
    silences_[silence.silence().silence_id()] = std::move(silence);
    return true;
  }));
  return reference_.open(store);
}

void AlertManager::save(StoreBatch& batch) {
  alerts_.save(batch);
  seen_.save(batch);
  reference_.save(batch);
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
  AlertManagerState state;
  state.set_clock_ms(clock_);
  state.set_published_day(published_day_.number);
  *state.mutable_seal() = seal_;
  batch.put(std::string(kManagerKey), state.SerializeAsString());
}

std::string AlertManager::report() const {
  return fmt::format(R"("alerts_open":{})", firing_.size());
}

Result<void> AlertManager::apply(const InRecord& record, Outbox& outbox) {
  SignalRecord signal;
  if (!signal.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) {
    return fail(Reaction::stop, "The record at offset {} of signals partition {} cannot be parsed as a SignalRecord.",
                record.offset, record.input.partition);
  }
  seal_.set_next_offset(record.offset);  // a seal written now covers the records before this one
  switch (signal.body_case()) {
    case SignalRecord::kDefinition:
      return check_definition(Topic::signals, signal.definition(), definition_bytes_);
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
      return publish_again(Day{signal.day_closed().day()} + 1, outbox);
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
  if (clock_ == kNever || today > calendar_.day_of(clock_)) {
    write_seal(Stage::desk, settings_.partition, today - 1, calendar_.start_of(today), seal_, outbox);
  }
  TRY(publish_again(today, outbox));
  clock_ = time;
  std::set<std::string, std::less<>> ended;
  for (const auto& [silence_id, silence] : silences_) {
    if (silence.silence().ends_ms() <= clock_) ended.insert(silence_id);
  }
  if (ended.empty()) return {};
  for (const auto& silence_id : ended) remove_silence(silence_id);
  for (const auto& alert_id : firing_) {
    const auto alert = alerts_.get(alert_id);
    if (!alert) return tl::make_unexpected(alert.error());
    const auto has_ended = [&](const Alert::Silenced& silence) { return ended.contains(silence.silence_id()); };
    if (std::none_of((*alert)->silenced().begin(), (*alert)->silenced().end(), has_ended)) continue;
    const auto changed = alerts_.change(alert_id);
    for (const auto& silence_id : ended) detach_silence(**changed, silence_id);
    write(**changed, clock_, outbox);
  }
  return {};
}

// ---- transitions ----------------------------------------------------------------------------------------------------

Result<void> AlertManager::on_transition(Transition transition, Outbox& outbox) {
  const auto alert_id = transition.alert_id();
  const auto known = alerts_.get(alert_id);
  if (!known) return tl::make_unexpected(known.error());
  if (transition.transition() <= (*known)->transitions())
    return {};  // a repetition: one sender numbers the transitions of an alert
  const auto changed = alerts_.change(alert_id);
  auto& alert = **changed;

  AlertLogRecord record;
  *record.mutable_transition() = transition;
  *record.mutable_region_path() = path_of(transition.region_id());
  append(record, transition.known_at_ms(), transition_key(transition), outbox);

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
  set_firing(alert_id, fires(alert.last()));
  attach_silences(alert);
  write(alert, known_at, outbox);
  return {};
}

Result<void> AlertManager::publish_again(Day today, Outbox& outbox) {
  if (today <= published_day_) return {};
  published_day_ = today;
  auto alert_ids = firing_;
  for (auto at = written_.begin(); at != written_.end();) {
    if (at->second + kPublishedAgainDays >= today) {
      alert_ids.insert(at->first);
      ++at;
    } else {
      unsaved_.erase(std::string(kWrittenPrefix) + at->first);
      at = written_.erase(at);
    }
  }
  for (const auto& alert_id : alert_ids) {
    const auto alert = alerts_.get(alert_id);
    if (!alert) return tl::make_unexpected(alert.error());
    outbox.to_result(Topic::alerts, settings_.partition, calendar_.start_of(today), alert_id,
                     (*alert)->SerializeAsString());
  }
  return {};
}

AlertManager::RegionPath AlertManager::path_of(const std::string& region_id) {
  RegionPath path;
  for (const auto region : regions_.path_of(regions_.index_of(region_id))) {
    if (region != RegionTree::kRoot) *path.Add() = regions_.region_id(region);
  }
  return path;
}

void AlertManager::set_firing(const std::string& alert_id, bool firing) {
  const auto key = std::string(kFiringPrefix) + alert_id;
  if (firing && firing_.insert(alert_id).second) unsaved_.put(key, "1");
  if (!firing && firing_.erase(alert_id) > 0) unsaved_.erase(key);
}

void AlertManager::write(const Alert& alert, Millis timestamp, Outbox& outbox) {
  const auto day = calendar_.day_of(timestamp);
  const auto& alert_id = alert.last().alert_id();
  auto& written = written_.try_emplace(alert_id, kNoDay).first->second;
  if (day > written) {
    written = day;
    unsaved_.put(std::string(kWrittenPrefix) + alert_id, std::to_string(day.number));
  }
  outbox.to_result(Topic::alerts, settings_.partition, timestamp, alert.last().alert_id(), alert.SerializeAsString());
}

// ---- commands -------------------------------------------------------------------------------------------------------

Result<bool> AlertManager::is_repeated(const Event& event) {
  bool repeated = false;
  for (const auto& id : {"c/" + event.command().command_id(), "e/" + event.event_id()}) {
    const auto seen = seen_.get(id);
    if (!seen) return tl::make_unexpected(seen.error());
    if (**seen) {
      repeated = true;
      continue;
    }
    **seen_.change(id) = true;
  }
  return repeated;
}

Result<void> AlertManager::on_command(const Event& event, Millis arrival, Outbox& outbox) {
  const auto repeated = is_repeated(event);
  if (!repeated) return tl::make_unexpected(repeated.error());
  if (*repeated || event.cancelled()) return {};
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
  const auto known = alerts_.get(command.alert_id());
  if (!known) return tl::make_unexpected(known.error());
  if (!(*known)->has_last()) return {};  // another partition may have it
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
  append_action(alert, execution, outbox);
  write(alert, execution.arrival, outbox);
  return {};
}

void AlertManager::append_action(Alert& alert, const Execution& execution, Outbox& outbox) {
  alert.set_actions(alert.actions() + 1);
  AlertLogRecord record;
  auto& action = *record.mutable_action();
  action.set_number(alert.actions());
  action.set_alert_id(alert.last().alert_id());
  action.set_command_id(execution.command.command_id());
  action.set_author(execution.command.author());
  action.set_verb(Command::Verb_Name(execution.command.verb()));
  action.set_at_ms(execution.arrival);
  action.set_assignee(execution.command.assignee());
  if (execution.command.has_true_alarm()) action.set_true_alarm(execution.command.true_alarm());
  action.set_text(execution.command.text());
  if (execution.silence != nullptr) *action.mutable_silence() = *execution.silence;
  append(record, execution.arrival, action_key(action), outbox);
}

void AlertManager::append(const AlertLogRecord& record, Millis timestamp, std::string key, Outbox& outbox) {
  auto bytes = record.SerializeAsString();
  chain_record(key, bytes, seal_);
  outbox.to_result(Topic::alert_log, settings_.partition, timestamp, std::move(key), std::move(bytes));
}

// ---- silences -------------------------------------------------------------------------------------------------------

Result<void> AlertManager::silence(const Command& command, Millis arrival, Outbox& outbox) {
  SilenceState silence;
  *silence.mutable_silence() = silence_of(command);
  *silence.mutable_matchers() = command.silence().matchers();
  const auto& added = silence.silence();
  const auto& matchers = silence.matchers();
  if (added.silence_id().empty() || added.ends_ms() <= std::max(clock_, added.starts_ms()) || matchers.empty() ||
      !std::all_of(matchers.begin(), matchers.end(),
                   [](const auto& matcher) { return is_silence_field(matcher.field()); })) {
    return {};
  }
  silences_[added.silence_id()] = silence;
  unsaved_.put(std::string(kSilencePrefix) + added.silence_id(), silence.SerializeAsString());
  for (const auto& alert_id : firing_) {
    const auto known = alerts_.get(alert_id);
    if (!known) return tl::make_unexpected(known.error());
    const bool matched = matches(silence, **known);
    const bool was_silenced = std::any_of((*known)->silenced().begin(), (*known)->silenced().end(),
                                          [&](const auto& one) { return one.silence_id() == added.silence_id(); });
    if (!matched && !was_silenced) continue;
    auto& alert = **alerts_.change(alert_id);
    attach_silences(alert);
    if (matched) append_action(alert, {command, arrival, &added}, outbox);
    write(alert, arrival, outbox);
  }
  return {};
}

Result<void> AlertManager::unsilence(const Command& command, Millis arrival, Outbox& outbox) {
  const auto known = silences_.find(command.silence().silence_id());
  if (known == silences_.end()) return {};
  const auto ended = known->second.silence();
  remove_silence(ended.silence_id());
  for (const auto& alert_id : firing_) {
    const auto silenced = alerts_.get(alert_id);
    if (!silenced) return tl::make_unexpected(silenced.error());
    if (!detach_silence(**silenced, ended.silence_id())) continue;
    auto& alert = **alerts_.change(alert_id);
    append_action(alert, {command, arrival, &ended}, outbox);
    write(alert, arrival, outbox);
  }
  return {};
}

void AlertManager::remove_silence(const std::string& silence_id) {
  unsaved_.erase(std::string(kSilencePrefix) + silence_id);
  silences_.erase(silence_id);
}

bool AlertManager::matches(const SilenceState& silence, const Alert& alert) const {
  const auto& transition = alert.last();
  return std::all_of(silence.matchers().begin(), silence.matchers().end(), [&](const Command::Matcher& matcher) {
    if (matcher.field() == kSeverityField) return name_of(transition.severity()) == matcher.value();
    if (matcher.field() == kRegionField) {
      const auto& path = alert.region_path();
      return std::find(path.begin(), path.end(), matcher.value()) != path.end();
    }
    const auto field = std::find_if(kTextFields.begin(), kTextFields.end(),
                                    [&](const auto& known) { return known.first == matcher.field(); });
    return field != kTextFields.end() && (transition.*field->second)() == matcher.value();
  });
}

void AlertManager::attach_silences(Alert& alert) const {
  alert.clear_silenced();
  if (!fires(alert.last())) return;
  for (const auto& [silence_id, silence] : silences_) {
    if (matches(silence, alert)) *alert.add_silenced() = silence.silence();
  }
}

}  // namespace fiverate
