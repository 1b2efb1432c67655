// The errors of the Kafka edge, against librdkafka's mock brokers. tests/system/kafka_edge_test.cc has what needs a real broker.
#include "processors/edge/kafka_log.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace fiverate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::int16_t kProduceApi = 0;

class MockKafka {
 public:
  MockKafka() {
    std::array<char, 512> text{};
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, nullptr, text.data(), text.size());
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    for (const auto topic : {Topic::orders, Topic::ledger, Topic::deltas}) {
      rd_kafka_mock_topic_create(cluster_, std::string(name_of(topic)).c_str(), 4, 1);
    }
  }
  ~MockKafka() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  MockKafka(const MockKafka&) = delete;
  MockKafka& operator=(const MockKafka&) = delete;

  [[nodiscard]] KafkaSettings settings(std::map<std::string, std::string> more = {}) const {
    more["bootstrap.servers"] = rd_kafka_mock_cluster_bootstraps(cluster_);
    return {std::move(more), ""};
  }
  void down() const { rd_kafka_mock_broker_set_down(cluster_, 1); }
  void up() const { rd_kafka_mock_broker_set_up(cluster_, 1); }
  void refuse_produce(rd_kafka_resp_err_t code) const {
    rd_kafka_mock_push_request_errors(cluster_, kProduceApi, 1, code);
  }
  void remove_leader(Topic topic, std::int32_t partition) const {
    rd_kafka_mock_partition_set_leader(cluster_, std::string(name_of(topic)).c_str(), partition, -1);
  }
  void restore_leader(Topic topic, std::int32_t partition) const {
    rd_kafka_mock_partition_set_leader(cluster_, std::string(name_of(topic)).c_str(), partition, 1);
  }
#if RD_KAFKA_VERSION >= 0x020100ff
  // The same broker begins a new leader epoch of deltas partition 1.
  void begin_epoch() const {
    rd_kafka_mock_partition_set_leader(cluster_, "deltas", 1, 1);
  }
  // deltas partition 1 loses its records, and with them every epoch in which it has any.
  void delete_records(std::int64_t before) const {
    rd_kafka_mock_partition_delete_records(cluster_, "deltas", 1, before);
  }
#endif

 private:
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

// A port without a listener. The bound socket keeps other programs from using it.
class DeadPort {
 public:
  DeadPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    servers_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~DeadPort() { close(socket_); }
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  [[nodiscard]] const std::string& servers() const { return servers_; }
  [[nodiscard]] KafkaSettings settings() const { return {{{"bootstrap.servers", servers_}}, ""}; }

 private:
  int socket_;
  std::string servers_;
};

OutRecord record(std::string key = "k", std::string value = "v") {
  return {Topic::deltas,         1, 1'700'000'000'000, std::move(key), std::move(value), Cause{"outlet/1", {7, 0}},
          Link{{6, 2}, 0xabcdef}};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::unique_ptr<KafkaSink> sink_of(const KafkaSettings& settings, milliseconds stalled_after = kStalledAfter) {
  auto sink = KafkaSink::open(settings, stalled_after);
  EXPECT_TRUE(sink) << sink.error().what;
  return std::move(*sink);
}

// ---- properties ----------------------------------------------------------------------------------------------------

TEST(KafkaPropertiesTest, PropertiesThatCorrectnessDependsOnAreRefused) {
  for (const auto* name : {"enable.auto.commit", "acks", "group.id", "isolation.level", "enable.idempotence"}) {
    const auto checked = check_properties({{{"bootstrap.servers", "a:1"}, {name, "1"}}, ""});
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().reaction, Reaction::stop);
    EXPECT_TRUE(contains(checked.error().what, name)) << checked.error().what;
    EXPECT_TRUE(contains(checked.error().what, "cannot be set")) << checked.error().what;
  }
}

TEST(KafkaPropertiesTest, OtherPropertiesAreAccepted) {
  EXPECT_TRUE(check_properties({{{"bootstrap.servers", "a:1"}, {"linger.ms", "50"}, {"fetch.wait.max.ms", "20"}}, ""}));
}

TEST(KafkaPropertiesTest, UnknownAndMissingPropertiesAreNamed) {
  const auto unknown = check_properties({{{"bootstrap.servers", "a:1"}, {"botstrap", "x"}}, ""});
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(contains(unknown.error().what, "botstrap")) << unknown.error().what;
  const auto missing = check_properties({});
  ASSERT_FALSE(missing);
  EXPECT_TRUE(contains(missing.error().what, "bootstrap.servers")) << missing.error().what;
}

