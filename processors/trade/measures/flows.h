// The flows of one document: what it contributes on its own day, regardless of the outlet's other facts.
#pragma once

#include <vector>

#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

// Appends the flows of the counted revision in a segment, multiplied by `sign` (+1 or -1). Nothing in kNoSegment. Lines
// none of whose flows are selected are left out.
void contribute_document(const Document& document, SegmentNumber segment, int sign, const MarketContext& context,
                         Differences& differences);

}  // namespace fiverate
