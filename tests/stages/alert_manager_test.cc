// The alert manager: transitions and commands as input, states and history of alerts as output.
#include "processors/stages/alert_manager.h"

#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

using Texts = std::vector<std::string>;
using Matchers = std::vector<std::pair<std::string, std::string>>;

constexpr Millis kHour = 60 * kMinuteMs;

// Transition `number` of alert A, of outlet o1 in county north, an hour after the one before.
Transition transition(std::int64_t number, Transition::State state, std::int32_t episode = 1,
                      const std::string& alert_id = "A") {
  Transition t;
  t.set_alert_id(alert_id);
  t.set_transition(number);
  t.set_episode(episode);
  t.set_rule("R1");
  t.set_severity(Transition::WARNING);
  t.set_state(state);
  t.set_at_ms(kStart + number * kHour);
  t.set_since_ms(kStart + episode * kHour);
  t.set_known_at_ms(kStart + number * kHour);
  t.set_brand_id("B1");
  t.set_sku_id("s1");
  t.set_outlet_id("o1");
  t.set_region_id("north");
  return t;
}

Event command(const std::string& id, Command::Verb verb, const std::string& alert_id = "A",
              const std::string& text = "") {
  Event event;
  event.set_event_id("e-" + id);
  set_millis(*event.mutable_event_time(), kStart);
  auto& command = *event.mutable_command();
  command.set_command_id(id);
  command.set_author("ann");
  command.set_verb(verb);
  if (!alert_id.empty()) command.set_alert_id(alert_id);
  if (!text.empty()) command.set_text(text);
  return event;
}

Event silence(const std::string& id, const Matchers& matchers, Millis ends, Millis starts = kStart) {
  auto event = command("c-" + id, Command::SILENCE, "");
  auto& silence = *event.mutable_command()->mutable_silence();
  silence.set_silence_id(id);
  set_millis(*silence.mutable_starts_at(), starts);
  set_millis(*silence.mutable_ends_at(), ends);
  for (const auto& [field, value] : matchers) {
    auto& matcher = *silence.add_matchers();
    matcher.set_field(field);
    matcher.set_value(value);
  }
  return event;
}

Event unsilence(const std::string& id) {
  auto event = silence(id, {}, kStart + 1);
  event.set_event_id("e-un" + id);
  event.mutable_command()->set_command_id("un" + id);
  event.mutable_command()->set_verb(Command::UNSILENCE);
  return event;
}

// An alert as "A FIRING 1 acked ann": its state, its episode and the actions on it.
std::string line_of(const Alert& alert) {
  auto line = fmt::format("{} {} {}", alert.last().alert_id(), Transition::State_Name(alert.last().state()),
                          alert.last().episode());
  if (!alert.acked_by().empty()) line += " acked " + alert.acked_by();
  if (!alert.assignee().empty()) line += " for " + alert.assignee();
  if (alert.has_true_alarm()) line += alert.true_alarm() ? " true" : " false";
  if (!alert.comment().empty()) line += fmt::format(" '{}'", alert.comment());
  for (const auto& one : alert.silenced()) line += " silenced " + one.silence_id();
  return line;
}

class AlertManagerTest : public testing::Test {
 protected:
  AlertManagerTest() {
    for (const auto& one : {region("city", "", Region::CITY), region("north", "city", Region::COUNTY),
                            region("south", "city", Region::COUNTY)}) {
      feed(one, kStart);
    }
    bench.drain();  // the first seal
  }

  std::unique_ptr<AlertManager> make() const {
    return std::make_unique<AlertManager>(AlertManager::Settings{definition, 1, 1000});
  }
  void feed(const SignalRecord& record) {
    const auto fed = bench.feed(Topic::signals, record.SerializeAsString());
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void feed(const Transition& transition) {
    SignalRecord record;
    *record.mutable_transition() = transition;
    feed(record);
  }
  void feed(const Event& event, Millis arrival) {
    SignalRecord record;
    *record.mutable_event() = ledger(event, arrival);
    feed(record);
  }
  void restart() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }

  // The outputs since the last call: the alerts written to `alerts`, the keys written to `alert-log`.
  struct Written {
    Texts alerts;
    Texts log;
  };
  Written written() {
    Written all;
    for (const auto& one : bench.drain()) {
      if (one.topic == Topic::seals) continue;
      EXPECT_EQ(one.partition, 1);
      EXPECT_FALSE(one.to_task);
      if (one.topic == Topic::alerts) {
        EXPECT_EQ(one.key, one.as<Alert>().last().alert_id());
        all.alerts.push_back(line_of(one.as<Alert>()));
      } else {
        EXPECT_EQ(one.topic, Topic::alert_log);
        all.log.push_back(one.key);
      }
    }
    return all;
  }
  Texts states() { return written().alerts; }

