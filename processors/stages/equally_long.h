// Whether the columns of a stored message have equal lengths.
#pragma once

namespace fiverate {

template <typename Column, typename... Columns>
bool equally_long(const Column& first, const Columns&... others) {
  return ((first.size() == others.size()) && ...);
}

}  // namespace fiverate
