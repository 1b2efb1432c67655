#include "processors/stages/outlet_context.h"

#include <charconv>

namespace fiverate {

std::optional<Topic> source_topic_of(const Cause& source) {
  const auto slash = source.sender.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  return topic_named(std::string_view(source.sender).substr(0, slash));
}

EventRef event_ref(const Event& event, const Cause& source) {
  EventRef ref{event.event_id()};
  const auto topic = source_topic_of(source);
  if (!topic) return ref;
  const auto slash = source.sender.rfind('/');
  ref.topic = *topic;
  std::from_chars(source.sender.data() + slash + 1, source.sender.data() + source.sender.size(), ref.partition);
  ref.offset = source.position.offset;
  return ref;
}

}  // namespace fiverate
