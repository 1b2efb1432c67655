// The stage that knows what people do with alerts: transitions and commands in, present states and history out.
#include "processors/stages/desk.h"

#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

using Texts = std::vector<std::string>;
using Matchers = std::vector<std::pair<std::string, std::string>>;

constexpr Millis kHour = 60 * kMinuteMs;

// Transition `number` of alert A, of outlet o1 in county north, an hour after the one before.
Transition told(std::int64_t number, Transition::State state, std::int32_t episode = 1,
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
  auto& said = *event.mutable_command();
  said.set_command_id(id);
  said.set_author("ann");
  said.set_verb(verb);
  if (!alert_id.empty()) said.set_alert_id(alert_id);
  if (!text.empty()) said.set_text(text);
  return event;
}

Event silence(const std::string& id, const Matchers& matchers, Millis ends, Millis starts = kStart) {
  auto event = command("c-" + id, Command::SILENCE, "");
  auto& said = *event.mutable_command()->mutable_silence();
  said.set_silence_id(id);
  set_millis(*said.mutable_starts_at(), starts);
  set_millis(*said.mutable_ends_at(), ends);
  for (const auto& [field, value] : matchers) {
    auto& matcher = *said.add_matchers();
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

// "A FIRING 1 acked ann", what stands in `alerts`.
std::string in_words(const Alert& alert) {
  auto words = fmt::format("{} {} {}", alert.last().alert_id(), Transition::State_Name(alert.last().state()),
                           alert.last().episode());
  if (!alert.acked_by().empty()) words += " acked " + alert.acked_by();
  if (!alert.assignee().empty()) words += " for " + alert.assignee();
  if (alert.has_true_alarm()) words += alert.true_alarm() ? " true" : " false";
  if (!alert.comment().empty()) words += fmt::format(" '{}'", alert.comment());
  for (const auto& one : alert.silenced()) words += " silenced " + one.silence_id();
  return words;
}

class Desk : public testing::Test {
 protected:
  Desk() {
    for (const auto& one : {region("city", "", Region::CITY), region("north", "city", Region::COUNTY),
                            region("south", "city", Region::COUNTY)}) {
      commands(one, kStart);
    }
    bench.take();  // the first seal
  }

  std::unique_ptr<DeskStage> make() const {
    return std::make_unique<DeskStage>(DeskStage::Settings{definition, 1, 1000});
  }
  void feed(const SignalRecord& record) {
    const auto fed = bench.feed(Topic::signals, record.SerializeAsString());
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void tells(const Transition& transition) {
    SignalRecord record;
    *record.mutable_transition() = transition;
    feed(record);
  }
  void commands(const Event& event, Millis arrival) {
    SignalRecord record;
    *record.mutable_event() = ledger(event, arrival);
    feed(record);
  }
  void restarts() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }

  // Since the last question: what was written to `alerts`, in words; the keys written to `alert-log`.
  struct Written {
    Texts alerts;
    Texts log;
  };
  Written written() {
    Written all;
    for (const auto& one : bench.take()) {
      if (one.topic == Topic::seals) continue;
      EXPECT_EQ(one.partition, 1);
      EXPECT_FALSE(one.to_task);
      if (one.topic == Topic::alerts) {
        EXPECT_EQ(one.key, one.as<Alert>().last().alert_id());
        all.alerts.push_back(in_words(one.as<Alert>()));
      } else {
        EXPECT_EQ(one.topic, Topic::alert_log);
        all.log.push_back(one.key);
      }
    }
    return all;
  }
  Texts states() { return written().alerts; }

  const Definition definition = make_definition("Asia/Shanghai", {1, 2, 2});
  std::vector<std::unique_ptr<DeskStage>> stages = [this] {
    std::vector<std::unique_ptr<DeskStage>> first;
    first.push_back(make());
    return first;
  }();
  Bench bench{*stages.front()};
};

TEST_F(Desk, ATransitionIsStateAndHistory) {
  tells(told(1, Transition::FIRING));
  auto sent = bench.take();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].key, R"(["A",1])");
  EXPECT_EQ(sent[0].as<AlertLogRecord>().transition().SerializeAsString(),
            told(1, Transition::FIRING).SerializeAsString());
  const auto alert = sent[1].as<Alert>();
  EXPECT_EQ(alert.last().SerializeAsString(), told(1, Transition::FIRING).SerializeAsString());
  EXPECT_EQ(Texts(alert.region_path().begin(), alert.region_path().end()), (Texts{"north", "city"}));
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":1)");

  tells(told(2, Transition::RESOLVED));
  EXPECT_EQ(states(), Texts{"A RESOLVED 1"});
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":0)");
  tells(told(2, Transition::RETRACTED));
  tells(told(1, Transition::FIRING));
  EXPECT_EQ(states(), Texts{}) << "numbers only rise";
}

