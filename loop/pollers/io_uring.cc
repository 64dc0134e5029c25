// SPDX-License-Identifier: BSL-1.0
// io_uring(7) as a poller. One file, since a poller is one class. Each descriptor has a request
// that completes once, when it is ready (IORING_OP_POLL_ADD). The next wait pushes it again, and
// submits it in the waiting call. If the descriptor is still ready then, it completes at once: a
// level. What the code below works around:
//  - A request holds its file. While it is in flight, closing the descriptor closes nothing, and
//    the other side sees no end of file. So remove() withdraws the request, and enters until the
//    kernel has released it. IORING_OP_POLL_REMOVE would not do: a request survives it that was
//    woken for data that has been read since.
//  - A completion older than this wait may be out of date: re-check it with poll(2). So may one
//    from a wake-up: its bits can be too few (a readable error) or too many (POLLPRI with any
//    data). Believe a completion that comes with the wait and says readable or writable. So a busy
//    loop, and one that sleeps, make one call a wait.
//  - POLLPRI alone does not wake a request, but urgent data also brings POLLRDBAND.
//  - POLLRDHUP completes every request, asked for or not. So once the peer has sent its last, a
//    writer's request would complete for ever. Such a writer needs a request that goes on
//    (IORING_POLL_ADD_MULTI). That completes with what is there when it is armed, then with what is
//    new.
//  - A ring that defers its work wakes no thread that sleeps on its descriptor with epoll or
//    another ring. native_handle() replaces it by one that does not defer.
//  - A ring belongs to the thread that enters it first. Another thread gets a new one, in which the
//    next wait arms all descriptors again. The kernel ends the old ring some milliseconds later.
//    Until then it holds the files of the requests that were in flight.
// Not used: IORING_SETUP_SQPOLL, whose kernel thread would keep its maker's privileges.
#include "io_uring.h"

#include <linux/io_uring.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "batch.h"
#include "descriptor_book.h"
#include "detent/affinity.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

// One enter() submits up to kRequests, and the kernel keeps kCompletions without allocating. More
// take more calls, and are not lost.
constexpr unsigned kRequests = 256;
constexpr unsigned kCompletions = 4096;

constexpr short kNothing = 0;

short to_ring_mask(Interest interest) {
  const short mask = to_poll_mask(interest);
  return static_cast<short>(interest.priority ? mask | POLLRDBAND : mask);
}

// Whether the bits are right even if they come from a wake-up.
bool is_plain(int mask) { return (mask & (POLLIN | POLLOUT)) != 0 && (mask & POLLPRI) == 0; }

// A number, since a later thread may get the address of an ended thread's variable.
std::uint64_t this_thread() noexcept {
  static std::atomic<std::uint64_t> last = 0;
  thread_local const std::uint64_t number = ++last;
  return number;
}

class IoUringPoller final : public Poller {
 public:
  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return fill_batch(room, [&](Batch& batch) { fill(batch, max_wait); });
  }

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {.priority = true, .read_closed = true, .hangup = true, .native_handle = true};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "io_uring"; }
  [[nodiscard]] int native_handle() override;

 private:
  // Listed as changed while the wanted mask is not the one in flight.
  struct Entry : BookEntry {
    std::uint32_t arming = 0;  // which request
    short wanted = kNothing;
    short armed = kNothing;  // what the request in flight asks for
    bool one_shot = false;
    bool half_closed = false;  // the peer has sent its last, though POLLRDHUP was not asked for
    bool told = false;         // the request in flight goes on, and has to be renewed
  };

  // Comes back with a completion: the descriptor, and which of its requests this is.
  static std::uint64_t mark_of(int fd, const Entry& entry) noexcept {
    return (std::uint64_t{entry.arming} << 32U) | static_cast<std::uint32_t>(fd);
  }
  static int fd_of(std::uint64_t mark) noexcept { return static_cast<int>(mark & UINT32_MAX); }
  static int told_for(const Entry& entry) noexcept {
    return entry.wanted | POLLERR | POLLHUP | POLLNVAL;
  }
  // Null unless the request is awaited. A withdrawn request completes as well, even as ready.
  Entry* find(std::uint64_t mark) noexcept {
    Entry* entry = book_.find(fd_of(mark));
    if (entry == nullptr || entry->armed == kNothing || entry->told) return nullptr;
    return mark_of(fd_of(mark), *entry) == mark ? entry : nullptr;
  }

  void come_here(const char* call);
  void want(int fd, Entry& entry, Interest interest);
  void apply_pending();
  void arm(int fd, Entry& entry) noexcept;
  void disarm(int fd, Entry& entry) noexcept;
  void submit_changes();

  void forget(int fd, Entry& entry) noexcept;

  void fill(Batch& batch, std::optional<Duration> max_wait);
  int enter_and_gather(Batch& batch, std::optional<Duration> max_wait);
  bool gather(Batch& batch, bool old_news);
  bool take(const io_uring_cqe& completion, Batch& batch, bool old_news);
  static bool settle(const io_uring_cqe& completion, Entry& entry) noexcept;
  void ask_poll(Batch& batch);
  void report(int fd, Entry& entry, int mask, Batch& batch);

  static std::unique_ptr<IoUring> make_ring(RingWork work) {
    return std::make_unique<IoUring>(kRequests, kCompletions, work);
  }
  void replace_ring(RingWork work);

  std::unique_ptr<IoUring> ring_ = make_ring(RingWork::deferred);
  DescriptorBook<Entry> book_;
  std::vector<pollfd> to_recheck_;
  std::uint32_t last_arming_ = 0;
  bool pollable_ = false;    // another loop may sleep on the native handle
  std::uint64_t owner_ = 0;  // the ring's thread; 0: none as yet
  Affinity affinity_;
};

