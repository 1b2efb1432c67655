#include "tests/sim/stranger.h"

#include <algorithm>

#include "processors/stages/internal_records.h"
#include "processors/stages/senders.h"

namespace fiverate::test {
namespace {

constexpr std::int64_t kPassesOneIn = 25;  // steps

// A copy of progress or of a definition is one.
bool has_meaning_without_cause(const OutRecord& record) {
  return is_internal(record.topic) && !record.cause;
}

}  // namespace

void Stranger::pass_by(SimLog& log, Weather& weather) {
  if (!chance_.one_in(kPassesOneIn)) return;
  std::vector<Input> targets;
  for (const auto& [input, records] : log.partitions()) {
    if (!is_source(input.topic)) targets.push_back(input);
  }
  const auto input = chance_.pick(targets);
  auto record = make(input, log);
  if (!record) return;
  written_[input].insert(log.end_offset(input));
  log.append(std::move(*record));
  weather.count(Fault::foreign_record);
}

OutRecord Stranger::copy_of(const Input& input, const SimLog& log) {
  const auto& own = written_[input];
  for (;;) {
    const auto offset = chance_.below(log.end_offset(input));
    if (!own.contains(offset)) return *log.all(input)[static_cast<std::size_t>(offset)];
  }
}

std::optional<OutRecord> Stranger::make(const Input& input, const SimLog& log) {
  auto record = copy_of(input, log);
  switch (chance_.below(7)) {
    case 0:
      record.value = "rubbish";
      record.cause.reset();
      record.link.reset();
      return record;
    case 1:
      record.key.clear();
      record.value.clear();
      record.cause.reset();
      record.link.reset();
      record.depends_on.clear();
      return record;
    case 2:  // its headers are lost, and a byte is changed
      if (has_meaning_without_cause(record)) return std::nullopt;
      if (!record.value.empty()) record.value.back() ^= 1;
      record.cause.reset();
      record.link.reset();
      record.timestamp += chance_.below(400) * kDayMs;
      return record;
    case 3:  // of a task that there is not
      record.cause = Cause{"outlet/99", {chance_.below(100), 0}};
      record.link = Link{{}, 0};
      return record;
    case 4:  // of a task that writes elsewhere
      record.cause = Cause{input.topic == Topic::metrics_final ? "desk/0" : "market/77", {chance_.below(100), 0}};
      return record;
    case 5:  // half of its headers; elsewhere a cause is enough
      if (!is_internal(input.topic) || !record.link) return std::nullopt;
      chance_.percent(50) ? record.link.reset() : record.cause.reset();
      return record;
    default:  // the bytes of another topic
      record = copy_of({chance_.percent(50) ? Topic::ledger : Topic::deltas, 0}, log);
      record.topic = input.topic;
      record.partition = input.partition;
      if (has_meaning_without_cause(record)) return std::nullopt;
      record.cause.reset();
      record.link.reset();
      return record;
  }
}

std::int64_t Stranger::written(const Input& input) const {
  const auto found = written_.find(input);
  return found == written_.end() ? 0 : static_cast<std::int64_t>(found->second.size());
}

SimLog::Records ours(const SimLog& log, const Input& input, const Definition& definition) {
  const InternalRecords internal(definition);
  const Senders senders(definition);
  std::vector<InRecord> read;
  log.read(input, 0, static_cast<std::size_t>(log.end_offset(input)), read);
  SimLog::Records found;
  for (const auto& record : read) {
    const bool is_ours = is_internal(input.topic) ? !internal.foreign_reason(record)
                                                  : record.cause && senders.writes_to(record.cause->sender, input);
    if (is_ours) found.push_back(log.all(input)[static_cast<std::size_t>(record.offset)]);
  }
  return found;
}

}  // namespace fiverate::test
