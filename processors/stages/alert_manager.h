// The alert manager, stage "desk": one task for each partition of `signals`. It keeps one Alert for each alert id,
// writes its state to `alerts` and its history to `alert-log`. The outlet and market stages alone decide whether an
// alert fires; acknowledgements, assignments and silences are kept beside that and never change it. It applies
// transitions and executes commands on these parts:
//
//   AlertStates   the present state of each alert, and the topic `alerts`
//   Silences      the silences that have not ended
//   AlertLog      the topic `alert-log`, and the seal
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
// A day begins with the first record of it, or with the market's close of the day before. Then AlertStates writes its
// alerts again.
//
// Keys of the store:
//   a/<alert>    Alert                  c/<command_id>, e/<event_id>   commands seen
//   f/<alert>    the alert fires        r/<region>                     reference_tables.h
//   s/<silence>  SilenceState           w/<alert>                      how often it is written again
//   desk         AlertManagerState
#pragma once

#include <string>

#include "deltas.pb.h"
#include "processors/stages/alert_log.h"
#include "processors/stages/alert_states.h"
#include "processors/stages/internal_records.h"
#include "processors/stages/reference_tables.h"
#include "processors/stages/silences.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/trade/reference/region_tree.h"
#include "state.pb.h"

namespace fiverate {

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
  [[nodiscard]] std::optional<std::string> foreign_reason(const InRecord& record) const override {
    return internal_.foreign_reason(record);
  }
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return clock_; }
  [[nodiscard]] std::string report() const override;

 private:
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
  RegionPath path_of(const std::string& region_id);

  std::string definition_id_;
  InternalRecords internal_;
  MarketCalendar calendar_;
  RegionTree regions_;
  ReferenceTables reference_;
  AlertStates alerts_;
  AlertLog log_;
  Silences silences_;
  StateTable<bool, SeenCodec> seen_;  // ids of commands, kept for ever: people send few
  Millis clock_ = kNever;
};

}  // namespace fiverate
