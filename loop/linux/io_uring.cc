// SPDX-License-Identifier: BSL-1.0
#include "io_uring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

// io_uring_setup(2). All of it is in Linux 6.1.
constexpr unsigned kFlags =
    IORING_SETUP_SINGLE_ISSUER   // one thread submits, so the kernel locks less
    | IORING_SETUP_R_DISABLED    // until the first use, which decides whose ring it is
    | IORING_SETUP_SUBMIT_ALL    // a request that fails does not hold up those behind it
    | IORING_SETUP_TASKRUN_FLAG  // shows when there is work
    | IORING_SETUP_CQSIZE;

int set_up(unsigned requests, io_uring_params& params) noexcept {
  return static_cast<int>(::syscall(SYS_io_uring_setup, requests, &params));
}

io_uring_params make_params(unsigned completions, RingWork work) noexcept {
  const bool deferred = work == RingWork::deferred;
  io_uring_params params = {};
  params.flags = kFlags | (deferred ? IORING_SETUP_DEFER_TASKRUN : IORING_SETUP_COOP_TASKRUN);
  params.cq_entries = completions;
  return params;
}

// Both queues are in one mapping (IORING_FEAT_SINGLE_MMAP).
std::size_t size_of_queues(const io_uring_params& params) noexcept {
  return std::max(params.sq_off.array + params.sq_entries * sizeof(unsigned),
                  params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
}

// The ends of the queues: the other side stores with release what it has written or read.
unsigned load(unsigned* shared) noexcept {
  return std::atomic_ref(*shared).load(std::memory_order_acquire);
}
void store(unsigned* shared, unsigned value) noexcept {
  std::atomic_ref(*shared).store(value, std::memory_order_release);
}

int enable(const UniqueFd& ring) noexcept {
  return static_cast<int>(
      ::syscall(SYS_io_uring_register, ring.fd(), IORING_REGISTER_ENABLE_RINGS, nullptr, 0));
}

}  // namespace

// Asks to share the workers of a ring that does not exist. The kernel checks this after everything
// else, so it makes no ring (io_uring_setup(2), IORING_SETUP_ATTACH_WQ).
std::string io_uring_absence() {
  const sys::KeepErrno keep;
  io_uring_params params = make_params(1, RingWork::deferred);
  params.flags |= IORING_SETUP_ATTACH_WQ;
  params.wq_fd = static_cast<std::uint32_t>(-1);
  if (set_up(1, params) != -1) return {};
  switch (errno) {
    case ENOSYS:
      return "the kernel was built without it, or a sandbox hides it";
    case EPERM:
      return "the sysctl kernel.io_uring_disabled or a sandbox forbids it";
    case EINVAL:
      return "it needs Linux 6.1";
    default:
      return {};
  }
}

Mapping::Mapping(const UniqueFd& file, std::uint64_t offset, std::size_t size) : size_(size) {
  void* const start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(),
                             static_cast<off_t>(offset));
  if (start == MAP_FAILED) sys::fail("mmap");
  start_ = static_cast<std::byte*>(start);
}

Mapping::~Mapping() { ::munmap(start_, size_); }

IoUring::IoUring(unsigned requests, unsigned completions, RingWork work)
    : params_(make_params(completions, work)),
      fd_(sys::check(set_up(requests, params_), "io_uring_setup")),
      queues_(fd_, IORING_OFF_SQ_RING, size_of_queues(params_)),
      requests_(fd_, IORING_OFF_SQES, params_.sq_entries * sizeof(io_uring_sqe)) {
  // The submission queue holds numbers of requests; they are always used in their order.
  auto* const numbers = queues_.at<unsigned>(params_.sq_off.array);
  for (unsigned i = 0; i < params_.sq_entries; ++i) numbers[i] = i;
}

// Closing alone is not enough: the kernel ends a ring later, and not before a forked child has
// closed it too. The cancelled requests release their files in enter().
IoUring::~IoUring() {
  io_uring_sync_cancel_reg all = {};
  all.fd = -1;
  all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  if (::syscall(SYS_io_uring_register, fd(), IORING_REGISTER_SYNC_CANCEL, &all, 1) == -1) return;
  do {
    while (front() != nullptr) pop();
  } while (work());
}

unsigned IoUring::pushed() const noexcept {
  return pushed_end_ - load(queues_.at<unsigned>(params_.sq_off.head));
}

// The kernel sets the first flag after it has queued the work, which may be done by then. So the
// flag can be set, and stay set, while there is nothing to do.
bool IoUring::may_have_work() const noexcept {
  const unsigned flags = load(queues_.at<unsigned>(params_.sq_off.flags));
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool IoUring::work() noexcept {
  if (!may_have_work()) return false;
  auto* const end = queues_.at<unsigned>(params_.cq_off.tail);
  const unsigned before = load(end);
  return submit_and_reap() != -1 && load(end) != before;
}

bool IoUring::make_room(unsigned count) noexcept {
  const auto has_room = [&] { return params_.sq_entries - pushed() >= count; };
  return has_room() || (submit_and_reap() != -1 && has_room());
}

void IoUring::push(const io_uring_sqe& request) noexcept {
  requests_.at<io_uring_sqe>(0)[pushed_end_ & (params_.sq_entries - 1)] = request;
  store(queues_.at<unsigned>(params_.sq_off.tail), ++pushed_end_);
}

int IoUring::enter(std::optional<Duration> max_wait) noexcept {
  const bool sleeps = !max_wait || *max_wait > Duration::zero();
  const timespec exact = to_timespec(std::min(max_wait.value_or(kLongestWait), kLongestWait));
  const __kernel_timespec time = {.tv_sec = exact.tv_sec, .tv_nsec = exact.tv_nsec};
  io_uring_getevents_arg wait = {};
  wait.ts = sleeps ? reinterpret_cast<std::uintptr_t>(&time) : 0;
  const auto result = static_cast<int>(::syscall(SYS_io_uring_enter, fd(), pushed(), sleeps ? 1 : 0,
                                                 IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                                                 &wait, sizeof wait));
  if (result != -1 || errno == ETIME) return std::max(result, 0);
  if (errno == EBADFD && enable(fd_) == 0) return enter(max_wait);
  // EBUSY: so many completions are waiting that the kernel does not wait for more.
  return errno == EBUSY ? 0 : -1;
}

const io_uring_cqe* IoUring::front() const noexcept {
  const unsigned head = *queues_.at<unsigned>(params_.cq_off.head);  // written by us alone
  if (head == load(queues_.at<unsigned>(params_.cq_off.tail))) return nullptr;
  return queues_.at<io_uring_cqe>(params_.cq_off.cqes) + (head & (params_.cq_entries - 1));
}

void IoUring::pop() noexcept {
  auto* const head = queues_.at<unsigned>(params_.cq_off.head);
  store(head, *head + 1);
}

}  // namespace detent
