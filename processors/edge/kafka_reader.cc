#include "processors/edge/kafka_fetcher.h"
#include "schemas/check.h"

namespace fiverate {

using std::chrono::milliseconds;

struct KafkaReader::Parts {
  ReaderOptions options;
  Listener listener;
  std::unique_ptr<KafkaFetcher> fetcher;
  bool started = false;
  std::map<Input, KafkaReader::Span> spans;

  Result<void> start();
  [[nodiscard]] Result<std::int64_t> begin_of(const Input& input, const OffsetRange& span) const;
  [[nodiscard]] Result<std::int64_t> offset_at(const Input& input, Millis at, const OffsetRange& span) const;
};

Result<std::int64_t> KafkaReader::Parts::offset_at(const Input& input, Millis at, const OffsetRange& span) const {
  const auto list = new_list(1);
  auto& element = add(*list, fetcher->settings(), input);
  element.offset = std::max<Millis>(at, 0);
  auto code = rd_kafka_offsets_for_times(fetcher->client().get(), list.get(), kAnswerMs);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = element.err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return element.offset < 0 ? span.end : element.offset;
  return tl::make_unexpected(
      kafka_error(code, fmt::format("The offset of a time in {} could not be read", named(fetcher->settings(), input)),
                  fetcher->client().last_error()));
}

Result<std::int64_t> KafkaReader::Parts::begin_of(const Input& input, const OffsetRange& span) const {
  if (const auto* time = std::get_if<FromTime>(&options.from)) return offset_at(input, time->at, span);
  if (const auto* last = std::get_if<FromLast>(&options.from)) return std::max(span.first, span.end - last->records);
  const auto& offsets = std::get<FromOffsets>(options.from);
  const auto found = offsets.find(input);
  return found == offsets.end() ? kFromBeginning : found->second;
}

Result<void> KafkaReader::Parts::start() {
  const auto& settings = fetcher->settings();
  std::map<Input, OffsetRange> ends;
  std::map<Input, std::int64_t> begins;
  for (const auto& input : options.inputs) {
    const auto span = query_offset_range(fetcher->client(), settings, input);
    if (!span) return tl::make_unexpected(span.error());
    ends[input] = *span;
    if (listener.on_assigned) continue;
    const auto begin = begin_of(input, *span);
    if (!begin) return tl::make_unexpected(begin.error());
    begins[input] = *begin;
  }
  if (listener.on_assigned) {
    TRY_VALUE(offsets, listener.on_assigned(options.inputs));
    begins = std::move(offsets);
  }
  KafkaFetcher::Positions positions;
  for (const auto& [input, span] : ends) {
    const auto found = begins.find(input);
    CHECK(found != begins.end(), name_of(input.topic), input.partition);
    const auto begin = found->second == kFromBeginning ? span.first
                       : found->second == kFromEnd     ? span.end
                                                       : found->second;
    if (begin < span.first || begin > span.end) {
      return fail(Reaction::stop, "{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}.",
                  named(settings, input), begin, span.first, span.end,
                  begin < span.first ? "its older records were deleted" : "it was truncated or created again");
    }
    positions[input] = {begin, options.until_end ? span.end : kNoEnd, options.until_end && begin == span.end};
    spans[input] = {begin, begin, span.end};
  }
  TRY(fetcher->assign(std::move(positions)));
  started = true;
  return {};
}

KafkaReader::KafkaReader(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KafkaReader::~KafkaReader() = default;

Result<std::unique_ptr<KafkaReader>> KafkaReader::open(const KafkaSettings& settings, ReaderOptions options) {
  // librdkafka requires the name of a group. It is never joined and nothing is committed under it.
  auto client =
      KafkaClient::open(settings, consumer_role(settings.topic_prefix + "fiverate-reader", settings.fetch_kib));
  if (!client) return tl::make_unexpected(client.error());
  auto parts = std::make_unique<Parts>();
  parts->options = std::move(options);
  parts->fetcher = std::make_unique<KafkaFetcher>(settings, std::move(*client));
  return std::unique_ptr<KafkaReader>(new KafkaReader(std::move(parts)));
}

void KafkaReader::listen(Listener listener) {
  parts_->listener = std::move(listener);
}

Result<void> KafkaReader::poll(milliseconds wait, std::vector<InRecord>& records) {
  if (!parts_->started) TRY(parts_->start());
  if (finished()) return {};
  return parts_->fetcher->poll(wait, records);
}

bool KafkaReader::finished() const {
  return parts_->started && parts_->options.until_end && parts_->fetcher->all_done();
}

std::map<Input, KafkaReader::Span> KafkaReader::spans() const {
  auto spans = parts_->spans;
  for (const auto& [input, position] : parts_->fetcher->positions()) spans[input].next = position.next;
  return spans;
}

}  // namespace fiverate
