// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private, Linux. One ring of io_uring(7), for any use: requests go in, completions come out.
///
/// Uses system calls alone. They fit into one file, so liburing is not worth a dependency.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "detent/time.h"
#include "detent/unique_fd.h"

namespace detent {

/// Why the kernel has no ring for us; empty when it has. Makes no ring.
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
  deferred,    ///< Within enter(). Then a sleep on the ring's descriptor does not end.
  at_any_call  ///< At the end of any system call, and may end a sleeping one with EINTR.
};

/// Belongs to the thread that enters it first (IORING_SETUP_SINGLE_ISSUER). The kernel refuses
/// other threads and forked children with EEXIST. But what a child pushes lands in the shared
/// memory, so a child may only destroy the ring.
class IoUring {
 public:
  /// Throws std::system_error. Rounds the sizes up to powers of two. Completions without room wait
  /// in the kernel (IORING_FEAT_NODROP).
  IoUring(unsigned requests, unsigned completions, RingWork work);
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  /// Withdraws the requests in flight, so that the kernel releases their files.
  ~IoUring();

  /// Readable while there are completions.
  [[nodiscard]] int fd() const noexcept { return fd_.fd(); }

  /// Makes room for `count` more requests, if need be by submitting the pushed ones. False, with
  /// errno, when the kernel does not take them.
  [[nodiscard]] bool make_room(unsigned count) noexcept;
  /// There must be room. The next enter() submits the request.
  void push(const io_uring_sqe& request) noexcept;

  /// io_uring_enter(2): submits, does the work that the kernel deferred, and waits for a
  /// completion. Without `max_wait` it waits long. -1, with errno, when it failed.
  int enter(std::optional<Duration> max_wait) noexcept;
  int submit_and_reap() noexcept { return enter(Duration::zero()); }

  /// Null when there is none. Valid until pop().
  [[nodiscard]] const io_uring_cqe* front() const noexcept;
  void pop() noexcept;

  /// Does some of the deferred work; one call may not do all. False when that completed nothing.
  bool work() noexcept;
  /// Whether front() has a completion, or the next enter() may bring one.
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
