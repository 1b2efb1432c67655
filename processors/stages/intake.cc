#include "processors/stages/intake.h"

#include <charconv>
#include <type_traits>

#include "metrics.pb.h"
#include "processors/stages/internal_record.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "schemas/instant.h"

namespace fiverate {
namespace {

constexpr std::string_view kIntakeArrivalKey = "arrival";

// Brokers limit the compressed size of a record, so its value may exceed the largest record that we write to
// `quarantine`.
constexpr std::size_t kRejectedValueMax = 7 * 1024 * 1024;
constexpr std::size_t kRejectedKeyMax = 64 * 1024;

}  // namespace

Millis ArrivalClock::arrival_of(const InRecord& record, const Event* mark) {
  auto time = is_instant(record.timestamp) ? record.timestamp : kNever;
  // The original arrival of a retried record cannot be later than the retry, although its header may claim so.
  if (record.arrival) return std::max<Millis>(std::min(*record.arrival, std::max(highest_, time)), 0);
  if (uses_marks_ && mark != nullptr) time = std::max(time, millis_of(mark->mark().complete_through()));
  highest_ = std::max(highest_, time);
  return std::max<Millis>(highest_, 0);
}

void ArrivalClock::load(std::string_view text) {
  std::from_chars(text.data(), text.data() + text.size(), highest_);
}

std::string ArrivalClock::save() const {
  return fmt::format("{}", highest_);
}

std::optional<Rejected> check_timestamp(const InRecord& record, const Event& event) {
  if (record.arrival || record.timestamp < kYear10000Ms) return std::nullopt;
  return Rejected{Reason::bad_value,
                  fmt::format("the Kafka timestamp {} is later than the year 9999", record.timestamp),
                  event.event_id()};
}

void send_rejection(const InRecord& record, Millis arrival, const Rejected& rejected, bool document,
                    std::string_view key, const Definition& definition, Outbox& outbox) {
  const auto partition = ledger_partition_of(key, definition);
  Quarantined quarantined;
  quarantined.set_reason(std::string(name_of(rejected.reason)));
  quarantined.set_detail(rejected.detail);
  quarantined.set_event_id(rejected.event_id);
  quarantined.set_topic(std::string(name_of(record.input.topic)));
  quarantined.set_partition(record.input.partition);
  quarantined.set_offset(record.offset);
  quarantined.set_arrival_ms(arrival);
  const auto value = record.value.substr(0, kRejectedValueMax);
  const auto source_key = record.key.substr(0, kRejectedKeyMax);
  quarantined.set_value(value.data(), value.size());
  quarantined.set_key(source_key.data(), source_key.size());
  if (value.size() < record.value.size() || source_key.size() < record.key.size()) {
    quarantined.set_truncated(true);
    quarantined.set_detail(
        fmt::format("{} (value of {} bytes and key of {} bytes truncated here; the source topic has the whole record)",
                    rejected.detail, record.value.size(), record.key.size()));
  }
  const auto cause = Cause{sender_name(name_of(record.input.topic), record.input.partition), {record.offset, 0}};
  outbox.to_result(Topic::quarantine, partition, arrival, to_text(cause), quarantined.SerializeAsString());

  LedgerRecord note;
  note.set_arrival_ms(arrival);
  note.mutable_rejection()->set_reason(std::string(name_of(rejected.reason)));
  note.mutable_rejection()->set_event_id(rejected.event_id);
  note.mutable_rejection()->set_document(document);
  outbox.to_task(Topic::ledger, partition, arrival, std::string(key.substr(0, kRejectedKeyMax)),
                 note.SerializeAsString());
}

void copy_to_all(Topic topic, const LedgerRecord& body, const Definition& definition, Outbox& outbox) {
  const auto value = internal_record(topic, [&]<typename Record>(Record& record) {
    if constexpr (std::is_same_v<Record, DeltasRecord>) {
      *record.mutable_reference() = body;
    } else if constexpr (std::is_same_v<Record, SignalRecord>) {
      *record.mutable_event() = body;
    } else {
      record = body;
    }
  });
  const auto partitions = topic == Topic::ledger ? definition.ledger_partitions() : definition.market_partitions();
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    outbox.to_task(topic, partition, body.arrival_ms(), "", value);
  }
}

Result<void> Intake::open(const Store& store) {
  const auto saved = store.get(kIntakeArrivalKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (*saved) clock_.load(**saved);
  return {};
}

void Intake::save(StoreBatch& batch) {
  batch.put(std::string(kIntakeArrivalKey), clock_.save());
}

Result<void> Intake::apply(const InRecord& record, Outbox& outbox) {
  auto& event = *ledger_.mutable_event();
  auto rejected = decode(record.value, event);
  if (const auto home = home_of(event.payload_case()); !rejected && home && home != record.input.topic) {
    rejected = Rejected{Reason::bad_payload, fmt::format("this payload belongs into the topic {}", name_of(*home)),
                        event.event_id()};
  }
  if (!rejected) rejected = check_timestamp(record, event);
  const bool is_mark = !rejected && event.has_mark();
  const auto arrival = clock_.arrival_of(record, is_mark ? &event : nullptr);
  if (is_mark) return {};
  // A rejected mark is no document. A record with a mark and another payload (bad_payload) counts as a document.
  const bool is_rejected_mark = rejected && rejected->reason != Reason::bad_payload && event.has_mark();
  const bool document = record.input.topic != Topic::commands && !is_rejected_mark;
  if (rejected) {
    // A rejection without a document goes to one ledger partition: a task that copies to all of `signals` then writes
    // to few others.
    const auto key =
        document && is_document(event.payload_case()) ? std::string_view(outlet_id_of(event)) : std::string_view{};
    send_rejection(record, arrival, *rejected, document, key, settings_.definition, outbox);
    return {};
  }
  event.clear_arrival_time();  // only for files; the arrival is in the ledger record
  ledger_.set_arrival_ms(arrival);
  if (document) {
    const auto& outlet_id = outlet_id_of(event);
    outbox.to_task(Topic::ledger, ledger_partition_of(outlet_id, settings_.definition), arrival, outlet_id,
                   ledger_.SerializeAsString());
  } else {
    copy_to_all(Topic::signals, ledger_, settings_.definition, outbox);
  }
  return {};
}

}  // namespace fiverate
