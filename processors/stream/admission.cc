#include "processors/stream/admission.h"

#include <algorithm>

namespace fiverate {

bool InputAdmission::has(const Cause& cause) const {
  if (cause.position.offset < 0) return true;  // nothing was sent before
  const auto known = senders_.find(cause.sender);
  return known != senders_.end() && known->second.position >= cause.position;
}

Result<Admission> InputAdmission::check(const InRecord& record, const std::string& task) const {
  const bool complete = std::ranges::all_of(record.depends_on, [this](const Cause& cause) { return has(cause); });
  const auto unless_repeated = complete ? Admission::apply : Admission::sequence_gap;
  if (!record.cause) return unless_repeated;
  const auto known = senders_.find(record.cause->sender);
  const auto last = known == senders_.end() ? ChainPosition{} : known->second;
  if (record.cause->position <= last.position) return Admission::repetition;
  if (!record.link) return unless_repeated;
  if (record.link->previous > last.position) return Admission::sequence_gap;
  if (record.link->previous < last.position || record.link->chain != last.chain) {
    return fail(Reaction::stop,
                "{} did not repeat its outputs: before {} it sent other records than {} had received from it. Its "
                "computation is not deterministic. Nothing was applied.",
                record.cause->sender, to_text(record.cause->position), task);
  }
  return unless_repeated;
}

void InputAdmission::applied(const InRecord& record) {
  if (!record.cause) return;
  auto& last = senders_[record.cause->sender];
  last.position = record.cause->position;
  if (record.link) last.chain = chained(record.link->chain, record.key, record.value);
  const auto missing = missing_up_to_.find(record.cause->sender);
  if (missing != missing_up_to_.end() && last.position >= missing->second) missing_up_to_.erase(missing);
}

void InputAdmission::note_sequence_gap(const InRecord& record) {
  auto needed = record.depends_on;
  if (record.cause && record.link) needed.push_back({record.cause->sender, record.link->previous});
  for (const auto& cause : needed) {
    if (has(cause)) continue;
    auto& up_to = missing_up_to_[cause.sender];
    up_to = std::max(up_to, cause.position);
  }
}

std::vector<MissingRange> InputAdmission::missing() const {
  std::vector<MissingRange> missing;
  for (const auto& [sender, up_to] : missing_up_to_) {
    const auto known = senders_.find(sender);
    const auto from = known == senders_.end() ? 0 : known->second.position.offset;
    missing.push_back({sender, std::max<std::int64_t>(0, from), up_to.offset});
  }
  return missing;
}

void InputAdmission::expect(const std::vector<MissingRange>& missing) {
  for (const auto& range : missing) {
    if (!has({range.sender, {range.to, 0}})) missing_up_to_[range.sender] = {range.to, 0};
  }
}

void InputAdmission::load(const TaskState& state) {
  for (const auto& sender : state.senders()) {
    senders_[sender.name()] = {{sender.offset(), sender.index()}, sender.chain()};
  }
}

void InputAdmission::save(TaskState& state) const {
  for (const auto& [sender, last] : senders_) {
    auto& saved = *state.add_senders();
    saved.set_name(sender);
    saved.set_offset(last.position.offset);
    saved.set_index(last.position.index);
    saved.set_chain(last.chain);
  }
}

}  // namespace fiverate
