// Compares ways to process records through three hops of Kafka; docs/decisions/0016 is based on its results.
//
//   source -> [0] -> hop 1 -> [1] -> hop 2 -> [2] -> hop 3 -> [3] -> reader
//
// A hop copies records of 400 bytes that contain their number and the time of sending. It uses librdkafka alone, no code of fiverate.
//   flush and commit   the way of fiverate: an idempotent producer, acks=all; every 500 ms the outputs are flushed, then the group's
//                      offset is committed. The next hop reads at once. In fiverate it drops repeated records by their cause; here the
//                      last reader counts them.
//   transactions       the records of one fetch (or of a number of ms) are one transaction with their offsets; consumers read committed.
// Measurements: latency from end to end at given rates; throughput, with the first topic full before the hops begin; the pause of the
// reader when the process of hop 2 kills itself (SIGKILL) after sending records and before committing offsets (with transactions: while
// one is open). All waits are bounded: the program ends with status 1 when one takes longer.
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;  // the same for all processes of the machine
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTopics = 4;
constexpr std::size_t kRecordBytes = 400;
constexpr std::int64_t kCommitEveryMs = 500;
constexpr int kBatchMax = 10'000;  // records of a transaction
constexpr int kWithinMs = 30'000;  // timeout of any request to the broker
// Records sent in the first 3 s are not measured, since the clients still request metadata, offsets and transactions.
constexpr seconds kWarm{3};
constexpr double kFaultRate = 100;
constexpr int kDieAfter = 500;  // records
constexpr std::int64_t kWarmRecords = 50'000;

[[noreturn]] void stop_with(const std::string& what) {
  fmt::print(stderr, "transactions_bench: {}\n", what);
  std::_Exit(1);
}

void demand(bool good, const std::string& what) {
  if (!good) stop_with(what);
}

void demand(rd_kafka_resp_err_t code, const std::string& what) {
  demand(code == RD_KAFKA_RESP_ERR_NO_ERROR, what + ": " + rd_kafka_err2str(code));
}

void demand(rd_kafka_error_t* error, const std::string& what) {
  if (error != nullptr) stop_with(what + ": " + rd_kafka_error_string(error));
}

template <typename Thing, auto Destroy>
struct Destroyed {
  void operator()(Thing* thing) const { Destroy(thing); }
};
template <typename Thing, auto Destroy>
using Owned = std::unique_ptr<Thing, Destroyed<Thing, Destroy>>;
using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using Message = Owned<rd_kafka_message_t, rd_kafka_message_destroy>;
using Partitions = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using Topic = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using GroupMetadata = Owned<rd_kafka_consumer_group_metadata_t, rd_kafka_consumer_group_metadata_destroy>;
void end_client(rd_kafka_t* client) {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
using Client = Owned<rd_kafka_t, end_client>;

// ---- the ways --------------------------------------------------------------------------------------------------------

struct Way {
  const char* name;
  bool transactions;
  bool tuned;  // the fastest settings of librdkafka 2.0.2; else its defaults
  const char* linger_ms;
  std::int64_t collect_ms;  // how long a transaction is open; 0: for the records that are fetched already
};

constexpr std::array kWays{
    Way{"flush and commit, linger 5 ms (fiverate)", false, true, "5", 0},
    Way{"flush and commit, linger 0", false, true, "0", 0},
    Way{"transactions, tuned, one a batch", true, true, "0", 0},
    Way{"transactions, tuned, one in 100 ms", true, true, "0", 100},
    Way{"transactions, defaults, one a batch", true, false, "5", 0},
};
constexpr std::size_t kOurs = 0, kTuned = 2;

struct Setting {
  std::string broker{};
  std::string topics{};   // prefix of their names
  std::string clients{};  // prefix of the names of groups and transactions
  int partitions = 1;
  int transaction_timeout_ms = 60'000;
  [[nodiscard]] std::string topic(int number) const { return fmt::format("{}-{}", topics, number); }
};

// ---- librdkafka ------------------------------------------------------------------------------------------------------

using Properties = std::vector<std::pair<std::string, std::string>>;

std::atomic<std::int64_t> deliveries_failed = 0;

void on_delivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* /*opaque*/) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++deliveries_failed;
}

