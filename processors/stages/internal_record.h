// Serializes a record that has the same content in ledger, deltas and signals, in the record type of one of these
// topics.
//
//   internal_record(topic, [&](auto& record) { *record.mutable_definition() = definition; })
#pragma once

#include <string>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "schemas/check.h"
#include "schemas/topics.h"

namespace fiverate {

// `fill` is called with a LedgerRecord&, DeltasRecord& or SignalRecord&.
template <typename Fill>
std::string internal_record(Topic topic, Fill&& fill) {
  const auto filled = [&](auto record) {
    fill(record);
    return record.SerializeAsString();
  };
  if (topic == Topic::ledger) return filled(LedgerRecord{});
  if (topic == Topic::deltas) return filled(DeltasRecord{});
  CHECK(topic == Topic::signals);
  return filled(SignalRecord{});
}

}  // namespace fiverate
