// SPDX-License-Identifier: BSL-1.0
/// \file
/// One registration: a filter on an ident in a kqueue.
#pragma once

#include <sys/event.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "unseen_memory.h"

namespace kqueue_double {

class Knote;
class Queue;

/// The knotes that wait to be collected.
using KnoteList = std::list<Knote*, UnseenAllocator<Knote*>>;

using Clock = std::chrono::steady_clock;

/// What all filters have in common, as struct knote and struct filterops in a BSD kernel.
class Knote : public Unseen {
 public:
  Knote(Queue& queue, const struct kevent& change);
  Knote(const Knote&) = delete;
  Knote& operator=(const Knote&) = delete;
  virtual ~Knote() = default;

  // What a filter is made of. Errors are errno's numbers, 0 for none.

  /// Begins to listen for what may make is_true() true, if the ident can be watched at all.
  virtual int attach() = 0;
  /// Ends that, before it is destroyed.
  virtual void detach() {}
  /// A change of one that exists.
  virtual int touch(const struct kevent& change);
  /// Whether there is something to report; if so, it is put into event().
  virtual bool is_true() = 0;
  /// It was reported and has EV_CLEAR.
  virtual void clear();
  /// When it becomes true by itself.
  [[nodiscard]] virtual std::optional<Clock::time_point> due() const { return std::nullopt; }

  // What the queue does with it.

  /// Something has happened: asks is_true(), and queues it.
  void activate();
  void enable();
  void disable() noexcept { disabled_ = true; }
  /// Puts it to the end of the queue, or takes it out. Allocates nothing.
  void enqueue();
  void dequeue();
  void deactivate() noexcept { active_ = false; }

  [[nodiscard]] bool disabled() const noexcept { return disabled_; }
  [[nodiscard]] struct kevent& event() noexcept { return event_; }
  [[nodiscard]] bool has(unsigned flag) const noexcept { return (event_.flags & flag) != 0; }

 protected:
  [[nodiscard]] Queue& queue() const noexcept { return *queue_; }
  [[nodiscard]] int ident() const noexcept { return static_cast<int>(event_.ident); }
  void set_flag(unsigned flag, bool on) noexcept;

  std::uint32_t asked_fflags_;  // what the last change said; event_ has what is reported
  std::intptr_t asked_data_;

 private:
  Queue* queue_;
  struct kevent event_;
  bool active_ = false;  // true when last asked, and not reported since
  bool disabled_ = false;
  bool queued_ = false;
  // One element: this knote. It is moved into the queue's list and back.
  KnoteList place_ = KnoteList(1, this);
  KnoteList::iterator self_ = place_.begin();
};

[[nodiscard]] bool has_filter(std::int16_t filter) noexcept;
/// READ, WRITE, EXCEPT and VNODE: the ident is a descriptor.
[[nodiscard]] bool is_of_descriptor(std::int16_t filter) noexcept;

/// There is such a filter.
[[nodiscard]] std::unique_ptr<Knote> make_knote(Queue& queue, const struct kevent& change);

// By the file that the filters live in.
[[nodiscard]] std::unique_ptr<Knote> make_descriptor_knote(Queue&, const struct kevent&);
[[nodiscard]] std::unique_ptr<Knote> make_timer_knote(Queue&, const struct kevent&);
[[nodiscard]] std::unique_ptr<Knote> make_user_knote(Queue&, const struct kevent&);
[[nodiscard]] std::unique_ptr<Knote> make_signal_knote(Queue&, const struct kevent&);
[[nodiscard]] std::unique_ptr<Knote> make_process_knote(Queue&, const struct kevent&);
[[nodiscard]] std::unique_ptr<Knote> make_vnode_knote(Queue&, const struct kevent&);

/// Reads what has happened to files, and activates the queue's EVFILT_VNODE knotes.
void tell_of_files(const Queue& queue, int inotify);

}  // namespace kqueue_double
