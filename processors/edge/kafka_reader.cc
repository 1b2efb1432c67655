#include "processors/edge/kafka_fetcher.h"
#include "processors/edge/kafka_offsets.h"
#include "schemas/check.h"

namespace fiverate {

KafkaReader::KafkaReader(std::unique_ptr<KafkaFetcher> fetcher, ReaderOptions options)
    : fetcher_(std::move(fetcher)), options_(std::move(options)) {}
KafkaReader::~KafkaReader() = default;

Result<std::unique_ptr<KafkaReader>> KafkaReader::open(const KafkaSettings& settings, ReaderOptions options) {
  // librdkafka requires the name of a group. It is never joined and nothing is committed under it.
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(settings, settings.topic_prefix + "fiverate-reader")));
  return std::unique_ptr<KafkaReader>(
      new KafkaReader(std::make_unique<KafkaFetcher>(std::move(client)), std::move(options)));
}

Result<std::int64_t> KafkaReader::begin_of(const Input& input, const OffsetRange& range) const {
  if (const auto* last = std::get_if<FromLast>(&options_.from)) return std::max(range.first, range.end - last->records);
  if (const auto* offsets = std::get_if<FromOffsets>(&options_.from)) {
    const auto found = offsets->find(input);
    return found == offsets->end() ? range.first : found->second;
  }
  auto& client = fetcher_->client();
  const auto time = std::max<Millis>(std::get<FromTime>(options_.from).at, 0);
  const auto list = partition_list(client.settings(), {{input, {time, {}}}});
  auto code = rd_kafka_offsets_for_times(client.get(), list.get(), kAnswerMs);
  const auto& element = list->elems[0];
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = element.err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return element.offset < 0 ? range.end : element.offset;
  return client.failed(code, fmt::format("The offset of a time in {} could not be read", client.name(input)));
}

Result<void> KafkaReader::start() {
  auto& client = fetcher_->client();
  if (listener_.on_assigned) {
    TRY_VALUE(offsets, listener_.on_assigned(options_.inputs));
    CHECK(offsets.size() == options_.inputs.size(), offsets.size(), options_.inputs.size());
    options_.from = std::move(offsets);
  }
  KafkaFetcher::Positions positions;
  for (const auto& input : options_.inputs) {
    TRY_VALUE(range, query_offset_range(client, input));
    TRY_VALUE(begin, begin_of(input, range));
    if (begin < range.first || begin > range.end) {
      return tl::make_unexpected(outside_log(client.name(input), begin, range));
    }
    positions[input] = {begin, options_.until_end ? range.end : kNoEnd};
  }
  TRY(fetcher_->assign(std::move(positions)));
  started_ = true;
  return {};
}

Result<void> KafkaReader::poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) {
  if (!started_) TRY(start());
  if (finished()) return {};
  return fetcher_->poll(wait, records);
}

bool KafkaReader::finished() const {
  return started_ && options_.until_end && fetcher_->all_done();
}

std::map<Input, std::int64_t> KafkaReader::end_offsets() const {
  std::map<Input, std::int64_t> ends;
  for (const auto& [input, position] : fetcher_->positions()) ends[input] = position.end;
  return ends;
}

}  // namespace fiverate
