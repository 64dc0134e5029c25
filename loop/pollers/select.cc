// SPDX-License-Identifier: BSL-1.0
// select(2). The kernel keeps nothing between two calls, overwrites the sets that it is given, and
// looks at every number up to the highest. What the code below minds:
//  - Numbers from FD_SETSIZE on do not fit the sets: they are refused.
//  - A closed number fails the whole call with EBADF; fcntl(2) tells which one it is.
//  - A closed number beyond the process's table of descriptors, which is as large in a forked child
//    as what is open then, is not noticed: Linux leaves its bits as they were and does not count
//    them. So the sets say nothing after 0, and more bits than counted mean that one is closed.
//  - Hang-up shows as readable, an error as readable and writable.
#include <fcntl.h>
#include <sys/select.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "batch.h"
#include "descriptor_book.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

struct Sets {
  fd_set readable;
  fd_set writable;
  fd_set exceptional;
};

int bits_in(const Sets& sets) {
  int bits = 0;
  using Words = std::array<std::uint64_t, sizeof(Sets) / sizeof(std::uint64_t)>;
  for (const std::uint64_t word : std::bit_cast<Words>(sets)) bits += std::popcount(word);
  return bits;
}

void put(fd_set& set, int fd, bool in) {
  if (in) {
    FD_SET(fd, &set);
  } else {
    FD_CLR(fd, &set);
  }
}

class SelectPoller final : public Poller {
 public:
  SelectPoller() {
    for (fd_set* set : {&wanted_.readable, &wanted_.writable, &wanted_.exceptional}) FD_ZERO(set);
  }
  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return fill_batch(room, [&](Batch& batch) { fill(batch, max_wait); });
  }

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {.priority = true, .descriptor_limit = FD_SETSIZE};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "select"; }
  [[nodiscard]] int native_handle() override { refuse_native_handle(*this); }

 private:
  struct Entry : BookEntry {
    bool one_shot = false;
  };

  void want(int fd, Interest interest);
  void fill(Batch& batch, std::optional<Duration> max_wait);
  int wait_in_kernel(Sets& found, std::optional<Duration> max_wait);
  void report_closed(Batch& batch);
  void report(int fd, Ready ready, Batch& batch);

  DescriptorBook<Entry> book_;
  Sets wanted_;
  int end_ = 0;   // behind the highest number that was ever added
  int next_ = 0;  // where to look first: behind the end of the last batch
};

void SelectPoller::add(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::add", fd};
  check_supported(call, interest, *this);
  book_.add(fd, id, [&call](Entry&) {
    check_waitable(call);
    if (call.fd >= FD_SETSIZE) call.fail(EINVAL, "FD_SETSIZE is " + std::to_string(FD_SETSIZE));
  });
  end_ = std::max(end_, fd + 1);
  modify(fd, interest, id);
}

void SelectPoller::modify(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::modify", fd};
  Entry& entry = book_.at(call);
  check_supported(call, interest, *this);
  entry.id = id;
  entry.one_shot = interest.trigger == Trigger::one_shot;
  want(fd, interest);
}

void SelectPoller::remove(int fd) {
  book_.remove(book_.at({"Poller::remove", fd}));
  want(fd, {});
}

void SelectPoller::want(int fd, Interest interest) {
  put(wanted_.readable, fd, interest.readable);
  put(wanted_.writable, fd, interest.writable);
  put(wanted_.exceptional, fd, interest.priority);
}

void SelectPoller::fill(Batch& batch, std::optional<Duration> max_wait) {
  Sets found;
  int bits = -1;
  while ((bits = wait_in_kernel(found, max_wait)) == -1) {
    report_closed(batch);
    if (batch.full()) return;
    if (!batch.empty()) max_wait = Duration::zero();
  }
  for (; bits > 0 && !batch.full(); ++next_) {
    if (next_ >= end_) next_ = 0;
    const Ready ready = {.readable = FD_ISSET(next_, &found.readable) != 0,
                         .writable = FD_ISSET(next_, &found.writable) != 0,
                         .priority = FD_ISSET(next_, &found.exceptional) != 0};
    if (ready == Ready{}) continue;
    bits -= ready.readable + ready.writable + ready.priority;
    report(next_, ready, batch);
  }
}

void SelectPoller::report(int fd, Ready ready, Batch& batch) {
  const Entry& entry = *book_.find(fd);
  batch.push({.id = entry.id, .ready = ready});
  if (entry.one_shot) want(fd, {});  // until modified
}

// The number of bits found, or -1 when one of the numbers is closed.
int SelectPoller::wait_in_kernel(Sets& found, std::optional<Duration> max_wait) {
  bool closed = false;
  const int bits =
      wait_in_full("Poller::wait: select", max_wait, [&](std::optional<Duration> left) {
        found = wanted_;
        const timespec exact = to_timespec(std::min(left.value_or(kLongestWait), kLongestWait));
        const int result =
            ::pselect(end_, &found.readable, &found.writable, &found.exceptional, &exact, nullptr);
        closed = result == -1 ? errno == EBADF : result > 0 && result != bits_in(found);
        return closed ? 1 : result;
      });
  return closed ? -1 : bits;
}

void SelectPoller::report_closed(Batch& batch) {
  book_.for_each([&](int fd, Entry& entry) {
    if (batch.full()) return;
    if (::fcntl(fd, F_GETFD) != -1) return;
    batch.push({.id = entry.id, .ready = {.invalid = true}});
    book_.remove(entry);
    want(fd, {});
  });
}

}  // namespace

std::unique_ptr<Poller> make_select_poller() { return std::make_unique<SelectPoller>(); }

}  // namespace detent
