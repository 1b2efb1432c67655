#include "processors/stages/reference.h"

#include <algorithm>

#include "processors/stream/key_parts.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kReferenceArrivalKey = "arrival";
constexpr std::string_view kWaitingKey = "waiting";

std::string identity_of(const Event& event) {
  switch (event.payload_case()) {
    case Event::kRegion: return joined_parts({"region", event.region().region_id()});
    case Event::kSku: return joined_parts({"sku", event.sku().sku_id(), event.sku().valid_from()});
    case Event::kOutlet: return joined_parts({"outlet", event.outlet().outlet_id(), event.outlet().valid_from()});
    case Event::kPolicy: return joined_parts({"policy", event.policy().policy_id(), event.policy().valid_from()});
    case Event::kTarget: return joined_parts({"target", event.target().target_id(), event.target().valid_from()});
    case Event::kPlan: return joined_parts({"plan", event.plan().plan_id(), event.plan().valid_from()});
    case Event::kAllocation:
      return joined_parts({"allocation", event.allocation().sku_id(), event.allocation().region_id(),
                     event.allocation().valid_from()});
    case Event::kCalendar: return joined_parts({"calendar", event.calendar().day()});
    default: return {};
  }
}

std::string region_anchor(std::string_view region_id) { return joined_parts({"region", region_id}); }
std::string sku_anchor(std::string_view sku_id) { return joined_parts({"sku", sku_id}); }

std::string anchor_key(const Event& event) {
  return event.has_region() ? region_anchor(event.region().region_id()) : sku_anchor(event.sku().sku_id());
}

// Identity, revision and content of an event in one number, to know an event_id again.
std::uint64_t whole_of(const std::string& identity, const Event& event) {
  return chained(content_of(event), identity, std::to_string(revision_of(event)));
}

}  // namespace

Reference::Reference(IntakeSettings settings, std::size_t cache_bytes)
    : settings_(std::move(settings)),
      clock_(!settings_.wall_clock),
      identities_("i/", {}, cache_bytes / 2),
      event_ids_("e/", {}, cache_bytes / 4),
      anchors_("k/", {}, cache_bytes / 4) {}

Result<void> Reference::open(const Store& store) {
  identities_.open(store);
  event_ids_.open(store);
  anchors_.open(store);
  const auto arrival = store.get(kReferenceArrivalKey);
  if (!arrival) return tl::make_unexpected(arrival.error());
  if (*arrival) clock_.load(**arrival);
  const auto waiting = store.get(kWaitingKey);
  if (!waiting) return tl::make_unexpected(waiting.error());
  if (!*waiting) return {};
  WaitingReferences saved;
  if (!saved.ParseFromString(**waiting)) {
    return fail(Reaction::stop, "The state in {} is damaged. Remove the folder: it is rebuilt from the log.", store.location());
  }
  for (const auto& one : saved.records()) {
    Candidate candidate;
    const auto bytes = std::make_shared<const WaitingReferences::Record>(one);
    candidate.record.input = {Topic::reference, 0};
    candidate.record.offset = bytes->offset();
    candidate.record.key = bytes->key();
    candidate.record.value = bytes->value();
    candidate.record.owner = bytes;
    candidate.arrival = bytes->arrival_ms();
    static_cast<void>(decode(candidate.record.value, candidate.event));  // passed once already
    candidate.identity = identity_of(candidate.event);
    waiting_.push_back(std::move(candidate));
  }
  return {};
}

void Reference::save(StoreBatch& batch) {
  identities_.save(batch);
  event_ids_.save(batch);
  anchors_.save(batch);
  batch.put(std::string(kReferenceArrivalKey), clock_.save());
  if (!waiting_changed_) return;
  WaitingReferences saved;
  for (const auto& candidate : waiting_) {
    auto& one = *saved.add_records();
    one.set_offset(candidate.record.offset);
    one.set_key(std::string(candidate.record.key));
    one.set_value(std::string(candidate.record.value));
    one.set_arrival_ms(candidate.arrival);
  }
  batch.put(std::string(kWaitingKey), saved.SerializeAsString());
  waiting_changed_ = false;
}

