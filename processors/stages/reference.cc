#include "processors/stages/reference.h"

#include <algorithm>

#include "processors/stream/key_parts.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kIngressKey = "ingress";
constexpr std::string_view kPendingKey = "pending";

std::string identity_of(const Event& event) {
  switch (event.payload_case()) {
    case Event::kRegion:
      return joined_parts({"region", event.region().region_id()});
    case Event::kSku:
      return joined_parts({"sku", event.sku().sku_id(), event.sku().valid_from()});
    case Event::kOutlet:
      return joined_parts({"outlet", event.outlet().outlet_id(), event.outlet().valid_from()});
    case Event::kPolicy:
      return joined_parts({"policy", event.policy().policy_id(), event.policy().valid_from()});
    case Event::kTarget:
      return joined_parts({"target", event.target().target_id(), event.target().valid_from()});
    case Event::kPlan:
      return joined_parts({"plan", event.plan().plan_id(), event.plan().valid_from()});
    case Event::kAllocation:
      return joined_parts(
          {"allocation", event.allocation().sku_id(), event.allocation().region_id(), event.allocation().valid_from()});
    case Event::kCalendar:
      return joined_parts({"calendar", event.calendar().day()});
    default:
      return {};
  }
}

std::string region_anchor(std::string_view region_id) {
  return joined_parts({"region", region_id});
}
std::string sku_anchor(std::string_view sku_id) {
  return joined_parts({"sku", sku_id});
}

std::string anchor_key(const Event& event) {
  return event.has_region() ? region_anchor(event.region().region_id()) : sku_anchor(event.sku().sku_id());
}

// What records may have waited for until this region or SKU came.
MissingReference known_by(const Event& event) {
  return event.has_region() ? MissingReference{Reason::unknown_region, event.region().region_id()}
                            : MissingReference{Reason::unknown_sku, event.sku().sku_id()};
}

// Records with an identity in common with a pending one wait for it.
std::vector<std::string> reference_identities(const Event& event) {
  return {identity_of(event), joined_parts({"event", event.event_id()})};
}

// One hash of identity, revision and content: two records with the same event_id are duplicates if their hashes are
// equal.
std::uint64_t hash_of(const std::string& identity, const Event& event) {
  return chained(content_of(event), identity, std::to_string(revision_of(event)));
}

// "COUNTY"
std::string level_name(int level) {
  return Region::Level_Name(static_cast<Region::Level>(level));
}

// Region::Level counts from the highest level down.
bool is_higher(int level, int than) {
  return level < than;
}

InRecord in_record(const PendingRecord& pending) {
  InRecord record;
  record.input = {Topic::reference, 0};
  record.offset = pending.offset();
  record.key = pending.source_key();
  record.value = pending.source_value();
  return record;
}

}  // namespace

Reference::Reference(IntakeSettings settings, std::size_t cache_bytes)
    : settings_(std::move(settings)),
      ingress_(settings_.definition.timezone()),
      identities_("i/", {}, cache_bytes / 2),
      event_ids_("e/", {}, cache_bytes / 4),
      anchors_("k/", {}, cache_bytes / 4),
      pending_(reference_identities) {}

Result<void> Reference::open(const Store& store) {
  identities_.open(store);
  event_ids_.open(store);
  anchors_.open(store);
  const auto arrival = store.get(kIngressKey);
  if (!arrival) return tl::make_unexpected(arrival.error());
  if (*arrival && !ingress_.load(**arrival)) return damaged(store);
  const auto pending = store.get(kPendingKey);
  if (!pending) return tl::make_unexpected(pending.error());
  if (!*pending) return {};
  PendingReferences saved;
  if (!saved.ParseFromString(**pending)) return damaged(store);
  for (auto& record : *saved.mutable_records()) {
    auto missing = missing_of(record.event());
    if (!missing) return tl::make_unexpected(missing.error());
    pending_.add(std::move(record), std::move(*missing));
  }
  return {};
}

void Reference::save(StoreBatch& batch) {
  identities_.save(batch);
  event_ids_.save(batch);
  anchors_.save(batch);
  batch.put(std::string(kIngressKey), ingress_.save());
  if (!pending_changed_) return;
  PendingReferences saved;
  pending_.each([&](const PendingRecord& record) { *saved.add_records() = record; });
  batch.put(std::string(kPendingKey), saved.SerializeAsString());
  pending_changed_ = false;
}