Client open(rd_kafka_type_t type, const Setting& setting, const Properties& properties, bool callback = false) {
  std::array<char, 512> error{};
  auto* conf = rd_kafka_conf_new();
  const auto set = [&](const std::string& name, const std::string& value) {
    demand(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) == RD_KAFKA_CONF_OK,
           error.data());
  };
  set("bootstrap.servers", setting.broker);
  set("log_level", "3");  // retries are not logged
  for (const auto& [name, value] : properties) set(name, value);
  if (callback) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  Client client(rd_kafka_new(type, conf, error.data(), error.size()));
  demand(client != nullptr, error.data());
  return client;
}

// The settings of producer_role() in processors/edge, except those of the way.
Client open_producer(const Setting& setting, const Way& way, const std::string& transactional_id) {
  Properties properties{
      {"enable.idempotence", "true"}, {"acks", "all"}, {"linger.ms", way.linger_ms}, {"compression.type", "lz4"}};
  const auto add = [&](Properties more) { properties.insert(properties.end(), more.begin(), more.end()); };
  if (way.tuned) {
    add({{"socket.nagle.disable", "true"},
         {"queue.buffering.max.messages", "1000000"},
         {"queue.buffering.max.kbytes", "262144"}});
  }
  if (!way.transactions) {
    add({{"enable.gapless.guarantee", "true"}, {"message.timeout.ms", "0"}});
    return open(RD_KAFKA_PRODUCER, setting, properties, true);
  }
  add({{"transactional.id", transactional_id},
       {"transaction.timeout.ms", std::to_string(setting.transaction_timeout_ms)}});
  if (way.tuned) add({{"retry.backoff.ms", "5"}});
  auto client = open(RD_KAFKA_PRODUCER, setting, properties, way.tuned);
  demand(rd_kafka_init_transactions(client.get(), kWithinMs), "init_transactions");
  return client;
}

// The settings of consumer_role() in processors/edge, the same for all ways. Partitions are assigned at the group's offsets.
Client open_consumer(const Setting& setting, int topic, const std::string& group) {
  auto client = open(RD_KAFKA_CONSUMER, setting,
                     {{"group.id", group},
                      {"enable.auto.commit", "false"},
                      {"enable.auto.offset.store", "false"},
                      {"auto.offset.reset", "error"},
                      {"isolation.level", "read_committed"},
                      {"check.crcs", "true"},
                      {"socket.nagle.disable", "true"},
                      {"fetch.error.backoff.ms", "5"},
                      {"queued.min.messages", "500000"},
                      {"queued.max.messages.kbytes", "131072"}});
  rd_kafka_poll_set_consumer(client.get());
  const Partitions list(rd_kafka_topic_partition_list_new(setting.partitions));
  for (int p = 0; p < setting.partitions; ++p)
    rd_kafka_topic_partition_list_add(list.get(), setting.topic(topic).c_str(), p);
  demand(rd_kafka_committed(client.get(), list.get(), 4 * kWithinMs), "the group's offsets");
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = std::max<std::int64_t>(list->elems[i].offset, 0);
  demand(rd_kafka_assign(client.get(), list.get()), "assign");
  return client;
}

Message poll(rd_kafka_t* consumer, std::int64_t within_ms) {
  Message message(rd_kafka_consumer_poll(consumer, static_cast<int>(within_ms)));
  if (message && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const auto transport =
        message->err == RD_KAFKA_RESP_ERR__TRANSPORT || message->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    demand(transport, rd_kafka_message_errstr(message.get()));
    return nullptr;
  }
  return message;
}

class Producer {
 public:
  Producer(const Setting& setting, const Way& way, int topic, const std::string& transactional_id)
      : client_(open_producer(setting, way, transactional_id)),
        topic_(rd_kafka_topic_new(client_.get(), setting.topic(topic).c_str(), nullptr)) {}

  void send(std::int32_t partition, const void* bytes, std::size_t size) {
    const auto deadline = Clock::now() + milliseconds(kWithinMs);
    while (rd_kafka_produce(topic_.get(), partition, RD_KAFKA_MSG_F_COPY, const_cast<void*>(bytes), size, nullptr, 0,
                            nullptr) != 0) {
      demand(rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL && Clock::now() < deadline,
             "a record cannot be sent");
      rd_kafka_poll(client_.get(), 10);
    }
    rd_kafka_poll(client_.get(), 0);
  }