void IoUringPoller::add(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::add", fd};
  check_supported(call, interest, *this);
  book_.add(fd, id, [&](const Entry&) {
    check_waitable(call);
    if (fd == ring_->fd()) call.fail(EINVAL, "the poller's own");
  });
  want(fd, *book_.find(fd), interest);
  if (!pollable_) return;
  come_here("Poller::add");
  submit_changes();
}

// Makes sure that the ring is this thread's.
void IoUringPoller::come_here(const char* call) {
  const std::uint64_t thread = this_thread();
  if (owner_ == thread) return;
  const std::string beginning = std::string(call) + ": this io_uring poller ";
  if (affinity_.in_forked_child()) {
    throw std::logic_error(beginning + "belongs to the parent process");
  }
  if (owner_ != 0 && pollable_) {
    throw std::logic_error(beginning +
                           "belongs to another thread, since its native handle was asked for");
  }
  if (owner_ != 0) replace_ring(RingWork::deferred);
  owner_ = thread;
}

void IoUringPoller::modify(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::modify", fd};
  Entry& entry = book_.at(call);
  check_supported(call, interest, *this);
  entry.id = id;
  want(fd, entry, interest);
}

void IoUringPoller::want(int fd, Entry& entry, Interest interest) {
  entry.wanted = to_ring_mask(interest);
  entry.one_shot = interest.trigger == Trigger::one_shot;
  if (entry.wanted != entry.armed || entry.told) book_.note_change(fd, entry);
}

void IoUringPoller::remove(int fd) {
  Entry& entry = book_.at({"Poller::remove", fd});
  if (entry.armed != kNothing) come_here("Poller::remove");
  const bool in_flight = entry.armed != kNothing;
  forget(fd, entry);
  if (!in_flight) return;
  ring_->submit_and_reap();
  while (ring_->work()) {
  }
  // Completions of withdrawn requests would keep the native handle readable.
  while (ring_->front() != nullptr && find(ring_->front()->user_data) == nullptr) ring_->pop();
}

// Out of memory, the request keeps its file until it completes, which is not reported.
void IoUringPoller::forget(int fd, Entry& entry) noexcept {
  if (entry.armed != kNothing && ring_->make_room(1)) disarm(fd, entry);
  book_.remove(entry);
}

void IoUringPoller::apply_pending() {
  while (book_.has_changes()) {
    if (!ring_->make_room(2)) sys::fail("io_uring_enter");
    const int fd = book_.take_change();
    if (Entry* entry = book_.find(fd)) arm(fd, *entry);
  }
}

void IoUringPoller::arm(int fd, Entry& entry) noexcept {
  if (entry.wanted == entry.armed && !entry.told) return;
  if (entry.armed != kNothing) disarm(fd, entry);
  if (entry.wanted == kNothing) return;
  entry.arming = ++last_arming_;
  entry.armed = entry.wanted;
  io_uring_sqe request = {};
  request.opcode = IORING_OP_POLL_ADD;
  request.fd = fd;
  request.len = entry.half_closed && (entry.wanted & POLLRDHUP) == 0 ? IORING_POLL_ADD_MULTI : 0;
  request.poll_events = static_cast<std::uint16_t>(entry.wanted);
  request.user_data = mark_of(fd, entry);
  ring_->push(request);
}

void IoUringPoller::disarm(int fd, Entry& entry) noexcept {
  io_uring_sqe request = {};
  request.opcode = IORING_OP_ASYNC_CANCEL;
  request.fd = -1;
  request.addr = mark_of(fd, entry);
  request.user_data = UINT64_MAX;  // no entry's mark
  request.flags = IOSQE_CQE_SKIP_SUCCESS;
  ring_->push(request);
  entry.armed = kNothing;
  entry.told = false;
}

