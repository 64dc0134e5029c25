// SPDX-License-Identifier: BSL-1.0
// EVFILT_TIMER.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>

#include "knote.h"
#include "kqueue_double.h"
#include "queue.h"

namespace kqueue_double {
namespace {

using std::chrono::nanoseconds;

constinit std::atomic<nanoseconds> earliness = nanoseconds(0);

// Nullopt for a delay or a note that is refused.
std::optional<nanoseconds> delay_of(const struct kevent& change) {
  constexpr unsigned kIgnored = NOTE_LEEWAY | NOTE_CRITICAL | NOTE_BACKGROUND;
  constexpr std::intptr_t kMost = std::chrono::nanoseconds(std::chrono::years(100)).count();
  std::intptr_t unit = 0;
  switch (change.fflags & ~kIgnored) {
    case NOTE_SECONDS:
      unit = 1'000'000'000;
      break;
    case 0:
      unit = 1'000'000;
      break;
    case NOTE_USECONDS:
      unit = 1'000;
      break;
    case NOTE_NSECONDS:
      unit = 1;
      break;
    default:
      return std::nullopt;
  }
  if (change.data <= 0) return std::nullopt;
  return nanoseconds(change.data > kMost / unit ? kMost : change.data * unit);
}

class TimerKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    set_flag(EV_CLEAR, true);  // kqueue(2): "automatically"
    event().fflags = asked_fflags_;
    event().data = asked_data_;
    return start(event());
  }

  int touch(const struct kevent& change) override {
    if ((change.flags & EV_ADD) == 0) return 0;
    count_expirations();  // of the old delay, until now
    return start(change);
  }

  bool is_true() override {
    count_expirations();
    event().fflags = 0;
    event().data = expirations_;
    return expirations_ > 0;
  }

  void clear() override {
    Knote::clear();
    expirations_ = 0;
  }

  [[nodiscard]] std::optional<Clock::time_point> due() const override {
    if (is_over_) return std::nullopt;
    return deadline_ - early_;
  }

 private:
  int start(const struct kevent& change) {
    const auto delay = delay_of(change);
    if (!delay) return EINVAL;
    delay_ = *delay;
    early_ = std::min(earliness.load(), delay_ / 2);
    deadline_ = Clock::now() + delay_;
    is_over_ = false;
    return 0;
  }

  // The next deadline is counted from the last and not from now.
  void count_expirations() {
    const Clock::duration late = Clock::now() - (deadline_ - early_);
    if (is_over_ || late < Clock::duration::zero()) return;
    if (has(EV_ONESHOT)) {
      is_over_ = true;
      ++expirations_;
      return;
    }
    const std::intptr_t count = late / delay_ + 1;
    expirations_ += count;
    deadline_ += count * delay_;
  }

  nanoseconds delay_ = nanoseconds(0);
  nanoseconds early_ = nanoseconds(0);
  Clock::time_point deadline_ = {};
  bool is_over_ = true;
  std::intptr_t expirations_ = 0;
};

}  // namespace

std::unique_ptr<Knote> make_timer_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<TimerKnote>(queue, change);
}

void set_timer_earliness(nanoseconds early) noexcept { earliness = early; }

}  // namespace kqueue_double
