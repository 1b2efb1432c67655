#include "processors/stages/outlet_context.h"

#include <charconv>

#include "schemas/topics.h"

namespace fiverate {

EventRef event_ref(const Event& event, const Cause& source) {
  EventRef ref{event.event_id()};
  const auto slash = source.sender.rfind('/');
  if (slash == std::string::npos) return ref;
  const auto topic = topic_named(source.sender.substr(0, slash));
  if (!topic) return ref;
  ref.topic = *topic;
  std::from_chars(source.sender.data() + slash + 1, source.sender.data() + source.sender.size(), ref.partition);
  ref.offset = source.position.offset;
  return ref;
}

}  // namespace fiverate
