// The alert manager, stage "desk": one task for each partition of `signals`. It keeps one Alert for each alert id,
// writes its state to `alerts` and its history to `alert-log`. The outlet and market stages alone decide whether an
// alert fires; acknowledgements, assignments and silences are kept beside that and never change it.
//
//   input         key in alerts   key in alert-log
//   transition    alert id        ["<alert id>",<transition>]
//   command       alert id        ["<alert id>","a<number>"]: actions have numbers of their own
//
// Episodes. `last` is the present state of the alert (alerts.proto). When another episode becomes the present one,
// acknowledgement and verdict are cleared, since they belong to the earlier episode. Assignee and comment stay.
//
// Commands. A command is executed once: one with a known command_id or event_id has no effect, nor has a later revision
// or cancellation. Actions are history: another command reverts them. A command that is cancelled before it arrives has
// no effect.
//   ACK        also of a resolved alert. The first one of an episode counts; later ones are only logged.
//   ASSIGN     Without an assignee the alert is assigned to no one.
//   COMMENT    replaces the comment; so does the text of ACK, ASSIGN and VERDICT, if there is one.
//   VERDICT    Without true_alarm the verdict is removed.
//   SILENCE    applies in [starts_at, ends_at) to firing alerts whose fields equal all matchers; a region includes all
//              regions below it. A known silence_id replaces that silence. Without matchers, with an unknown field, or
//              with an end that has passed, it has no effect.
//   UNSILENCE  by its silence_id
// Every partition receives each command, and the one that has the alert executes it.
//
// Time comes with the records: the arrival of commands and reference records, known_at of transitions. The clock is the
// highest time so far. When it reaches the end of a silence, the silence is removed, and the alerts that it silenced
// are written again.
//
// At the beginning of each day all alerts that fire or changed in the last three days are written again, so that an older state that a
// fenced process has left in `alerts` is corrected. A day begins with the first record of it, or with the market's close of the day before.
//
// Seals: when the clock passes a midnight, one for the last day that ended. It covers what was written to alert-log
// before the record that passed midnight. Days without such a record have no seal: without records no time passes here,
// and one record with a wrong timestamp could otherwise cause the seals of many years.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "alerts.pb.h"
#include "deltas.pb.h"
#include "processors/stages/reference_tables.h"
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

// Fields that matchers of a silence and filters may name: rule, severity, brand_id, sku_id, outlet_id, region_id,
// class_dimension, class_value.
bool is_silence_field(std::string_view field);

class AlertManager final : public Operator {
 public:
  struct Settings {
    Definition definition;
    std::int32_t partition = 0;  // of signals, and of the results
    std::size_t cache_bytes = 16 << 20;
  };
  explicit AlertManager(Settings settings);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return clock_; }
  [[nodiscard]] std::string report() const override;

 private:
  // A command that is executed, for the action in the log.
  struct Execution {
    const Command& command;
    Millis arrival;
    const Alert::Silenced* silence = nullptr;  // that the command begins or ends
  };
  using RegionPath = google::protobuf::RepeatedPtrField<std::string>;
  struct SeenCodec {
    Result<bool> decode(std::string_view bytes) const { return !bytes.empty(); }
    std::string encode(bool seen) const { return seen ? "1" : ""; }
  };

  Result<void> advance_to(Millis time, Outbox& outbox);
  Result<void> on_transition(Transition transition, Outbox& outbox);
  Result<void> on_command(const Event& event, Millis arrival, Outbox& outbox);
  Result<void> on_alert_command(const Execution& execution, Outbox& outbox);
  Result<void> silence(const Command& command, Millis arrival, Outbox& outbox);
  Result<void> unsilence(const Command& command, Millis arrival, Outbox& outbox);
  // True if a command with one of these ids was seen before; remembers both.
  Result<bool> is_repeated(const Event& event);
  RegionPath path_of(const std::string& region_id);  // the region, its parent and so on, without the whole market

  [[nodiscard]] bool matches(const SilenceState& silence, const Alert& alert) const;
  void attach_silences(Alert& alert) const;
  void append_action(Alert& alert, const Execution& execution, Outbox& outbox);
  void append(const AlertLogRecord& record, Millis timestamp, std::string key, Outbox& outbox);
  void write(const Alert& alert, Millis timestamp, Outbox& outbox);
  Result<void> publish_again(Day today, Outbox& outbox);
  void set_firing(const std::string& alert_id, bool firing);
  void remove_silence(const std::string& silence_id);

  Settings settings_;
  std::string definition_bytes_;
  MarketCalendar calendar_;
  RegionTree regions_;
  ReferenceTables reference_;
  StateTable<Alert, MessageCodec<Alert>> alerts_;
  StateTable<bool, SeenCodec> seen_;                 // ids of commands, kept for ever: people send few
  std::set<std::string, std::less<>> firing_;        // ids of the firing alerts, to which silences apply
  std::map<std::string, SilenceState> silences_;     // by id, until they end
  std::map<std::string, Day, std::less<>> written_;  // the alerts that changed in the last days, and the day when
  Day published_day_ = kNoDay;                       // publish_again() was called for it
  Millis clock_ = kNever;
  Seal seal_;  // the seal if it were written now
  StoreBatch unsaved_;
};

}  // namespace fiverate