TEST(KafkaPropertiesTest, ValuesAreNotPrinted) {
  const auto checked = check_properties({{{"bootstrap.servers", "a:1"}, {"security.protocol", "hunter2secret"}}, ""});
  ASSERT_FALSE(checked);
  EXPECT_TRUE(contains(checked.error().what, "security.protocol")) << checked.error().what;
  EXPECT_FALSE(contains(checked.error().what, "hunter2secret")) << checked.error().what;
}

TEST(KafkaPropertiesTest, TopicNamesHaveThePrefix) {
  const KafkaSettings settings{{}, "demo."};
  EXPECT_EQ(topic_name(settings, Topic::metrics_final), "demo.metrics-final");
  EXPECT_EQ(topic_of(settings, "demo.metrics-final"), Topic::metrics_final);
  EXPECT_EQ(topic_of(settings, "metrics-final"), std::nullopt);
  EXPECT_EQ(topic_of(settings, "demo.else"), std::nullopt);
}

// ---- no broker --------------------------------------------------------------------------------------------------

TEST(ReachTest, AnAnsweringBrokerIsReached) {
  const MockKafka kafka;
  const auto reached = reach(kafka.settings());
  EXPECT_TRUE(reached) << reached.error().what;
}

TEST(ReachTest, APortWithoutListenerIsReportedWithinTenSeconds) {
  const DeadPort port;
  const auto begin = Clock::now();
  const auto reached = reach(port.settings());
  EXPECT_LT(Clock::now() - begin, seconds(10));
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().reaction, Reaction::retry);
  EXPECT_TRUE(contains(reached.error().what, port.servers())) << reached.error().what;
  EXPECT_TRUE(contains(reached.error().what, "refused")) << reached.error().what;
}

TEST(ReachTest, AnUnknownHostIsReported) {
  const auto reached = reach({{{"bootstrap.servers", "no-such-host.invalid:9092"}}, ""}, seconds(2));
  ASSERT_FALSE(reached);
  EXPECT_TRUE(contains(reached.error().what, "no-such-host.invalid")) << reached.error().what;
  EXPECT_TRUE(contains(reached.error().what, "resolve")) << reached.error().what;
}

// ---- sink ----------------------------------------------------------------------------------------------------------

TEST(KafkaSinkTest, RecordsAreDelivered) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(sink->send(record()));
  const auto flushed = sink->flush();
  EXPECT_TRUE(flushed) << flushed.error().what;
  EXPECT_TRUE(sink->flush());
}

TEST(KafkaSinkTest, ARecordThatIsTooLargeIsNamed) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  const auto sent = sink->send(record("outlet-17", std::string(kRecordBytesMax, 'x')));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reaction, Reaction::stop);
  EXPECT_TRUE(contains(sent.error().what, "deltas")) << sent.error().what;
  EXPECT_TRUE(contains(sent.error().what, "outlet-17")) << sent.error().what;
}

TEST(KafkaSinkTest, AfterAFailedDeliveryASinkOnlyReturnsItsError) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  ASSERT_TRUE(sink->send(record()));
  ASSERT_TRUE(sink->flush());
  kafka.refuse_produce(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);  // librdkafka retries after this one
  ASSERT_TRUE(sink->send(record()));
  kafka.refuse_produce(RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS);
  static_cast<void>(sink->send(record("outlet-18")));
  const auto flushed = sink->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().reaction, Reaction::drop_task) << flushed.error().what;
  EXPECT_TRUE(contains(flushed.error().what, "deltas")) << flushed.error().what;
  const auto again = sink->send(record());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().what, flushed.error().what);
  EXPECT_FALSE(sink->flush());
}

TEST(KafkaSinkTest, MissingAccessRightsStop) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  kafka.refuse_produce(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  static_cast<void>(sink->send(record()));
  const auto flushed = sink->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().reaction, Reaction::stop) << flushed.error().what;
}

TEST(KafkaSinkTest, AFlushWithoutAcknowledgementsDropsTheTask) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings(), seconds(1));
  ASSERT_TRUE(sink->send(record()));
  ASSERT_TRUE(sink->flush());
  kafka.down();
  ASSERT_TRUE(sink->send(record()));
  const auto begin = Clock::now();
  const auto flushed = sink->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().reaction, Reaction::drop_task);
  EXPECT_TRUE(contains(flushed.error().what, "127.0.0.1")) << flushed.error().what;
  EXPECT_LT(Clock::now() - begin, seconds(4));
}