Result<void> Reference::apply(const InRecord& record, Outbox& outbox) {
  auto& read = ingress_.read(record);
  const auto& event = read.event;
  const Candidate candidate{record, ingress_.admit(read), event};
  TRY(expire_pending(outbox));
  if (read.is_mark) return {};
  if (read.rejected) {
    reject(candidate, *read.rejected, outbox);
    return {};
  }
  auto missing = missing_of(event);
  if (!missing) return tl::make_unexpected(missing.error());
  if (*missing || pending_.blocks(event)) {
    add_pending(candidate, std::move(*missing));
    return {};
  }
  TRY(validate(candidate, outbox));
  return validate_ready(outbox);
}

Result<bool> Reference::is_known(std::string_view anchor_key) {
  const auto anchor = anchors_.get(anchor_key);
  if (!anchor) return tl::make_unexpected(anchor.error());
  return (*anchor)->known();
}

Result<std::optional<MissingReference>> Reference::missing_of(const Event& event) {
  std::string_view region;
  std::string_view sku;
  if (event.has_region()) region = event.region().parent_id();
  if (event.has_outlet()) region = event.outlet().region_id();
  if (event.has_allocation()) {
    region = event.allocation().region_id();
    sku = event.allocation().sku_id();
  }
  if (!region.empty()) {
    const auto known = is_known(region_anchor(region));
    if (!known) return tl::make_unexpected(known.error());
    if (!*known) return MissingReference{Reason::unknown_region, std::string(region)};
  }
  if (!sku.empty()) {
    const auto known = is_known(sku_anchor(sku));
    if (!known) return tl::make_unexpected(known.error());
    if (!*known) return MissingReference{Reason::unknown_sku, std::string(sku)};
  }
  return std::nullopt;
}

// ---- pending --------------------------------------------------------------------------------------------------------

void Reference::add_pending(const Candidate& candidate, std::optional<MissingReference> missing) {
  PendingRecord pending;
  *pending.mutable_event() = candidate.event;
  pending.set_arrival_ms(candidate.arrival);
  pending.set_sender(sender_name(name_of(Topic::reference), 0));
  pending.set_offset(candidate.record.offset);
  pending.set_source_key(std::string(candidate.record.key));
  pending.set_source_value(std::string(candidate.record.value));
  pending_.add(std::move(pending), std::move(missing));
  pending_changed_ = true;
}

Result<void> Reference::expire_pending(Outbox& outbox) {
  while (const auto expired = pending_.pop_expired(ingress_.highest(), settings_.definition.pending_ms())) {
    pending_changed_ = true;
    const auto& [pending, missing] = *expired;
    const auto record = in_record(pending);
    reject({record, pending.arrival_ms(), pending.event()}, rejection_of(pending.event(), missing), outbox);
    TRY(validate_ready(outbox));
  }
  return {};
}

Result<void> Reference::validate_ready(Outbox& outbox) {
  while (const auto pending = pending_.pop_ready()) {
    pending_changed_ = true;
    const auto record = in_record(*pending);
    TRY(validate({record, pending->arrival_ms(), pending->event()}, outbox));
  }
  return {};
}

// ---- validation -----------------------------------------------------------------------------------------------------

Result<void> Reference::validate(const Candidate& candidate, Outbox& outbox) {
  const auto& event = candidate.event;
  const auto identity = identity_of(event);
  const auto content = content_of(event);
  const auto number = revision_of(event);
  const auto conflict = [&](Reason reason, std::string detail) {
    reject(candidate, {reason, std::move(detail), event.event_id()}, outbox);
    return Result<void>{};
  };

  const auto changed = conflict_with_anchor(event);
  if (!changed) return tl::make_unexpected(changed.error());
  if (*changed) return conflict(Reason::reference_conflict, **changed);
  const auto misplaced = misplaced_region(event);
  if (!misplaced) return tl::make_unexpected(misplaced.error());
  if (*misplaced) return conflict(Reason::bad_value, **misplaced);
  const auto same_id = event_ids_.get(event.event_id());
  if (!same_id) return tl::make_unexpected(same_id.error());
  if ((*same_id)->contents_size() > 0) {
    if ((*same_id)->contents(0) == hash_of(identity, event)) return {};  // a duplicate
    return conflict(Reason::event_id_conflict, "another reference record has this event_id");
  }
  const auto known = identities_.get(identity);
  if (!known) return tl::make_unexpected(known.error());
  const auto& revisions = **known;
  for (int i = 0; i < revisions.revisions_size(); ++i) {
    if (revisions.revisions(i) != number) continue;
    if (revisions.contents(i) == content) return {};  // a duplicate
    return conflict(Reason::revision_conflict,
                    fmt::format("revision {} is already known with different content", number));
  }

  const bool superseded = std::any_of(revisions.revisions().begin(), revisions.revisions().end(),
                                      [&](std::int64_t other) { return other > number; });
  auto id_entry = event_ids_.change(event.event_id());
  if (!id_entry) return tl::make_unexpected(id_entry.error());
  (*id_entry)->add_contents(hash_of(identity, event));
  auto entry = identities_.change(identity);
  if (!entry) return tl::make_unexpected(entry.error());
  (*entry)->add_revisions(number);
  (*entry)->add_contents(content);
  TRY(save_anchor(event));
  return superseded ? Result<void>{} : copy(candidate, outbox);
}

