#include "processors/runtime/growth_watch.h"

#include <algorithm>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::chrono::milliseconds kCountWithin{1000};

}  // namespace

bool UnreadPartitions::can_be_added() const {
  return std::ranges::find(kDocumentTopics, topic) != kDocumentTopics.end();
}

std::vector<UnreadPartitions> unread_partitions(const Definition& definition,
                                                const std::map<Topic, std::int32_t>& partitions) {
  std::vector<UnreadPartitions> unread;
  const auto ours = partition_counts(definition);
  for (const auto& [topic, in_kafka] : partitions) {
    if (is_source(topic) && in_kafka > ours.of(topic)) unread.push_back({topic, ours.of(topic), in_kafka});
  }
  return unread;
}

std::string to_text(const UnreadPartitions& unread) {
  const auto what = fmt::format("The topic {} has {} partitions in Kafka, {} of them in the definition of this market.",
                                name_of(unread.topic), unread.in_kafka, unread.in_definition);
  if (!unread.can_be_added()) {
    return what + " Records in the others are never read: write to partition 0 only.";
  }
  return fmt::format(
      "{} Intake is paused and no day closes, so that no record is left out. Stop all processes, run "
      "`{}`, and start again.",
      what, kExtendCommand);
}

void GrowthWatch::pause(const Tasks& tasks) {
  if (reason_.empty()) return;
  // Each time, since a new assignment and the end of a hold end a pause.
  for (const auto& [input, context] : tasks) parts_.source.set_paused(input, true);
}

bool GrowthWatch::may_report(const Tasks& tasks) {
  const auto now = parts_.now();
  const bool verified = is_verified(tasks);
  if (verified && now < count_at_) return reason_.empty();
  if (now < again_at_) return verified && reason_.empty();
  auto counted = tasks_now(tasks);  // before the partitions are counted
  const auto partitions = parts_.source.partition_counts(kCountWithin);
  if (!partitions) {
    again_at_ = now + kAgainAfter;
    if (!verified && now >= report_at_) {
      report_at_ = now + kReportEvery;
      parts_.report(Severity::warning, partitions.error().what + " No day closes until they are counted.");
    }
    return verified && reason_.empty();
  }
  counted_ = std::move(counted);
  count_at_ = now + kEvery;
  evaluate(*partitions, now);
  return reason_.empty();
}

Day GrowthWatch::day_of(const TaskContext& task) const {
  const auto clock = task.op->clock();
  return clock == kNever ? kNoDay : calendar_.day_of(clock);
}

bool GrowthWatch::is_verified(const Tasks& tasks) const {
  return std::ranges::all_of(tasks, [&](const auto& entry) {
    const auto& [input, context] = entry;
    const auto counted = counted_.find(input);
    return counted != counted_.end() &&
           (day_of(context) == counted->second.day || context.task->next_offset() <= counted->second.end_offset);
  });
}

std::map<Input, GrowthWatch::Counted> GrowthWatch::tasks_now(const Tasks& tasks) const {
  const auto lag = parts_.source.lag();
  std::map<Input, Counted> counted;
  for (const auto& [input, context] : tasks) {
    const auto unread = lag.find(input);
    counted[input] = {day_of(context), context.task->next_offset() + (unread == lag.end() ? 0 : unread->second)};
  }
  return counted;
}

void GrowthWatch::evaluate(const std::map<Topic, std::int32_t>& partitions, Time now) {
  reason_.clear();
  const auto unread = unread_partitions(parts_.definition, partitions);
  for (const auto& one : unread) {
    if (one.can_be_added()) reason_ += (reason_.empty() ? "" : " ") + to_text(one);
  }
  if (unread.empty() || now < report_at_) return;
  report_at_ = now + kReportEvery;
  for (const auto& one : unread) parts_.report(Severity::warning, to_text(one));
}

}  // namespace fiverate
