// The bytes of a record of ledger, deltas or signals that says in each of them the same, in that topic's form.
//
//   internal_record(topic, [&](auto& record) { *record.mutable_definition() = definition; })
#pragma once

#include <string>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "schemas/check.h"
#include "schemas/topics.h"

namespace fiverate {

// `fill` takes a LedgerRecord, DeltasRecord or SignalRecord.
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
