#include "producers/simulate/simulate.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "processors/stages/outlet.h"
#include "producers/simulate/shop.h"
#include "schemas/cause.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

// Raise it when the records of a simulation with the same settings change.
constexpr std::string_view kSimulationVersion = "simulation 1";
constexpr std::size_t kTruthBytes = 1 << 20;  // the truth is emitted in pieces of about this size
constexpr std::int32_t kOutletsAtOnce = 256;  // between two calls of the hooks

// Records that have not arrived yet, by the day of their arrival.
class InTransit {
 public:
  explicit InTransit(const MarketCalendar& calendar) : calendar_(calendar) {}

  void add(Arriving record) {
    const auto day = calendar_.day_of(record.arrival);
    days_[day].push_back(std::move(record));
  }
  [[nodiscard]] bool empty() const { return days_.empty(); }
  [[nodiscard]] Day first_day() const { return days_.begin()->first; }
  // Removes and returns the records that arrive on that day, in order.
  std::vector<Arriving> drain(Day day) {
    auto node = days_.extract(day);
    if (node.empty()) return {};
    auto records = std::move(node.mapped());
    std::ranges::sort(records, {}, [](const Arriving& of) { return std::tie(of.arrival, of.event_id, of.line); });
    return records;
  }

 private:
  const MarketCalendar& calendar_;
  std::map<Day, std::vector<Arriving>> days_;
};

class Simulation {
 public:
  Simulation(const SimulateSettings& settings, const MarketCalendar& calendar, MarketOutput& output,
             const SimulateHooks& hooks)
      : settings_(settings),
        calendar_(calendar),
        output_(output),
        hooks_(hooks),
        world_(settings.size, calendar),
        trouble_(settings.size.seed, settings.trouble, calendar),
        in_transit_(calendar) {
    shops_.reserve(static_cast<std::size_t>(settings.size.outlets));
    for (std::int32_t number = 1; number <= settings.size.outlets; ++number) shops_.emplace_back(world_, number);
  }

  Result<SimulateSummary> run() {
    TRY(emit_reference());
    for (auto day = settings_.size.first_day; day < world_.end() && !ended_; day = day + 1) {
      TRY(simulate_day(day));
      TRY(emit_day(day));
    }
    // The records that are still in transit follow without waiting.
    auto last = world_.end();
    while (!in_transit_.empty() && !ended_) {
      last = in_transit_.first_day();
      if (const auto starts = calendar_.start_of(last); starts > summary_.clock) TRY(mark(starts));
      for (const auto& record : in_transit_.drain(last)) TRY(send(record));
      if (!hooks_.reach(kNever)) ended_ = true;
    }
    std::optional<Millis> closes;
    if (!ended_ && !settings_.open)
      closes = std::max(calendar_.end_of(last), calendar_.start_of(world_.end()) + kFinalAfter);
    TRY(output_.end(closes));
    summary_.clock = closes.value_or(summary_.clock);
    TRY(output_.finish());
    summary_.complete = !ended_;
    return summary_;
  }

 private:
  Result<void> emit_reference() {
    const auto begins = calendar_.start_of(settings_.size.first_day);
    TRY(mark(begins));
    Result<void> result;
    const auto emit = [&](Event& event) {
      set_millis(*event.mutable_arrival_time(), begins);
      auto key = event.has_outlet() ? event.outlet().outlet_id() : std::string();
      if (result)
        result = send({begins, Topic::reference, std::move(key), event.event_id(), to_json(event, calendar_)});
    };
    world_.describe(emit);
    Event event;
    for (const auto& shop : shops_) {
      event.Clear();
      shop.introduce(world_, event);
      emit(event);
    }
    return result;
  }

  // Simulates one day of all outlets. Their records go to in_transit_.
  Result<void> simulate_day(Day day) {
    const DayConditions conditions(world_, day);
    const auto begins = calendar_.start_of(day);
    const Trouble::Send send_later = [this](Arriving record) { in_transit_.add(std::move(record)); };
    for (std::size_t i = 0; i < shops_.size(); ++i) {
      documents_.clear();
      shops_[i].simulate_day(world_, conditions, documents_, truth_);
      for (std::size_t d = 0; d < documents_.size(); ++d) {
        summary_.order_lines += documents_[d].order().lines_size();
        trouble_.pass(documents_[d], send_later);
      }
      ++summary_.outlet_days;
      if (truth_.size() >= kTruthBytes) TRY(emit_truth());
      if (i % kOutletsAtOnce != 0) continue;
      hooks_.progress(summary_.outlet_days, summary_.clock);
      if (!hooks_.reach(begins)) {
        ended_ = true;
        break;
      }
    }
    return emit_truth();
  }

  Result<void> emit_truth() {
    if (!truth_.empty()) TRY(output_.truth(truth_));
    truth_.clear();
    return {};
  }

  // Emits the records that arrive on this day, slice by slice.
  Result<void> emit_day(Day day) {
    const auto records = in_transit_.drain(day);
    const auto end = calendar_.end_of(day);
    const auto slice_ms =
        day < settings_.size.first_day + settings_.fast_days ? end - calendar_.start_of(day) : settings_.slice_ms;
    auto next = records.begin();
    for (auto from = calendar_.start_of(day); from < end && !ended_;) {
      const auto until = std::min(end, from + slice_ms);
      if (!hooks_.reach(until)) {
        ended_ = true;
        break;
      }
      for (; next != records.end() && next->arrival < until; ++next) TRY(send(*next));
      TRY(mark(until));
      hooks_.progress(summary_.outlet_days, summary_.clock);
      from = until;
    }
    return {};
  }

  Result<void> send(const Arriving& record) {
    ++(record.topic == Topic::reference ? summary_.references : summary_.events);
    return output_.record(record);
  }

  Result<void> mark(Millis instant) {
    summary_.clock = instant;
    return output_.mark(instant);
  }

  const SimulateSettings& settings_;
  const MarketCalendar& calendar_;
  MarketOutput& output_;
  const SimulateHooks& hooks_;
  World world_;
  Trouble trouble_;
  std::vector<Shop> shops_;
  InTransit in_transit_;
  Documents documents_;
  std::string truth_;
  SimulateSummary summary_;
  bool ended_ = false;
};

}  // namespace

ImportId simulation_id(const SimulateSettings& settings, const MarketCalendar& calendar,
                       const PartitionCounts& partitions) {
  const auto& size = settings.size;
  const auto text =
      fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", kSimulationVersion, size.outlets, size.brands, size.skus,
                  size.days, size.seed, format_date(size.first_day), fmt::join(settings.trouble.share, ","),
                  settings.slice_ms, settings.fast_days, calendar.zone_name(), partitions.source);
  return chained(0, "", text);
}

Result<SimulateSummary> simulate(const SimulateSettings& settings, const MarketCalendar& calendar, MarketOutput& output,
                                 const SimulateHooks& hooks) {
  return Simulation(settings, calendar, output, hooks).run();
}

}  // namespace fiverate