TEST_F(Desk, AnotherDefinitionIsRefused) {
  SignalRecord ours;
  *ours.mutable_definition() = definition;
  EXPECT_TRUE(bench.feed(Topic::signals, ours.SerializeAsString()).has_value());
  ours.mutable_definition()->set_timezone("UTC");
  const auto fed = bench.feed(Topic::signals, ours.SerializeAsString());
  ASSERT_FALSE(fed.has_value());
  EXPECT_EQ(fed.error().reaction, Reaction::stop);
}

TEST_F(Desk, WhatPeopleDoStandsBesideIt) {
  tells(told(1, Transition::FIRING));
  written();
  commands(command("1", Command::ACK, "A", "on my way"), kStart + 2 * kHour);
  auto assign = command("2", Command::ASSIGN);
  assign.mutable_command()->set_assignee("bob");
  commands(assign, kStart + 2 * kHour);
  auto verdict = command("3", Command::VERDICT);
  verdict.mutable_command()->set_true_alarm(false);
  commands(verdict, kStart + 2 * kHour);
  commands(command("4", Command::COMMENT, "A", "shelf was moved"), kStart + 2 * kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 1 acked ann 'on my way'", "A FIRING 1 acked ann for bob 'on my way'",
                               "A FIRING 1 acked ann for bob false 'on my way'",
                               "A FIRING 1 acked ann for bob false 'shelf was moved'"}));
  EXPECT_EQ(all.log, (Texts{R"(["A","a1"])", R"(["A","a2"])", R"(["A","a3"])", R"(["A","a4"])"}));
}

TEST_F(Desk, ANewEpisodeIsAcknowledgedAnew) {
  tells(told(1, Transition::FIRING));
  commands(command("1", Command::ACK), kStart + kHour);
  auto verdict = command("2", Command::VERDICT);
  verdict.mutable_command()->set_true_alarm(true);
  commands(verdict, kStart + kHour);
  commands(command("3", Command::COMMENT, "A", "leaky"), kStart + kHour);
  written();
  tells(told(2, Transition::RESOLVED));
  EXPECT_EQ(states(), Texts{"A RESOLVED 1 acked ann true 'leaky'"});
  restarts();
  tells(told(3, Transition::FIRING, 2));
  EXPECT_EQ(states(), Texts{"A FIRING 2 'leaky'"});
}

TEST_F(Desk, AcknowledgedTwiceAndAfterTheEnd) {
  tells(told(1, Transition::FIRING));
  tells(told(2, Transition::RESOLVED));
  commands(command("1", Command::ACK), kStart + 3 * kHour);
  auto second = command("2", Command::ACK);
  second.mutable_command()->set_author("zoe");
  commands(second, kStart + 4 * kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts.back(), "A RESOLVED 1 acked ann") << "the first one counts";
  EXPECT_EQ(all.log.back(), R"(["A","a2"])") << "the second one is history all the same";
}

TEST_F(Desk, ACommandCountsOnce) {
  tells(told(1, Transition::FIRING));
  commands(command("1", Command::ACK), kStart + kHour);
  written();
  restarts();
  auto other_event = command("1", Command::COMMENT, "A", "other event_id");
  other_event.set_event_id("e-other");
  auto other_command = command("9", Command::COMMENT, "A", "other command_id");
  other_command.set_event_id("e-1");
  for (const auto& again : {command("1", Command::ACK), other_event, other_command,
                            revised(command("1", Command::COMMENT, "A", "revised"), 2),
                            cancelled(command("1", Command::ACK), 3), command("5", Command::ACK, "unknown")}) {
    commands(again, kStart + 2 * kHour);
  }
  EXPECT_EQ(states(), Texts{});
  commands(cancelled(command("6", Command::COMMENT), 2), kStart + 2 * kHour);
  commands(command("6", Command::COMMENT, "A", "was cancelled before it came"), kStart + 2 * kHour);
  EXPECT_EQ(states(), Texts{});
}

TEST_F(Desk, ACorrectionOfTheOldDoesNotHideWhatFires) {
  tells(told(1, Transition::FIRING, 2));
  commands(command("1", Command::ACK), kStart + 3 * kHour);
  written();
  // An interval that lies before it becomes known with its end: episode 1 begins before episode 2.
  tells(told(2, Transition::FIRING, 1));
  restarts();
  tells(told(3, Transition::RESOLVED, 1));
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 2 acked ann", "A FIRING 2 acked ann"}));
  EXPECT_EQ(all.log, (Texts{R"(["A",2])", R"(["A",3])"}));
  tells(told(4, Transition::RESOLVED, 2));
  tells(told(5, Transition::RETRACTED, 1));
  EXPECT_EQ(states(), (Texts{"A RESOLVED 2 acked ann", "A RESOLVED 2 acked ann"}));
}

