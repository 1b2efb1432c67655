// The stage that knows what people do with alerts. One task a partition of `signals`: keeps one Alert an alert id, and
// writes its present state to `alerts` and its history to `alert-log`. Whether an alert fires is decided before it, by
// outlet and market; acknowledging, assigning, silencing stand beside that and never change it.
//
//                    transition                          command
//   alerts           the Alert, new `last`               the Alert, changed
//   alert-log        ["<alert id>",<transition>]         ["<alert id>","a<number>"]: people's are numbered apart
//
// Episodes. `last` is what the alert is now (alerts.proto). When another episode becomes the present one,
// acknowledgement and verdict are gone: they were of the one before. Assignee and comment stay.
//
// Commands. Each is carried out once: a command_id or event_id that was seen before has no effect, nor has any later
// revision or cancellation of it. What people did is history; it is taken back by another command, not rewritten. A
// command that was cancelled before it came has no effect either. In detail:
//   ACK        any state, also resolved; the first one of an episode counts, a later one is only in the log
//   ASSIGN     without assignee: nobody's any more
//   COMMENT    replaces the comment; the text of ACK, ASSIGN and VERDICT does so too, if there is one
//   VERDICT    without true_alarm: taken back
//   SILENCE    [starts_at, ends_at) for alerts that fire and whose fields equal all matchers; a region also stands for all
//              below it. Under a known silence_id: instead of it. Without matchers, with a field that is none, or
//              already over: no effect
//   UNSILENCE  by its silence_id
// An alert that this partition does not know: no effect here. Every partition has the command, one of them has the
// alert.
//
// Time is what the records say: arrival of commands and reference, known_at of transitions; the clock is the highest so
// far. A silence is dropped when the clock reaches its end; alerts that carry it are then written anew.
//
// Seals: when the clock passes a midnight, of what was written to alert-log before the record that passes it; of the last day that
// ended only. Nothing says here that time passes when nothing happens, so there may be no record for months, and one whose
// timestamp is wrong by years is possible: seals of each day between would differ by their day alone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "alerts.pb.h"
#include "deltas.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/trade/reference/region_tree.h"
#include "seals.pb.h"
#include "state.pb.h"

namespace fiverate {

// Keys of alert-log.
std::string transition_key(const Transition& transition);
std::string action_key(const Action& action);

// What matchers of a silence and filters may name: rule, severity, brand_id, sku_id, outlet_id, region_id,
// class_dimension, class_value.
bool is_silence_field(std::string_view field);

class DeskStage final : public Operator {
 public:
  struct Settings {
    Definition definition;
    std::int32_t partition = 0;  // of signals, and of the results
    std::size_t cache_bytes = 16 << 20;
  };
  explicit DeskStage(Settings settings);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return clock_; }
  [[nodiscard]] std::string report() const override;

 private:
  // A command, and what its action in the log says of it.
  struct Order {
    const Command& command;
    Millis arrival;
    const Alert::Silenced* silence = nullptr;
  };
  using RegionPath = google::protobuf::RepeatedPtrField<std::string>;
  struct SeenCodec {
    Result<bool> decode(std::string_view bytes) const { return !bytes.empty(); }
    std::string encode(bool seen) const { return seen ? "1" : ""; }
  };

  Result<void> pass_to(Millis time, Outbox& outbox);
  Result<void> on_transition(Transition transition, Outbox& outbox);
  Result<void> on_command(const Event& event, Millis arrival, Outbox& outbox);
  Result<void> on_alert_command(const Order& order, Outbox& outbox);
  Result<void> silence(const Command& command, Millis arrival, Outbox& outbox);
  Result<void> unsilence(const Command& command, Millis arrival, Outbox& outbox);
  Result<bool> seen_before(const Event& event);
  RegionPath path_of(const std::string& region_id);  // itself, its parent, ... below the whole market

  [[nodiscard]] bool matches(const SilenceState& silence, const Alert& alert) const;
  void attach_silences(Alert& alert) const;
  void append_action(Alert& alert, const Order& order, Outbox& outbox);
  void append(const AlertLogRecord& record, Millis timestamp, std::string key, Outbox& outbox);
  void write(const Alert& alert, Millis timestamp, Outbox& outbox) const;
  void set_firing(const std::string& alert_id, bool firing);
  void forget_silence(const std::string& silence_id);

  Settings settings_;
  std::string definition_bytes_;
  MarketCalendar calendar_;
  RegionTree regions_;
  StateTable<Alert, MessageCodec<Alert>> alerts_;
  StateTable<bool, SeenCodec> seen_;              // ids of commands, kept for ever: people's pace
  std::set<std::string, std::less<>> firing_;     // ids of the alerts that fire: those that silences have to find
  std::map<std::string, SilenceState> silences_;  // by id, those that are not over
  Millis clock_ = kNever;
  Seal seal_;  // as it would be now
  StoreBatch unsaved_;
};

}  // namespace fiverate
