#include "processors/stages/silences.h"

#include <algorithm>
#include <array>
#include <utility>

#include "processors/stages/alert_states.h"
#include "processors/stream/state_table.h"
#include "processors/trade/rules/alert_names.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

constexpr std::string_view kSilencePrefix = "s/";

// The fields that a matcher may name.
constexpr std::string_view kRegionField = "region_id";
constexpr std::string_view kSeverityField = "severity";
constexpr std::array<std::pair<std::string_view, const std::string& (Transition::*)() const>, 7> kTextFields{{
    {"rule", &Transition::rule},
    {"brand_id", &Transition::brand_id},
    {"sku_id", &Transition::sku_id},
    {"outlet_id", &Transition::outlet_id},
    {"class_dimension", &Transition::class_dimension},
    {"class_value", &Transition::class_value},
    {"source_topic", &Transition::source_topic},
}};

bool is_silence_field(std::string_view field) {
  return field == kRegionField || field == kSeverityField ||
         std::any_of(kTextFields.begin(), kTextFields.end(), [&](const auto& known) { return known.first == field; });
}

bool matches(const Command::Matcher& matcher, const Alert& alert) {
  const auto& transition = alert.last();
  if (matcher.field() == kSeverityField) return name_of(transition.severity()) == matcher.value();
  if (matcher.field() == kRegionField) {
    const auto& path = alert.region_path();
    return std::find(path.begin(), path.end(), matcher.value()) != path.end();
  }
  const auto field = std::find_if(kTextFields.begin(), kTextFields.end(),
                                  [&](const auto& known) { return known.first == matcher.field(); });
  return field != kTextFields.end() && (transition.*field->second)() == matcher.value();
}

bool matches(const SilenceState& silence, const Alert& alert) {
  return std::all_of(silence.matchers().begin(), silence.matchers().end(),
                     [&](const Command::Matcher& matcher) { return matches(matcher, alert); });
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

Result<void> Silences::open(const Store& store) {
  return read_messages<SilenceState>(store, kSilencePrefix, [&](std::string_view, SilenceState& silence) {
    silences_[silence.silence().silence_id()] = std::move(silence);
    return true;
  });
}

void Silences::save(StoreBatch& batch) {
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
}

std::optional<Alert::Silenced> Silences::add(const Command& command, Millis clock) {
  SilenceState silence;
  *silence.mutable_silence() = silence_of(command);
  *silence.mutable_matchers() = command.silence().matchers();
  const auto& added = silence.silence();
  const auto& matchers = silence.matchers();
  if (added.silence_id().empty() || added.ends_ms() <= std::max(clock, added.starts_ms()) || matchers.empty() ||
      !std::all_of(matchers.begin(), matchers.end(),
                   [](const auto& matcher) { return is_silence_field(matcher.field()); })) {
    return std::nullopt;
  }
  unsaved_.put(std::string(kSilencePrefix) + added.silence_id(), silence.SerializeAsString());
  return (silences_[added.silence_id()] = silence).silence();
}

std::optional<Alert::Silenced> Silences::remove(const std::string& silence_id) {
  const auto known = silences_.find(silence_id);
  if (known == silences_.end()) return std::nullopt;
  auto removed = std::move(*known->second.mutable_silence());
  unsaved_.erase(std::string(kSilencePrefix) + silence_id);
  silences_.erase(known);
  return removed;
}

Silences::Ids Silences::remove_ended(Millis clock) {
  Ids ended;
  for (const auto& [silence_id, silence] : silences_) {
    if (silence.silence().ends_ms() <= clock) ended.insert(silence_id);
  }
  for (const auto& silence_id : ended) remove(silence_id);
  return ended;
}

bool Silences::matches(const std::string& silence_id, const Alert& alert) const {
  return fiverate::matches(silences_.at(silence_id), alert);
}

void Silences::attach_to(Alert& alert) const {
  alert.clear_silenced();
  if (!fires(alert)) return;
  for (const auto& [silence_id, silence] : silences_) {
    if (fiverate::matches(silence, alert)) *alert.add_silenced() = silence.silence();
  }
}

bool is_silenced_by(const Alert& alert, std::string_view silence_id) {
  return std::any_of(alert.silenced().begin(), alert.silenced().end(),
                     [&](const auto& silence) { return silence.silence_id() == silence_id; });
}

bool detach_silence(Alert& alert, std::string_view silence_id) {
  auto& silenced = *alert.mutable_silenced();
  const auto kept = std::remove_if(silenced.begin(), silenced.end(),
                                   [&](const Alert::Silenced& one) { return one.silence_id() == silence_id; });
  if (kept == silenced.end()) return false;
  silenced.erase(kept, silenced.end());
  return true;
}

}  // namespace fiverate
