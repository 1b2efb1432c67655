#include "cli/config/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "schemas/format.h"

namespace fiverate {
namespace {

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "config_test.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    sources_.default_file = folder_ / "absent.toml";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The file of the test is called T in messages.
  void file(const std::string& text) {
    sources_.file = folder_ / "fiverate.toml";
    std::ofstream(*sources_.file) << text;
  }

  std::string error() {
    try {
      load_config(sources_);
    } catch (const ConfigError& error) {
      return with_short_path(error.what());
    }
    return "no error";
  }

  std::string with_short_path(std::string text) const {
    const std::string path = (folder_ / "fiverate.toml").string();
    for (auto at = text.find(path); at != std::string::npos; at = text.find(path)) text.replace(at, path.size(), "T");
    return text;
  }

  std::string origin_of(const std::string& section, const std::string& key) {
    for (const EffectiveValue& each : load_config(sources_).values) {
      if (each.section == section && each.key == key) return with_short_path(each.origin);
    }
    return "not there";
  }

  std::filesystem::path folder_;
  ConfigSources sources_;
};

// Like librdkafka: rejects unknown names and bad values, with the value in the message.
std::optional<std::string> fake_kafka(const std::string& name, const std::string& value) {
  if (value == "bad") return "Invalid value \"" + value + "\" for configuration property \"" + name + "\"";
  if (name.find("servres") != std::string::npos) return "No such configuration property: \"" + name + "\"";
  return std::nullopt;
}

TEST_F(ConfigTest, WithoutAnythingTheDefaultsHold) {
  const Config config = load_config(sources_).config;
  EXPECT_EQ(config.kafka.properties, (std::map<std::string, std::string>{{"bootstrap.servers", "127.0.0.1:9092"}}));
  EXPECT_EQ(config.topics.prefix, "");
  EXPECT_EQ(config.topics.source_partitions, 4);
  EXPECT_EQ(config.topics.ledger_partitions, 4);
  EXPECT_EQ(config.topics.market_partitions, 2);
  EXPECT_EQ(config.topics.replication, 1);
  EXPECT_EQ(config.market.timezone, "Asia/Shanghai");
  EXPECT_EQ(config.market.outlet_day_documents_max, 10'000);
  EXPECT_EQ(config.intake.clock, IntakeClock::log);
  EXPECT_EQ(config.state.dir, "fiverate-state");
  EXPECT_EQ(config.state.memory_mib, 1024);
  EXPECT_EQ(config.run.intake_threads, 1);
  EXPECT_EQ(config.run.outlet_threads, 1);
  EXPECT_EQ(config.run.market_threads, 1);
  EXPECT_EQ(config.run.desk_threads, 1);
  EXPECT_EQ(config.run.commit_every_ms, 500);
  EXPECT_EQ(config.log.level, LogLevel::info);
  EXPECT_EQ(config.log.format, LogFormat::text);
}

TEST_F(ConfigTest, EverySettingAcceptsItsDefaultAndHasItsOwnName) {
  std::set<std::string> variables;
  const Config defaults;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(variables.insert(setting.variable()).second) << setting.variable();
    EXPECT_FALSE(setting.help.empty()) << setting.name();
    sources_.overrides.push_back(setting.name() + "=" + setting.read(defaults));
  }
  EXPECT_EQ(error(), "no error");
}

TEST_F(ConfigTest, EverySettingWritesItsOwnField) {
  for (const Setting& setting : settings()) {
    std::string other = "other";
    if (const auto* integer = std::get_if<Setting::Integer>(&setting.value)) other = std::to_string(integer->highest);
    if (const auto* choice = std::get_if<Setting::Choice>(&setting.value)) other = choice->names.back();
    if (const auto* set = std::get_if<Setting::Set>(&setting.value)) other = set->names.front();
    if (setting.key == "timezone") other = "Europe/Berlin";
    if (setting.key == "health") other = "127.0.0.1:8081";
    sources_.overrides = {setting.name() + "=" + other};
    const Config config = load_config(sources_).config;
    for (const Setting& each : settings()) {
      EXPECT_EQ(each.read(config), each.name() == setting.name() ? other : each.read(Config{})) << setting.name();
    }
  }
}

TEST_F(ConfigTest, LaterLayersWin) {
  file("[topics]\nprefix = 'file-'\nreplication = 2\nsource_partitions = 8\n[run]\ncommit_every_ms = 100\n");
  sources_.environment = {{"FIVERATE_TOPICS_PREFIX", "env-"}, {"FIVERATE_TOPICS_REPLICATION", "3"}};
  sources_.overrides = {"topics.prefix=flag-", "topics.prefix=flag2-"};
  const Config config = load_config(sources_).config;
  EXPECT_EQ(config.topics.prefix, "flag2-");
  EXPECT_EQ(config.topics.replication, 3);
  EXPECT_EQ(config.topics.source_partitions, 8);
  EXPECT_EQ(origin_of("topics", "prefix"), "flag");
  EXPECT_EQ(origin_of("topics", "replication"), "env FIVERATE_TOPICS_REPLICATION");
  EXPECT_EQ(origin_of("topics", "source_partitions"), "T:4");
  EXPECT_EQ(origin_of("topics", "ledger_partitions"), "default");
}

TEST_F(ConfigTest, WhichFileIsRead) {
  sources_.default_file = folder_ / "default.toml";
  std::ofstream(sources_.default_file) << "[topics]\nprefix = 'default-'\n";
  EXPECT_EQ(load_config(sources_).config.topics.prefix, "default-");
  std::ofstream(folder_ / "env.toml") << "[topics]\nprefix = 'env-'\n";
  sources_.environment = {{"FIVERATE_CONFIG", (folder_ / "env.toml").string()}};
  EXPECT_EQ(load_config(sources_).config.topics.prefix, "env-");
  file("[topics]\nprefix = 'named-'\n");
  EXPECT_EQ(load_config(sources_).config.topics.prefix, "named-");
}

TEST_F(ConfigTest, ANamedFileHasToExist) {
  sources_.file = folder_ / "fiverate.toml";
  EXPECT_EQ(error(), "T: no such configuration file");
  sources_.file = folder_;
  EXPECT_NE(error().find("is a folder"), std::string::npos);
}

TEST_F(ConfigTest, SyntaxErrorsHaveLineAndColumn) {
  file("[topics]\nprefix = = 3\n");
  EXPECT_EQ(error().substr(0, 7), "T:2:10:") << error();
}

TEST_F(ConfigTest, ASyntaxErrorDoesNotRepeatASecret) {
  for (const std::string bad :
       {"hunter2", "2hunter2", "\"hunter2", "\"hunter2\" hunter2", "'''hunter2", "0xhunter2", "20hunter2",
        "2026-03-hunter2", "\"hunter2\\q\"", "truehunter2", "infhunter2", "[hunter2"}) {
    file("[kafka]\nsasl.password = " + bad + "\n");
    EXPECT_NE(error(), "no error");
    EXPECT_EQ(error().find("unter2"), std::string::npos) << error();
  }
}

TEST_F(ConfigTest, ASyntaxErrorDoesNotRepeatANumber) {
  file("[kafka]\nsasl.password = 123456789012345678901\n");
  EXPECT_EQ(error(), "T:2:38: Error while parsing decimal integer: the number is not representable in 64 bits");
  for (const std::string bad : {"0x12345678901234567890", "-123456789012345678901", "1e99999", "123456789.1e9999"}) {
    file("[kafka]\nsasl.password = " + bad + "\n");
    EXPECT_NE(error(), "no error");
    EXPECT_EQ(error().find("99"), std::string::npos) << error();
    EXPECT_EQ(error().find("5678"), std::string::npos) << error();
  }
}

TEST_F(ConfigTest, UnknownNamesAreErrorsWithTheNearestKnownName) {
  file("[topics]\n  prefx = ''\n[topic]\n[log]\nreplication = 1\ncolour = 'red'\n");
  EXPECT_EQ(error(),
            "T:2:3: unknown key \"prefx\" in [topics]; did you mean \"prefix\"?\n"
            "T:3:2: unknown section [topic]; did you mean \"topics\"?\n"
            "T:5:1: unknown key \"replication\" in [log]; did you mean \"topics.replication\"?\n"
            "T:6:1: unknown key \"colour\" in [log]");
}

TEST_F(ConfigTest, AKeyOutsideOfEverySection) {
  file("timezone = 'UTC'\n");
  EXPECT_EQ(error(), "T:1:1: unknown key \"timezone\" outside of every section; did you mean \"market.timezone\"?");
}

TEST_F(ConfigTest, WrongTypesAndRangesNameTheExpectedValue) {
  file(
      "log = 3\n"
      "[topics]\nsource_partitions = '4'\nledger_partitions = 0\nmarket_partitions = 1025\nprefix = 1\n"
      "[intake]\nclock = 'sun'\n[market]\ntimezone = 'Mars/Olympus'\n[state]\ndir = ''\nmemory_mib = 64.0\n");
  EXPECT_EQ(
      error(),
      "T:1:7: [log] is a section: expected a table, got an integer\n"
      "T:3:21: topics.source_partitions: expected an integer 1..1024, got a string\n"
      "T:4:21: topics.ledger_partitions: expected an integer 1..1024, got 0\n"
      "T:5:21: topics.market_partitions: expected an integer 1..1024, got 1025\n"
      "T:6:10: topics.prefix: expected text, got an integer\n"
      "T:8:9: intake.clock: expected \"log\", \"marks\" or \"wall\", got \"sun\"\n"
      "T:10:12: market.timezone: expected a time zone of the tz database such as Asia/Shanghai, got \"Mars/Olympus\"\n"
      "T:12:7: state.dir: expected the path of a folder, got \"\"\n"
      "T:13:14: state.memory_mib: expected an integer 64..1048576, got a decimal number");
}

TEST_F(ConfigTest, MeasuresAndWindowsAreSets) {
  EXPECT_EQ(load_config(sources_).config.rates, Selection{}) << "everything";
  file("[rates]\nmeasures = ['stock', 'purchases', 'stock']\nwindows = [91, 'month', '7']\n");
  const auto loaded = load_config(sources_);
  const auto& rates = loaded.config.rates;
  EXPECT_TRUE(rates.measures.has(MeasureGroup::purchases));
  EXPECT_TRUE(rates.measures.has(MeasureGroup::stock));
  EXPECT_FALSE(rates.measures.has(MeasureGroup::prices));
  EXPECT_EQ(std::vector<int>(rates.windows.begin(), rates.windows.end()), (std::vector{0, 1, 3}));
  EXPECT_NE(
      show_config(loaded, false).find("[rates]\nmeasures = [\"purchases\", \"stock\"]\nwindows = [7, 91, \"month\"]\n"),
      std::string::npos)
      << show_config(loaded, false);
  EXPECT_EQ(origin_of("rates", "windows"), "T:3");
  sources_.environment = {{"FIVERATE_RATES_WINDOWS", "28, month"}};
  sources_.overrides = {"rates.measures=prices"};
  const auto later = load_config(sources_).config.rates;
  EXPECT_FALSE(later.measures.has(MeasureGroup::stock));
  EXPECT_TRUE(later.measures.has(MeasureGroup::prices));
  EXPECT_EQ(std::vector<int>(later.windows.begin(), later.windows.end()), (std::vector{0, 2}));
}

TEST_F(ConfigTest, BadMeasuresAndWindowsNameThePossibleOnes) {
  const std::string measures = "a list of one or more of \"purchases\", \"orders\", \"shelf\", \"prices\", \"stock\"";
  const std::string windows = "a list of one or more of 7, 28, 91, \"month\"";
  file("[rates]\nmeasures = ['purchase']\nwindows = [7, 14, 'month']\n");
  EXPECT_EQ(error(), "T:2:12: rates.measures: expected " + measures + ", got [\"purchase\"]\n" +
                         "T:3:11: rates.windows: expected " + windows + ", got [7, 14, \"month\"]");
  file("[rates]\nmeasures = []\nwindows = 7\n");
  EXPECT_EQ(error(), "T:2:12: rates.measures: expected " + measures + ", got []\n" +
                         "T:3:11: rates.windows: expected " + windows + ", got an integer");
  file("[rates]\nwindows = [[7], 0, 28.0]\n");
  EXPECT_EQ(error(), "T:2:11: rates.windows: expected " + windows + ", got [an array, 0, a decimal number]");
  file("");
  sources_.environment = {{"FIVERATE_RATES_MEASURES", ""}};
  sources_.overrides = {"rates.windows=7,,28"};
  EXPECT_EQ(error(), "environment variable FIVERATE_RATES_MEASURES: expected " + measures + ", got \"\"\n" +
                         "flag rates.windows: expected " + windows + ", got \"7,,28\"");
}

TEST_F(ConfigTest, RangesIncludeTheirEnds) {
  for (const Setting& setting : settings()) {
    const auto* integer = std::get_if<Setting::Integer>(&setting.value);
    if (integer == nullptr) continue;
    for (const std::int64_t good : {integer->lowest, integer->highest}) {
      sources_.overrides = {setting.name() + "=" + std::to_string(good)};
      EXPECT_EQ(error(), "no error");
    }
    for (const std::int64_t bad : {std::int64_t{integer->lowest} - 1, std::int64_t{integer->highest} + 1}) {
      sources_.overrides = {setting.name() + "=" + std::to_string(bad)};
      EXPECT_NE(error(), "no error") << setting.name() << " " << bad;
    }
  }
}

TEST_F(ConfigTest, EnvironmentErrorsNameTheVariable) {
  sources_.environment = {{"FIVERATE_TOPICS_PREFX", "a"},
                          {"FIVERATE_RUN_OUTLET_THREADS", "many"},
                          {"FIVERATE_", ""},
                          {"FIVERATE_TOPICS_REPLICATION", " 3"}};
  EXPECT_EQ(error(),
            "environment variable FIVERATE_TOPICS_PREFX is unknown; did you mean \"FIVERATE_TOPICS_PREFIX\"?\n"
            "environment variable FIVERATE_RUN_OUTLET_THREADS: expected an integer 1..256, got \"many\"\n"
            "environment variable FIVERATE_ is unknown\n"
            "environment variable FIVERATE_TOPICS_REPLICATION: expected an integer 1..32767, got \" 3\"");
}

TEST_F(ConfigTest, VariablesOfScriptsAndTestsAreIgnored) {
  sources_.environment = {{"FIVERATE_CONFIG", ""},
                          {"FIVERATE_KAFKA_JARS", "x"},
                          {"FIVERATE_QUICKSTART_DIR", "x"},
                          {"FIVERATE_TEST_SEED", "7"}};
  EXPECT_EQ(load_config(sources_).config.kafka.properties.size(), 1U);
}

TEST_F(ConfigTest, TheEnvironmentOfThisProcess) {
  ::setenv("FIVERATE_TEST_CONFIG", "a=b", 1);
  const auto environment = fiverate_environment();
  const std::pair<std::string, std::string> expected{"FIVERATE_TEST_CONFIG", "a=b"};
  EXPECT_NE(std::find(environment.begin(), environment.end(), expected), environment.end());
  for (const auto& [name, value] : environment) EXPECT_TRUE(name.starts_with("FIVERATE_"));
}

TEST_F(ConfigTest, FlagErrors) {
  sources_.overrides = {"topics.prefix",
                        "prefix=a",
                        "topcs.prefix=a",
                        "topics.prefx=a",
                        "kafka.=x",
                        "log.level=loud",
                        "kafka.sasl.password hunter2"};
  EXPECT_EQ(error(),
            "flag \"topics.prefix\": expected section.key=value\n"
            "flag \"prefix\": expected section.key=value\n"
            "flag topcs.prefix: unknown section [topcs]; did you mean \"topics\"?\n"
            "flag topics.prefx: unknown key \"prefx\" in [topics]; did you mean \"prefix\"?\n"
            "flag \"kafka.\": expected section.key=value\n"
            "flag log.level: expected \"trace\", \"debug\", \"info\", \"warn\" or \"error\", got \"loud\"\n"
            "flag \"kafka.sasl.password\": expected section.key=value");
}

TEST_F(ConfigTest, KafkaPropertiesQuotedOrNestedOfAnyScalarType) {
  file(
      "[kafka]\n\"bootstrap.servers\" = 'a:1,b:2'\nlinger.ms = 5\nenable.ssl.certificate.verification = false\n"
      "[kafka.security]\nprotocol = 'ssl'\n");
  EXPECT_EQ(load_config(sources_).config.kafka.properties,
            (std::map<std::string, std::string>{{"bootstrap.servers", "a:1,b:2"},
                                                {"enable.ssl.certificate.verification", "false"},
                                                {"linger.ms", "5"},
                                                {"security.protocol", "ssl"}}));
  EXPECT_EQ(origin_of("kafka", "security.protocol"), "T:6");
}

TEST_F(ConfigTest, KafkaPropertiesFromEnvironmentAndFlags) {
  file("[kafka]\nbootstrap.servers = 'file:1'\nlinger.ms = 5\n");
  sources_.environment = {{"FIVERATE_KAFKA_BOOTSTRAP_SERVERS", "env:1"}, {"FIVERATE_KAFKA_LINGER_MS", "6"}};
  sources_.overrides = {"kafka.bootstrap.servers=a=b:1"};
  const auto properties = load_config(sources_).config.kafka.properties;
  EXPECT_EQ(properties.at("bootstrap.servers"), "a=b:1");
  EXPECT_EQ(properties.at("linger.ms"), "6");
}

TEST_F(ConfigTest, TheOtherNameOfTheBrokersIsTheSameProperty) {
  file("[kafka]\nmetadata.broker.list = 'file:1'\n");
  EXPECT_EQ(load_config(sources_).config.kafka.properties,
            (std::map<std::string, std::string>{{"bootstrap.servers", "file:1"}}));
}

TEST_F(ConfigTest, KafkaErrors) {
  sources_.kafka_check = fake_kafka;
  sources_.kafka_names = {"bootstrap.servers", "linger.ms", "sasl.password", "acks"};
  file("[kafka]\nacks = 'bad'\nbootstrap.servres = 'x'\nlinger.ms = [1]\n'linger.ms' = 1.5\n");
  sources_.environment = {{"FIVERATE_KAFKA_ACKS", "bad"}};
  sources_.overrides = {"kafka.acks=bad"};
  EXPECT_EQ(error(),
            "T:2:1: kafka.acks: Invalid value \"bad\" for configuration property \"acks\"\n"
            "T:3:11: kafka.bootstrap.servres: no such property of librdkafka; did you mean \"bootstrap.servers\"?\n"
            "T:4:13: kafka.linger.ms: expected a string, an integer or true or false, got an array\n"
            "T:5:15: kafka.linger.ms: expected a string, an integer or true or false, got a decimal number\n"
            "environment variable FIVERATE_KAFKA_ACKS: Invalid value \"bad\" for configuration property "
            "\"acks\"\n"
            "flag kafka.acks: Invalid value \"bad\" for configuration property \"acks\"");
}

TEST_F(ConfigTest, TheSamePropertyTwiceIsAnError) {
  file("[kafka]\n'linger.ms' = 1\nlinger.ms = 2\n");
  EXPECT_NE(error().find("kafka.linger.ms is set twice"), std::string::npos) << error();
}

TEST_F(ConfigTest, NoErrorRepeatsASecret) {
  sources_.kafka_check = fake_kafka;
  file("[kafka]\nsasl.password = 'bad'\n");
  sources_.overrides = {"kafka.ssl.key.password=bad"};
  EXPECT_EQ(error(),
            "T:2:6: kafka.sasl.password: refused by librdkafka (the value is not shown)\n"
            "flag kafka.ssl.key.password: refused by librdkafka (the value is not shown)");
}

TEST_F(ConfigTest, Secrets) {
  for (const auto* secret : {"sasl.password", "ssl.key.pem", "ssl.key.password", "ssl.keystore.password",
                             "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret",
                             "sasl.oauthbearer.assertion.private.key.passphrase", "sasl.kerberos.kinit.cmd"}) {
    EXPECT_TRUE(is_secret(secret)) << secret;
  }
  for (const auto* open : {"bootstrap.servers", "sasl.username", "ssl.ca.location"})
    EXPECT_FALSE(is_secret(open)) << open;
}

TEST_F(ConfigTest, ShowPrintsTomlWithOriginsAndWithoutSecrets) {
  file("[kafka]\nsasl.password = 'hunter2'\n[topics]\nprefix = 'a-'\n");
  sources_.environment = {{"FIVERATE_STATE_DIR", "/var/lib/\"five\""}};
  const auto loaded = load_config(sources_);
  const std::string plain = show_config(loaded, false);
  EXPECT_EQ(
      plain,
      "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:9092\"\n\"sasl.password\" = \"(redacted)\"\n"
      "\n[topics]\nprefix = \"a-\"\nsource_partitions = 4\nledger_partitions = 4\nmarket_partitions = 2\n"
      "replication = 1\n"
      "\n[market]\ntimezone = \"Asia/Shanghai\"\noutlet_day_documents_max = 10000\n"
      "\n[rates]\nmeasures = [\"purchases\", \"orders\", \"shelf\", \"prices\", \"stock\"]\n"
      "windows = [7, 28, 91, \"month\"]\n"
      "\n[intake]\nclock = \"log\"\n"
      "\n[import]\noutlier_days = 400\n"
      "\n[state]\ndir = \"/var/lib/\\\"five\\\"\"\nmemory_mib = 1024\n"
      "\n[run]\nintake_threads = 1\noutlet_threads = 1\nmarket_threads = 1\ndesk_threads = 1\ncommit_every_ms = 500\n"
      "standby = 0\non_stop = \"leave\"\nhealth = \"\"\n"
      "\n[snapshots]\ndir = \"\"\nevery_s = 600\nkeep = 3\n"
      "\n[log]\nlevel = \"info\"\nformat = \"text\"\n");
  const std::string origins = with_short_path(show_config(loaded, true));
  EXPECT_EQ(origins.find("hunter2"), std::string::npos);
  EXPECT_NE(origins.find(fmt::format("{:<60}  # T:4\n", "prefix = \"a-\"")), std::string::npos) << origins;
  EXPECT_NE(origins.find("# env FIVERATE_STATE_DIR\n"), std::string::npos);
  EXPECT_NE(origins.find(fmt::format("{:<60}  # default\n", "source_partitions = 4")), std::string::npos);
}

TEST_F(ConfigTest, WhatShowPrintsReadsBackTheSame) {
  sources_.overrides = {"kafka.client.id=a\nb\t\"c\"", "topics.prefix=x.", "log.format=json", "intake.clock=wall"};
  const auto before = load_config(sources_);
  file(show_config(before, true));
  sources_.overrides.clear();
  const auto after = load_config(sources_);
  EXPECT_EQ(after.config.kafka.properties, before.config.kafka.properties);
  for (const Setting& setting : settings()) EXPECT_EQ(setting.read(after.config), setting.read(before.config));
}

TEST_F(ConfigTest, AHugeFileIsRefused) {
  file(std::string((1U << 20U) + 1, '#'));
  EXPECT_EQ(error(), "T: is larger than 1 MiB, so it is not a configuration file");
}

}  // namespace
}  // namespace fiverate
