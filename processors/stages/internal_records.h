// Separates the records of ledger, deltas and signals that fiverate wrote from those that somebody else put there by accident. Tasks skip a
// foreign record: they count and report it, and everything else continues as if it were not in the log (decision 0030).
//
//   written by   cause and link                                    body
//   a task       valid, the sender writes to this partition        anything: the chain vouches for it (stream/admission.h)
//   intake       none                                              progress
//   `topics`     none                                              a definition; the stage compares it, wherever it stands
//
// The decision is a function of the record, so live runs, standbys and replays decide the same.
#pragma once

#include <optional>
#include <string>

#include "ledger.pb.h"
#include "processors/stages/senders.h"
#include "processors/stream/ports.h"

namespace fiverate {

class InternalRecords {
 public:
  explicit InternalRecords(const Definition& definition) : senders_(definition) {}

  // Why fiverate has not written this record: "it has no cause". Nothing: it has.
  [[nodiscard]] std::optional<std::string> foreign_reason(const InRecord& record) const;

 private:
  Senders senders_;
};

}  // namespace fiverate