Result<void> Reference::apply(const InRecord& record, Outbox& outbox) {
  Candidate candidate;
  candidate.record = record;
  auto rejected = decode(record.value, candidate.event);
  if (!rejected && !candidate.event.has_mark() && home_of(candidate.event.payload_case()) != Topic::reference) {
    rejected = Rejected{Reason::bad_payload, "not a reference record", candidate.event.event_id()};
  }
  if (!rejected) rejected = check_timestamp(record, candidate.event);
  const bool mark = !rejected && candidate.event.has_mark();
  candidate.arrival = clock_.arrival_of(record, mark ? &candidate.event : nullptr);
  TRY(expire(outbox));
  if (mark) return {};
  if (rejected) {
    reject(candidate, *rejected, outbox);
    return {};
  }
  candidate.identity = identity_of(candidate.event);
  const auto missing = unknown(candidate.event);
  if (!missing) return tl::make_unexpected(missing.error());
  if (*missing || blocked(candidate, waiting_.size())) {
    wait_for(std::move(candidate));
    return {};
  }
  TRY(judge(candidate, outbox));
  return release(outbox);
}

Result<bool> Reference::known(std::string_view anchor_key) {
  const auto anchor = anchors_.get(anchor_key);
  if (!anchor) return tl::make_unexpected(anchor.error());
  return (*anchor)->known();
}

Result<std::optional<Rejected>> Reference::unknown(const Event& event) {
  std::string_view region;
  std::string_view sku;
  if (event.has_region()) region = event.region().parent_id();
  if (event.has_outlet()) region = event.outlet().region_id();
  if (event.has_allocation()) {
    region = event.allocation().region_id();
    sku = event.allocation().sku_id();
  }
  if (!region.empty()) {
    const auto there = known(region_anchor(region));
    if (!there) return tl::make_unexpected(there.error());
    if (!*there) return Rejected{Reason::unknown_region, fmt::format("region {}", region), event.event_id()};
  }
  if (!sku.empty()) {
    const auto there = known(sku_anchor(sku));
    if (!there) return tl::make_unexpected(there.error());
    if (!*there) return Rejected{Reason::unknown_sku, fmt::format("SKU {}", sku), event.event_id()};
  }
  return std::nullopt;
}

bool Reference::blocked(const Candidate& candidate, std::size_t before) const {
  return std::any_of(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(before), [&](const Candidate& other) {
    return other.identity == candidate.identity || other.event.event_id() == candidate.event.event_id();
  });
}

void Reference::wait_for(Candidate candidate) {
  // The views into a Kafka message stay good through its owner.
  waiting_.push_back(std::move(candidate));
  waiting_changed_ = true;
}

Result<void> Reference::expire(Outbox& outbox) {
  while (!waiting_.empty() && clock_.highest() > waiting_.front().arrival + settings_.definition.parking_ms()) {
    auto candidate = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_changed_ = true;
    const auto missing = unknown(candidate.event);
    if (!missing) return tl::make_unexpected(missing.error());
    if (*missing) {
      reject(candidate, **missing, outbox);
    } else {
      TRY(judge(candidate, outbox));  // it only waited behind another one
    }
    TRY(release(outbox));
  }
  return {};
}

