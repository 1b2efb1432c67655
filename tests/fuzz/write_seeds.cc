// Writes the first inputs of the corpora: real encodings of a small history that runs through all stages.
//
//   build/dev/tests/fuzz/fuzz_write_seeds tests/fuzz/corpus
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "deltas.pb.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "tests/support/random_history.h"
#include "tests/support/rig.h"

namespace {

using namespace fiverate;
using namespace fiverate::test;

constexpr std::size_t kSeedBytesMax = 3000;  // large inputs make fuzzing slow
constexpr int kOfEach = 12;

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void add(const std::string& target, const std::string& kind, std::string_view bytes) {
    if (bytes.size() > kSeedBytesMax || !known_.emplace(target, bytes).second) return;
    auto& count = counts_[{target, kind}];
    if (count == kOfEach) return;
    std::filesystem::create_directories(folder_ / target);
    std::ofstream(folder_ / target / (kind + "-" + std::to_string(count++)), std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path folder_;
  std::set<std::pair<std::string, std::string>> known_;
  std::map<std::pair<std::string, std::string>, int> counts_;
};

void add_event(std::string_view bytes, Seeds& seeds) {
  Event event;
  const auto rejected = decode(bytes, event);
  const auto kind = rejected ? "rejected" : "event" + std::to_string(event.payload_case());
  seeds.add(bytes.starts_with('{') ? "event_json" : "event_protobuf", kind, bytes);
  if (rejected) return;
  const auto encoded = event.SerializeAsString();
  seeds.add("event_json", kind, to_json(event));
  seeds.add("event_protobuf", kind, encoded);
  seeds.add("registry_frame", kind, std::string("\0\0\0\7\0", 5) + encoded);  // the target adds the first byte
  seeds.add("registry_frame", "index" + kind, std::string("\0\0\0\7\2\0", 6) + encoded);
}

// The numbers are indexes into kStoredKeys of task_state.cc.
void add_state(const Input& input, const MemoryStore::Content& content, Seeds& seeds) {
  for (const auto& [key, value] : content) {
    if (input.topic == Topic::ledger && key.starts_with("o/")) seeds.add("outlet_record", "outlet", value);
    if (input.topic == Topic::deltas && key.starts_with("q/")) seeds.add("delta_record", "prices", value);
    const auto at = [&](Topic topic, std::string_view prefix, char number) {
      if (input.topic == topic && key.starts_with(prefix))
        seeds.add("task_state", "place" + std::to_string(number), number + value);
    };
    const auto key_at = [&](Topic topic, std::string_view prefix, char number) {
      if (input.topic == topic && key.starts_with(prefix)) {
        seeds.add("task_state", "place" + std::to_string(number), number + key.substr(prefix.size()));
      }
    };
    at(Topic::ledger, "task", 0), at(Topic::ledger, "progress", 1), at(Topic::ledger, "first_day", 2),
        at(Topic::ledger, "seal", 3);
    at(Topic::ledger, "s/", 4), key_at(Topic::ledger, "c/", 5), key_at(Topic::ledger, "w/", 6),
        at(Topic::deltas, "task", 7);
    at(Topic::deltas, "market", 8), at(Topic::deltas, "s/", 9), key_at(Topic::deltas, "a/", 10),
        at(Topic::deltas, "a/", 11);
    at(Topic::deltas, "r/", 12), at(Topic::signals, "task", 13), at(Topic::signals, "desk", 14),
        at(Topic::signals, "s/", 15);
    at(Topic::signals, "r/", 16), key_at(Topic::signals, "f/", 17);
  }
}

void with_length(std::string_view value, std::string& to) {
  to += static_cast<char>(value.size() >> 8);
  to += static_cast<char>(value.size());
  to += value;
}

Event make_command(const std::string& id, Command::Verb verb, const std::string& alert_id, Millis at) {
  Event event;
  event.set_event_id(id);
  event.set_source("people");
  set_millis(*event.mutable_event_time(), at);
  auto& command = *event.mutable_command();
  command.set_command_id(id);
  command.set_author("ann");
  command.set_verb(verb);
  if (verb != Command::SILENCE) command.set_alert_id(alert_id);
  if (verb == Command::VERDICT) command.set_true_alarm(true);
  if (verb == Command::ASSIGN) command.set_assignee("bob");
  if (verb == Command::SILENCE) {
    auto& silence = *command.mutable_silence();
    silence.set_silence_id("s1");
    auto& matcher = *silence.add_matchers();
    matcher.set_field("rule");
    matcher.set_value("R1");
    set_millis(*silence.mutable_starts_at(), at);
    set_millis(*silence.mutable_ends_at(), at + kDayMs);
  }
  return event;
}

void add_signals(Rig& rig, Seeds& seeds) {
  std::string day;
  std::string alert_id;
  int number = 0;
  for (const auto& record : rig.records(Topic::signals)) {
    SignalRecord signal;
    CHECK(signal.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
    if (signal.has_transition()) alert_id = signal.transition().alert_id();
    if (day.size() + record.value.size() > kSeedBytesMax) {
      seeds.add("signal_record", "signals", day);
      day.clear();
    }
    with_length(record.value, day);
    if (++number % 3 != 0 || alert_id.empty()) continue;
    SignalRecord done;
    auto& copy = *done.mutable_event();
    copy.set_arrival_ms(record.timestamp);
    const auto verb = static_cast<Command::Verb>(1 + number / 3 % 6);
    *copy.mutable_event() = make_command("c" + std::to_string(number), verb, alert_id, record.timestamp);
    with_length(done.SerializeAsString(), day);
  }
  seeds.add("signal_record", "signals", day);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_write_seeds FOLDER\n");
    return 2;
  }
  Seeds seeds(argv[1]);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto history = random_history(seed, {});
    Rig rig({1, 2, 2}, false);
    for (std::size_t i = 0; i < history.size(); ++i) {
      add_event(history[i].value, seeds);
      rig.arrives(history[i].topic, 0, history[i].arrival, history[i].key, history[i].value);
      if (i % 20 == 19) rig.marks(history[i].arrival);
      if (i % 20 == 19) rig.run();
    }
    rig.marks(history.back().arrival + 17 * kDayMs);
    rig.run();
    add_signals(rig, seeds);
    for (const auto& record : rig.records(Topic::deltas)) seeds.add("delta_record", "deltas", record.value);
    for (const auto topic : kInternalTopics) {
      for (const std::int32_t partition : {0, 1}) {
        const auto content = std::make_shared<MemoryStore::Content>();
        const auto actor = rig.make_actor({topic, partition}, content);
        for (;;) {
          const auto worked = actor->work(200);
          CHECK(worked.has_value() && actor->commit().has_value());
          add_state(actor->input(), *content, seeds);
          if (*worked == 0) break;
        }
      }
    }
  }
}
