#include "processors/trade/rules/data_quality.h"

#include <algorithm>
#include <utility>

#include "processors/trade/rules/alert_id.h"

namespace fiverate {
namespace {

constexpr std::string_view kRule = "R16";
constexpr std::int64_t kRejectedAtLeast = 20;
constexpr std::int64_t kPercent = 1;
constexpr std::int64_t kCriticalPercent = 10;
constexpr RuleRuns kShareRuns{1, 3};
constexpr RuleRuns kAtOnce{1, 1};

// Evaluates the alert after one of its conditions has changed. Returns a transition without value, threshold and evidence.
std::optional<Transition> evaluate(SourceTopicAlert& alert, Millis at) {
  auto& published = alert.published;
  const bool is_held = !alert.held.empty();
  const bool holds = is_held || alert.share.firing;
  const auto state =
      apply_verdict(published, {holds, !holds, is_held ? Transition::CRITICAL : alert.share.severity}, kAtOnce, at);
  if (state == Transition::STATE_UNSPECIFIED) return std::nullopt;
  auto transition = daily_transition(kRule, published, state, at);
  transition.set_alert_id(alert_id_of({.rule = kRule, .source_topic = alert.topic}));
  transition.set_source_topic(alert.topic);
  transition.mutable_reason()->set_code(state == Transition::FIRING ? "DATA_QUALITY" : "QUALITY_RECOVERED");
  return transition;
}

}  // namespace

RuleVerdict evaluate_share(const DocumentOutcomes& outcomes) {
  const auto [documents, rejected] = outcomes;
  const bool is_clear = 2 * rejected < kRejectedAtLeast || 2 * 100 * rejected < kPercent * documents;
  return {rejected >= kRejectedAtLeast && 100 * rejected >= kPercent * documents, is_clear,
          100 * rejected >= kCriticalPercent * documents ? Transition::CRITICAL : Transition::WARNING};
}

std::int32_t evidence_window(const WindowSet& windows) {
  for (const auto w : windows) {
    if (kWindows[w] != kMonth) return kWindows[w];
  }
  return kMonth;
}

std::optional<Transition> close_day(SourceTopicAlert& alert, const DayClose& close, const DocumentOutcomes& outcomes,
                                    std::int32_t window) {
  apply_verdict(alert.share, evaluate_share(outcomes), kShareRuns, close.at);
  auto transition = evaluate(alert, close.at);
  if (!transition) return std::nullopt;
  transition->set_value(outcomes.rejected);
  transition->set_threshold(outcomes.documents);
  transition->set_unit("records");
  auto& row = *transition->add_evidence()->mutable_row();
  row.set_as_of_day(close.day.number);
  row.set_window_days(window);
  return transition;
}

std::optional<Transition> change_held(SourceTopicAlert& alert, std::vector<HeldRecord> held, Millis at) {
  const auto before = std::exchange(alert.held, std::move(held));
  auto transition = evaluate(alert, std::max(at, alert.published.since));
  if (!transition) return std::nullopt;
  transition->set_value(static_cast<std::int64_t>(alert.held.size()));
  transition->set_unit("partitions");
  for (const auto& record : alert.held.empty() ? before : alert.held) {
    auto& evidence = *transition->add_evidence();
    evidence.set_topic(alert.topic);
    evidence.set_partition(record.partition);
    evidence.set_offset(record.offset);
  }
  return transition;
}

}  // namespace fiverate
