#include "readers/query/seal_json.h"

#include <algorithm>
#include <tuple>

#include "schemas/time.h"

namespace fiverate {

void append_json_line(const Seal& seal, fmt::memory_buffer& out) {
  fmt::format_to(
      std::back_inserter(out),
      R"({{"stage":"{}","partition":{},"day":"{}","chain":"{:016x}","records":{},"transitions_chain":"{:016x}",)"
      R"("transitions":{},"sum":"{:016x}{:016x}","next_offset":{}}})"
      "\n",
      seal.stage(), seal.partition(), format_date(Day{seal.day()}), seal.chain(), seal.records(),
      seal.transitions_chain(), seal.transitions(), seal.sum_high(), seal.sum_low(), seal.next_offset());
}

void sort_canonically(std::vector<Seal>& seals) {
  std::sort(seals.begin(), seals.end(), [](const Seal& a, const Seal& b) {
    return std::tuple(std::string_view(a.stage()), a.partition(), a.day()) <
           std::tuple(std::string_view(b.stage()), b.partition(), b.day());
  });
}

}  // namespace fiverate
