#include "processors/stream/outputs.h"

#include <algorithm>

#include "processors/stream/failpoint.h"

namespace fiverate {

void Outputs::begin(std::int64_t offset, bool enabled, bool published) {
  offset_ = offset;
  next_index_ = 0;
  enabled_ = enabled;
  published_ = published;
}

void Outputs::to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
                      std::vector<Cause> depends_on) {
  auto& last = chains_[{topic, partition}];
  const auto position = next_position();
  const Link link{last.position, last.chain};
  last = {position, chained(last.chain, key, value)};
  if (!published_) return;
  send({topic, partition, timestamp, std::move(key), std::move(value), Cause{task_, position}, link,
        std::move(depends_on)});
}

void Outputs::to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) {
  const auto position = next_position();
  if (!published_) return;
  const Input target{topic, partition};
  if (std::ranges::find(results_written_, target) == results_written_.end()) results_written_.push_back(target);
  send({topic, partition, timestamp, std::move(key), std::move(value), Cause{task_, position}, std::nullopt});
}

void Outputs::send(OutRecord record) {
  if (error_) return;
  if (record.topic == Topic::quarantine) ++quarantined_;
  if (auto sent = sink_.send(std::move(record)); !sent) error_ = sent.error();
  failpoint("output.sent");
}

void Outputs::note_acknowledged() {
  auto acknowledged = std::make_shared<Acknowledged>();
  for (const auto& [target, last] : chains_) acknowledged->emplace(target, last.position);
  acknowledged_ = std::move(acknowledged);
  for (const auto& target : results_written_) {
    if (const auto end = sink_.acknowledged_end(target, task_)) result_ends_[target] = *end;
  }
  results_written_.clear();
}

bool Outputs::load(const OutputChains& chains, std::int64_t next_offset) {
  const auto size = chains.topics_size();
  for (const auto other :
       {chains.partitions_size(), chains.behind_size(), chains.indexes_size(), chains.chains_size()}) {
    if (other != size) return false;
  }
  chains_.clear();
  for (int i = 0; i < size; ++i) {
    chains_[{static_cast<Topic>(chains.topics(i)), chains.partitions(i)}] = {
        {next_offset - chains.behind(i), chains.indexes(i)}, chains.chains(i)};
  }
  return true;
}

OutputChains Outputs::chains(std::int64_t next_offset) const {
  OutputChains chains;
  for (const auto& [target, last] : chains_) {
    chains.add_topics(static_cast<int>(target.topic));
    chains.add_partitions(target.partition);
    chains.add_behind(next_offset - last.position.offset);
    chains.add_indexes(last.position.index);
    chains.add_chains(last.chain);
  }
  return chains;
}

}  // namespace fiverate