void IoUringPoller::submit_changes() {
  if (!book_.has_changes()) return;
  apply_pending();
  if (ring_->submit_and_reap() == -1) sys::fail("io_uring_enter");
}

void IoUringPoller::fill(Batch& batch, std::optional<Duration> max_wait) {
  come_here("Poller::wait");
  to_recheck_.clear();  // after a wait that threw
  to_recheck_.reserve(batch.room());
  wait_in_full("Poller::wait: io_uring_enter", max_wait,
               [&](std::optional<Duration> left) { return enter_and_gather(batch, left); });
  if (pollable_) submit_changes();
}

// How many events there are, or -1.
int IoUringPoller::enter_and_gather(Batch& batch, std::optional<Duration> max_wait) {
  const bool old_news = ring_->has_news();
  apply_pending();
  if (ring_->enter(max_wait) == -1) {
    if (errno == EEXIST) throw std::logic_error("Poller::wait: this io_uring is another process's");
    return -1;
  }
  while (!batch.full() && gather(batch, old_news)) ask_poll(batch);
  return static_cast<int>(batch.size());
}

// False when nothing was there.
bool IoUringPoller::gather(Batch& batch, bool old_news) {
  bool found = false;
  while (to_recheck_.size() < batch.room()) {
    if (const io_uring_cqe* completion = ring_->front()) {
      found |= take(*completion, batch, old_news);
    } else if (!ring_->work()) {
      break;
    }
  }
  return found;
}

// False for a completion that no entry awaits.
bool IoUringPoller::take(const io_uring_cqe& completion, Batch& batch, bool old_news) {
  const int fd = fd_of(completion.user_data);
  const int result = completion.res;
  Entry* entry = find(completion.user_data);
  const bool concerned = entry != nullptr && settle(completion, *entry);
  ring_->pop();
  if (!concerned) return false;
  book_.note_change(fd, *entry);
  if (result < 0 && result != -EBADF)
    PollerCall{"Poller::wait", fd}.fail(-result, "io_uring_enter");
  if (result == -EBADF) {
    report(fd, *entry, POLLNVAL, batch);
  } else if (old_news || !is_plain(result)) {
    to_recheck_.push_back({.fd = fd, .events = entry->wanted, .revents = 0});
  } else {
    report(fd, *entry, result, batch);
  }
  return true;
}

// False for a completion without wanted bits, if the request goes on.
bool IoUringPoller::settle(const io_uring_cqe& completion, Entry& entry) noexcept {
  const bool in_flight = (completion.flags & IORING_CQE_F_MORE) != 0;
  if (completion.res > 0) entry.half_closed |= (completion.res & ~entry.wanted & POLLRDHUP) != 0;
  if (in_flight && (completion.res & told_for(entry)) == 0) return false;
  entry.told = in_flight;
  if (!in_flight) entry.armed = kNothing;
  return true;
}

void IoUringPoller::ask_poll(Batch& batch) {
  if (to_recheck_.empty()) return;
  wait_in_full("Poller::wait: poll", Duration::zero(), [this](std::optional<Duration> left) {
    return sys::poll(to_recheck_.data(), to_recheck_.size(), left);
  });
  for (const pollfd& asked : to_recheck_) {
    report(asked.fd, *book_.find(asked.fd), asked.revents, batch);
  }
  to_recheck_.clear();
}

void IoUringPoller::report(int fd, Entry& entry, int mask, Batch& batch) {
  const Ready ready = from_poll_mask(static_cast<short>(mask & told_for(entry)));
  if (ready == Ready{}) return;
  batch.push({.id = entry.id, .ready = ready});
  if (entry.one_shot) entry.wanted = kNothing;  // until modified
  if (ready.invalid) forget(fd, entry);
}

int IoUringPoller::native_handle() {
  come_here("Poller::native_handle");
  // From now on another loop may sleep on the handle without a wait() before.
  if (!pollable_) replace_ring(RingWork::at_any_call);
  pollable_ = true;
  submit_changes();
  return ring_->fd();
}

void IoUringPoller::replace_ring(RingWork work) {
  auto ring = make_ring(work);
  book_.for_each([this](int fd, Entry& entry) {
    entry.armed = kNothing;
    entry.told = false;
    book_.note_change(fd, entry);
  });
  ring_ = std::move(ring);
}

}  // namespace

std::unique_ptr<Poller> make_io_uring_poller() { return std::make_unique<IoUringPoller>(); }

}  // namespace detent
