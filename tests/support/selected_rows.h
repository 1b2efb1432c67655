// What a market with a selection of measures and windows publishes, made from the rows of one that has everything.
#pragma once

#include <map>
#include <string>

#include "processors/trade/measures/selection.h"

namespace fiverate::test {

// The selections that do not contain everything, in some order, again and again.
Selection nth_selection(std::size_t number);
// Rows by key, as bytes.
std::map<std::string, std::string> selected_rows(const std::map<std::string, std::string>& rows,
                                                 const Selection& selection);

}  // namespace fiverate::test
