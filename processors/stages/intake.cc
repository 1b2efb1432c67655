#include "processors/stages/intake.h"

#include <type_traits>

#include "metrics.pb.h"
#include "processors/stages/internal_record.h"
#include "processors/stream/state_table.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kIngressKey = "ingress";

// Brokers limit the compressed size of a record, so its value may exceed the largest record that we write to
// `quarantine`.
constexpr std::size_t kRejectedValueMax = 7 * 1024 * 1024;
constexpr std::size_t kRejectedKeyMax = 64 * 1024;

// The position of a source record, as a cause.
Cause source_cause(const InRecord& record) {
  return {sender_name(name_of(record.input.topic), record.input.partition), {record.offset, 0}};
}

}  // namespace

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
  outbox.to_result(Topic::quarantine, partition, arrival, to_text(source_cause(record)),
                   quarantined.SerializeAsString());

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
  TRY_VALUE(saved, store.get(kIngressKey));
  if (saved && !ingress_.load(*saved)) return damaged(store);
  return {};
}

void Intake::save(StoreBatch& batch) {
  batch.put(std::string(kIngressKey), ingress_.save());
}

std::string Intake::report() const {
  return arrival_headers_ == 0 ? std::string() : fmt::format(R"("arrival_headers_ignored":{})", arrival_headers_);
}

Result<void> Intake::apply(const InRecord& record, Outbox& outbox) {
  if (record.has_arrival_header) ++arrival_headers_;
  auto& read = ingress_.read(record);
  const auto arrival = ingress_.admit(read);
  if (read.is_mark) return {};
  auto& event = read.event;
  if (read.rejected) {
    // A rejected mark is no document. A record with a mark and another payload (bad_payload) counts as a document.
    const bool is_mark = read.rejected->reason != Reason::bad_payload && event.has_mark();
    const bool document = record.input.topic != Topic::commands && !is_mark;
    // A rejection without a document goes to one ledger partition: a task that copies to all of `signals` then writes
    // to few others.
    const auto key =
        document && is_document(event.payload_case()) ? std::string_view(outlet_id_of(event)) : std::string_view{};
    send_rejection(record, arrival, *read.rejected, document, key, settings_.definition, outbox);
    return {};
  }
  if (record.input.topic == Topic::commands) return on_command(record, arrival, outbox);
  append(event, arrival, outbox);
  return {};
}

void Intake::append(Event& event, Millis arrival, Outbox& outbox) {
  event.clear_arrival_time();  // only for files; the arrival is in the ledger record
  ledger_.set_arrival_ms(arrival);
  ledger_.mutable_event()->Swap(&event);
  const auto& outlet_id = outlet_id_of(ledger_.event());
  outbox.to_task(Topic::ledger, ledger_partition_of(outlet_id, settings_.definition), arrival, outlet_id,
                 ledger_.SerializeAsString());
  ledger_.mutable_event()->Swap(&event);
}

Result<void> Intake::on_command(const InRecord& record, Millis arrival, Outbox& outbox) {
  auto& event = ingress_.read(record).event;
  const auto& command = event.command();
  switch (command.verb()) {
    case Command::RETRY:
      return retry(record, arrival, outbox);
    case Command::ACCEPT_HELD:
    case Command::REJECT_HELD:
      ingress_.guard().rule(command.held(), command.verb() == Command::ACCEPT_HELD);
      return {};
    default:
      break;
  }
  ledger_.set_arrival_ms(arrival);
  event.clear_arrival_time();
  *ledger_.mutable_event() = event;
  copy_to_all(Topic::signals, ledger_, settings_.definition, outbox);
  return {};
}

// ---- quarantined documents that are checked again --------------------------------------------------------------------

Result<void> Intake::retry(const InRecord& record, Millis arrival, Outbox& outbox) {
  const auto& event = ingress_.read(record).event;
  std::vector<QuarantinePosition> positions;
  for (const auto& retried : event.command().retried()) {
    if (const auto position = parse_quarantine_position(retried.position())) positions.push_back(*position);
  }
  const auto reject = [&](std::string detail) {
    send_rejection(record, arrival, {Reason::bad_value, std::move(detail), event.event_id()}, false, {},
                   settings_.definition, outbox);
  };
  if (!settings_.read_quarantine || positions.empty()) {
    reject("it names no records of the topic quarantine");
    return {};
  }
  TRY_VALUE(found, settings_.read_quarantine(positions));
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i]) {
      retry_document(*found[i], outbox);
    } else {
      reject(fmt::format("there is no record at offset {} of quarantine partition {}", positions[i].offset,
                         positions[i].partition));
    }
  }
  return {};
}

// A document that is rejected again keeps its source position, under which readers list it once.
void Intake::retry_document(const Quarantined& quarantined, Outbox& outbox) {
  const auto topic = topic_named(quarantined.topic());
  InRecord original;
  original.input = {topic.value_or(Topic::deliveries), quarantined.partition()};
  original.offset = quarantined.offset();
  original.key = quarantined.key();
  original.value = quarantined.value();
  Event event;
  auto rejected = decode(quarantined.value(), event);
  if (!rejected && home_of(event.payload_case()) != topic)
    rejected = Rejected{Reason::bad_payload, "not a document of its topic", event.event_id()};
  const bool document = is_document(event.payload_case());
  if (rejected || !document) {
    if (!rejected) rejected = Rejected{Reason::bad_payload, "only documents are checked again", event.event_id()};
    send_rejection(original, quarantined.arrival_ms(), *rejected, document,
                   document ? std::string_view(outlet_id_of(event)) : std::string_view{}, settings_.definition, outbox);
    return;
  }
  ledger_.set_source(to_text(source_cause(original)));
  append(event, quarantined.arrival_ms(), outbox);
  ledger_.clear_source();
}

}  // namespace fiverate
