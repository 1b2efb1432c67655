#include "cli/live/health.h"

#include <nlohmann/json.hpp>

#include "schemas/format.h"

namespace fiverate {

void HealthBoard::round(const std::string& name, bool assigned, const Tasks& running,
                        const std::map<Input, std::int64_t>& lag, const Standby* standby) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  auto& thread = threads_[name];
  thread.round = now;
  thread.assigned = assigned;
  thread.error.clear();
  std::map<std::string, TaskHealth> tasks;
  for (const auto& [input, context] : running) {
    auto& task = tasks[context.task->name()];
    const auto known = thread.tasks.find(context.task->name());
    const auto behind = lag.find(input);
    task.next_offset = context.task->next_offset();
    task.lag = behind == lag.end() ? 0 : behind->second;
    task.replaying = context.task->is_suppressed();
    task.missing = context.missing_for_long;
    if (const auto* guard = context.op->jump_guard(); guard != nullptr && guard->held())
      task.held = fmt::format("{}/{}/{}", name_of(input.topic), input.partition, guard->held()->offset);
    const bool stands = known != thread.tasks.end() && known->second.next_offset == task.next_offset && task.lag > 0;
    task.moved = stands ? known->second.moved : now;
  }
  thread.tasks = std::move(tasks);
  thread.copies.clear();
  if (standby == nullptr) return;
  for (const auto& [input, copy] : standby->copies()) {
    const auto& task = *copy.context.task;
    thread.copies.push_back({task.name(), task.next_offset(), copy.behind()});
  }
}

void HealthBoard::working(const std::string& name) {
  const std::lock_guard lock(mutex_);
  threads_[name].round = Clock::now();
}

void HealthBoard::paused(const std::string& name, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  threads_[name].paused = reason;
}

void HealthBoard::restarting(const std::string& name, const std::string& error) {
  const std::lock_guard lock(mutex_);
  auto& thread = threads_[name];
  thread = {};
  thread.round = Clock::now();
  thread.error = error;
}

HealthBoard::Answer HealthBoard::livez(Clock::time_point now) const {
  const auto seconds_since = [&](Clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::seconds>(now - then).count();
  };
  nlohmann::ordered_json stuck = nlohmann::ordered_json::array();
  const std::lock_guard lock(mutex_);
  for (const auto& [name, thread] : threads_) {
    if (now - thread.round > kStuckAfter) {
      stuck.push_back({{"thread", name}, {"seconds", seconds_since(thread.round)}});
    }
    for (const auto& [task, health] : thread.tasks) {
      if (now - health.moved <= kStandsAfter || !thread.paused.empty() || !health.held.empty()) continue;
      stuck.push_back({{"task", task},
                       {"offset", health.next_offset},
                       {"lag_records", health.lag},
                       {"seconds", seconds_since(health.moved)}});
    }
  }
  const bool good = stuck.empty();
  return {good, nlohmann::ordered_json{{"alive", good}, {"stuck", stuck}}.dump() + "\n"};
}

HealthBoard::Answer HealthBoard::readyz() const {
  const std::lock_guard lock(mutex_);
  bool assigned = !threads_.empty();
  bool restored = true;
  bool up_to_date = true;
  nlohmann::ordered_json waiting = nlohmann::ordered_json::array();
  nlohmann::ordered_json standbys = nlohmann::ordered_json::array();
  if (threads_.empty()) waiting.push_back({{"because", "Kafka has not been reached yet"}});
  for (const auto& [name, thread] : threads_) {
    if (!thread.assigned) {
      assigned = false;
      nlohmann::ordered_json entry{{"thread", name}};
      if (!thread.error.empty()) entry["because"] = thread.error;
      waiting.push_back(std::move(entry));
    }
    if (!thread.paused.empty()) {
      up_to_date = false;
      waiting.push_back({{"thread", name}, {"because", thread.paused}});
    }
    for (const auto& copy : thread.copies) {
      nlohmann::ordered_json entry{{"task", copy.task}, {"offset", copy.next_offset}, {"behind_records", nullptr}};
      if (copy.behind) entry["behind_records"] = *copy.behind;
      standbys.push_back(std::move(entry));
    }
    for (const auto& [task, health] : thread.tasks) {
      restored = restored && !health.replaying;
      const bool is_up_to_date = health.lag <= kBehindMax && health.missing.empty() && health.held.empty();
      up_to_date = up_to_date && is_up_to_date;
      if (is_up_to_date && !health.replaying) continue;
      nlohmann::ordered_json entry{
          {"task", task}, {"offset", health.next_offset}, {"lag_records", health.lag}, {"replaying", health.replaying}};
      if (!health.held.empty()) {
        entry["because"] = fmt::format(
            "Record {0} is held: it would move the clock of its partition far ahead. Decide with `fiverate quarantine "
            "accept {0}`, or reject.",
            health.held);
      }
      if (!health.missing.empty()) {
        entry["because"] =
            fmt::format("Records are missing: those caused by {}. Stop all processes, run `{}`, start again.",
                        sentence_part(health.missing), kMendCommand);
        for (const auto& [sender, from, to] : health.missing)
          entry["missing"].push_back({{"sender", sender}, {"from", from}, {"to", to}});
      }
      waiting.push_back(std::move(entry));
    }
  }
  // Without an assignment nothing is known of what follows.
  restored = restored && assigned;
  up_to_date = up_to_date && restored;
  const nlohmann::ordered_json answer{{"ready", up_to_date},      {"assigned", assigned}, {"restored", restored},
                                      {"up_to_date", up_to_date}, {"waiting", waiting},   {"standbys", standbys}};
  return {up_to_date, answer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"};
}

}  // namespace fiverate
