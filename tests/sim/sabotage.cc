#include "tests/sim/sabotage.h"

#include <algorithm>

#include "deltas.pb.h"
#include "schemas/check.h"

namespace fiverate::test {
namespace {

class FickleOutbox final : public Outbox {
 public:
  FickleOutbox(Outbox& inner, Saboteur& saboteur) : inner_(inner), saboteur_(saboteur) {}
  void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
               std::vector<Cause> depends_on) override {
    if (topic == Topic::deltas) {
      if (auto other = saboteur_.changed(value)) value = std::move(*other);
    }
    inner_.to_task(topic, partition, timestamp, std::move(key), std::move(value), std::move(depends_on));
  }
  void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override {
    inner_.to_result(topic, partition, timestamp, std::move(key), std::move(value));
  }
  bool outputs_enabled() const override { return inner_.outputs_enabled(); }

 private:
  Outbox& inner_;
  Saboteur& saboteur_;
};

class FickleOperator final : public Operator {
 public:
  FickleOperator(std::unique_ptr<Operator> inner, Saboteur& saboteur) : inner_(std::move(inner)), saboteur_(saboteur) {}
  Result<void> open(const Store& store) override { return inner_->open(store); }
  Result<void> apply(const InRecord& record, Outbox& outbox) override {
    FickleOutbox fickle(outbox, saboteur_);
    return inner_->apply(record, fickle);
  }
  std::optional<std::string> foreign_reason(const InRecord& record) const override {
    return inner_->foreign_reason(record);
  }
  bool at_boundary() const override { return inner_->at_boundary(); }
  void save(StoreBatch& batch) override { inner_->save(batch); }
  Millis clock() const override { return inner_->clock(); }
  std::optional<ResumePoint> resume_point() const override { return inner_->resume_point(); }
  Result<void> resume(std::string_view tally) override { return inner_->resume(tally); }
  bool is_live() const override { return inner_->is_live(); }
  JumpGuard* jump_guard() override { return inner_->jump_guard(); }
  Millis claimed_time(const InRecord& record) override { return inner_->claimed_time(record); }
  std::string report() const override { return inner_->report(); }

 private:
  std::unique_ptr<Operator> inner_;
  Saboteur& saboteur_;
};

bool same_cause(const OutRecord& a, const OutRecord& b) {
  return a.cause && b.cause && a.cause->sender == b.cause->sender && a.cause->position == b.cause->position;
}

}  // namespace

bool Saboteur::due(const OutRecord& record) {
  if (done_ || !record.link) return false;
  if (kind_ == Sabotage::changed_delta && record.topic != Topic::deltas) return false;
  return --after_ <= 0;
}

std::vector<OutRecord> Saboteur::on_the_wire(OutRecord record, const void* sink) {
  std::vector<OutRecord> sent;
  if (held_ && sink == by_ && held_->topic == record.topic && held_->partition == record.partition) {
    sent.push_back(std::move(record));
    sent.push_back(std::move(*held_));
    held_.reset();
    done_ = true;
    return sent;
  }
  if (!held_ && due(record)) {
    by_ = sink;
    switch (kind_) {
      case Sabotage::dropped_record:
        dropped_ = std::move(record);
        done_ = true;
        return sent;
      case Sabotage::swapped_pair:
        held_ = std::move(record);
        return sent;
      case Sabotage::changed_delta:
        if (auto other = changed(record.value)) record.value = std::move(*other);
        break;
      default:
        break;
    }
  }
  sent.push_back(std::move(record));
  return sent;
}

std::optional<OutRecord> Saboteur::release(const void* sink) {
  if (!held_ || sink != by_) return std::nullopt;
  return std::exchange(held_, std::nullopt);
}

void Saboteur::acknowledged(const void* sink) {
  if (dropped_ && sink == by_) lost_for_good_ = true;
}

// The sink ends with unacknowledged records, so no sender has received a wrong acknowledgement yet.
void Saboteur::gone(const void* sink) {
  if (sink != by_) return;
  by_ = nullptr;
  held_.reset();
  if (!dropped_ || lost_for_good_) return;
  dropped_.reset();
  done_ = false;
}

std::unique_ptr<Operator> Saboteur::wrap(std::unique_ptr<Operator> op, bool repeats) {
  if (kind_ != Sabotage::fickle_stage || !repeats) return op;
  return std::make_unique<FickleOperator>(std::move(op), *this);
}

std::optional<std::string> Saboteur::changed(const std::string& value) {
  if (kind_ == Sabotage::fickle_stage && !chance_.one_in(8)) return std::nullopt;
  DeltasRecord record;
  CHECK(record.ParseFromString(value));
  if (record.deltas().columns().values().empty()) return std::nullopt;
  auto& number = *record.mutable_deltas()->mutable_columns()->mutable_values()->Mutable(0);
  ++number;
  if (kind_ == Sabotage::changed_delta) done_ = true;
  auto other = record.SerializeAsString();
  changed_.insert(other);
  return other;
}

bool Saboteur::struck(const SimLog& log) const {
  if (first_out_of_order(log)) return true;
  for (const auto& [input, records] : log.partitions()) {
    if (input.topic != Topic::deltas || changed_.empty()) continue;
    if (std::ranges::any_of(records, [&](const auto& record) { return changed_.contains(record->value); })) return true;
  }
  if (!lost_for_good_) return false;
  const auto& records = log.all({dropped_->topic, dropped_->partition});
  return std::ranges::none_of(records, [&](const auto& record) { return same_cause(*record, *dropped_); });
}

std::optional<std::string> first_out_of_order(const SimLog& log) {
  for (const auto& [input, records] : log.partitions()) {
    std::map<std::string, CausePosition> last;
    for (const auto& record : records) {
      for (const auto& cause : record->depends_on) {
        if (last[cause.sender] >= cause.position) continue;
        return fmt::format("{} partition {}: a record depends on {}, which is missing", name_of(input.topic),
                           input.partition, to_text(cause));
      }
      if (!record->link) continue;
      auto& seen = last[record->cause->sender];
      if (record->cause->position <= seen) continue;
      if (record->link->previous > seen) {
        return fmt::format("{} partition {}: {} is there without {} before it", name_of(input.topic), input.partition,
                           to_text(*record->cause), to_text(record->link->previous));
      }
      seen = record->cause->position;
    }
  }
  return std::nullopt;
}

}  // namespace fiverate::test