TEST(KafkaSinkTest, AShortAbsenceIsSurvived) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  ASSERT_TRUE(sink->send(record()));
  ASSERT_TRUE(sink->flush());
  kafka.down();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(sink->send(record()));
  kafka.up();
  const auto flushed = sink->flush();
  EXPECT_TRUE(flushed) << flushed.error().what;
}

TEST(KafkaSinkTest, AFullQueueWithoutAcknowledgementsIsAnError) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings({{"queue.buffering.max.messages", "10"}}), seconds(1));
  ASSERT_TRUE(sink->send(record()));
  ASSERT_TRUE(sink->flush());
  kafka.down();
  Result<void> sent;
  int queued = 0;
  while (sent && queued < 100) {
    sent = sink->send(record());
    if (sent) ++queued;
  }
  EXPECT_EQ(queued, 10);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reaction, Reaction::retry) << sent.error().what;
}

TEST(KafkaSinkTest, ItIsDestroyedSoonWithoutABroker) {
  const DeadPort port;
  const auto begin = Clock::now();
  { const auto sink = sink_of(port.settings()); }
  EXPECT_LT(Clock::now() - begin, seconds(6));
}

// ---- reader and source ---------------------------------------------------------------------------------------------

std::vector<InRecord> read_all(KafkaReader& reader, seconds within = seconds(10)) {
  std::vector<InRecord> records;
  const auto deadline = Clock::now() + within;
  while (!reader.finished() && Clock::now() < deadline) {
    const auto polled = reader.poll(milliseconds(50), records);
    EXPECT_TRUE(polled) << polled.error().what;
    if (!polled) break;
  }
  EXPECT_TRUE(reader.finished());
  return records;
}

std::unique_ptr<KafkaReader> reader_of(const KafkaSettings& settings, ReaderOptions options) {
  auto reader = KafkaReader::open(settings, std::move(options));
  EXPECT_TRUE(reader) << reader.error().what;
  return std::move(*reader);
}

TEST(KafkaReaderTest, RecordsOutliveTheirReader) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  ASSERT_TRUE(sink->send(record("key", "value")));
  ASSERT_TRUE(sink->flush());
  std::vector<InRecord> records;
  {
    const auto reader = reader_of(kafka.settings(), {{{Topic::deltas, 0}, {Topic::deltas, 1}}, {}, true});
    records = read_all(*reader);
  }
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].input, (Input{Topic::deltas, 1}));
  EXPECT_EQ(records[0].key, "key");
  EXPECT_EQ(records[0].value, "value");
  ASSERT_TRUE(records[0].cause);
  EXPECT_EQ(records[0].cause->sender, "outlet/1");
  EXPECT_EQ(records[0].cause->position, (CausePosition{7, 0}));
  ASSERT_TRUE(records[0].link);
  EXPECT_EQ(records[0].link->previous, (CausePosition{6, 2}));
  EXPECT_EQ(records[0].link->chain, 0xabcdefU);
}

