// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private, Linux. One ring of io_uring(7): requests go in, completions come out. What for is not
/// its business.
///
/// By system calls alone: liburing would be a dependency for what fits into this file.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "detent/time.h"
#include "detent/unique_fd.h"

namespace detent {

/// Why the kernel has no ring for us; empty when it has. Makes none.
[[nodiscard]] std::string io_uring_absence();

/// Memory that is shared with the kernel.
class Mapping {
 public:
  /// Throws std::system_error.
  Mapping(const UniqueFd& file, std::uint64_t offset, std::size_t size);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  template <class T>
  [[nodiscard]] T* at(std::size_t offset) const noexcept {
    return reinterpret_cast<T*>(start_ + offset);
  }

 private:
  std::byte* start_;
  std::size_t size_;
};

/// When the kernel does what a completion takes.
enum class RingWork : std::uint8_t {
  deferred,    ///< Within enter(). Sleeping on the ring's descriptor is no use then.
  at_any_call  ///< At the end of any system call; one that sleeps may end with EINTR for it.
};

/// Belongs to the thread that enters it first (IORING_SETUP_SINGLE_ISSUER). The kernel refuses all
/// others, and so forked children, with EEXIST; but what they push lands in the same memory, so
/// that all a child may do is to destroy it.
class IoUring {
 public:
  /// Throws std::system_error. The sizes are rounded up to powers of two; more completions than
  /// that wait in the kernel until there is room (IORING_FEAT_NODROP).
  IoUring(unsigned requests, unsigned completions, RingWork work);
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  /// Withdraws what is in flight, so that the files are the caller's alone again.
  ~IoUring();

  /// Readable while there are completions.
  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }

  /// Sees to it that `count` more requests can be pushed, if need be by submitting those that are.
  /// False when the kernel will not take them: errno.
  [[nodiscard]] bool make_room(unsigned count) noexcept;
  /// There must be room. It is submitted by the next enter().
  void push(const io_uring_sqe& request) noexcept;

  /// io_uring_enter(2): submits, does the work that the kernel has put off until now, and waits for
  /// a completion; no `max_wait` is for long. -1 when it failed: errno.
  int enter(std::optional<Duration> max_wait) noexcept;
  int submit() noexcept { return enter(Duration::zero()); }

  /// Null when there is none. Valid until pop().
  [[nodiscard]] const io_uring_cqe* front() const noexcept;
  void pop() noexcept;

  /// Does work that was put off, of which one enter() does no more than some. False when that
  /// completed nothing.
  bool work() noexcept;
  /// Whether something has happened that front() or the next enter() will tell.
  [[nodiscard]] bool has_news() const noexcept { return front() != nullptr || may_have_work(); }

 private:
  [[nodiscard]] unsigned pushed() const noexcept;
  [[nodiscard]] bool may_have_work() const noexcept;

  io_uring_params params_;
  UniqueFd fd_;
  Mapping queues_;
  Mapping requests_;
  unsigned pushed_end_ = 0;
};

}  // namespace detent
