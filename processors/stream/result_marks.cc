#include "processors/stream/result_marks.h"

#include <algorithm>

#include "state.pb.h"

namespace fiverate {
namespace {

// Of each two neighbours that are kept the older one lies at least twice as far back.
void thin_out(std::vector<ResultMark>& marks) {
  constexpr std::size_t kMarksMax = 48;
  if (marks.size() <= kMarksMax) return;
  const auto newest = marks.back().end;
  std::vector<ResultMark> kept;
  for (const auto& mark : marks) {
    if (kept.empty() || newest - kept.back().end >= 2 * (newest - mark.end)) kept.push_back(mark);
  }
  marks = std::move(kept);
}

void add(ResultsState& state, const Input& target, const ResultMark& mark) {
  state.add_topics(static_cast<int>(target.topic));
  state.add_partitions(target.partition);
  state.add_ends(mark.end);
  state.add_cause_offsets(mark.cause.offset);
  state.add_cause_indexes(mark.cause.index);
  state.add_said(mark.said);
  state.add_as_of(mark.as_of);
}

}  // namespace

void ResultMarks::note(const Input& target, const ResultMark& mark) {
  auto& marks = marks_[target];
  std::erase_if(marks, [&](const auto& known) { return known.end >= mark.end; });
  marks.push_back(mark);
  thin_out(marks);
}

void ResultMarks::confirm(std::int64_t as_of) {
  for (auto& [target, marks] : marks_) marks.back().as_of = std::max(marks.back().as_of, as_of);
}

const std::vector<ResultMark>& ResultMarks::of(const Input& target) const {
  static const std::vector<ResultMark> kNone;
  const auto found = marks_.find(target);
  return found == marks_.end() ? kNone : found->second;
}

bool ResultMarks::learn(const ResultsState& state) {
  const auto size = state.topics_size();
  for (const auto other : {state.partitions_size(), state.ends_size(), state.cause_offsets_size(), state.cause_indexes_size(),
                           state.said_size(), state.as_of_size()}) {
    if (other != size) return false;
  }
  for (int i = 0; i < size; ++i) {
    const Input target{static_cast<Topic>(state.topics(i)), state.partitions(i)};
    const auto& known = of(target);
    if (!known.empty() && known.back().as_of > state.as_of(i)) continue;
    note(target, {state.ends(i), {state.cause_offsets(i), state.cause_indexes(i)}, state.said(i), state.as_of(i)});
  }
  return true;
}

ResultsState ResultMarks::to_state() const {
  ResultsState state;
  for (const auto& [target, marks] : marks_) {
    for (const auto& mark : marks) add(state, target, mark);
  }
  return state;
}

ResultsState ResultMarks::newest() const {
  std::vector<std::pair<Input, ResultMark>> newest;
  for (const auto& [target, marks] : marks_) newest.emplace_back(target, marks.back());
  std::ranges::stable_sort(newest, std::ranges::greater(), [](const auto& one) { return one.second.cause; });
  if (newest.size() > kNewestMax) newest.resize(kNewestMax);
  ResultsState state;
  for (const auto& [target, mark] : newest) add(state, target, mark);
  return state;
}

}  // namespace fiverate
