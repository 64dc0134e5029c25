// SPDX-License-Identifier: BSL-1.0
// epoll(7). One file, since a poller is one class. What the code below works around:
//  - A registration belongs to the open file *and* the number. If the number is closed while a
//    duplicate of the file lives, events go on under the old number. Such a registration is called
//    a ghost here. epoll_ctl cannot remove it: it fails with EBADF or, when the number is in use
//    again, with ENOENT. Only closing the epoll descriptor ends it (rebuild()). A ghost looks like
//    a living descriptor that is always ready. So now and then the poller registers anew what was
//    ready in several waits running (probe_for_ghosts()). This fails for a ghost.
//  - A registration with an empty mask still reports EPOLLHUP and EPOLLERR, at every wait. So the
//    poller removes an empty interest from the kernel.
//  - After EPOLLONESHOT fired, the registration is there with an empty mask and reports nothing.
#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <span>
#include <utility>
#include <vector>

#include "batch.h"
#include "descriptor_book.h"
#include "detent/unique_fd.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

constexpr std::uint32_t kNotInKernel = 0;
constexpr std::uint32_t kFired = EPOLLONESHOT;  // never a mask that we install

// The number of waits in a probe, and between two probes. When more are ready than a batch holds,
// each comes only in every second, third, ... wait. Since 991 is prime, a probe still meets each of
// them in time.
constexpr int kWaitsOfAProbe = 8;
constexpr int kWaitsBetweenProbes = 991;

constexpr bool is_silent(std::uint32_t installed) { return (installed & ~kFired) == 0; }

constexpr bool is_level(std::uint32_t installed) {
  return installed != kNotInKernel && (installed & (EPOLLET | EPOLLONESHOT)) == 0;
}

std::uint32_t to_epoll_mask(Interest interest) {
  if (interest.empty()) return kNotInKernel;
  std::uint32_t mask = 0;
  // For a writer alone, EPOLLRDHUP would come at every wait while the peer still reads.
  if (interest.readable) mask |= EPOLLIN | EPOLLRDHUP;
  if (interest.writable) mask |= EPOLLOUT;
  if (interest.priority) mask |= EPOLLPRI;
  if (interest.trigger == Trigger::edge) mask |= EPOLLET;
  if (interest.trigger == Trigger::one_shot) mask |= EPOLLONESHOT;
  return mask;
}

// EPERM: a regular file, a directory, or a device that cannot be waited for (epoll_ctl(2)).
[[noreturn]] void fail_add(const PollerCall& call, int error) {
  if (error == EPERM) check_waitable(call);
  call.fail(error, "epoll_ctl");
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
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return fill_batch(room, [&](Batch& batch) { fill(batch, max_wait); });
  }

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {.edge = true,
            .priority = true,
            .read_closed = true,
            .hangup = true,
            .native_handle = true,
            .file_identity = true};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "epoll"; }
  [[nodiscard]] int native_handle() override;

 private:
  // Before each wait the poller compares wanted with installed. So an interest that is switched on
  // and off within a turn costs no system call. The size is a power of two, which makes indexing
  // quick.
  struct alignas(32) Entry : BookEntry {
    std::uint32_t wanted = kNotInKernel;
    std::uint32_t installed = kNotInKernel;
    std::uint32_t seen = 0;  // the last wait of a probe, if it came in all waits of it so far
    bool lost = false;       // the number does not mean the registered file any more
  };

  static_assert(sizeof(Entry) == 32);

  static UniqueFd make_epoll() {
    return UniqueFd(sys::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  }

  // The serial distinguishes a registration from a later one of the same number.
  int control(int operation, int fd, const Entry& entry) const noexcept {
    epoll_event event = {};
    event.events = entry.wanted;
    event.data.u64 = (std::uint64_t{entry.serial} << 32U) | static_cast<std::uint32_t>(fd);
    return ::epoll_ctl(epoll_.fd(), operation, fd, &event);
  }

  void fill(Batch& batch, std::optional<Duration> max_wait);
  void apply_pending(Batch& batch);
  bool apply(int fd, Entry& entry) const noexcept;
  [[gnu::noinline]] void wait_with_care(Batch& batch, std::optional<Duration> max_wait);
  using Found = std::span<const epoll_event>;
  Found wait_and_report(Batch& batch, std::optional<Duration> max_wait);
  int wait_in_kernel(std::optional<Duration> max_wait);
  void probe_for_ghosts(Found found, std::span<Event> events);
  void register_anew(const epoll_event& native, Entry& entry, Event& event);
  void note_ghost() {
    has_ghosts_ = true;
    waits_before_probe_ = 1;
  }
  void report(const epoll_event& native, Batch& batch);
  [[gnu::noinline]] void report_other(const epoll_event& native, Entry& entry, Batch& batch);
  void rebuild();

  static void watch_epoll(int outer, int inner) {
    epoll_event event = {};
    event.events = EPOLLIN;
    sys::check(::epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event), "epoll_ctl");
  }

  UniqueFd epoll_ = make_epoll();
  UniqueFd outer_;  // native_handle(): an epoll that watches epoll_
  DescriptorBook<Entry> book_;
  std::vector<epoll_event> native_;
  bool has_pwait2_ = true;
  bool has_ghosts_ = false;  // the kernel reports registrations that epoll_ctl cannot remove
  int waits_before_probe_ = kWaitsBetweenProbes;
  int probe_waits_left_ = kWaitsOfAProbe;
  std::uint32_t probe_wait_ = 1;  // counts the waits of all probes
};

