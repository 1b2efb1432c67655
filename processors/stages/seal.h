// The seal of a task: what it has taken in and said so far, as the Seal that would be written now (seals.proto). It is kept with
// the state and grows with each record; at the close of a day it is written.
//
//   chain          in order: a record dropped, doubled, swapped or changed gives another one, and so do all seals after it
//   sum            whatever the order, and however deltas were cut and merged: sums of all partitions can be added
#pragma once

#include <string>
#include <string_view>

#include "deltas.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"
#include "schemas/time.h"
#include "seals.pb.h"

namespace fiverate {

// Key of the topic: ["outlet",3,"2026-03-02"].
std::string seal_key(const Seal& seal);

void chain_record(std::string_view key, std::string_view value, Seal& seal);
void chain_transition(std::string_view key, std::string_view value, Seal& seal);

// Adds value x hash(cell, measure, day) of each delta, and count x hash(cell, SKU, price, day) of each price.
void sum_deltas(const CellDeltas& cell, Seal& seal);
// Adds the hash of the row once.
void sum_row(std::string_view key, std::string_view value, Seal& seal);
// Adds what another partition's seal holds.
void add_sum(const Seal& other, Seal& seal);

// Writes `seal` as that of `day`, at the day's end. The partition is the task's own.
void write_seal(Stage stage, std::int32_t partition, Day day, Millis day_ends, Seal& seal, Outbox& outbox);

}  // namespace fiverate