TEST_F(Desk, TheLaterOfTwoThatFireIsPresent) {
  tells(told(1, Transition::FIRING, 1));
  tells(told(2, Transition::FIRING, 2));
  tells(told(3, Transition::RETRACTED, 2));
  EXPECT_EQ(states(), (Texts{"A FIRING 1", "A FIRING 2", "A FIRING 1"}));
  EXPECT_EQ(stages.front()->report(), R"("alerts_open":1)");
}

// ---- silences

struct Matching {
  Matchers matchers;
  bool matched;
};

TEST_F(Desk, AllMatchersHaveToMatch) {
  tells(told(1, Transition::FIRING));
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
           {{{"colour", "red"}}, false},
           {{}, false},
       }) {
    const auto id = fmt::format("s{}", ++number);
    commands(silence(id, matchers, kStart + 100 * kHour), kStart + kHour);
    EXPECT_EQ(states(), matched ? Texts{"A FIRING 1 silenced " + id} : Texts{}) << id;
    commands(unsilence(id), kStart + kHour);
    EXPECT_EQ(states(), matched ? Texts{"A FIRING 1"} : Texts{}) << id;
  }
}

TEST_F(Desk, ASilenceFindsWhatFiresLaterAndEndsByItself) {
  commands(silence("s", {{"brand_id", "B1"}}, kStart + 10 * kHour), kStart);
  restarts();
  tells(told(1, Transition::FIRING));
  tells(told(2, Transition::FIRING, 1, "B"));
  tells(told(3, Transition::RESOLVED, 1, "B"));
  EXPECT_EQ(states(), (Texts{"A FIRING 1 silenced s", "B FIRING 1 silenced s", "B RESOLVED 1"}));
  commands(command("x", Command::COMMENT, "nobody", "time passes"), kStart + 10 * kHour - 1);
  EXPECT_EQ(states(), Texts{});
  restarts();
  commands(command("y", Command::COMMENT, "nobody", "time passes"), kStart + 10 * kHour);
  EXPECT_EQ(states(), Texts{"A FIRING 1"}) << "at its end, by the clock of the records";
  tells(told(11, Transition::FIRING, 2));
  EXPECT_EQ(states(), Texts{"A FIRING 2"});
}

TEST_F(Desk, ASilenceIsReplacedByItsId) {
  tells(told(1, Transition::FIRING));
  written();
  commands(silence("s", {{"brand_id", "B1"}}, kStart + 10 * kHour), kStart + kHour);
  auto wider = silence("s", {{"brand_id", "B2"}}, kStart + 20 * kHour);
  wider.set_event_id("e-again");
  wider.mutable_command()->set_command_id("again");
  commands(wider, kStart + kHour);
  const auto all = written();
  EXPECT_EQ(all.alerts, (Texts{"A FIRING 1 silenced s", "A FIRING 1"}));
  EXPECT_EQ(all.log, Texts{R"(["A","a1"])"});
  commands(silence("late", {{"brand_id", "B1"}}, kStart + kHour), kStart + kHour);
  EXPECT_EQ(states(), Texts{}) << "over before it came";
}

// ---- restart

TEST(DeskRestart, NeverStoppedAndAlwaysRestartedSayTheSame) {
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
    add_transition(told(number, number % 4 == 0 ? Transition::RESOLVED : Transition::FIRING, episode, alert_id));
    const auto arrival = kStart + number * kHour;
    add_event(
        command(fmt::format("k{}", number / 2), number % 5 == 0 ? Command::ACK : Command::COMMENT, alert_id, "so"),
        arrival);
    if (number % 6 == 0)
      add_event(silence(fmt::format("s{}", number), {{"region_id", "north"}}, arrival + 8 * kHour), arrival);
    if (number % 7 == 0) add_event(unsilence(fmt::format("s{}", number - 1)), arrival);
  }
  const auto outputs = [&](bool restart) {
    std::vector<std::unique_ptr<DeskStage>> stages;
    const auto make = [&]() -> DeskStage& {
      return *stages.emplace_back(std::make_unique<DeskStage>(DeskStage::Settings{definition, 1, 100}));
    };
    Bench bench(make());
    Texts sent;
    for (const auto& record : records) {
      EXPECT_TRUE(bench.feed(Topic::signals, record.SerializeAsString()).has_value());
      for (auto& one : bench.take()) sent.push_back(one.key + one.value);
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