  const Definition definition = make_definition("Asia/Shanghai", {1, 2, 2});
  std::vector<std::unique_ptr<AlertManager>> stages = [this] {
    std::vector<std::unique_ptr<AlertManager>> first;
    first.push_back(make());
    return first;
  }();
  Bench bench{*stages.front()};
};

TEST_F(AlertManagerTest, ATransitionUpdatesTheAlertAndItsLog) {
  feed(transition(1, Transition::FIRING));
  auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].key, R"(["A",1])");
  EXPECT_EQ(sent[0].as<AlertLogRecord>().transition().SerializeAsString(),
            transition(1, Transition::FIRING).SerializeAsString());
  const auto alert = sent[1].as<Alert>();
  EXPECT_EQ(alert.last().SerializeAsString(), transition(1, Transition::FIRING).SerializeAsString());
  EXPECT_EQ(Texts(alert.region_path().begin(), alert.region_path().end()), (Texts{"north", "city"}));
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":1)");

  feed(transition(2, Transition::RESOLVED));
  EXPECT_EQ(states(), Texts{"A RESOLVED 1"});
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":0)");
  feed(transition(2, Transition::RETRACTED));
  feed(transition(1, Transition::FIRING));
  EXPECT_EQ(states(), Texts{}) << "a repeated transition is ignored";
}

TEST_F(AlertManagerTest, AnotherDefinitionIsRefused) {
  SignalRecord ours;
  *ours.mutable_definition() = definition;
  EXPECT_TRUE(bench.feed(Topic::signals, ours.SerializeAsString()).has_value());
  ours.mutable_definition()->set_timezone("UTC");
  const auto fed = bench.feed(Topic::signals, ours.SerializeAsString());
  ASSERT_FALSE(fed.has_value());
  EXPECT_EQ(fed.error().reaction, Reaction::stop);
}

TEST_F(AlertManagerTest, CommandsChangeTheAlertButNotItsState) {
  feed(transition(1, Transition::FIRING));
  written();
  feed(command("1", Command::ACK, "A", "on my way"), kStart + 2 * kHour);
  auto assign = command("2", Command::ASSIGN);
  assign.mutable_command()->set_assignee("bob");
  feed(assign, kStart + 2 * kHour);
  auto verdict = command("3", Command::VERDICT);
  verdict.mutable_command()->set_true_alarm(false);
  feed(verdict, kStart + 2 * kHour);
  feed(command("4", Command::COMMENT, "A", "shelf was moved"), kStart + 2 * kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 1 acked ann 'on my way'", "A FIRING 1 acked ann for bob 'on my way'",
                               "A FIRING 1 acked ann for bob false 'on my way'",
                               "A FIRING 1 acked ann for bob false 'shelf was moved'"}));
  EXPECT_EQ(all.log, (Texts{R"(["A","a1"])", R"(["A","a2"])", R"(["A","a3"])", R"(["A","a4"])"}));
}

TEST_F(AlertManagerTest, ANewEpisodeClearsAcknowledgementAndVerdict) {
  feed(transition(1, Transition::FIRING));
  feed(command("1", Command::ACK), kStart + kHour);
  auto verdict = command("2", Command::VERDICT);
  verdict.mutable_command()->set_true_alarm(true);
  feed(verdict, kStart + kHour);
  feed(command("3", Command::COMMENT, "A", "leaky"), kStart + kHour);
  written();
  feed(transition(2, Transition::RESOLVED));
  EXPECT_EQ(states(), Texts{"A RESOLVED 1 acked ann true 'leaky'"});
  restart();
  feed(transition(3, Transition::FIRING, 2));
  EXPECT_EQ(states(), Texts{"A FIRING 2 'leaky'"});
}

TEST_F(AlertManagerTest, AResolvedAlertIsAcknowledgedAndASecondAckIsOnlyLogged) {
  feed(transition(1, Transition::FIRING));
  feed(transition(2, Transition::RESOLVED));
  feed(command("1", Command::ACK), kStart + 3 * kHour);
  auto second = command("2", Command::ACK);
  second.mutable_command()->set_author("zoe");
  feed(second, kStart + 4 * kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts.back(), "A RESOLVED 1 acked ann") << "the first one counts";
  EXPECT_EQ(all.log.back(), R"(["A","a2"])") << "the second one is in the log";
}

