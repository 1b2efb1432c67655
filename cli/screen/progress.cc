#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "cli/screen/console.h"
#include "cli/screen/terminal.h"
#include "schemas/format.h"

namespace fiverate {

std::string human_count(std::int64_t count) {
  constexpr std::array<std::string_view, 6> kUnits{"k", "M", "G", "T", "P", "E"};
  double value = std::abs(static_cast<double>(count));
  if (value < 1000.0) return fmt::format("{}", count);
  std::size_t unit = 0;
  for (value /= 1000.0; unit + 1 < kUnits.size() && value >= 999.5; ++unit) value /= 1000.0;
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{}{:.{}f} {}", count < 0 ? "-" : "", value, decimals, kUnits[unit]);
}

std::string human_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = std::max<std::int64_t>(duration.count(), 0);
  const std::int64_t seconds = ms / 1000;
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (seconds < 10) return fmt::format("{}.{} s", seconds, ms % 1000 / 100);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {:02} h", seconds / 86'400, seconds / 3600 % 24);
}

namespace {

using std::chrono::steady_clock;

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);
constexpr auto kPlainLineEvery = std::chrono::seconds(10);
constexpr double kRateMemorySeconds = 5.0;
constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kTerminalColumns = 80;  // if the terminal does not report its width

double seconds_of(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::chrono::milliseconds milliseconds_of(double seconds) {
  constexpr double kTenYears = 315e6;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::clamp(seconds, 0.0, kTenYears) * 1000.0));
}

// "152 k events/s"; one decimal below 10, "0.1 days/s".
std::string per_second(double rate, const std::string& noun) {
  const auto number = rate > 0.0 && rate < 9.95 ? fmt::format("{:.1f}", rate)
                                                : human_count(static_cast<std::int64_t>(std::llround(rate)));
  return fmt::format("{} {}/s", number, noun);
}

std::string bar_of(double share) {
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarColumns));
  return fmt::format("[{}{}]", std::string(full, '='), std::string(kBarColumns - full, ' '));
}

}  // namespace

ProgressBar::Screen ProgressBar::Screen::of_stderr() {
  return {is_capable_terminal(STDERR_FILENO),
          [](std::string_view text) {
            // An error of stderr is ignored: progress is not a result.
            (void)std::fwrite(text.data(), 1, text.size(), stderr);
          },
          [] { return steady_clock::now(); },
          [] {
            winsize size{};
            const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
            return known ? std::size_t{size.ws_col} : kTerminalColumns;
          }};
}

ProgressBar::ProgressBar(std::string label, std::string noun, std::optional<std::int64_t> total, Screen screen)
    : label_(std::move(label)),
      noun_(std::move(noun)),
      total_(total),
      screen_(std::move(screen)),
      started_(screen_.now()),
      drawn_(started_),
      rated_(started_) {}

void ProgressBar::set(std::int64_t count) {
  count_ = count;
  const auto now = screen_.now();
  if (now - drawn_ <
      (screen_.is_terminal ? steady_clock::duration(kRedrawEvery) : steady_clock::duration(kPlainLineEvery))) {
    return;
  }
  update_rate(now);
  drawn_ = now;
  draw(line(), false);
}

void ProgressBar::finish() {
  if (std::exchange(finished_, true)) return;
  draw(last_line(), true);
}

// A count that rises less often than the line is redrawn keeps its rate until it rises again.
void ProgressBar::update_rate(steady_clock::time_point now) {
  if (count_ == rated_count_) return;
  const double elapsed = seconds_of(now - rated_);
  const double recent = static_cast<double>(count_ - rated_count_) / elapsed;
  rated_ = now;
  rated_count_ = count_;
  const double weight = rate_ ? 1.0 - std::exp(-elapsed / kRateMemorySeconds) : 1.0;
  rate_ = rate_.value_or(0.0) * (1.0 - weight) + recent * weight;
}

// import  [=====               ]  27 %  1.23 M of 4.50 M events, 152 k events/s, 21 s left
std::string ProgressBar::line() const {
  const double rate = rate_.value_or(0.0);
  if (!total_) return fmt::format("{}  {} {}, {}", label_, human_count(count_), noun_, per_second(rate, noun_));
  const double share =
      *total_ > 0 ? std::clamp(static_cast<double>(count_) / static_cast<double>(*total_), 0.0, 1.0) : 1.0;
  const auto left = static_cast<double>(std::max<std::int64_t>(*total_ - count_, 0));
  return fmt::format("{}  {}{:3} %  {} of {} {}, {}{}", label_, screen_.is_terminal ? bar_of(share) + "  " : "",
                     static_cast<int>(share * 100.0), human_count(count_), human_count(*total_), noun_,
                     per_second(rate, noun_),
                     rate > 0.0 ? ", " + human_duration(milliseconds_of(left / rate)) + " left" : "");
}

// import  4.50 M events in 29 s, 155 k events/s
std::string ProgressBar::last_line() const {
  const double elapsed = seconds_of(screen_.now() - started_);
  const double rate = elapsed > 0.0 ? static_cast<double>(count_) / elapsed : 0.0;
  return fmt::format("{}  {} {} in {}, {}", label_, human_count(count_), noun_,
                     human_duration(milliseconds_of(elapsed)), per_second(rate, noun_));
}

void ProgressBar::draw(const std::string& text, bool is_last) {
  if (!screen_.is_terminal) return screen_.write(text + "\n");
  const std::size_t columns = std::max<std::size_t>(screen_.columns(), 2) - 1;  // a full line wraps on some terminals
  screen_.write(fmt::format("\r{}\x1b[K{}", truncate_to(text, columns), is_last ? "\n" : ""));
}

}  // namespace fiverate
