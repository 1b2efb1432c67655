#include "producers/import/decimal.h"

#include <limits>

namespace fiverate {
namespace {

__extension__ using Wide = __int128;  // the product of two numbers of 18 digits has at most 36

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto point = text.find('.');
  auto whole = text.substr(0, point);
  auto fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() && fraction.empty()) return std::nullopt;
  while (whole.starts_with('0')) whole.remove_prefix(1);
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (whole.size() + fraction.size() > std::size_t{kDigitsMax}) return std::nullopt;

  Decimal out;
  for (const auto part : {whole, fraction}) {
    for (const char c : part) {
      if (c < '0' || c > '9') return std::nullopt;
      out.digits = out.digits * 10 + (c - '0');
    }
  }
  out.scale = static_cast<int>(fraction.size());
  if (negative) out.digits = -out.digits;
  return out;
}

std::optional<std::int64_t> times(Decimal a, Decimal b, Rounding rounding) {
  const auto product = Wide{a.digits} * Wide{b.digits};
  Wide unit = 1;
  for (int i = 0; i < a.scale + b.scale; ++i) unit *= 10;
  auto value = product / unit;
  auto rest = product % unit;
  if (rest != 0 && rounding == Rounding::refuse) return std::nullopt;
  if (rest < 0) rest = -rest;
  if (rounding == Rounding::half_up && 2 * rest >= unit) value += product < 0 ? -1 : 1;
  if (value > std::numeric_limits<std::int64_t>::max() || value < std::numeric_limits<std::int64_t>::min()) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

}  // namespace fiverate
