// A flat binary record: fields one after the other, without tags. One function describes the fields of a value for both
// directions:
//
//   void fields(auto& record, auto& count) {   // `count` is const for a FlatWriter
//     record.integer(count.quantity);
//     record.time(count.time);
//   }
//
//   integer     zigzag varint: 1 byte for -64..63, 2 bytes up to 8191, ...
//   day, time   the difference to the day or time before it in the record, as an integer
//   hash        8 bytes, little-endian
//   text        its length as an integer, then its bytes
//   optional    one byte, 0 or 1, then the value
//   list        the number of elements as an integer, then the elements
//
// A reader checks every value; after the first invalid one is_valid() is false, all further values are 0 or empty, and
// nothing beyond the bytes is read.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "schemas/time.h"

namespace fiverate {

class FlatWriter {
 public:
  static constexpr bool kReads = false;

  // Integers and enumerators. `low` and `high` are for readers.
  template <typename Integer>
  void integer(Integer value, std::int64_t /*low*/ = 0, std::int64_t /*high*/ = 0) {
    append_varint(static_cast<std::int64_t>(value));
  }
  void day(Day day) {
    append_varint(std::int64_t{day.number} - last_day_);
    last_day_ = day.number;
  }
  void time(Millis time) {
    append_varint(static_cast<Millis>(static_cast<std::uint64_t>(time) - static_cast<std::uint64_t>(last_time_)));
    last_time_ = time;
  }
  void flag(bool flag) { *extend(1) = flag ? 1 : 0; }
  void hash(std::uint64_t hash) { std::memcpy(extend(sizeof hash), &hash, sizeof hash); }
  void text(std::string_view text) {
    append_varint(static_cast<std::int64_t>(text.size()));
    std::copy(text.begin(), text.end(), extend(text.size()));
  }
  template <typename Value, typename Fields>
  void optional(const std::optional<Value>& value, Fields&& fields) {
    flag(value.has_value());
    if (value) fields(*value);
  }
  template <typename List, typename Fields>
  void list(const List& list, Fields&& fields) {
    append_varint(static_cast<std::int64_t>(list.size()));
    for (const auto& element : list) fields(element);
  }

  // The record. It lives until the next one is begun.
  [[nodiscard]] std::string_view bytes() const { return {bytes_.data(), size_}; }
  void begin() {
    size_ = 0;
    last_time_ = 0;
    last_day_ = 0;
  }

 private:
  static constexpr std::size_t kVarintBytes = 10;
  static_assert(std::endian::native == std::endian::little);

  // Adds `size` bytes and returns where they begin.
  char* extend(std::size_t size) {
    if (bytes_.size() - size_ < size) bytes_.resize(2 * bytes_.size() + size);
    const auto at = bytes_.data() + size_;
    size_ += size;
    return at;
  }
  void append_varint(std::int64_t value) {
    if (bytes_.size() - size_ < kVarintBytes) bytes_.resize(2 * bytes_.size() + kVarintBytes);
    auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    auto* at = bytes_.data() + size_;
    for (; rest >= 0x80; rest >>= 7) *at++ = static_cast<char>(rest | 0x80);
    *at++ = static_cast<char>(rest);
    size_ = static_cast<std::size_t>(at - bytes_.data());
  }

  std::string bytes_;
  std::size_t size_ = 0;
  Millis last_time_ = 0;
  std::int64_t last_day_ = 0;
};

class FlatReader {
 public:
  static constexpr bool kReads = true;

  explicit FlatReader(std::string_view bytes) : rest_(bytes) {}

  // Values below `low` or above `high` are invalid; by default those that the type cannot hold.
  template <typename Integer>
  void integer(Integer& value) {
    using Number = typename std::conditional_t<std::is_enum_v<Integer>, std::underlying_type<Integer>,
                                               std::type_identity<Integer>>::type;
    constexpr auto kHigh = static_cast<std::uint64_t>(std::numeric_limits<Number>::max());
    integer(value, std::is_signed_v<Number> ? static_cast<std::int64_t>(std::numeric_limits<Number>::min()) : 0,
            static_cast<std::int64_t>(std::min(kHigh, kMost)));
  }
  template <typename Integer>
  void integer(Integer& value, std::int64_t low, std::int64_t high) {
    const auto read = read_varint();
    if (read < low || read > high) return invalidate();
    value = static_cast<Integer>(read);
  }
  void day(Day& day) {
    last_day_ =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(last_day_) + static_cast<std::uint64_t>(read_varint()));
    if (last_day_ < kNoDay.number || last_day_ > kEndOfDays.number) return invalidate();
    day.number = static_cast<std::int32_t>(last_day_);
  }
  void time(Millis& time) {
    last_time_ =
        static_cast<Millis>(static_cast<std::uint64_t>(last_time_) + static_cast<std::uint64_t>(read_varint()));
    time = last_time_;
  }
  void flag(bool& flag) {
    const auto byte = read_bytes(1);
    if (byte.empty() || static_cast<unsigned char>(byte[0]) > 1) return invalidate();
    flag = byte[0] == 1;
  }
  void hash(std::uint64_t& hash) {
    if (const auto bytes = read_bytes(sizeof hash); !bytes.empty()) std::memcpy(&hash, bytes.data(), sizeof hash);
  }
  void text(std::string& text) { text = read_bytes(read_size()); }
  template <typename Value, typename Fields>
  void optional(std::optional<Value>& value, Fields&& fields) {
    bool present = false;
    flag(present);
    if (!present) return;
    value = Value{};
    fields(*value);
  }
  template <typename List, typename Fields>
  void list(List& list, Fields&& fields) {
    const auto size = read_size();
    list.reserve(size);
    for (std::size_t i = 0; i < size && is_valid_; ++i) fields(list.emplace_back());
  }
  // The number of elements of a list. Each of them takes at least one byte.
  std::size_t read_size() {
    const auto size = read_varint();
    if (size >= 0 && static_cast<std::uint64_t>(size) <= rest_.size()) return static_cast<std::size_t>(size);
    invalidate();
    return 0;
  }

  void invalidate() {
    is_valid_ = false;
    rest_ = {};
    last_day_ = 0;
  }
  [[nodiscard]] bool is_valid() const { return is_valid_; }
  // Whether the record is valid and has been read to its end.
  [[nodiscard]] bool is_complete() const { return is_valid_ && rest_.empty(); }

 private:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();

  std::string_view read_bytes(std::size_t size) {
    if (size > rest_.size()) {
      invalidate();
      return {};
    }
    const auto bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::int64_t read_varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < rest_.size() && i < 10; ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
      if (byte >= 0x80) continue;
      rest_.remove_prefix(i + 1);
      return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }
    invalidate();
    return 0;
  }

  std::string_view rest_;
  Millis last_time_ = 0;
  std::int64_t last_day_ = 0;
  bool is_valid_ = true;
};

}  // namespace fiverate
