// Raw limits of the machine for the reduced job, beside which bench/run places the program: what the steps cost without any stream processor.
//
//   limits BROKER DELIVERIES-TOPIC OUTPUT-TOPIC FOLDER
//
// Reads all records of the topic (consume), decodes them by hand (decode), keeps one record for each outlet in RocksDB (outlet_record) and
// sends one packed message for ten documents (produce). Prints a JSON line for each step; CPU is that of the process, with the threads of
// librdkafka and RocksDB. bench/run compiles it against librdkafka and RocksDB.
#include <librdkafka/rdkafka.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr int kTimeoutMs = 120'000;
constexpr std::size_t kBatch = 10'000;  // documents of one write to RocksDB

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "limits: %s\n", what.c_str());
  std::exit(1);
}

class Stopwatch {
 public:
  Stopwatch() : cpu_(cpu()), wall_(std::chrono::steady_clock::now()) {}
  void report(const char* step, std::size_t documents, std::size_t lines) const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_;
    std::printf(R"({"step":"%s","documents":%zu,"lines":%zu,"cpu_s":%.6f,"wall_s":%.6f})"
                "\n",
                step, documents, lines, cpu() - cpu_, wall.count());
    std::fflush(stdout);
  }

 private:
  static double cpu() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  double cpu_;
  std::chrono::steady_clock::time_point wall_;
};

rd_kafka_t* client(rd_kafka_type_t type, const std::string& broker,
                   std::vector<std::pair<const char*, const char*>> settings) {
  char error[512];
  auto* conf = rd_kafka_conf_new();
  settings.emplace_back("bootstrap.servers", broker.c_str());
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK) fail(error);
  }
  auto* made = rd_kafka_new(type, conf, error, sizeof(error));
  if (made == nullptr) fail(error);
  return made;
}

std::vector<std::string> consume(const std::string& broker, const std::string& topic) {
  auto* consumer = client(RD_KAFKA_CONSUMER, broker,
                          {{"group.id", "limits"},
                           {"enable.auto.commit", "false"},
                           {"enable.partition.eof", "true"},
                           {"fetch.message.max.bytes", "8388608"},
                           {"queued.min.messages", "1000000"}});
  rd_kafka_poll_set_consumer(consumer);
  const rd_kafka_metadata_t* metadata = nullptr;
  auto* handle = rd_kafka_topic_new(consumer, topic.c_str(), nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 10'000) != 0 || metadata->topic_cnt != 1)
    fail("no metadata of " + topic);
  const auto partitions = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  auto* assignment = rd_kafka_topic_partition_list_new(partitions);
  for (int i = 0; i < partitions; ++i)
    rd_kafka_topic_partition_list_add(assignment, topic.c_str(), i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, assignment);
  rd_kafka_topic_partition_list_destroy(assignment);
  std::vector<std::string> values;
  for (int ended = 0; ended < partitions;) {
    auto* message = rd_kafka_consumer_poll(consumer, kTimeoutMs);
    if (message == nullptr) fail("no record of " + topic);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      values.emplace_back(static_cast<const char*>(message->payload), message->len);
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  return values;
}

// An Event of schemas/proto/event.proto, as far as the job needs it.
struct Reader {
  const unsigned char* at;
  const unsigned char* end;
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; at < end && shift < 64; shift += 7) {
      const auto byte = *at++;
      value |= std::uint64_t{byte & 127U} << shift;
      if (byte < 128) return value;
    }
    fail("a truncated record");
  }
  std::string_view bytes() {
    const auto size = varint();
    if (size > static_cast<std::uint64_t>(end - at)) fail("a truncated record");
    at += size;
    return {reinterpret_cast<const char*>(at) - size, size};
  }
  void skip(std::uint64_t tag) {
    if ((tag & 7U) == 2)
      bytes();
    else if ((tag & 7U) == 0)
      varint();
    else
      fail("an unexpected wire type");
  }
  static Reader of(std::string_view text) {
    const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
    return {begin, begin + text.size()};
  }
};

// Ids end in digits: "S0012" -> 12.
std::uint32_t number(std::string_view id) {
  std::uint32_t value = 0;
  for (std::size_t i = 1; i < id.size(); ++i) value = value * 10 + static_cast<std::uint32_t>(id[i] - '0');
  return value;
}

