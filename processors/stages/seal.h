// The seal of a task is a digest of everything that it has read and written so far (seals.proto). It is kept with the
// state, grows with each record, and is written at the close of each day.
//
//   chain   depends on the order: a record that is dropped, doubled, swapped or changed changes it and all later seals
//   sum     does not depend on the order, nor on flushes: the sums of all partitions can be added
#pragma once

#include <string>
#include <string_view>

#include "deltas.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"
#include "schemas/time.h"
#include "seals.pb.h"

namespace fiverate {

// The record key in the topic `seals`: ["outlet",3,"2026-03-02"].
std::string seal_key(const Seal& seal);

void chain_record(std::string_view key, std::string_view value, Seal& seal);
void chain_transition(std::string_view key, std::string_view value, Seal& seal);

// Adds value x hash(cell, measure, day) of each delta, and count x hash(cell, SKU, price, day) of each price.
void sum_deltas(const DeltaColumns& columns, bool with_whole_outlets, Seal& seal);
// Adds the hash of a FINAL row.
void sum_row(std::string_view key, std::string_view value, Seal& seal);
// Adds the sum of another partition's seal.
void add_sum(const Seal& other, Seal& seal);

// Publishes `seal` as the seal of `day`, with the time `day_ends`, to the task's own partition of `seals`.
void write_seal(Stage stage, std::int32_t partition, Day day, Millis day_ends, Seal& seal, Outbox& outbox);

}  // namespace fiverate
