// SPDX-License-Identifier: BSL-1.0
// epoll(7). What the code below works around:
//  - A registration belongs to the open file *and* the number. If the number is closed while a
//    duplicate of the file lives, events go on under the old number and nobody can remove them:
//    epoll_ctl says EBADF or, when the number is taken again, ENOENT. Closing the epoll descriptor
//    is the only way out (rebuild()).
//  - A registration with an empty mask still reports EPOLLHUP and EPOLLERR, at every wait. So an
//    empty interest is taken out of the kernel.
//  - After EPOLLONESHOT fired, the registration is there with an empty mask and reports nothing.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <utility>
#include <vector>

#include "detent/unique_fd.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

constexpr std::uint32_t kNotInKernel = 0;
constexpr std::uint32_t kFired = EPOLLONESHOT;  // alone it is no mask of ours

std::uint32_t to_mask(Interest interest) {
  if (interest.empty()) return kNotInKernel;
  std::uint32_t mask = 0;
  // Asked of a writer alone, EPOLLRDHUP would come at every wait while the peer still reads.
  if (interest.readable) mask |= EPOLLIN | EPOLLRDHUP;
  if (interest.writable) mask |= EPOLLOUT;
  if (interest.priority) mask |= EPOLLPRI;
  if (interest.trigger == Trigger::edge) mask |= EPOLLET;
  if (interest.trigger == Trigger::one_shot) mask |= EPOLLONESHOT;
  return mask;
}

Ready to_ready(std::uint32_t mask) {
  return {.readable = (mask & (EPOLLIN | EPOLLHUP)) != 0,
          .writable = (mask & EPOLLOUT) != 0,
          .priority = (mask & EPOLLPRI) != 0,
          .read_closed = (mask & EPOLLRDHUP) != 0,
          .hangup = (mask & EPOLLHUP) != 0,
          .error = (mask & EPOLLERR) != 0};
}

class EpollPoller final : public Poller {
 public:
  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  void wait(std::vector<Event>& events, std::optional<Duration> max_wait) override;

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {
        .edge = true, .priority = true, .read_closed = true, .hangup = true, .native_handle = true};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "epoll"; }
  [[nodiscard]] int native_handle() const override;

 private:
  // The book on one descriptor number. Wanted and installed are compared before each wait, so that
  // an interest that is switched on and off within a turn costs no system call.
  struct Entry {
    HandlerId id = {};
    std::uint32_t wanted = 0;
    std::uint32_t installed = kNotInKernel;
    std::uint32_t serial = 0;  // 0: not registered
    bool changed = false;      // listed in changed_
  };

  static UniqueFd make_epoll() {
    return UniqueFd(sys::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  }

  Entry& entry_of(int fd, const char* call) {
    const auto index = static_cast<std::size_t>(fd);
    if (fd < 0 || index >= book_.size() || book_[index].serial == 0) sys::fail(call, ENOENT);
    return book_[index];
  }

  // The serial number tells a registration from a later one of the same descriptor number.
  int control(int operation, int fd, const Entry& entry) const noexcept {
    epoll_event event = {};
    event.events = entry.wanted;
    event.data.u64 = (std::uint64_t{entry.serial} << 32U) | static_cast<std::uint32_t>(fd);
    return ::epoll_ctl(epoll_.fd(), operation, fd, &event);
  }

  void note_change(int fd, Entry& entry);
  void apply_changes(std::vector<Event>& events);
  bool apply(int fd, Entry& entry) const noexcept;
  int wait_in_kernel(int most, std::optional<Duration> max_wait);
  void translate(const epoll_event& native, std::vector<Event>& events);
  void rebuild();

  static void watch_epoll(int outer, int inner) {
    epoll_event event = {};
    event.events = EPOLLIN;
    sys::check(::epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event), "epoll_ctl");
  }

  UniqueFd epoll_ = make_epoll();
  mutable UniqueFd outer_;   // what native_handle() gave out: an epoll that watches epoll_
  std::vector<Entry> book_;  // by descriptor number
  std::vector<int> changed_;
  std::vector<epoll_event> native_;
  std::uint32_t last_serial_ = 0;
  bool has_pwait2_ = true;
  bool haunted_ = false;  // the kernel reports what cannot be removed by number
};

void EpollPoller::add(int fd, Interest interest, HandlerId id) {
  if (fd < 0) sys::fail("Poller::add", EBADF);
  const auto index = static_cast<std::size_t>(fd);
  if (index < book_.size() && book_[index].serial != 0) sys::fail("Poller::add", EEXIST);

  if (++last_serial_ == 0) ++last_serial_;
  Entry entry = {.id = id, .wanted = to_mask(interest), .serial = last_serial_};
  // At once, so that the errors reach the caller; an empty interest too, for the same answers.
  // EEXIST: the file came back under a number that was removed only after it had been closed.
  const bool added = control(EPOLL_CTL_ADD, fd, entry) == 0 ||
                     (errno == EEXIST && control(EPOLL_CTL_MOD, fd, entry) == 0);
  if (!added) sys::fail("epoll_ctl");
  try {
    if (index >= book_.size()) book_.resize(std::max(index + 1, book_.size() * 2));
  } catch (...) {
    control(EPOLL_CTL_DEL, fd, entry);
    throw;
  }
  entry.installed = entry.wanted;
  if (entry.wanted == kNotInKernel) sys::check(control(EPOLL_CTL_DEL, fd, entry), "epoll_ctl");

  entry.changed = book_[index].changed;  // its number may still be listed
  book_[index] = entry;
}

