// SPDX-License-Identifier: BSL-1.0
// poll(2). The kernel keeps nothing between two calls: the array below is all there is. An entry
// that must be silent has its number's complement, which is negative, so that poll skips it: a
// mask of 0 would still report POLLHUP and POLLERR.
#include <poll.h>

#include <cstddef>
#include <vector>

#include "batch.h"
#include "descriptor_book.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

class PollPoller final : public Poller {
 public:
  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return fill_batch(room, [&](Batch& batch) { fill(batch, max_wait); });
  }

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {.priority = true, .read_closed = sys::kPollReadClosed != 0, .hangup = true};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "poll"; }
  [[nodiscard]] int native_handle() override { refuse_native_handle(*this); }

 private:
  struct Entry : BookEntry {
    std::size_t place = 0;  // in polled_
    bool one_shot = false;
  };

  static int number_of(const pollfd& polled) { return polled.fd < 0 ? ~polled.fd : polled.fd; }

  void fill(Batch& batch, std::optional<Duration> max_wait);
  void report(pollfd& polled, Batch& batch);
  void forget(int fd) noexcept;

  DescriptorBook<Entry> book_;
  std::vector<pollfd> polled_;
  std::vector<int> closed_;  // found by the current wait
  std::size_t next_ = 0;     // where to look first: behind the end of the last batch
};

void PollPoller::add(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::add", fd};
  check_supported(call, interest, *this);
  book_.add(fd, id, [&](Entry& entry) {
    check_waitable(call);
    entry.place = polled_.size();
    polled_.push_back({});
  });
  modify(fd, interest, id);
}

void PollPoller::modify(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::modify", fd};
  Entry& entry = book_.at(call);
  check_supported(call, interest, *this);
  entry.id = id;
  entry.one_shot = interest.trigger == Trigger::one_shot;
  polled_[entry.place] = {
      .fd = interest.empty() ? ~fd : fd, .events = to_poll_mask(interest), .revents = 0};
}

void PollPoller::remove(int fd) {
  book_.at({"Poller::remove", fd});
  forget(fd);
}

void PollPoller::forget(int fd) noexcept {
  Entry& entry = *book_.find(fd);
  const pollfd last = polled_.back();
  polled_[entry.place] = last;
  book_.find(number_of(last))->place = entry.place;
  polled_.pop_back();
  book_.remove(entry);
}

void PollPoller::fill(Batch& batch, std::optional<Duration> max_wait) {
  int count = wait_in_full("Poller::wait: poll", max_wait, [this](std::optional<Duration> left) {
    return sys::poll(polled_.data(), polled_.size(), left);
  });
  for (; count > 0 && !batch.full(); ++next_) {
    if (next_ >= polled_.size()) next_ = 0;
    if (polled_[next_].revents == 0) continue;
    report(polled_[next_], batch);
    --count;
  }
  for (const int fd : closed_) forget(fd);
  closed_.clear();
}

void PollPoller::report(pollfd& polled, Batch& batch) {
  const Entry& entry = *book_.find(polled.fd);
  const Ready ready = from_poll_mask(polled.revents);
  batch.push({.id = entry.id, .ready = ready});
  if (ready.invalid) closed_.push_back(polled.fd);
  if (entry.one_shot) polled.fd = ~polled.fd;  // silent until modified
}

}  // namespace

std::unique_ptr<Poller> make_poll_poller() { return std::make_unique<PollPoller>(); }

}  // namespace detent