TEST(KafkaReaderTest, MalformedHeadersAreIgnored) {
  const MockKafka kafka;
  const auto client = KafkaClient::open(kafka.settings(), producer_role(kafka.settings()));
  ASSERT_TRUE(client);
  const auto put = [&](const std::vector<std::pair<std::string, std::string>>& headers) {
    rd_kafka_headers_t* list = rd_kafka_headers_new(4);
    for (const auto& [name, value] : headers) {
      rd_kafka_header_add(list, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
    std::array<rd_kafka_vu_t, 3> arguments{};
    arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    arguments[0].u.cstr = "orders";
    arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[1].u.i32 = 0;
    arguments[2].vtype = RD_KAFKA_VTYPE_HEADERS;
    arguments[2].u.headers = list;
    const KafkaError error(rd_kafka_produceva((*client)->get(), arguments.data(), arguments.size()));
    EXPECT_FALSE(error);
  };
  put({{"fiverate-cause", "nonsense"},
       {"fiverate-previous", "1/x"},
       {"fiverate-chain", "zz"},
       {"fiverate-arrival", "1e3"}});
  put({{"fiverate-cause", ""}, {"fiverate-previous", "-"}});
  put({{"fiverate-arrival", "1700000000000"}, {"other", "x"}});
  put({{"fiverate-cause", "outlet/1/7/0"},
       {"fiverate-previous", "-"},
       {"fiverate-chain", "0000000000000000"},
       {"fiverate-depends-on", "reference/0/3/0"}});
  ASSERT_EQ(rd_kafka_flush((*client)->get(), 5000), RD_KAFKA_RESP_ERR_NO_ERROR);

  const auto reader = reader_of(kafka.settings(), {{{Topic::orders, 0}}, {}, true});
  const auto records = read_all(*reader);
  ASSERT_EQ(records.size(), 4U);
  for (const auto& read : records) {
    EXPECT_FALSE(read.cause)
        << "and headers of internal records are ignored in a source topic, since a copied record is a new one";
    EXPECT_TRUE(read.depends_on.empty());
    EXPECT_FALSE(read.link);
    EXPECT_TRUE(read.key.empty());
    EXPECT_TRUE(read.value.empty());
  }
  EXPECT_TRUE(records[0].has_arrival_header) << "it is counted, whatever its value";
  EXPECT_FALSE(records[1].has_arrival_header);
}

TEST(KafkaReaderTest, AReaderOfEmptyPartitionsIsFinishedAfterItsFirstPoll) {
  const MockKafka kafka;
  const auto reader = reader_of(kafka.settings(), {{{Topic::ledger, 0}, {Topic::ledger, 1}}, {}, true});
  std::vector<InRecord> records;
  EXPECT_FALSE(reader->finished());
  ASSERT_TRUE(reader->poll(milliseconds(0), records));
  EXPECT_TRUE(reader->finished());
}

TEST(KafkaReaderTest, APartitionWithoutALeaderIsWaitedFor) {
  const MockKafka kafka;
  kafka.remove_leader(Topic::ledger, 2);
  const std::jthread election([&] {
    std::this_thread::sleep_for(seconds(4));
    kafka.restore_leader(Topic::ledger, 2);
  });
  const auto reader = reader_of(kafka.settings(), {{{Topic::ledger, 2}}, {}, true});
  std::vector<InRecord> records;
  const auto polled = reader->poll(milliseconds(0), records);
  EXPECT_TRUE(polled) << polled.error().what;
}

TEST(KafkaReaderTest, AMissingPartitionStops) {
  const MockKafka kafka;
  const auto reader = reader_of(kafka.settings(), {{{Topic::ledger, 17}}, {}, true});
  std::vector<InRecord> records;
  const auto polled = reader->poll(milliseconds(0), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop);
  EXPECT_TRUE(contains(polled.error().what, "ledger partition 17 does not exist")) << polled.error().what;
}

TEST(KafkaReaderTest, OnlyALongAbsenceOfTheBrokerIsAnError) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  const auto reader = reader_of(kafka.settings(), {{{Topic::deltas, 1}}, {}, false});
  std::vector<InRecord> records;
  ASSERT_TRUE(reader->poll(milliseconds(100), records));

  kafka.down();
  auto until = Clock::now() + seconds(3);
  while (Clock::now() < until) ASSERT_TRUE(reader->poll(milliseconds(100), records));
  kafka.up();
  ASSERT_TRUE(sink->send(record()));
  ASSERT_TRUE(sink->flush());
  until = Clock::now() + seconds(10);
  while (records.empty() && Clock::now() < until) ASSERT_TRUE(reader->poll(milliseconds(100), records));
  ASSERT_EQ(records.size(), 1U);

  kafka.down();
  const auto begin = Clock::now();
  Result<void> polled;
  while (polled && Clock::now() - begin < seconds(20)) polled = reader->poll(milliseconds(100), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::retry);
  EXPECT_GT(Clock::now() - begin, kKafkaAwayMax - seconds(1));
  EXPECT_LT(Clock::now() - begin, kKafkaAwayMax + seconds(4));
  EXPECT_TRUE(contains(polled.error().what, "No Kafka broker")) << polled.error().what;
}

#if RD_KAFKA_VERSION >= 0x020100ff
TEST(KafkaReaderTest, ANewLeaderWithoutTheRecordsThatWereReadStopsTheReader) {
  const MockKafka kafka;
  const auto sink = sink_of(kafka.settings());
  const auto reader = reader_of(kafka.settings(), {{{Topic::deltas, 1}}, {}, false});
  std::vector<InRecord> records;
  const auto read_another = [&] {
    ASSERT_TRUE(sink->send(record()));
    ASSERT_TRUE(sink->flush());
    const auto before = records.size();
    const auto until = Clock::now() + seconds(20);
    while (records.size() == before && Clock::now() < until) {
      const auto polled = reader->poll(milliseconds(50), records);
      ASSERT_TRUE(polled) << polled.error().what;
    }
    ASSERT_EQ(records.size(), before + 1);
  };
  read_another();
  kafka.begin_epoch();
  read_another();  // a new leader that has the record before is no error

  kafka.delete_records(2);
  kafka.begin_epoch();
  Result<void> polled;
  const auto until = Clock::now() + seconds(20);
  while (polled && Clock::now() < until) polled = reader->poll(milliseconds(50), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop)
      << "the log still has the position of the reader: " << polled.error().what;
  EXPECT_TRUE(contains(polled.error().what, "deltas partition 1 was truncated")) << polled.error().what;
  EXPECT_TRUE(contains(polled.error().what, "before offset 2")) << polled.error().what;
}
#endif

std::vector<Input> inputs_of_ledger() {
  return {{Topic::ledger, 0}, {Topic::ledger, 1}, {Topic::ledger, 2}, {Topic::ledger, 3}};
}

TEST(KafkaSourceTest, PartitionsThatAreNotAmongTheInputsAreNotReadAndCounted) {
  const MockKafka kafka;
  auto source = KafkaSource::open(kafka.settings(), "g", {{Topic::ledger, 0}, {Topic::ledger, 2}});
  ASSERT_TRUE(source);
  std::vector<Input> assigned;
  (*source)->listen({[&](const std::vector<Input>& inputs) -> Result<std::map<Input, std::int64_t>> {
                       assigned = inputs;
                       return std::map<Input, std::int64_t>{{inputs[0], 0}, {inputs[1], 0}};
                     },
                     {}});
  std::vector<InRecord> records;
  for (int i = 0; i < 100 && !(*source)->assigned(); ++i) ASSERT_TRUE((*source)->poll(milliseconds(100), records));
  EXPECT_EQ(assigned, (std::vector<Input>{{Topic::ledger, 0}, {Topic::ledger, 2}}));
  const auto counts = (*source)->partition_counts(seconds(5));
  ASSERT_TRUE(counts) << counts.error().what;
  EXPECT_EQ(*counts, (std::map<Topic, std::int32_t>{{Topic::ledger, 4}}));
  kafka.down();
  const auto unknown = (*source)->partition_counts(milliseconds(200));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reaction, Reaction::retry);
}

