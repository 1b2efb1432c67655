#include "processors/stages/alert_log.h"

#include <string_view>
#include <utility>

#include "processors/stages/seal.h"
#include "schemas/format.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

std::string log_key(std::string_view alert_id, std::string_view number) {
  std::string key = "[";
  append_json_string(alert_id, key);
  key += ',';
  key += number;
  key += ']';
  return key;
}

}  // namespace

void AlertLog::append(const Transition& transition, RegionPath path, Outbox& outbox) {
  AlertLogRecord record;
  *record.mutable_transition() = transition;
  *record.mutable_region_path() = std::move(path);
  append(record, transition.known_at_ms(), log_key(transition.alert_id(), std::to_string(transition.transition())),
         outbox);
}

void AlertLog::append(const Execution& execution, Alert& alert, Outbox& outbox) {
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
  append(record, execution.arrival, log_key(action.alert_id(), fmt::format("\"a{}\"", action.number())), outbox);
}

void AlertLog::append(const AlertLogRecord& record, Millis timestamp, std::string key, Outbox& outbox) {
  auto bytes = record.SerializeAsString();
  chain_record(key, bytes, seal_);
  outbox.to_result(Topic::alert_log, partition_, timestamp, std::move(key), std::move(bytes));
}

void AlertLog::write_seal(Day today, Outbox& outbox) {
  fiverate::write_seal(Stage::desk, partition_, today - 1, calendar_.start_of(today), seal_, outbox);
}

}  // namespace fiverate
