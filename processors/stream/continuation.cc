#include "processors/stream/continuation.h"

#include "processors/stream/base64.h"

namespace fiverate {
namespace {

constexpr std::string_view kContinue = "continue=";

}  // namespace

std::string to_group_text(const Continuation& continuation) {
  auto text = std::string(kContinue) + to_base64(continuation.SerializeAsString());
  return text.size() > kContinuationMax ? std::string() : text;
}

std::optional<Continuation> continuation_in(std::string_view group_text) {
  const auto begin = group_text.find(kContinue);
  if (begin == std::string_view::npos) return std::nullopt;
  group_text.remove_prefix(begin + kContinue.size());
  const auto bytes = from_base64(group_text.substr(0, group_text.find(' ')));
  Continuation continuation;
  if (!bytes || !continuation.ParseFromString(*bytes)) return std::nullopt;
  return continuation;
}

}  // namespace fiverate
