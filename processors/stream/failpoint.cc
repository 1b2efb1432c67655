#include "processors/stream/failpoint.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include "schemas/check.h"

namespace fiverate {
namespace {

struct Armed {
  Failpoint point;
  std::atomic<std::int64_t> passed = 0;  // threads of several stages pass
  std::function<void()> strike;
};

Armed& armed() {
  static Armed one;
  return one;
}

bool is_known(std::string_view name) {
  return std::ranges::any_of(kFailpoints, [&](const auto& known) { return known.name == name; });
}

}  // namespace

Result<Failpoint> parse_failpoint(std::string_view text) {
  const auto whole = text;
  Failpoint point;
  if (text.ends_with(":stop")) {
    point.stops = true;
    text.remove_suffix(5);
  }
  const auto colon = text.find(':');
  point.name = text.substr(0, colon);
  if (!is_known(point.name)) {
    std::string names;
    for (const auto& known : kFailpoints) names += fmt::format("\n  {:<18}{}", known.name, known.meaning);
    return fail(Reaction::stop, "FAILPOINT=\"{}\": there is no such point. These are, and what a crash there means:{}",
                whole, names);
  }
  const auto pass = colon == std::string_view::npos ? "1" : text.substr(colon + 1);
  const auto* const end = pass.data() + pass.size();
  const auto [stopped_at, problem] = std::from_chars(pass.data(), end, point.pass);
  if (problem != std::errc{} || stopped_at != end || point.pass < 1) {
    return fail(Reaction::stop, "FAILPOINT=\"{}\": write a name, name:pass or name:pass:stop, with a pass from 1 on.",
                whole);
  }
  return point;
}

void arm_failpoint(Failpoint point, std::function<void()> strike) {
  CHECK(is_known(point.name), point.name);
  auto& one = armed();
  one.point = std::move(point);
  one.passed = 0;
  one.strike = std::move(strike);
  detail::failpoint_armed = true;
}

void disarm_failpoint() {
  detail::failpoint_armed = false;
}

void detail::pass_failpoint(std::string_view name) {
  auto& one = armed();
  CHECK(is_known(name), name);  // a point that nobody can arm
  if (name == one.point.name && one.passed.fetch_add(1) + 1 == one.point.pass) one.strike();
}

}  // namespace fiverate