TEST_F(AlertManagerTest, ACommandIsExecutedOnce) {
  feed(transition(1, Transition::FIRING));
  feed(command("1", Command::ACK), kStart + kHour);
  written();
  restart();
  auto other_event = command("1", Command::COMMENT, "A", "other event_id");
  other_event.set_event_id("e-other");
  auto other_command = command("9", Command::COMMENT, "A", "other command_id");
  other_command.set_event_id("e-1");
  for (const auto& again : {command("1", Command::ACK), other_event, other_command,
                            revised(command("1", Command::COMMENT, "A", "revised"), 2),
                            cancelled(command("1", Command::ACK), 3), command("5", Command::ACK, "unknown")}) {
    feed(again, kStart + 2 * kHour);
  }
  EXPECT_EQ(states(), Texts{});
  feed(cancelled(command("6", Command::COMMENT), 2), kStart + 2 * kHour);
  feed(command("6", Command::COMMENT, "A", "was cancelled before it came"), kStart + 2 * kHour);
  EXPECT_EQ(states(), Texts{});
}

TEST_F(AlertManagerTest, ACorrectionOfAnEarlierEpisodeDoesNotHideTheFiringOne) {
  feed(transition(1, Transition::FIRING, 2));
  feed(command("1", Command::ACK), kStart + 3 * kHour);
  written();
  // Episode 1 begins before episode 2 but becomes known later, and has already ended.
  feed(transition(2, Transition::FIRING, 1));
  restart();
  feed(transition(3, Transition::RESOLVED, 1));
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 2 acked ann", "A FIRING 2 acked ann"}));
  EXPECT_EQ(all.log, (Texts{R"(["A",2])", R"(["A",3])"}));
  feed(transition(4, Transition::RESOLVED, 2));
  feed(transition(5, Transition::RETRACTED, 1));
  EXPECT_EQ(states(), (Texts{"A RESOLVED 2 acked ann", "A RESOLVED 2 acked ann"}));
}

TEST_F(AlertManagerTest, TheLaterOfTwoFiringEpisodesIsThePresentOne) {
  feed(transition(1, Transition::FIRING, 1));
  feed(transition(2, Transition::FIRING, 2));
  feed(transition(3, Transition::RETRACTED, 2));
  EXPECT_EQ(states(), (Texts{"A FIRING 1", "A FIRING 2", "A FIRING 1"}));
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":1)");
}

// ---- silences

struct Matching {
  Matchers matchers;
  bool matched;
};

// A held record that is accepted moves the clock by months at once.
TEST_F(AlertManagerTest, AnAlertIsWrittenAgainAtTheNextThreeBeginningsOfADay) {
  feed(transition(1, Transition::FIRING));
  feed(transition(2, Transition::RESOLVED));
  states();
  const auto day_closes = [&](std::int32_t days) {
    SignalRecord record;
    record.mutable_day_closed()->set_day(nth(days).number);
    feed(record);
    return states();
  };
  EXPECT_EQ(day_closes(90), Texts{"A RESOLVED 1"});
  restart();
  EXPECT_EQ(day_closes(91), Texts{"A RESOLVED 1"});
  EXPECT_EQ(day_closes(400), Texts{"A RESOLVED 1"});
  EXPECT_EQ(day_closes(401), Texts{});
  feed(transition(3, Transition::FIRING, 2));
  states();
  for (const auto days : {402, 403, 404, 405}) EXPECT_EQ(day_closes(days), Texts{"A FIRING 2"}) << "while it fires";
}

TEST_F(AlertManagerTest, ASilenceAppliesOnlyIfAllMatchersMatch) {
  auto firing = transition(1, Transition::FIRING);
  firing.set_source_topic("orders");  // as of rule R16
  feed(firing);
  written();
  int number = 0;
  for (const auto& [matchers, matched] : std::vector<Matching>{
           {{{"rule", "R1"}}, true},
           {{{"rule", "R2"}}, false},
           {{{"severity", "warning"}}, true},
           {{{"severity", "critical"}}, false},
           {{{"brand_id", "B1"}, {"sku_id", "s1"}, {"outlet_id", "o1"}}, true},
           {{{"brand_id", "B1"}, {"sku_id", "s2"}}, false},
           {{{"region_id", "north"}}, true},
           {{{"region_id", "city"}}, true},
           {{{"region_id", "south"}}, false},
           {{{"class_value", "large"}}, false},
           {{{"source_topic", "orders"}}, true},
           {{{"source_topic", "visits"}}, false},
           {{{"colour", "red"}}, false},
           {{}, false},
       }) {
    const auto id = fmt::format("s{}", ++number);
    feed(silence(id, matchers, kStart + 100 * kHour), kStart + kHour);
    EXPECT_EQ(states(), matched ? Texts{"A FIRING 1 silenced " + id} : Texts{}) << id;
    feed(unsilence(id), kStart + kHour);
    EXPECT_EQ(states(), matched ? Texts{"A FIRING 1"} : Texts{}) << id;
  }
}

