// A history as a log, in which each source topic has one partition. poll() ends each batch at the end of a day of
// arrivals, with a mark in every topic, so that the clock passes each midnight between two records. The record at
// position p of the canonical order has offset 2p + 1; marks before it have offset 2p.
#pragma once

#include <string>
#include <vector>

#include "processors/edge/history.h"
#include "processors/stream/ports.h"

namespace fiverate {

class HistorySource final : public Source {
 public:
  HistorySource(const History& history, const MarketCalendar& calendar) : history_(history), calendar_(calendar) {}

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  bool finished() const override { return done_; }
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }

  [[nodiscard]] std::size_t position() const { return position_; }
  static std::size_t position_of(std::int64_t offset) { return static_cast<std::size_t>(offset / 2); }

 private:
  static constexpr std::size_t kBatchMax = 2000;
  void append_marks(Millis complete_through, std::vector<InRecord>& records);

  const History& history_;
  const MarketCalendar& calendar_;
  Listener listener_;
  bool assigned_ = false;
  bool done_ = false;
  std::size_t position_ = 0;
  Millis marked_ = kNever;
};

}  // namespace fiverate
