#include "schemas/did_you_mean.h"

#include <algorithm>
#include <vector>

#include "schemas/format.h"

namespace fiverate {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The number of letters to insert, delete or replace and of neighbours to swap.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> edits(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        edits[i][j] = i + j;
        continue;
      }
      const std::size_t replace = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
      }
    }
  }
  return edits[a.size()][b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view given, std::span<const std::string> known) {
  constexpr std::size_t kNameBytesMax = 200;  // the comparison is quadratic
  if (given.size() > kNameBytesMax) return {};
  std::size_t best = std::max<std::size_t>(2, given.size() / 3) + 1;
  const std::string* nearest = nullptr;
  for (const auto& name : known) {
    if (name.size() > kNameBytesMax) continue;
    if (const auto edits = edits_between(lower(given), lower(name)); edits < best && edits < name.size()) {
      best = edits;
      nearest = &name;
    }
  }
  return nearest == nullptr ? std::string() : fmt::format("; did you mean \"{}\"?", *nearest);
}

}  // namespace fiverate
