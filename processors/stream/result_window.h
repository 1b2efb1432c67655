// What a compacted result partition said lately, by key: notices when an older record of a key comes behind a newer one
// (a process that was cut off woke up and wrote what it still had), for then the older one is what the log keeps.
//
//   read K@10, K@20        fine
//   read K@20, K@10        K@20 has to be written again; reading K@20 once more settles it
//
// Which is newer, the causes say: one sender a partition, its positions rise. Only the last kWindowBytes of the log are
// known: what wakes up repeats what is recent. Belongs to its task's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate {

class ResultWindow {
 public:
  static constexpr std::size_t kWindowBytes = std::size_t{32} << 20U;

  explicit ResultWindow(std::string sender, std::size_t bytes_max = kWindowBytes)
      : sender_(std::move(sender)), bytes_max_(bytes_max) {}

  // In the order of the log. What others sent, or what has no cause, is left alone.
  void read(const InRecord& record);
  // What has to be written again. A key is told once, and again only if it is overwritten again.
  [[nodiscard]] std::vector<OutRecord> take_overwritten();

 private:
  struct Newest {
    OutRecord record;
    std::int64_t read_as = 0;  // number of the reading that put it here
  };
  struct Reading {
    std::string key;
    std::int64_t number = 0;
    std::size_t bytes = 0;
  };
  void forget_oldest();

  std::string sender_;
  std::size_t bytes_max_;
  std::map<std::string, Newest, std::less<>> newest_;
  std::set<std::string, std::less<>> overwritten_;
  std::deque<Reading> readings_;
  std::size_t bytes_ = 0;
  std::int64_t readings_count_ = 0;
};

}  // namespace fiverate
