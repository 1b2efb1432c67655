#include "processors/trade/reference/segments.h"

namespace fiverate {

Segments::Segments() {
  static const Segment kNowhere;
  segments_ = {&kNowhere, &kNowhere};
}

SegmentNumber Segments::number_of(const std::string& region_id, std::span<const ClassValue> classes) {
  if (region_id.empty()) return kNoSegment;
  const auto next = static_cast<SegmentNumber>(segments_.size());
  const auto [found, added] = numbers_.try_emplace(make_segment(region_id, classes), next);
  if (added) segments_.push_back(&found->first);
  return found->second;
}

}  // namespace fiverate
