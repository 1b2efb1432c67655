#include "processors/stream/standby.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "processors/stream/continuation.h"

namespace fiverate {
namespace {

constexpr std::chrono::seconds kReopenAfter{1};
constexpr std::chrono::milliseconds kHeldAgainAfter{200};
constexpr std::size_t kRecordsARound = 4'000;  // the worker's own tasks come first

}  // namespace

void Standby::keep(const Input& input, Seat seat) {
  unfit_.erase(input);
  if (!std::ranges::binary_search(eligible_, input)) return;
  seat.task->stand_by();
  copies_.insert_or_assign(input, std::move(seat));
}

// Beginning behind our own, so that processes that own neighbouring partitions keep copies of different ones.
void Standby::follow(const std::set<Input>& ours) {
  wanted_.clear();
  const auto behind = ours.empty() ? eligible_.begin() : std::ranges::upper_bound(eligible_, *ours.rbegin());
  const auto add = [&](auto from, auto to) {
    for (auto at = from; at != to && wanted_.size() < copies_max_; ++at) {
      if (!ours.contains(*at) && !unfit_.contains(*at)) wanted_.push_back(*at);
    }
  };
  add(behind, eligible_.end());
  add(eligible_.begin(), behind);
  std::erase_if(copies_, [&](const auto& copy) { return std::ranges::find(wanted_, copy.first) == wanted_.end(); });
  reread();
}

void Standby::open(const Input& input) {
  auto seat = make_seat_(input);
  if (!seat && seat.error().reaction == Reaction::wait) {
    not_before_[input] = now_() + kHeldAgainAfter;
    return;
  }
  if (!seat) return give_up(input, seat.error());
  if (const auto restored = seat->task->restore(); !restored) return give_up(input, restored.error());
  seat->task->stand_by();
  spdlog::info("{}: standing by, from offset {}", seat->task->name(), seat->task->next_offset());
  copies_.insert_or_assign(input, std::move(*seat));
  reread();
}

void Standby::give_up(const Input& input, const Error& error) {
  spdlog::warn("standby of {} partition {} is given up: {}", name_of(input.topic), input.partition, error.what);
  copies_.erase(input);
  unfit_.insert(input);
  reread();  // without it
}

// The reader begins anew with the copies at hand.
void Standby::reread() {
  reader_.reset();
  held_.clear();
  held_count_ = 0;
  reopened_ = {};
}

bool Standby::round(Source& group) {
  // One at a time, for the worker's own tasks wait meanwhile.
  const auto missing = std::ranges::find_if(wanted_, [&](const auto& input) {
    const auto held = not_before_.find(input);
    return !copies_.contains(input) && !unfit_.contains(input) && (held == not_before_.end() || now_() >= held->second);
  });
  if (missing != wanted_.end()) open(*missing);
  if (copies_.empty()) return false;
  const auto now = now_();
  if (now >= ask_at_) {
    std::vector<Input> inputs;
    for (const auto& [input, seat] : copies_) inputs.push_back(input);
    const auto known = group.committed_of(inputs, kAskWithin);
    if (known) {
      for (const auto& [input, committed] : *known) {
        committed_[input] = committed.offset;
        if (const auto continuation = continuation_in(committed.metadata)) copies_.at(input).task->catch_up(*continuation);
      }
    }
    ask_at_ = now_() + (known ? std::chrono::milliseconds(kAskEvery) : std::chrono::milliseconds(kAskAgainAfter));
    if (std::erase_if(stalled_, [&](const auto& one) { return committed_[one.first] != one.second; }) > 0) reread();
  }
  read_on(group);
  bool moved = false;
  std::vector<std::pair<Input, Error>> failed;
  const bool save = now - saved_ >= commit_every_;
  if (save) saved_ = now;
  for (auto& [input, seat] : copies_) {
    const auto before = seat.task->next_offset();
    auto done = process(input, seat, committed_.contains(input) ? committed_.at(input) : 0);
    moved = moved || seat.task->next_offset() != before;
    if (done && save && seat.task->changed() && seat.task->at_boundary()) done = seat.task->commit();
    if (!done) failed.emplace_back(input, done.error());
  }
  for (const auto& [input, error] : failed) give_up(input, error);
  if (!moved && held_count_ >= kHeldMax) relieve();
  return moved;
}

void Standby::read_on(Source& group) {
  const auto now = now_();
  if (!reader_) {
    if (now - reopened_ < kReopenAfter) return;
    reopened_ = now;
    std::map<Input, std::int64_t> from;
    std::vector<Input> behind;
    for (const auto& [input, seat] : copies_) {
      if (stalled_.contains(input)) continue;
      const auto extent = group.extent(input);
      if (!extent) return;
      if (*extent && seat.task->next_offset() < (*extent)->low) {
        behind.push_back(input);
      } else {
        from[input] = seat.task->next_offset();
      }
    }
    for (const auto& input : behind) give_up(input, {Reaction::stop, "the log begins behind it and no snapshot reaches it"});
    if (!behind.empty() || from.empty()) return;
    auto opened = open_reader_(from);
    if (!opened) {
      spdlog::warn("standby: {}", opened.error().what);
      return;
    }
    reader_ = std::move(*opened);
  }
  if (held_count_ >= kHeldMax) return;
  std::vector<InRecord> records;
  if (const auto polled = reader_->poll(std::chrono::milliseconds{0}, records); !polled) {
    spdlog::warn("standby: {}", polled.error().what);
    reread();
    reopened_ = now;
    return;
  }
  held_count_ += records.size();
  for (auto& record : records) held_[record.input].push_back(std::move(record));
}

// One owner stands still and its records fill the room of all: they are read again when it moves.
void Standby::relieve() {
  const auto fullest =
      std::ranges::max_element(held_, {}, [](const auto& one) { return one.second.size(); });
  if (fullest == held_.end()) return;
  const auto known = committed_.find(fullest->first);
  stalled_[fullest->first] = known == committed_.end() ? 0 : known->second;
  reread();
}

Result<void> Standby::process(const Input& input, Seat& seat, std::int64_t until) {
  auto& waiting = held_[input];
  for (std::size_t count = 0; count < kRecordsARound && !waiting.empty() && waiting.front().offset < until; ++count) {
    FIVERATE_TRY(seat.task->process(waiting.front()));
    waiting.pop_front();
    --held_count_;
  }
  return {};
}

std::optional<std::int64_t> Standby::behind(const Input& input) const {
  const auto copy = copies_.find(input);
  const auto committed = committed_.find(input);
  if (copy == copies_.end() || committed == committed_.end()) return std::nullopt;
  return std::max<std::int64_t>(0, committed->second - copy->second.task->next_offset());
}

std::optional<Seat> Standby::release(const Input& input, std::int64_t committed) {
  const auto found = copies_.find(input);
  if (found == copies_.end()) return std::nullopt;
  auto seat = std::move(found->second);
  copies_.erase(found);
  // What it folded beyond that was perhaps never said: it was ours once, and was taken away before its outputs were acknowledged.
  if (seat.task->next_offset() > committed) return std::nullopt;
  return seat;
}

}  // namespace fiverate