  void flush() {
    demand(rd_kafka_flush(client_.get(), kWithinMs), "flush");
    demand(deliveries_failed == 0, "a delivery failed");
  }

  [[nodiscard]] rd_kafka_t* get() const { return client_.get(); }

 private:
  Client client_;
  Topic topic_;
};

// ---- a hop -----------------------------------------------------------------------------------------------------------

// From topic `number - 1` to topic `number`.
class Hop {
 public:
  Hop(const Setting& setting, const Way& way, int number, const std::string& transactional_id, int die_after = 0)
      : way_(way),
        in_(setting.topic(number - 1)),
        die_after_(die_after),
        consumer_(open_consumer(setting, number - 1, fmt::format("{}-hop{}", setting.clients, number))),
        producer_(setting, way, number, transactional_id),
        next_(static_cast<std::size_t>(setting.partitions), -1) {}

  void run(const std::atomic<bool>& stop) {
    auto commit_at = Clock::now() + milliseconds(kCommitEveryMs);
    while (!stop) {
      if (way_.transactions) {
        if (auto message = poll(consumer_.get(), 100)) transaction(std::move(message));
        continue;
      }
      if (const auto message = poll(consumer_.get(), left_ms(commit_at))) pass(*message);
      if (Clock::now() >= commit_at) {
        producer_.flush();
        commit();
        commit_at = Clock::now() + milliseconds(kCommitEveryMs);
      }
    }
  }

 private:
  static std::int64_t left_ms(Clock::time_point until) {
    return std::max<std::int64_t>(0, std::chrono::ceil<milliseconds>(until - Clock::now()).count());
  }

  void pass(const rd_kafka_message_t& message) {
    producer_.send(message.partition, message.payload, message.len);
    next_[static_cast<std::size_t>(message.partition)] = message.offset + 1;
    if (++passed_ != die_after_) return;
    producer_.flush();
    std::raise(SIGKILL);
  }

  void transaction(Message message) {
    demand(rd_kafka_begin_transaction(producer_.get()), "begin_transaction");
    const auto until = Clock::now() + milliseconds(way_.collect_ms);
    for (int count = 0; message; message = poll(consumer_.get(), left_ms(until))) {
      pass(*message);
      if (++count == kBatchMax) break;
    }
    if (way_.tuned) producer_.flush();
    const GroupMetadata group(rd_kafka_consumer_group_metadata(consumer_.get()));
    demand(rd_kafka_send_offsets_to_transaction(producer_.get(), positions().get(), group.get(), kWithinMs),
           "send_offsets");
    demand(rd_kafka_commit_transaction(producer_.get(), kWithinMs), "commit_transaction");
    next_.assign(next_.size(), -1);
  }

  // Commits through a queue, as KafkaSource does, since rd_kafka_commit() has no timeout.
  void commit() {
    const auto list = positions();
    if (list->cnt == 0) return;
    const Queue answers(rd_kafka_queue_new(consumer_.get()));
    demand(rd_kafka_commit_queue(consumer_.get(), list.get(), answers.get(), nullptr, nullptr), "commit");
    const Event answer(rd_kafka_queue_poll(answers.get(), kWithinMs));
    demand(answer != nullptr, "commit: no answer");
    demand(rd_kafka_event_error(answer.get()), "commit");
    next_.assign(next_.size(), -1);
  }

  [[nodiscard]] Partitions positions() const {
    Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(next_.size())));
    for (std::size_t p = 0; p < next_.size(); ++p) {
      if (next_[p] < 0) continue;
      rd_kafka_topic_partition_list_add(list.get(), in_.c_str(), static_cast<std::int32_t>(p))->offset = next_[p];
    }
    return list;
  }

  const Way way_;
  const std::string in_;
  const int die_after_;
  int passed_ = 0;
  Client consumer_;
  Producer producer_;
  std::vector<std::int64_t> next_;  // offset to commit, by partition; -1: nothing new
};

// ---- the ends --------------------------------------------------------------------------------------------------------

struct Stamp {
  std::int64_t number;
  Clock::rep sent;
};

class Source {
 public:
  explicit Source(const Setting& setting) : partitions_(setting.partitions), producer_(setting, kWays[1], 0, "") {
    std::mt19937 random(1);
    for (auto& byte : bytes_) byte = static_cast<char>(random());  // lz4 cannot compress it
  }

