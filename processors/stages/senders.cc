#include "processors/stages/senders.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "processors/stages/task_names.h"

namespace fiverate {
namespace {

// "3", as sender_name() writes it: without sign and leading zeros.
std::optional<std::int32_t> parse_partition(std::string_view text) {
  std::int32_t partition = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), partition);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  const bool is_canonical = text.size() == 1 || (!text.empty() && text.front() != '0' && text.front() != '-');
  return is_number && is_canonical ? std::optional(partition) : std::nullopt;
}

// The topics that tasks read, by the names of these tasks.
using Names = std::array<std::pair<std::string_view, Topic>, kSourceTopics.size() + kInternalTopics.size()>;

Names names_of_tasks() {
  Names names;
  auto next = names.begin();
  for (const auto topic : kSourceTopics) *next++ = {sender_of({topic, 0}), topic};
  for (const auto topic : kInternalTopics) *next++ = {sender_of({topic, 0}), topic};
  return names;
}

std::optional<Topic> input_of(std::string_view name) {
  static const auto kNames = names_of_tasks();
  const auto* const found = std::ranges::find(kNames, name, &Names::value_type::first);
  return found == kNames.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

Senders::Senders(const Definition& definition) {
  for (const auto stage : {Stage::intake, Stage::reference, Stage::outlet, Stage::market, Stage::desk}) {
    for (const auto& input : inputs_of(stage, definition)) ++partitions_[static_cast<std::size_t>(input.topic)];
  }
  for (const auto topic : {Topic::orders, Topic::deliveries, Topic::visits})
    partitions_[static_cast<std::size_t>(topic)] = kSourcePartitionsMax;
}

bool Senders::writes_to(std::string_view sender, const Input& target) const {
  const auto slash = sender.rfind('/');
  if (slash == std::string_view::npos) return false;
  const auto input = input_of(sender.substr(0, slash));
  const auto partition = parse_partition(sender.substr(slash + 1));
  if (!input || !partition || *partition < 0 || *partition >= partitions_[static_cast<std::size_t>(*input)])
    return false;
  const auto stage = stage_reading(*input);
  const bool is_ingress = stage == Stage::intake || stage == Stage::reference;
  const bool has_same_number = *partition == target.partition;
  switch (target.topic) {
    case Topic::ledger:
      return is_ingress;
    case Topic::deltas:
      return stage == Stage::reference || stage == Stage::outlet;
    case Topic::signals:
      return stage == Stage::reference || *input == Topic::commands || stage == Stage::outlet ||
             (stage == Stage::market && has_same_number);
    case Topic::metrics:
    case Topic::metrics_final:
      return stage == Stage::market && has_same_number;
    case Topic::alerts:
    case Topic::alert_log:
      return stage == Stage::desk && has_same_number;
    case Topic::seals:
      return !is_ingress && has_same_number;
    case Topic::quarantine:
      return is_ingress || stage == Stage::outlet;
    case Topic::checkpoints:
      return true;
    case Topic::orders:
    case Topic::deliveries:
    case Topic::visits:
    case Topic::reference:
    case Topic::commands:
      return false;
  }
  return false;
}

}  // namespace fiverate
