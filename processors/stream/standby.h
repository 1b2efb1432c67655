// Silent copies of tasks that other processes own: the same fold, never beyond what the group of the owners has committed, so
// whatever a copy leaves unsaid has been said. When a task comes to this process its copy speaks on, with nothing to open, nothing
// to read but the last moments.
//
//   keep      a task that goes to somebody else goes on here as a copy
//   follow    which tasks: called whenever tasks have come or gone
//   round     opens one copy that is not there yet, reads on; part of each round of the worker
//   release   the copy, if it is fit to go on as the task itself
//
// A copy that fails (a damaged store, another definition) is given up with a warning; the work of the process goes on without it.
// Belongs to its worker's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "processors/stream/seat.h"

namespace fiverate {

class Standby {
 public:
  // Reads fixed inputs from these offsets on, of no group.
  using OpenReader = std::function<Result<std::unique_ptr<Source>>(const std::map<Input, std::int64_t>& from)>;

  static constexpr std::size_t kHeldMax = 20'000;  // records read ahead of the owners, of all copies together
  static constexpr std::chrono::milliseconds kAskEvery{100};  // how far the owners are
  // The worker's own tasks wait for the answer. It comes within milliseconds, or the coordinator hangs: then it is not asked again at once,
  // so that they lose at most a twentieth of their time.
  static constexpr std::chrono::milliseconds kAskWithin{500};
  static constexpr std::chrono::seconds kAskAgainAfter{10};

  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `eligible`: all tasks there are. Of those that are not ours, at most `copies_max` are followed.
  Standby(OpenReader open_reader, MakeSeat make_seat, std::vector<Input> eligible, int copies_max,
          std::chrono::milliseconds commit_every, Now now = std::chrono::steady_clock::now)
      : open_reader_(std::move(open_reader)),
        make_seat_(std::move(make_seat)),
        eligible_(std::move(eligible)),
        copies_max_(static_cast<std::size_t>(copies_max)),
        commit_every_(commit_every),
        now_(std::move(now)) {}

  void keep(const Input& input, Seat seat);
  void follow(const std::set<Input>& ours);
  // `group` tells how far the owners are. True if anything was read.
  bool round(Source& group);
  // Nothing if there is no copy, or if it is ahead of `committed`: then only its store is right.
  std::optional<Seat> release(const Input& input, std::int64_t committed);

  [[nodiscard]] const std::map<Input, Seat>& copies() const { return copies_; }
  // How many records its owner has committed that a copy has not read, as last heard; nothing: not known.
  [[nodiscard]] std::optional<std::int64_t> behind(const Input& input) const;

 private:
  void open(const Input& input);
  void read_on(Source& group);
  void relieve();
  void give_up(const Input& input, const Error& error);
  void reread();
  Result<void> process(const Input& input, Seat& seat, std::int64_t until);

  OpenReader open_reader_;
  MakeSeat make_seat_;
  std::vector<Input> eligible_;
  std::size_t copies_max_;
  std::chrono::milliseconds commit_every_;
  Now now_;

  std::map<Input, Seat> copies_;
  std::vector<Input> wanted_;
  std::map<Input, std::chrono::steady_clock::time_point> not_before_;  // another process holds their stores: tried again then
  std::set<Input> unfit_;  // given up; not tried again until this process owned it
  std::map<Input, std::int64_t> stalled_;  // not read until its owner has committed something else than this: it fills the room of all
  std::unique_ptr<Source> reader_;
  std::map<Input, std::deque<InRecord>> held_;
  std::size_t held_count_ = 0;
  std::map<Input, std::int64_t> committed_;
  std::chrono::steady_clock::time_point ask_at_{};
  std::chrono::steady_clock::time_point saved_{};
  std::chrono::steady_clock::time_point reopened_{};
};

}  // namespace fiverate