  void send() {
    const Stamp stamp{sent_, Clock::now().time_since_epoch().count()};
    std::memcpy(bytes_.data(), &stamp, sizeof stamp);
    producer_.send(static_cast<std::int32_t>(sent_ % partitions_), bytes_.data(), bytes_.size());
    ++sent_;
  }

  void send_at(double rate, Clock::duration lasting, const std::atomic<bool>& stop) {
    const auto begun = Clock::now();
    for (std::int64_t i = 0;; ++i) {
      const auto at = begun + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(static_cast<double>(i) / rate));
      if (at - begun >= lasting || stop) return;
      std::this_thread::sleep_until(at);
      send();
    }
  }

  void flush() { producer_.flush(); }
  [[nodiscard]] std::int64_t sent() const { return sent_; }

 private:
  int partitions_;
  Producer producer_;
  std::array<char, kRecordBytes> bytes_{};
  std::atomic<std::int64_t> sent_ = 0;
};

struct Arrival {
  Clock::time_point sent, seen;
};

// Reads the last topic in its own thread.
class Reader {
 public:
  explicit Reader(const Setting& setting)
      : consumer_(open_consumer(setting, kTopics - 1, setting.clients + "-reader")), thread_([this] { read(); }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] std::int64_t different() const { return different_; }
  [[nodiscard]] std::int64_t repeated() const { return repeated_; }
  [[nodiscard]] std::vector<Arrival> arrivals() const {
    const std::lock_guard lock(mutex_);
    return arrivals_;
  }

  [[nodiscard]] bool has(std::int64_t count, Clock::duration within) const {
    for (const auto deadline = Clock::now() + within; different_ < count;
         std::this_thread::sleep_for(milliseconds(5))) {
      if (Clock::now() > deadline) return false;
    }
    return true;
  }

 private:
  void read() {
    std::vector<bool> seen;
    while (!stop_) {
      const auto message = poll(consumer_.get(), 50);
      if (!message) continue;
      Stamp stamp{};
      std::memcpy(&stamp, message->payload, sizeof stamp);
      const auto number = static_cast<std::size_t>(stamp.number);
      if (seen.size() <= number) seen.resize(2 * number + 1);
      if (seen[number]) {
        ++repeated_;
        continue;
      }
      seen[number] = true;
      {
        const std::lock_guard lock(mutex_);
        arrivals_.push_back({Clock::time_point(Clock::duration(stamp.sent)), Clock::now()});
      }
      ++different_;
    }
  }

  mutable std::mutex mutex_;
  std::vector<Arrival> arrivals_;
  std::atomic<std::int64_t> different_ = 0, repeated_ = 0;
  std::atomic<bool> stop_ = false;
  Client consumer_;
  std::thread thread_;
};

// Creates four topics with new names and deletes them at the end.
class Topics {
 public:
  Topics(const std::string& broker, int partitions) : admin_(open(RD_KAFKA_PRODUCER, {.broker = broker}, {})) {
    static int made = 0;
    setting = {
        .broker = broker, .topics = fmt::format("transactions-{}-{}", getpid(), ++made), .partitions = partitions};
    setting.clients = setting.topics;
    std::array<rd_kafka_NewTopic_t*, kTopics> topics{};
    std::array<char, 512> error{};
    for (int i = 0; i < kTopics; ++i) {
      topics[static_cast<std::size_t>(i)] =
          rd_kafka_NewTopic_new(setting.topic(i).c_str(), partitions, 1, error.data(), error.size());
    }
    const Queue answers(rd_kafka_queue_new(admin_.get()));
    rd_kafka_CreateTopics(admin_.get(), topics.data(), topics.size(), nullptr, answers.get());
    const Event answer(rd_kafka_queue_poll(answers.get(), kWithinMs));
    rd_kafka_NewTopic_destroy_array(topics.data(), topics.size());
    demand(answer != nullptr, "topics: no answer");
    std::size_t count = 0;
    const auto* each = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
    demand(rd_kafka_event_error(answer.get()), "topics");
    for (std::size_t i = 0; i < count; ++i) demand(rd_kafka_topic_result_error(each[i]), "a topic");
  }

