#include "processors/stream/jump_guard.h"

#include <algorithm>

namespace fiverate {

JumpGuard::Verdict JumpGuard::verdict(std::int64_t offset, Millis claimed, Millis clock) const {
  if (!is_jump(claimed, clock)) return Verdict::no_jump;
  for (const auto& decision : decisions_) {
    if (decision.from <= offset && offset < decision.to)
      return decision.accepted ? Verdict::accepted : Verdict::rejected;
  }
  return Verdict::undecided;
}

void JumpGuard::decide(Decision decision) {
  held_.reset();
  decisions_.push_back(decision);
}

void JumpGuard::rule(std::string position, bool accepted) {
  std::erase_if(rulings_, [&](const auto& ruling) { return ruling.first == position; });
  rulings_.emplace_back(std::move(position), accepted);
  if (rulings_.size() > kRulingsMax) rulings_.erase(rulings_.begin());
}

std::optional<bool> JumpGuard::ruling(std::string_view position) const {
  const auto found = std::ranges::find(rulings_, position, [](const auto& ruling) { return ruling.first; });
  return found == rulings_.end() ? std::nullopt : std::optional(found->second);
}

void JumpGuard::save(SourceClock& saved, Millis clock) const {
  saved.set_clock_ms(clock);
  if (held_) {
    saved.mutable_held()->set_offset(held_->offset);
    saved.mutable_held()->set_claimed_ms(held_->claimed);
  }
  for (const auto& decision : decisions_) {
    auto& entry = *saved.add_decisions();
    entry.set_from_offset(decision.from);
    entry.set_to_offset(decision.to);
    entry.set_accepted(decision.accepted);
  }
  for (const auto& [position, accepted] : rulings_) {
    auto& entry = *saved.add_rulings();
    entry.set_position(position);
    entry.set_accepted(accepted);
  }
}

void JumpGuard::load(const SourceClock& saved) {
  for (const auto& entry : saved.decisions()) {
    const auto known =
        std::ranges::any_of(decisions_, [&](const Decision& decision) { return decision.from == entry.from_offset(); });
    if (!known) decisions_.push_back({entry.from_offset(), entry.to_offset(), entry.accepted()});
  }
  std::ranges::sort(decisions_, {}, &Decision::from);
  for (const auto& entry : saved.rulings()) {
    if (!ruling(entry.position())) rule(entry.position(), entry.accepted());
  }
}

std::optional<bool> ruling_of(const SourceClock& saved, std::string_view position) {
  for (const auto& entry : saved.rulings()) {
    if (entry.position() == position) return entry.accepted();
  }
  return std::nullopt;
}

}  // namespace fiverate