void EpollPoller::add(int fd, Interest interest, HandlerId id) {
  book_.add(fd, id, [&](Entry& entry) {
    entry.wanted = to_epoll_mask(interest);
    // At once, so that the caller gets the errors; an empty interest too, for the same errors.
    // EEXIST: the number was closed before it was removed, and now means the same file again.
    const bool added = control(EPOLL_CTL_ADD, fd, entry) == 0 ||
                       (errno == EEXIST && control(EPOLL_CTL_MOD, fd, entry) == 0);
    const bool silent = entry.wanted == kNotInKernel;
    const bool installed = added && (!silent || control(EPOLL_CTL_DEL, fd, entry) == 0);
    if (!installed) fail_add({"Poller::add", fd}, errno);
    entry.installed = entry.wanted;
  });
}

void EpollPoller::modify(int fd, Interest interest, HandlerId id) {
  Entry& entry = book_.at({"Poller::modify", fd});
  entry.id = id;
  entry.wanted = to_epoll_mask(interest);
  // An edge is reported again when the same mask is installed anew (epoll_ctl(2), EPOLL_CTL_MOD).
  const bool rearms = interest.trigger == Trigger::edge;
  if (entry.wanted != entry.installed || rearms) book_.note_change(fd, entry);
  if (rearms && entry.installed != kNotInKernel) entry.installed = kFired;
}

void EpollPoller::remove(int fd) {
  Entry& entry = book_.at({"Poller::remove", fd});
  // Fails when the number was closed. Then the kernel has forgotten it, or wait() will notice.
  if (entry.installed != kNotInKernel) control(EPOLL_CTL_DEL, fd, entry);
  book_.remove(entry);
}

// Installs what is wanted. False when the number no longer means the file that was registered.
bool EpollPoller::apply(int fd, Entry& entry) const noexcept {
  if (entry.lost) return false;
  if (entry.wanted == entry.installed) return true;
  const int operation = entry.installed == kNotInKernel ? EPOLL_CTL_ADD
                        : entry.wanted == kNotInKernel  ? EPOLL_CTL_DEL
                                                        : EPOLL_CTL_MOD;
  if (control(operation, fd, entry) == -1) return false;
  entry.installed = entry.wanted;
  return true;
}

// Brings the kernel up to date.
void EpollPoller::apply_pending(Batch& batch) {
  if (has_ghosts_) rebuild();
  while (book_.has_changes() && !batch.full()) {
    const int fd = book_.take_change();
    Entry* entry = book_.find(fd);
    if (entry == nullptr || apply(fd, *entry)) continue;
    batch.push({.id = entry->id, .ready = {.invalid = true}});
    book_.remove(*entry);
  }
}

inline void EpollPoller::report(const epoll_event& native, Batch& batch) {
  Entry& entry = book_.entry_of_known_number(static_cast<std::uint32_t>(native.data.u64));
  // By far the most common event: a descriptor is watched for reading, and is readable.
  const bool plain = native.events == EPOLLIN && entry.serial == native.data.u64 >> 32U &&
                     (entry.installed & (EPOLLIN | EPOLLONESHOT)) == EPOLLIN;
  if (plain) [[likely]] {
    batch.push({.id = entry.id, .ready = {.readable = true}});
  } else {
    report_other(native, entry, batch);
  }
}

void EpollPoller::report_other(const epoll_event& native, Entry& entry, Batch& batch) {
  // A silent registration can still report. Its number came to mean another file before the pause,
  // so the kernel removed that file instead.
  if (entry.serial != native.data.u64 >> 32U || is_silent(entry.installed)) {
    note_ghost();
    batch.push({});  // for no registration
    return;
  }
  if ((entry.installed & EPOLLONESHOT) != 0) entry.installed = kFired;
  batch.push({.id = entry.id, .ready = to_ready(native.events)});
}

[[gnu::always_inline]] inline EpollPoller::Found EpollPoller::wait_and_report(
    Batch& batch, std::optional<Duration> max_wait) {
  native_.resize(batch.room());
  const auto count = static_cast<std::size_t>(wait_in_kernel(max_wait));
  const Found found = Found(native_).first(count);
  for (const epoll_event& native : found) report(native, batch);
  return found;
}