  ~Topics() {
    std::array<rd_kafka_DeleteTopic_t*, kTopics> topics{};
    for (int i = 0; i < kTopics; ++i)
      topics[static_cast<std::size_t>(i)] = rd_kafka_DeleteTopic_new(setting.topic(i).c_str());
    const Queue answers(rd_kafka_queue_new(admin_.get()));
    rd_kafka_DeleteTopics(admin_.get(), topics.data(), topics.size(), nullptr, answers.get());
    const Event answer(rd_kafka_queue_poll(answers.get(), kWithinMs));
    rd_kafka_DeleteTopic_destroy_array(topics.data(), topics.size());
  }
  Topics(const Topics&) = delete;
  Topics& operator=(const Topics&) = delete;

  Setting setting;

 private:
  Client admin_;
};

// Hops as threads. The ends of the pipeline go before it.
class Hops {
 public:
  Hops(const Setting& setting, const Way& way, const std::vector<int>& numbers) {
    for (const int number : numbers) {
      threads_.emplace_back([this, setting, way, number] {
        Hop hop(setting, way, number, fmt::format("{}-hop{}", setting.clients, number));
        ++ready_;
        hop.run(stop_);
      });
    }
    const auto deadline = Clock::now() + milliseconds(2 * kWithinMs);
    for (; ready_ < static_cast<int>(numbers.size()); std::this_thread::sleep_for(milliseconds(5))) {
      demand(Clock::now() < deadline, "hops do not begin");
    }
  }
  ~Hops() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Hops(const Hops&) = delete;
  Hops& operator=(const Hops&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> ready_ = 0;
  std::vector<std::thread> threads_;
};

// ---- the measurements ------------------------------------------------------------------------------------------------

double ms(Clock::duration lasting) {
  return std::chrono::duration<double, std::milli>(lasting).count();
}

// How long each record took, in ms.
std::vector<double> latency(const std::string& broker, const Way& way, int partitions, double rate, double lasting_s) {
  const Topics topics(broker, partitions);
  const Hops hops(topics.setting, way, {1, 2, 3});
  Source source(topics.setting);
  const Reader reader(topics.setting);
  const auto begun = Clock::now();
  const std::atomic<bool> never = false;
  source.send_at(rate, std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(lasting_s)) + kWarm,
                 never);
  demand(reader.has(source.sent(), milliseconds(kWithinMs)), "not all records came through");
  std::vector<double> took;
  for (const auto& [sent, seen] : reader.arrivals()) {
    if (sent - begun >= kWarm) took.push_back(ms(seen - sent));
  }
  demand(!took.empty(), "no record arrived after the warm-up");
  return took;
}

// CPU time in us of this program, and of the broker if its pid is known. Other programs run on the same machine, so CPU time is a better
// measure of cost than wall time.
struct Cpu {
  double program, broker;
};

Cpu cpu(pid_t broker) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return 1e6 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec);
  };
  Cpu now{us(usage.ru_utime) + us(usage.ru_stime), 0};
  std::ifstream stat(fmt::format("/proc/{}/stat", broker));
  std::string text;
  if (broker == 0 || !std::getline(stat, text)) return now;
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // the next one is the third field of proc(5)
  std::string skipped;
  double user = 0, system = 0;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  fields >> user >> system;
  now.broker = 1e6 * (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return now;
}

struct Throughput {
  double records_per_s;  // from the first to the last record that the reader receives
  Cpu cpu_per_record;    // of all three hops and the reader
};

Throughput throughput(const std::string& broker, pid_t broker_pid, const Way& way, int partitions,
                      std::int64_t records) {
  const Topics topics(broker, partitions);
  {
    Source source(topics.setting);
    while (source.sent() < records) source.send();
    source.flush();
  }
  const auto before = cpu(broker_pid);
  const Reader reader(topics.setting);
  const Hops hops(topics.setting, way, {1, 2, 3});
  demand(reader.has(records, milliseconds(10 * kWithinMs)), "not all records came through");
  const auto after = cpu(broker_pid);
  const auto arrivals = reader.arrivals();
  const auto count = static_cast<double>(records);
  return {1000 * count / ms(arrivals.back().seen - arrivals.front().seen),
          {(after.program - before.program) / count, (after.broker - before.broker) / count}};
}

struct Fault {
  const char* name;
  std::size_t way;
  int transaction_timeout_ms;
  bool same_id;  // the restarted process has the transactional.id of the killed one
};

