// What one document contributes on its own day, whatever else is known of the outlet.
#pragma once

#include <vector>

#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

// Of its counted revision, at a place, `sign` times.
void contribute_document(const Document& document, PlaceNumber place, int sign, const MarketContext& context,
                         Differences& differences);

}  // namespace fiverate