TEST_F(AlertManagerTest, ASilenceAppliesToLaterAlertsAndEndsAtItsTime) {
  feed(silence("s", {{"brand_id", "B1"}}, kStart + 10 * kHour), kStart);
  restart();
  feed(transition(1, Transition::FIRING));
  feed(transition(2, Transition::FIRING, 1, "B"));
  feed(transition(3, Transition::RESOLVED, 1, "B"));
  EXPECT_EQ(states(), (Texts{"A FIRING 1 silenced s", "B FIRING 1 silenced s", "B RESOLVED 1"}));
  feed(command("x", Command::COMMENT, "nobody", "time passes"), kStart + 10 * kHour - 1);
  EXPECT_EQ(states(), Texts{});
  restart();
  feed(command("y", Command::COMMENT, "nobody", "time passes"), kStart + 10 * kHour);
  EXPECT_EQ(states(), Texts{"A FIRING 1"}) << "the record has the time at which the silence ends";
  feed(transition(11, Transition::FIRING, 2));
  EXPECT_EQ(states(), Texts{"A FIRING 2"});
}

TEST_F(AlertManagerTest, ASilenceWithAKnownIdReplacesThatSilence) {
  feed(transition(1, Transition::FIRING));
  written();
  feed(silence("s", {{"brand_id", "B1"}}, kStart + 10 * kHour), kStart + kHour);
  auto wider = silence("s", {{"brand_id", "B2"}}, kStart + 20 * kHour);
  wider.set_event_id("e-again");
  wider.mutable_command()->set_command_id("again");
  feed(wider, kStart + kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 1 silenced s", "A FIRING 1"}));
  EXPECT_EQ(all.log, Texts{R"(["A","a1"])"});
  feed(silence("late", {{"brand_id", "B1"}}, kStart + kHour), kStart + kHour);
  EXPECT_EQ(states(), Texts{}) << "it ended before it arrived";
}

// ---- restart

TEST(AlertManagerRestart, ARestartAfterEachRecordChangesNoOutput) {
  const auto definition = make_definition("Asia/Shanghai", {1, 2, 2});
  std::vector<SignalRecord> records;
  const auto add_transition = [&](const Transition& t) { *records.emplace_back().mutable_transition() = t; };
  const auto add_event = [&](const Event& e, Millis arrival) {
    *records.emplace_back().mutable_event() = ledger(e, arrival);
  };
  add_event(region("north", "", Region::COUNTY), kStart);
  for (std::int64_t number = 1; number <= 40; ++number) {
    const auto alert_id = number % 3 == 0 ? "A" : "B";
    const auto episode = static_cast<std::int32_t>(1 + number / 9);
    add_transition(transition(number, number % 4 == 0 ? Transition::RESOLVED : Transition::FIRING, episode, alert_id));
    const auto arrival = kStart + number * kHour;
    add_event(
        command(fmt::format("k{}", number / 2), number % 5 == 0 ? Command::ACK : Command::COMMENT, alert_id, "so"),
        arrival);
    if (number % 6 == 0)
      add_event(silence(fmt::format("s{}", number), {{"region_id", "north"}}, arrival + 8 * kHour), arrival);
    if (number % 7 == 0) add_event(unsilence(fmt::format("s{}", number - 1)), arrival);
  }
  const auto outputs = [&](bool restart) {
    std::vector<std::unique_ptr<AlertManager>> stages;
    const auto make = [&]() -> AlertManager& {
      return *stages.emplace_back(std::make_unique<AlertManager>(AlertManager::Settings{definition, 1, 100}));
    };
    Bench bench(make());
    Texts sent;
    for (const auto& record : records) {
      EXPECT_TRUE(bench.feed(Topic::signals, record.SerializeAsString()).has_value());
      for (auto& one : bench.drain()) sent.push_back(one.key + one.value);
      if (restart) bench.restart_as(make());
    }
    return sent;
  };
  const auto expected = outputs(false);
  EXPECT_GT(expected.size(), 80U);
  EXPECT_EQ(outputs(true), expected);
}

}  // namespace
}  // namespace fiverate::test
