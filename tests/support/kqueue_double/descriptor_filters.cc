// SPDX-License-Identifier: BSL-1.0
// EVFILT_READ, EVFILT_WRITE and EVFILT_EXCEPT.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>

#include "knote.h"
#include "kqueue_double.h"
#include "queue.h"
#include "socket_facts.h"

namespace kqueue_double {
namespace {

constinit std::atomic<bool> broken_pipe_refuses_writer = false;

class DescriptorKnote : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    type_ = type_of(ident());
    // Another kqueue, or one of Linux's kinds that have no place here either.
    if (kernel().queues.contains(ident()) && event().filter != EVFILT_READ) return EINVAL;
    const int error = queue().watch(event(), ident(), changes());
    return error == EPERM ? 0 : error;  // a regular file, which is ready and stays so
  }
  void detach() override { queue().unwatch(event(), ident()); }

 protected:
  [[nodiscard]] bool is_socket() const noexcept { return type_ == S_IFSOCK; }

  /// What epoll(7) calls them.
  [[nodiscard]] virtual std::uint32_t changes() const = 0;

  /// Fills the event of a reader or a writer.
  bool report(unsigned state, std::intptr_t size, bool ready, bool over) {
    set_flag(EV_EOF, over);
    event().data = size;
    event().fflags = over && is_socket() ? pending_error(ident(), state) : 0;
    const bool failed = (state & POLLERR) != 0;
    const bool has_mark = (asked_fflags_ & NOTE_LOWAT) != 0;
    return over || failed || (has_mark ? size >= asked_data_ && size > 0 : ready);
  }

 private:
  unsigned type_ = 0;
};

class ReadKnote final : public DescriptorKnote {
 public:
  using DescriptorKnote::DescriptorKnote;

  bool is_true() override {
    const unsigned state = state_of(ident(), POLLIN | POLLRDHUP);
    // A stream socket that was never connected hangs up for Linux; a BSD says nothing of it.
    const bool over = (state & (is_socket() ? POLLRDHUP : POLLHUP | POLLERR)) != 0;
    return report(state, readable_size(ident()), (state & POLLIN) != 0, over);
  }

 protected:
  [[nodiscard]] std::uint32_t changes() const override { return EPOLLIN | EPOLLRDHUP; }
};

class WriteKnote final : public DescriptorKnote {
 public:
  using DescriptorKnote::DescriptorKnote;

  int attach() override {
    const bool broken = !is_socket() && (state_of(ident(), POLLOUT) & POLLERR) != 0;
    if (broken && broken_pipe_refuses_writer) return EPIPE;
    return DescriptorKnote::attach();
  }

  bool is_true() override {
    const unsigned state = state_of(ident(), POLLOUT | POLLRDHUP);
    const Sending sending = is_socket() ? sending_of(ident()) : Sending::possible;
    if (sending == Sending::not_connected) return false;
    const bool over = is_socket() ? sending == Sending::over : (state & POLLERR) != 0;
    return report(state, writable_size(ident()), (state & POLLOUT) != 0, over);
  }

 protected:
  [[nodiscard]] std::uint32_t changes() const override { return EPOLLOUT; }
};

// macOS has it, for the urgent data of a socket alone.
class ExceptKnote final : public DescriptorKnote {
 public:
  using DescriptorKnote::DescriptorKnote;

  int attach() override {
    if (asked_fflags_ != NOTE_OOB || type_of(ident()) != S_IFSOCK) return EINVAL;
    return DescriptorKnote::attach();
  }

  bool is_true() override {
    event().fflags = NOTE_OOB;
    return (state_of(ident(), POLLPRI) & POLLPRI) != 0;
  }

 protected:
  [[nodiscard]] std::uint32_t changes() const override { return EPOLLPRI; }
};

}  // namespace

std::unique_ptr<Knote> make_descriptor_knote(Queue& queue, const struct kevent& change) {
  if (change.filter == EVFILT_WRITE) return std::make_unique<WriteKnote>(queue, change);
  if (change.filter == EVFILT_EXCEPT) return std::make_unique<ExceptKnote>(queue, change);
  return std::make_unique<ReadKnote>(queue, change);
}

void set_broken_pipe_refuses_writer(bool refuses) noexcept { broken_pipe_refuses_writer = refuses; }

}  // namespace kqueue_double