void EpollPoller::modify(int fd, Interest interest, HandlerId id) {
  Entry& entry = entry_of(fd, "Poller::modify");
  entry.id = id;
  entry.wanted = to_mask(interest);
  // An edge is reported again when the same mask is installed anew (epoll_ctl(2), EPOLL_CTL_MOD).
  const bool rearms = interest.trigger == Trigger::edge;
  if (entry.wanted != entry.installed || rearms) note_change(fd, entry);
  if (rearms && entry.installed != kNotInKernel) entry.installed = kFired;
}

void EpollPoller::remove(int fd) {
  Entry& entry = entry_of(fd, "Poller::remove");
  // Fails when the number was closed; then the kernel has forgotten it, or wait() will notice.
  if (entry.installed != kNotInKernel) control(EPOLL_CTL_DEL, fd, entry);
  entry = {.changed = entry.changed};
}

void EpollPoller::note_change(int fd, Entry& entry) {
  if (entry.changed) return;
  changed_.push_back(fd);
  entry.changed = true;
}

// Installs what is wanted. False when the number no longer means the file that was registered.
bool EpollPoller::apply(int fd, Entry& entry) const noexcept {
  if (entry.wanted == entry.installed) return true;
  const int operation = entry.installed == kNotInKernel ? EPOLL_CTL_ADD
                        : entry.wanted == kNotInKernel  ? EPOLL_CTL_DEL
                                                        : EPOLL_CTL_MOD;
  if (control(operation, fd, entry) == -1) return false;
  entry.installed = entry.wanted;
  return true;
}

void EpollPoller::apply_changes(std::vector<Event>& events) {
  while (!changed_.empty() && events.size() < events.capacity()) {
    const int fd = changed_.back();
    changed_.pop_back();
    Entry& entry = book_[static_cast<std::size_t>(fd)];
    entry.changed = false;
    if (entry.serial == 0 || apply(fd, entry)) continue;
    events.push_back({.id = entry.id, .ready = {.invalid = true}});
    entry = {};
  }
}

void EpollPoller::wait(std::vector<Event>& events, std::optional<Duration> max_wait) {
  if (events.capacity() == 0) events.reserve(64);
  events.clear();
  if (haunted_) rebuild();
  apply_changes(events);
  const auto room = events.capacity() - events.size();
  if (room == 0) return;
  if (native_.size() < room) native_.resize(room);

  if (!events.empty()) max_wait = Duration::zero();
  const int count = wait_in_kernel(static_cast<int>(room), max_wait);
  for (int i = 0; i < count; ++i) translate(native_[static_cast<std::size_t>(i)], events);
}

void EpollPoller::translate(const epoll_event& native, std::vector<Event>& events) {
  const auto fd = static_cast<std::uint32_t>(native.data.u64);
  Entry& entry = book_[fd];
  if (entry.serial != native.data.u64 >> 32U) {
    haunted_ = true;
    events.push_back({});
    return;
  }
  if ((entry.installed & EPOLLONESHOT) != 0) entry.installed = kFired;
  events.push_back({.id = entry.id, .ready = to_ready(native.events)});
}

int EpollPoller::wait_in_kernel(int most, std::optional<Duration> max_wait) {
  const WaitTime time(max_wait);
  for (std::optional<Duration> left = max_wait;; left = time.left()) {
    int count = -1;
    if (left > Duration::zero() && has_pwait2_) {
      const timespec exact = to_timespec(*left);
      count = ::epoll_pwait2(epoll_.fd(), native_.data(), most, &exact, nullptr);
    } else {
      count = ::epoll_wait(epoll_.fd(), native_.data(), most, to_milliseconds(left));
    }
    if (count > 0 || (count == 0 && time.left() == Duration::zero())) return count;
    if (count == -1 && errno == ENOSYS) {
      has_pwait2_ = false;  // Linux before 5.11
    } else if (count == -1 && errno != EINTR) {
      sys::fail("epoll_wait");
    }
  }
}

// Whoever watches the handle must not notice a rebuild, so it cannot be epoll_ itself.
int EpollPoller::native_handle() const {
  if (!outer_) {
    UniqueFd outer = make_epoll();
    watch_epoll(outer.fd(), epoll_.fd());
    outer_ = std::move(outer);
  }
  return outer_.fd();
}

// Closing the old epoll is what ends the registrations that cannot be removed. Without a free
// descriptor for a new one the ghosts stay until there is.
void EpollPoller::rebuild() {
  UniqueFd fresh(::epoll_create1(EPOLL_CLOEXEC));
  if (!fresh) return;
  if (outer_) {
    // Not left to closing: a forked child may hold the old one too.
    ::epoll_ctl(outer_.fd(), EPOLL_CTL_DEL, epoll_.fd(), nullptr);
    watch_epoll(outer_.fd(), fresh.fd());
  }
  epoll_ = std::move(fresh);
  haunted_ = false;
  for (std::size_t i = 0; i < book_.size(); ++i) {
    Entry& entry = book_[i];
    if (entry.serial == 0 || entry.installed == kNotInKernel) continue;
    const bool fired = entry.installed == kFired;
    entry.installed = kNotInKernel;
    if (fired) continue;  // silent until modified, which adds it again
    note_change(static_cast<int>(i), entry);
  }
}

}  // namespace

std::unique_ptr<Poller> make_epoll_poller() { return std::make_unique<EpollPoller>(); }

}  // namespace detent