Result<void> Reference::release(Outbox& outbox) {
  for (std::size_t i = 0; i < waiting_.size();) {
    const auto missing = unknown(waiting_[i].event);
    if (!missing) return tl::make_unexpected(missing.error());
    if (*missing || blocked(waiting_[i], i)) {
      ++i;
      continue;
    }
    auto candidate = std::move(waiting_[i]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    waiting_changed_ = true;
    TRY(judge(candidate, outbox));
    i = 0;  // it may be what an earlier one waits for
  }
  return {};
}

Result<void> Reference::judge(Candidate& candidate, Outbox& outbox) {
  const auto& event = candidate.event;
  const auto content = content_of(event);
  const auto number = revision_of(event);
  const auto conflict = [&](Reason reason, std::string detail) {
    reject(candidate, {reason, std::move(detail), event.event_id()}, outbox);
    return Result<void>{};
  };

  const auto changed = change_of_what_never_changes(event);
  if (!changed) return tl::make_unexpected(changed.error());
  if (*changed) return conflict(Reason::reference_conflict, **changed);
  const auto same_id = event_ids_.get(event.event_id());
  if (!same_id) return tl::make_unexpected(same_id.error());
  if ((*same_id)->contents_size() > 0) {
    if ((*same_id)->contents(0) == whole_of(candidate.identity, event)) return {};  // a duplicate
    return conflict(Reason::event_id_conflict, "the event_id of another reference record");
  }
  auto identity = identities_.get(candidate.identity);
  if (!identity) return tl::make_unexpected(identity.error());
  auto& revisions = **identity;
  for (int i = 0; i < revisions.revisions_size(); ++i) {
    if (revisions.revisions(i) != number) continue;
    if (revisions.contents(i) == content) return {};  // a duplicate
    return conflict(Reason::revision_conflict, fmt::format("revision {} is known with other content", number));
  }

  const bool superseded = std::any_of(revisions.revisions().begin(), revisions.revisions().end(),
                                      [&](std::int64_t other) { return other > number; });
  auto id_entry = event_ids_.change(event.event_id());
  if (!id_entry) return tl::make_unexpected(id_entry.error());
  (*id_entry)->add_contents(whole_of(candidate.identity, event));
  identity = identities_.change(candidate.identity);
  if (!identity) return tl::make_unexpected(identity.error());
  (*identity)->add_revisions(number);
  (*identity)->add_contents(content);
  TRY(anchor(event));
  return superseded ? Result<void>{} : pass_on(candidate, outbox);
}

// What an event says of what never changes, in the form in which it is remembered; nothing: it says nothing.
std::optional<ReferenceAnchor> Reference::anchor_of(const Event& event) {
  ReferenceAnchor anchor;
  if (event.has_region() && event.region().level() != Region::LEVEL_UNSPECIFIED) {
    anchor.set_parent_id(event.region().parent_id());
    anchor.set_level(event.region().level());
    return anchor;
  }
  if (event.has_sku() && !event.sku().brand_id().empty()) {
    anchor.set_brand_id(event.sku().brand_id());
    return anchor;
  }
  return std::nullopt;
}

Result<std::optional<std::string>> Reference::change_of_what_never_changes(const Event& event) {
  const auto says = anchor_of(event);
  if (!says || event.cancelled()) return std::nullopt;
  const auto known = anchors_.get(anchor_key(event));
  if (!known) return tl::make_unexpected(known.error());
  if ((*known)->fixed() && event.has_region() &&
      ((*known)->level() != says->level() || (*known)->parent_id() != says->parent_id())) {
    return "parent and level of a region never change";
  }
  if (event.has_region() && !(*known)->fixed()) {
    // Its children may have come before this says where it lies (a cancelled record made it known).
    for (auto above = says->parent_id(); !above.empty();) {
      if (above == event.region().region_id()) return "a region cannot lie in itself";
      const auto next = anchors_.get(region_anchor(above));
      if (!next) return tl::make_unexpected(next.error());
      above = (*next)->parent_id();
    }
  }
  if ((*known)->fixed() && event.has_sku() && (*known)->brand_id() != says->brand_id()) {
    return fmt::format("the brand of a SKU never changes: {}", (*known)->brand_id());
  }
  return std::nullopt;
}

// Regions and SKUs are known by their first event kept; the first one not cancelled fixes what never changes.
Result<void> Reference::anchor(const Event& event) {
  if (!event.has_region() && !event.has_sku()) return {};
  auto anchor = anchors_.change(anchor_key(event));
  if (!anchor) return tl::make_unexpected(anchor.error());
  if (const auto says = anchor_of(event); says && !event.cancelled() && !(*anchor)->fixed()) {
    **anchor = *says;
    (*anchor)->set_fixed(true);
  }
  (*anchor)->set_known(true);
  return {};
}

void Reference::reject(const Candidate& candidate, const Rejected& rejected, Outbox& outbox) {
  send_rejection(candidate.record, candidate.arrival, rejected, false, "", settings_.definition, outbox);
}

Result<void> Reference::pass_on(const Candidate& candidate, Outbox& outbox) {
  LedgerRecord ledger;
  ledger.set_arrival_ms(candidate.arrival);
  *ledger.mutable_event() = candidate.event;
  ledger.mutable_event()->clear_arrival_time();
  TRY(complete(*ledger.mutable_event()));
  if (candidate.event.has_outlet()) {
    const auto& outlet_id = candidate.event.outlet().outlet_id();
    outbox.to_task(Topic::ledger, ledger_partition_of(outlet_id, settings_.definition), candidate.arrival, outlet_id,
                   ledger.SerializeAsString());
    return {};
  }
  for (const auto topic : kInternalTopics) copy_to_all(topic, ledger, settings_.definition, outbox);
  return {};
}

// A cancellation may name ids only; who reads the copy still wants to know where the region lies and whose the SKU is.
Result<void> Reference::complete(Event& event) {
  if (!event.has_region() && !event.has_sku()) return {};
  const auto known = anchors_.get(anchor_key(event));
  if (!known) return tl::make_unexpected(known.error());
  if (!(*known)->fixed()) return {};
  if (event.has_region()) {
    event.mutable_region()->set_parent_id((*known)->parent_id());
    event.mutable_region()->set_level(static_cast<Region::Level>((*known)->level()));
  } else {
    event.mutable_sku()->set_brand_id((*known)->brand_id());
  }
  return {};
}

}  // namespace fiverate