// The fields of an event that never change; nullopt if it has none.
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

Result<std::optional<std::string>> Reference::conflict_with_anchor(const Event& event) {
  const auto anchor = anchor_of(event);
  if (!anchor || event.cancelled()) return std::nullopt;
  const auto known = anchors_.get(anchor_key(event));
  if (!known) return tl::make_unexpected(known.error());
  if ((*known)->fixed() && event.has_region() &&
      ((*known)->level() != anchor->level() || (*known)->parent_id() != anchor->parent_id())) {
    return "the parent and the level of a region never change";
  }
  if ((*known)->fixed() && event.has_sku() && (*known)->brand_id() != anchor->brand_id()) {
    return fmt::format("the brand of a SKU never changes: it is {}", (*known)->brand_id());
  }
  return std::nullopt;
}

// A region is below regions of higher levels only. A parent that only cancelled events have made known has no level yet: it is
// compared with its children when an event fixes its level.
Result<std::optional<std::string>> Reference::misplaced_region(const Event& event) {
  const auto anchor = anchor_of(event);
  if (!anchor || !event.has_region() || event.cancelled()) return std::nullopt;
  const auto& region_id = event.region().region_id();
  const auto known = anchors_.get(region_anchor(region_id));
  if (!known) return tl::make_unexpected(known.error());
  if ((*known)->fixed()) return std::nullopt;  // it has been compared
  const auto level = level_name(anchor->level());
  if (const auto& parent_id = anchor->parent_id(); !parent_id.empty()) {
    if (parent_id == region_id) return fmt::format("region.parent_id: region {} is its own parent", region_id);
    const auto parent = anchors_.get(region_anchor(parent_id));
    if (!parent) return tl::make_unexpected(parent.error());
    if ((*parent)->fixed() && !is_higher((*parent)->level(), anchor->level())) {
      return fmt::format(
          "region.parent_id: a {} cannot be below {}, which is a {}; the parent's level has to be higher", level,
          parent_id, level_name((*parent)->level()));
    }
  }
  if ((*known)->child_level() != 0 && !is_higher(anchor->level(), (*known)->child_level())) {
    return fmt::format("region.level: {} cannot be a {}, since a {} is below it; the parent's level has to be higher",
                       region_id, level, level_name((*known)->child_level()));
  }
  return std::nullopt;
}

// The first event of a region or SKU makes it known; the first that is not cancelled fixes the fields that never
// change.
Result<void> Reference::save_anchor(const Event& event) {
  if (!event.has_region() && !event.has_sku()) return {};
  auto saved = anchors_.change(anchor_key(event));
  if (!saved) return tl::make_unexpected(saved.error());
  (*saved)->set_known(true);
  TRY(pending_.on_known(known_by(event), [&](const Event& pending) { return missing_of(pending); }));
  const auto anchor = anchor_of(event);
  if (!anchor || event.cancelled() || (*saved)->fixed()) return {};
  (*saved)->MergeFrom(*anchor);
  (*saved)->set_fixed(true);
  if (anchor->parent_id().empty()) return {};
  auto parent = anchors_.change(region_anchor(anchor->parent_id()));
  if (!parent) return tl::make_unexpected(parent.error());
  if ((*parent)->child_level() == 0 || is_higher(anchor->level(), (*parent)->child_level()))
    (*parent)->set_child_level(anchor->level());
  return {};
}

// ---- output ---------------------------------------------------------------------------------------------------------

void Reference::reject(const Candidate& candidate, const Rejected& rejected, Outbox& outbox) {
  send_rejection(candidate.record, candidate.arrival, rejected, false, "", settings_.definition, outbox);
}

Result<void> Reference::copy(const Candidate& candidate, Outbox& outbox) {
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

Result<void> Reference::complete(Event& event) {
  if (!event.has_region() && !event.has_sku()) return {};
  const auto known = anchors_.get(anchor_key(event));
  if (!known) return tl::make_unexpected(known.error());
  if (event.has_region() && !(*known)->fixed()) {
    // What a cancellation names besides its id fixes nothing, so readers must not see it.
    event.mutable_region()->clear_parent_id();
    event.mutable_region()->clear_level();
  }
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