constexpr std::array kFaults{
    Fault{"flush and commit", kOurs, 0, true},
    Fault{"transactions, same transactional.id", kTuned, 60'000, true},
    Fault{"transactions, another id, 10 s", kTuned, 10'000, false},
    Fault{"transactions, another id, 60 s", kTuned, 60'000, false},
};

// Starts this program as the process of hop 2. It ends with its parent.
pid_t start_hop(const Setting& setting, std::size_t way, const std::string& id, int die_after) {
  std::vector<std::string> texts{"transactions_bench",
                                 "--hop",
                                 setting.broker,
                                 setting.topics,
                                 std::to_string(way),
                                 std::to_string(setting.transaction_timeout_ms),
                                 id,
                                 std::to_string(die_after)};
  std::vector<char*> arguments;
  for (auto& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  demand(child >= 0, "fork");
  if (child > 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == parent) execv("/proc/self/exe", arguments.data());
  _exit(127);
}

int run_hop(char** arguments) {
  Setting setting{.broker = arguments[0], .topics = arguments[1], .clients = arguments[1]};
  const auto way = static_cast<std::size_t>(std::stoi(arguments[2]));
  setting.transaction_timeout_ms = std::stoi(arguments[3]);
  const std::atomic<bool> never = false;
  Hop(setting, kWays.at(way), 2, arguments[4], std::stoi(arguments[5])).run(never);
  return 0;
}

void await_end(pid_t child, Clock::duration within) {
  const auto deadline = Clock::now() + within;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    demand(Clock::now() < deadline, "hop 2 does not end");
    std::this_thread::sleep_for(milliseconds(1));
  }
  demand(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "hop 2 ended by itself");
}

void measure_fault(const std::string& broker, const Fault& fault) {
  Topics topics(broker, 1);
  auto& setting = topics.setting;
  if (fault.transaction_timeout_ms > 0) setting.transaction_timeout_ms = fault.transaction_timeout_ms;
  const Hops hops(setting, kWays.at(fault.way), {1, 3});
  const auto first = start_hop(setting, fault.way, setting.clients + "-hop2", kDieAfter);
  Source source(setting);
  const Reader reader(setting);
  std::atomic<bool> stop = false;
  std::thread sending([&] { source.send_at(kFaultRate, seconds(600), stop); });
  await_end(first, milliseconds(2 * kWithinMs));
  const auto died = Clock::now();
  const auto second = start_hop(setting, fault.way, setting.clients + (fault.same_id ? "-hop2" : "-hop2-again"), 0);
  const auto until_dead = source.sent();
  demand(reader.has(until_dead + 2 * static_cast<std::int64_t>(kFaultRate),
                    milliseconds(fault.transaction_timeout_ms + 2 * kWithinMs)),
         "no more records arrive");
  stop = true;
  sending.join();
  const bool all = reader.has(source.sent(), milliseconds(kWithinMs));
  kill(second, SIGKILL);
  await_end(second, seconds(5));
  Clock::duration pause{0};
  const auto arrivals = reader.arrivals();
  for (std::size_t i = 1; i < arrivals.size(); ++i) {
    if (arrivals[i].seen < died - seconds(1)) continue;
    pause = std::max(pause, arrivals[i].seen - arrivals[i - 1].seen);
  }
  fmt::print("{:<38} {:>9.2f} {:>9} {:>9}\n", fault.name, ms(pause) / 1000, reader.repeated(),
             all ? std::int64_t{0} : source.sent() - reader.different());
  std::fflush(stdout);
}

// ---- the command line ------------------------------------------------------------------------------------------------

struct Options {
  std::string broker, rates = "33,330", only = "latency,throughput,fault", partitions = "1,4";
  double lasting_s = 10;  // of a round
  int rounds = 2;
  pid_t broker_pid = 0;  // for its CPU time
  std::int64_t records = 300'000;
};

constexpr const char* kUsage =
    "transactions_bench --broker HOST:PORT [--rates 33,330] [--seconds 10] [--rounds 2] [--partitions 1,4] [--records "
    "300000]\n"
    "                   [--only latency,throughput,fault] [--broker-pid PID]\n";

std::vector<double> numbers(const std::string& text) {
  std::vector<double> found;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    found.push_back(std::stod(text.substr(at, end - at)));
    at = end + 1;
  }
  return found;
}

Options read_options(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    demand(i + 1 < count, kUsage);
    const std::string value = arguments[i + 1];
    if (name == "--broker")
      options.broker = value;
    else if (name == "--rates")
      options.rates = value;
    else if (name == "--only")
      options.only = value;
    else if (name == "--partitions")
      options.partitions = value;
    else if (name == "--seconds")
      options.lasting_s = std::stod(value);
    else if (name == "--rounds")
      options.rounds = std::stoi(value);
    else if (name == "--broker-pid")
      options.broker_pid = std::stoi(value);
    else if (name == "--records")
      options.records = std::stoll(value);
    else
      stop_with(kUsage);
  }
  demand(!options.broker.empty(), kUsage);
  return options;
}

// Each round runs all ways in turn, since the load of the machine changes.
void print_latency(const Options& options, int partitions, double rate) {
  std::array<std::vector<double>, kWays.size()> took;
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < kWays.size(); ++i) {
      const auto more = latency(options.broker, kWays.at(i), partitions, rate, options.lasting_s);
      took.at(i).insert(took.at(i).end(), more.begin(), more.end());
    }
  }
  for (std::size_t i = 0; i < kWays.size(); ++i) {
    auto& times = took.at(i);
    std::sort(times.begin(), times.end());
    const auto quantile = [&](double part) {
      return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
    };
    fmt::print("{:<38} {:>10} {:>9.0f} {:>9} {:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f}\n", kWays.at(i).name, partitions, rate,
               times.size(), quantile(0.5), quantile(0.9), quantile(0.99), times.back());
  }
  std::fflush(stdout);
}

