#include "tests/sim/sim_group.h"

#include <algorithm>

namespace fiverate::test {

void SimGroup::join(const std::string& name, std::int64_t incarnation) {
  const auto known = members_.find(name);
  if (known == members_.end()) {
    members_[name].incarnation = incarnation;
    begin_rebalancing();
  } else {
    known->second.incarnation = incarnation;
  }
  members_.at(name).joined = true;
  assign_if_all_joined();
}

void SimGroup::expel(const std::string& name) {
  if (members_.erase(name) == 0) return;
  begin_rebalancing();
}

void SimGroup::extend(std::vector<Input> inputs) {
  inputs_ = std::move(inputs);
  begin_rebalancing();
}

bool SimGroup::knows(const std::string& name, std::int64_t incarnation) const {
  const auto found = members_.find(name);
  return found != members_.end() && found->second.incarnation == incarnation;
}

void SimGroup::begin_rebalancing() {
  rebalancing_ = true;
  for (auto& [name, member] : members_) member.joined = false;
}

// Range assignment: the members, in order of their names, get consecutive partitions of each topic.
void SimGroup::assign_if_all_joined() {
  if (!rebalancing_ || !std::ranges::all_of(members_, [](const auto& one) { return one.second.joined; })) return;
  rebalancing_ = false;
  ++generation_;
  std::map<Topic, std::vector<Input>> by_topic;
  for (const auto& input : inputs_) by_topic[input.topic].push_back(input);
  for (auto& [name, member] : members_) member.assigned.clear();
  for (const auto& [topic, partitions] : by_topic) {
    const auto each = partitions.size() / members_.size();
    auto more = partitions.size() % members_.size();
    std::size_t next = 0;
    for (auto& [name, member] : members_) {
      const auto count = each + (more > 0 ? 1 : 0);
      if (more > 0) --more;
      for (std::size_t i = 0; i < count; ++i) member.assigned.push_back(partitions[next++]);
    }
  }
}

}  // namespace fiverate::test
