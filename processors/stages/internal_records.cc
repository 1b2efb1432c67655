#include "processors/stages/internal_records.h"

#include <algorithm>

#include "deltas.pb.h"
#include "processors/stages/topology.h"
#include "schemas/format.h"
#include "schemas/instant.h"

namespace fiverate {
namespace {

constexpr std::int32_t kSourcesMax = 3 * kSourcePartitionsMax + 2;  // with reference and commands

template <typename Message>
bool parse(const InRecord& record, Message& message) {
  return message.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()));
}

// A record comes after its predecessor, and the chain of nothing is 0.
bool is_consistent(const Cause& cause, const Link& link) {
  const bool is_first = link.previous.offset < 0;
  return link.previous < cause.position && (!is_first || link.chain == 0);
}

// Rubbish may parse as an empty definition. A complete one is never skipped: behind it may be records of senders that ours does not have.
bool is_complete(const Definition& definition) {
  return !definition.timezone().empty() && definition.sources_size() > 0 && definition.ledger_partitions() > 0 &&
         definition.market_partitions() > 0;
}

// As ProgressTracker writes it: the record has the latest arrival of its entries, in its body and as its timestamp, which is at least 1.
bool is_valid_progress(const LedgerRecord& ledger, Millis timestamp) {
  if (ledger.progress().entries_size() == 0) return false;
  auto latest = kNever;
  for (const auto& entry : ledger.progress().entries()) {
    if (entry.source() < 0 || entry.source() >= kSourcesMax || !is_instant(entry.arrival_ms())) return false;
    latest = std::max(latest, entry.arrival_ms());
  }
  for (const auto& hold : ledger.progress().holds()) {
    if (hold.source() < 0 || hold.source() >= kSourcesMax || hold.decided_until() < 0 || hold.held_offset() < 0)
      return false;
  }
  return ledger.arrival_ms() == latest && (timestamp == latest || timestamp == std::max<Millis>(latest, 1));
}

bool is_valid_without_cause(const InRecord& record) {
  if (!record.key.empty()) return false;
  if (record.input.topic == Topic::ledger) {
    LedgerRecord ledger;
    if (!parse(record, ledger)) return false;
    return ledger.has_definition() ? is_complete(ledger.definition()) : is_valid_progress(ledger, record.timestamp);
  }
  // Here progress has no content: only what it depends on counts.
  const auto is_valid = [&](const auto& parsed) {
    return parsed.has_definition() ? is_complete(parsed.definition())
                                   : parsed.has_progress() && !record.depends_on.empty();
  };
  if (record.input.topic == Topic::deltas) {
    DeltasRecord deltas;
    return parse(record, deltas) && is_valid(deltas);
  }
  SignalRecord signal;
  return parse(record, signal) && is_valid(signal);
}

}  // namespace

std::optional<std::string> InternalRecords::foreign_reason(const InRecord& record) const {
  const auto not_a_sender = [&](const Cause& cause, std::string_view what) {
    return fmt::format("{} {}, but {} does not write to {} partition {}", what, to_text(cause), cause.sender,
                       name_of(record.input.topic), record.input.partition);
  };
  for (const auto& cause : record.depends_on) {
    if (!senders_.writes_to(cause.sender, record.input)) return not_a_sender(cause, "it depends on");
  }
  if (!record.cause && !record.link) {
    return is_valid_without_cause(record) ? std::nullopt : std::optional<std::string>("it has no cause");
  }
  if (!record.cause) return "it has no valid cause (header fiverate-cause)";
  if (!record.link) return "it has no valid link (headers fiverate-previous and fiverate-chain)";
  if (!senders_.writes_to(record.cause->sender, record.input)) return not_a_sender(*record.cause, "its cause is");
  if (!is_consistent(*record.cause, *record.link)) return "its cause and its link contradict each other";
  return std::nullopt;
}

}  // namespace fiverate