[[gnu::always_inline]] inline void EpollPoller::fill(Batch& batch,
                                                     std::optional<Duration> max_wait) {
  if (--waits_before_probe_ == 0 || book_.has_changes()) [[unlikely]]
    return wait_with_care(batch, max_wait);
  wait_and_report(batch, max_wait);
}

void EpollPoller::wait_with_care(Batch& batch, std::optional<Duration> max_wait) {
  const bool probes = waits_before_probe_ == 0;
  if (probes) waits_before_probe_ = 1;  // if this wait returns early, the next one probes
  apply_pending(batch);
  const std::size_t ended = batch.size();
  if (batch.full()) return;
  const Found found = wait_and_report(batch, ended == 0 ? max_wait : Duration::zero());
  if (probes) probe_for_ghosts(found, batch.events().subspan(ended));
}

// A probe takes several waits, since a real descriptor is seldom ready in each. A full batch ends
// the probe, since more may be ready than it holds.
void EpollPoller::probe_for_ghosts(Found found, std::span<Event> events) {
  const bool full = found.size() == native_.size();
  const bool decides = full || probe_waits_left_ == 1;
  const bool first = probe_waits_left_ == kWaitsOfAProbe;
  ++probe_wait_;
  for (std::size_t i = 0; i < found.size(); ++i) {
    Entry& entry = book_.entry_of_known_number(static_cast<std::uint32_t>(found[i].data.u64));
    if (entry.serial != found[i].data.u64 >> 32U) continue;
    const bool in_each = first || entry.seen == probe_wait_ - 1;
    if (in_each) entry.seen = probe_wait_;
    if (decides && (in_each || full)) register_anew(found[i], entry, events[i]);
  }
  probe_waits_left_ = decides ? kWaitsOfAProbe : probe_waits_left_ - 1;
  if (decides && !has_ghosts_) waits_before_probe_ = kWaitsBetweenProbes;
}

// The kernel finds a registration by its number and by the file that the number means now.
void EpollPoller::register_anew(const epoll_event& native, Entry& entry, Event& event) {
  if (!is_level(entry.installed)) return;
  const auto fd = static_cast<int>(static_cast<std::uint32_t>(native.data.u64));
  if (control(EPOLL_CTL_MOD, fd, entry) == 0) return;
  event.ready = {.invalid = true};
  book_.remove(entry);
  note_ghost();
}

int EpollPoller::wait_in_kernel(std::optional<Duration> max_wait) {
  const auto most = static_cast<int>(native_.size());
  return wait_in_full(
      "Poller::wait: epoll_wait", max_wait, [this, most](std::optional<Duration> left) {
        if (left > Duration::zero() && has_pwait2_) {
          const timespec exact = to_timespec(*left);
          const int count = ::epoll_pwait2(epoll_.fd(), native_.data(), most, &exact, nullptr);
          if (count != -1 || errno != ENOSYS) return count;
          has_pwait2_ = false;  // Linux before 5.11
        }
        return ::epoll_wait(epoll_.fd(), native_.data(), most, to_milliseconds(left));
      });
}

// A loop that watches the handle must not notice a rebuild, so it cannot be epoll_ itself.
int EpollPoller::native_handle() {
  if (!outer_) {
    UniqueFd outer = make_epoll();
    watch_epoll(outer.fd(), epoll_.fd());
    outer_ = std::move(outer);
  }
  return outer_.fd();
}

// Closing the old epoll ends the ghosts. They stay while there is no free descriptor for a new
// epoll.
void EpollPoller::rebuild() {
  UniqueFd fresh(::epoll_create1(EPOLL_CLOEXEC));
  if (!fresh) return;
  if (outer_) {
    // Closing would not be enough: a forked child may hold the old one too.
    ::epoll_ctl(outer_.fd(), EPOLL_CTL_DEL, epoll_.fd(), nullptr);
    watch_epoll(outer_.fd(), fresh.fd());
  }
  book_.for_each([this](int fd, Entry& entry) {
    if (entry.installed == kNotInKernel) return;
    // Only the old epoll can refuse; the new one would accept any file that the number means now.
    entry.lost = control(EPOLL_CTL_DEL, fd, entry) == -1;
    const bool fired = entry.installed == kFired && !entry.lost;
    entry.installed = kNotInKernel;
    if (!fired) book_.note_change(fd, entry);  // else silent until modified, which adds it again
  });
  epoll_ = std::move(fresh);
  has_ghosts_ = false;
}

}  // namespace

std::unique_ptr<Poller> make_epoll_poller() { return std::make_unique<EpollPoller>(); }

}  // namespace detent
