// What an event carries, as what it is: calls `visit(name, message)` with the payload and its name in the contract; with
// none, nothing is called. The one switch over all payloads: a new one is added here, and whoever visits has to know it.
#pragma once

#include <string_view>

#include "event.pb.h"

namespace fiverate {

template <class Visit>
void visit_payload(const Event& event, Visit visit) {
  switch (event.payload_case()) {
    case Event::kOrder: return visit("order", event.order());
    case Event::kDelivery: return visit("delivery", event.delivery());
    case Event::kVisit: return visit("visit", event.visit());
    case Event::kOutlet: return visit("outlet", event.outlet());
    case Event::kSku: return visit("sku", event.sku());
    case Event::kRegion: return visit("region", event.region());
    case Event::kPolicy: return visit("policy", event.policy());
    case Event::kTarget: return visit("target", event.target());
    case Event::kPlan: return visit("plan", event.plan());
    case Event::kAllocation: return visit("allocation", event.allocation());
    case Event::kCalendar: return visit("calendar", event.calendar());
    case Event::kCommand: return visit("command", event.command());
    case Event::kMark: return visit("mark", event.mark());
    case Event::PAYLOAD_NOT_SET: return;
  }
}

}  // namespace fiverate
