#include "producers/import/csv_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace fiverate {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr int kEnd = -1;

// gzread returns the bytes of a file that is not gzip unchanged.
class FileInput final : public CsvInput {
 public:
  FileInput(std::string name, gzFile file, std::size_t size) : name_(std::move(name)), file_(file), size_(size) {
    gzbuffer(file_, kBufferBytes);
  }
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;
  ~FileInput() override { gzclose(file_); }

  Result<std::size_t> read(std::span<char> into) override {
    constexpr std::size_t kAtOnceMax = 1 << 30;
    const int got = gzread(file_, into.data(), static_cast<unsigned>(std::min(into.size(), kAtOnceMax)));
    if (got > 0) return static_cast<std::size_t>(got);
    int code = Z_OK;
    const char* const what = gzerror(file_, &code);
    if (code == Z_ERRNO) return fail(Reaction::stop, "{}: {}", name_, std::strerror(errno));
    // gzread returns 0 also when the compressed data ends too early; only gzerror distinguishes it.
    if (got < 0 || code != Z_OK)
      return fail(Reaction::stop, "{}: the gzip data is truncated or damaged ({}). Copy the file again.", name_, what);
    return std::size_t{0};
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t bytes_done() const override {
    return static_cast<std::size_t>(std::max<z_off_t>(0, gzoffset(file_)));
  }
  [[nodiscard]] std::size_t bytes_in_all() const override { return size_; }

 private:
  std::string name_;
  gzFile file_;
  std::size_t size_;
};

class TextInput final : public CsvInput {
 public:
  TextInput(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}

  Result<std::size_t> read(std::span<char> into) override {
    const auto size = std::min(into.size(), text_.size() - done_);
    std::copy_n(text_.data() + done_, size, into.data());
    done_ += size;
    return size;
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::size_t bytes_done() const override { return done_; }
  [[nodiscard]] std::size_t bytes_in_all() const override { return text_.size(); }

 private:
  std::string name_;
  std::string text_;
  std::size_t done_ = 0;
};

}  // namespace

Result<std::unique_ptr<CsvInput>> CsvInput::open(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(Reaction::stop, "{}: this is a folder; name a file", path.string());
  gzFile const file = gzopen(path.c_str(), "rbe");
  if (file == nullptr) return fail(Reaction::stop, "{}: {}", path.string(), std::strerror(errno));
  const auto size = std::filesystem::file_size(path, error);
  return std::make_unique<FileInput>(path.string(), file, error ? 0 : size);
}

std::unique_ptr<CsvInput> CsvInput::of_text(std::string name, std::string text) {
  return std::make_unique<TextInput>(std::move(name), std::move(text));
}

Result<bool> CsvReader::next(CsvRow& row) {
  if (!begun_) TRY(skip_byte_order_mark());
  for (;;) {
    row.line = line_;
    row.fields.clear();
    row.problem = {};
    text_.clear();
    ends_.clear();
    auto ended = Ended::field;
    bool quoted = false;
    while (ended == Ended::field) {
      const auto first = peek();
      TRY(first);
      quoted = quoted || *first == '"';
      auto field = read_field(row);
      TRY(field);
      ended = *field;
      ends_.push_back(text_.size());
      if (too_long()) {
        return fail(Reaction::stop,
                    "{}: the row at line {} is longer than {} bytes. Probably a quote in it is not closed.",
                    input_.name(), row.line, kRowBytesMax);
      }
    }
    const bool nothing = ends_.size() == 1 && text_.empty() && !quoted;
    if (nothing && ended == Ended::input) return false;
    if (nothing) continue;
    std::size_t begin = 0;
    for (const auto end : ends_) {
      row.fields.push_back(std::string_view(text_).substr(begin, end - begin));
      begin = end;
    }
    return true;
  }
}

// Reads a field and the delimiter or line end after it.
Result<CsvReader::Ended> CsvReader::read_field(CsvRow& row) {
  auto byte = peek();
  TRY(byte);
  if (*byte == '"') TRY(read_quoted(row));
  TRY(read_plain());
  byte = peek();
  TRY(byte);
  if (*byte == kEnd) return Ended::input;
  if (!too_long()) ++at_;
  if (*byte != '\n') return Ended::field;
  ++line_;
  return Ended::row;
}

// Reads from the opening quote to the closing one. The caller reads the text from there to the delimiter as plain text.
Result<void> CsvReader::read_quoted(CsvRow& row) {
  ++at_;
  while (!too_long()) {
    auto byte = peek();
    TRY(byte);
    if (*byte == kEnd) {
      row.problem = "a quote is not closed";
      return {};
    }
    const char* const begin = buffer_.data() + at_;
    const char* const stop = std::find(begin, limit(), '"');
    text_.append(begin, stop);
    line_ += std::count(begin, stop, '\n');
    at_ += static_cast<std::size_t>(stop - begin);
    if (at_ == end_) continue;
    ++at_;  // the quote
    byte = peek();
    TRY(byte);
    if (*byte == '"') {
      text_ += '"';
      ++at_;
      continue;
    }
    if (*byte == '\r') return {};  // part of a line end, which read_plain removes
    if (*byte != kEnd && *byte != delimiter_ && *byte != '\n') row.problem = "text follows a closing quote";
    return {};
  }
  return {};
}

// Reads up to the delimiter, the line end or the end of the input, without it and without the CR of a CRLF.
Result<void> CsvReader::read_plain() {
  const auto plain_begin = text_.size();  // a CR inside quotes is kept
  while (!too_long()) {
    const auto byte = peek();
    TRY(byte);
    if (*byte == kEnd) break;
    const char* const begin = buffer_.data() + at_;
    const char* const stop = std::find_if(begin, limit(), [this](char c) { return c == delimiter_ || c == '\n'; });
    text_.append(begin, stop);
    at_ += static_cast<std::size_t>(stop - begin);
    if (at_ < end_) break;
  }
  const auto byte = peek();
  TRY(byte);
  if ((*byte == '\n' || *byte == kEnd) && text_.size() > plain_begin && text_.back() == '\r') text_.pop_back();
  return {};
}

Result<int> CsvReader::peek() {
  if (at_ == end_) TRY(refill());
  return at_ == end_ ? kEnd : static_cast<int>(static_cast<unsigned char>(buffer_[at_]));
}

Result<void> CsvReader::refill() {
  buffer_.resize(kBufferBytes);
  const auto got = input_.read(buffer_);
  TRY(got);
  at_ = 0;
  end_ = *got;
  return {};
}

Result<void> CsvReader::skip_byte_order_mark() {
  begun_ = true;
  TRY(refill());
  const std::string_view start(buffer_.data(), end_);
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) {
    return fail(Reaction::stop, "{}: the file is UTF-16. Convert it to UTF-8: iconv -f UTF-16 -t UTF-8", input_.name());
  }
  if (start.starts_with("\xef\xbb\xbf")) at_ = 3;
  return {};
}

}  // namespace fiverate