void print_throughput(const Options& options, int partitions) {
  std::array<std::vector<Throughput>, kWays.size()> found;
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < kWays.size(); ++i) {
      found.at(i).push_back(throughput(options.broker, options.broker_pid, kWays.at(i), partitions, options.records));
    }
  }
  for (std::size_t i = 0; i < kWays.size(); ++i) {
    const auto [least, most] = std::ranges::minmax(found.at(i), {}, &Throughput::records_per_s);
    Cpu sum{0, 0};
    for (const auto& each : found.at(i))
      sum = {sum.program + each.cpu_per_record.program, sum.broker + each.cpu_per_record.broker};
    fmt::print("{:<38} {:>10} {:>9} {:>11.0f} {:>11.0f} {:>11.1f} {:>11.1f}\n", kWays.at(i).name, partitions,
               options.records, least.records_per_s, most.records_per_s, sum.program / options.rounds,
               sum.broker / options.rounds);
  }
  std::fflush(stdout);
}

void measure(const Options& options) {
  const auto is_requested = [&](const char* what) { return options.only.find(what) != std::string::npos; };
  for (const auto& way : kWays) throughput(options.broker, 0, way, 1, kWarmRecords);  // a broker just started is slow
  if (is_requested("latency")) {
    fmt::print("{:<38} {:>10} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}\n", "three hops, ms from end to end", "partitions",
               "records/s", "records", "p50", "p90", "p99", "most");
    for (const double partitions : numbers(options.partitions)) {
      for (const double rate : numbers(options.rates)) print_latency(options, static_cast<int>(partitions), rate);
    }
  }
  if (is_requested("throughput")) {
    fmt::print("\n{:<38} {:>10} {:>9} {:>11} {:>11} {:>11} {:>11}\n", "three hops, full speed, records/s", "partitions",
               "records", "least", "most", "hops us", "broker us");  // us: CPU time per record, mean of the rounds
    for (const double partitions : numbers(options.partitions)) print_throughput(options, static_cast<int>(partitions));
  }
  if (is_requested("fault")) {
    fmt::print("\n{:<38} {:>9} {:>9} {:>9}\n", "kill -9 of hop 2, started at once", "pause s", "repeated", "missing");
    for (int round = 0; round < options.rounds; ++round) {
      for (const auto& fault : kFaults) measure_fault(options.broker, fault);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 8 && std::string(arguments[1]) == "--hop") return run_hop(arguments + 2);
  try {
    measure(read_options(count, arguments));
  } catch (const std::logic_error& error) {  // of std::stod
    stop_with(fmt::format("{}: not a number\n{}", error.what(), kUsage));
  }
  return 0;
}