TEST(KafkaSourceTest, ItLeavesSoonWhileTheBrokerIsUnreachable) {
  const MockKafka kafka;
  auto source = KafkaSource::open(kafka.settings(), "g", inputs_of_ledger());
  ASSERT_TRUE(source);
  (*source)->listen({[](const std::vector<Input>& inputs) -> Result<std::map<Input, std::int64_t>> {
                       std::map<Input, std::int64_t> begin;
                       for (const auto& input : inputs) begin[input] = 0;
                       return begin;
                     },
                     {}});
  std::vector<InRecord> records;
  for (int i = 0; i < 100 && (*source)->lag().size() < 4; ++i) ASSERT_TRUE((*source)->poll(milliseconds(100), records));
  EXPECT_EQ((*source)->lag().size(), 4U);
  kafka.down();
  const auto begin = Clock::now();
  source->reset();
  EXPECT_LT(Clock::now() - begin, 2 * kKafkaEndWithin + seconds(1));
}

TEST(KafkaSourceTest, AnErrorOfTheListenerIsReturnedByPoll) {
  const MockKafka kafka;
  auto source = KafkaSource::open(kafka.settings(), "g", inputs_of_ledger());
  ASSERT_TRUE(source);
  (*source)->listen({[](const std::vector<Input>&) -> Result<std::map<Input, std::int64_t>> {
                       return fail(Reaction::stop, "The state is damaged.");
                     },
                     {}});
  std::vector<InRecord> records;
  Result<void> polled;
  for (int i = 0; i < 100 && polled; ++i) polled = (*source)->poll(milliseconds(100), records);
  ASSERT_FALSE(polled);
  EXPECT_EQ(polled.error().reaction, Reaction::stop);
  EXPECT_EQ(polled.error().what, "The state is damaged.");
  EXPECT_FALSE((*source)->poll(milliseconds(0), records));
}

}  // namespace
}  // namespace fiverate