// [outlet u32][seconds u32] then [sku u16][quantity u16] for each line; empty for a mark.
std::string decode(const std::string& value) {
  std::string packed;
  std::uint32_t outlet = 0, seconds = 0;
  auto event = Reader::of(value);
  const auto put = [&](const auto& one, std::size_t at) {
    packed.replace(at, sizeof(one), reinterpret_cast<const char*>(&one), sizeof(one));
  };
  while (event.at < event.end) {
    const auto tag = event.varint();
    if (tag == (3 << 3 | 2)) {
      auto time = Reader::of(event.bytes());
      while (time.at < time.end) {
        const auto field = time.varint(), one = time.varint();
        if (field == 1 << 3) seconds = static_cast<std::uint32_t>(one);
      }
    } else if (tag == (11 << 3 | 2)) {
      packed.assign(8, '\0');
      auto delivery = Reader::of(event.bytes());
      while (delivery.at < delivery.end) {
        const auto field = delivery.varint();
        if (field == (3 << 3 | 2)) {
          outlet = number(delivery.bytes());
        } else if (field == (5 << 3 | 2)) {
          auto line = Reader::of(delivery.bytes());
          std::uint16_t both[2] = {0, 0};
          while (line.at < line.end) {
            const auto part = line.varint();
            if (part == (1 << 3 | 2))
              both[0] = static_cast<std::uint16_t>(number(line.bytes()));
            else
              both[1] = static_cast<std::uint16_t>(line.varint());
          }
          packed.append(reinterpret_cast<const char*>(both), sizeof(both));
        } else {
          delivery.skip(field);
        }
      }
    } else {
      event.skip(tag);
    }
  }
  if (!packed.empty()) put(outlet, 0), put(seconds, 4);
  return packed;
}

void keep_outlets(const std::vector<std::string>& documents, const std::string& folder) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.IncreaseParallelism(2);
  options.write_buffer_size = 64U << 20U;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(256U << 20U);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* opened = nullptr;
  if (const auto status = rocksdb::DB::Open(options, folder, &opened); !status.ok()) fail(status.ToString());
  const std::unique_ptr<rocksdb::DB> db(opened);
  rocksdb::WriteOptions write;
  write.disableWAL = true;  // the log is in Kafka
  std::unordered_map<std::string_view, std::string> changed;
  for (std::size_t begin = 0; begin < documents.size(); begin += kBatch) {
    changed.clear();
    for (std::size_t i = begin; i < std::min(begin + kBatch, documents.size()); ++i) {
      const auto key = std::string_view(documents[i]).substr(0, 4);
      auto [found, is_new] = changed.try_emplace(key);
      if (is_new) db->Get({}, rocksdb::Slice(key.data(), key.size()), &found->second);
      found->second.append(documents[i], 4);
    }
    rocksdb::WriteBatch batch;
    for (const auto& [key, record] : changed) batch.Put(rocksdb::Slice(key.data(), key.size()), record);
    if (const auto status = db->Write(write, &batch); !status.ok()) fail(status.ToString());
  }
}

void produce(const std::vector<std::string>& documents, const std::string& broker, const std::string& topic) {
  auto* producer = client(RD_KAFKA_PRODUCER, broker,
                          {{"compression.type", "lz4"},
                           {"linger.ms", "100"},
                           {"batch.size", "1000000"},
                           {"queue.buffering.max.messages", "1000000"},
                           {"enable.idempotence", "true"}});
  auto* handle = rd_kafka_topic_new(producer, topic.c_str(), nullptr);
  std::string message;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    message += documents[i];
    if (i % 10 != 9 && i + 1 != documents.size()) continue;
    while (rd_kafka_produce(handle, static_cast<std::int32_t>(i / 10 % 2), RD_KAFKA_MSG_F_COPY, message.data(),
                            message.size(), nullptr, 0, nullptr) != 0) {
      rd_kafka_poll(producer, 100);  // the send queue is full
    }
    message.clear();
    rd_kafka_poll(producer, 0);
  }
  if (rd_kafka_flush(producer, kTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("not everything could be sent");
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(producer);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) fail("usage: limits BROKER DELIVERIES-TOPIC OUTPUT-TOPIC FOLDER");
  const Stopwatch consuming;
  const auto values = consume(arguments[1], arguments[2]);
  std::vector<std::string> documents;
  documents.reserve(values.size());
  std::size_t lines = 0;
  const auto all = [&](const std::string& value) {
    if (auto packed = decode(value); !packed.empty()) {
      lines += (packed.size() - 8) / 4;
      documents.push_back(std::move(packed));
    }
  };
  for (const auto& value : values) all(value);
  consuming.report("consume and decode", documents.size(), lines);
  documents.clear(), lines = 0;
  const Stopwatch decoding;
  for (const auto& value : values) all(value);
  decoding.report("decode", documents.size(), lines);
  const Stopwatch keeping;
  keep_outlets(documents, arguments[4]);
  keeping.report("outlet record in RocksDB: read, change, write", documents.size(), lines);
  const Stopwatch producing;
  produce(documents, arguments[1], arguments[3]);
  producing.report("produce", documents.size(), lines);
}
