// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours when a descriptor is ready, or when another thread asks for it.
///
///     detent::Reactor reactor;
///     auto watch = reactor.watch(fd, {.readable = true}, [&](detent::Ready) { read_from(fd); });
///     reactor.run();                               // until reactor.stop()
///
/// One turn of the loop, in this order:
///  1. before_wait hooks run; pending changes of interest are applied.
///  2. The wait; it does not sleep while posted, deferred or carried-over work exists.
///  3. after_wait hooks run.
///  4. Posted functions run, those posted before this phase began.
///  5. Descriptor callbacks run in the poller's order, timers when their alarm's turn comes.
///  6. Deferred functions run, those deferred before this phase began.
///  7. The numbers of ended registrations become reusable.
///
/// What a phase schedules for itself runs in the next turn, and each phase has a budget, so that
/// nothing can lock the loop up. An exception leaves the turn where it is: what was not yet done
/// is done by the next one. Lifetimes: handle.h.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "detent/callback.h"
#include "detent/clock.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/poller.h"
#include "detent/poster.h"
#include "detent/watch.h"

namespace detent {

/// How much of a kind one turn does at most; the rest is done in the next turn. All at least 1.
struct Budgets {
  std::size_t events = 1024;  ///< Descriptor callbacks.
  std::size_t posted = 1024;  ///< Posted functions, and deferred ones.
  std::size_t timers = 1024;  ///< Expired timers, for each service.
  std::size_t accepted = 64;  ///< Accepted connections, for each listener.
  std::size_t reads = 16;     ///< Reads, for each connection.
};

struct ReactorOptions {
  std::unique_ptr<Poller> poller = {};  ///< Null: make_poller().
  Clock* clock = nullptr;               ///< Null: kernel_clock(). Must outlive the reactor.
  Budgets budgets = {};
  /// Gets what a callback threw, and the loop goes on; empty: it leaves run(). What this throws
  /// itself leaves run().
  Callback<void(std::exception_ptr)> on_exception = {};
};

/// Counted since the reactor was made.
struct Counters {
  std::uint64_t turns = 0;
  std::uint64_t callbacks = 0;     ///< As returned by run_once.
  std::uint64_t stale_events = 0;  ///< Events that reached nobody, their registration having ended.
  /// How often a callback had been called in 1,000 turns running and then did nothing that changed
  /// what its descriptor is ready for: a busy loop. `spinning` is the last such callback.
  std::uint64_t spins = 0;
  Name spinning = {"", "", 0};
};

/// The loop. Belongs to the thread that makes it: from another, only post, stop, wake and a Poster
/// may be used; all else throws std::logic_error, or ends the program with a message where it is
/// noexcept. Use in a forked child throws, too, or, for stop and wake, does nothing; there only
/// destroying is legal, and leaves the parent's loop alone. Destroying it inside one of its
/// callbacks ends the program with a message.
class Reactor final : private HandleOwner {
 public:
  /// Throws std::system_error when the kernel refuses a descriptor, and what make_poller throws.
  explicit Reactor(ReactorOptions options = {});
  /// Destroys what is still posted or deferred without running it. Handles become inert.
  ~Reactor();

  /// Calls `on_ready` while `fd` is ready, until the Watch goes. `fd` stays the caller's, who
  /// closes it after the Watch; one number can be watched once (make a duplicate for a second
  /// watch). What was not asked for is not reported, but for read_closed, hangup, error and
  /// invalid. With no requested bit among them they are reported once, and the watch is silent
  /// until set_interest or resume. `invalid` comes once, after which the watch has ended.
  /// Throws what Poller::add throws.
  [[nodiscard]] Watch watch(int fd, Interest interest, Callback<void(Ready)> on_ready,
                            Name name = {});
  /// The same for anything with fd().
  template <class Source>
  requires requires(const Source& source) {
    { source.fd() } -> std::convertible_to<int>;
  }
  [[nodiscard]] Watch watch(const Source& source, Interest interest, Callback<void(Ready)> on_ready,
                            Name name = {}) {
    return watch(source.fd(), interest, std::move(on_ready), name);
  }

  /// Runs `function` in a later phase 4, in the order of posting. From any thread. Allocates
  /// nothing in steady state when the callable is stored inline. After 32 or more at once from
  /// other threads, a loop that would sleep if there were no more takes the next ones 4 µs later,
  /// together.
  void post(Callback<void()> function);
  /// For threads that may outlive the loop.
  [[nodiscard]] Poster poster() const noexcept;
  /// Runs `function` at the end of this turn (phase 6), or of the next one when called there or
  /// outside of a turn. It cannot be taken back; a timer with a delay of zero, from a
  /// TimerService, can.
  void defer(Callback<void()> function);

  /// Turns until stop(). With nothing registered it waits.
  void run();
  /// Turns until a callback ran, stop() or wake() was called, or `max_wait` has passed on clock().
  /// Returns how many callbacks ran: hooks do not count. Consumes a pending stop.
  std::size_t run_once(std::optional<Duration> max_wait = std::nullopt);
  /// Ends run() after the current turn; remembered when it comes before. If an exception leaves
  /// run() first, the next run() returns at once. Any thread, any signal handler; keeps errno.
  void stop() noexcept;
  /// Ends the current wait, or the next one. Any thread, any signal handler; keeps errno.
  void wake() noexcept;

  /// The time of this turn: read when first asked for after the wait. Outside of turns, the time.
  [[nodiscard]] TimePoint now() const;
  [[nodiscard]] Clock& clock() const noexcept;
  [[nodiscard]] const Budgets& budgets() const noexcept;
  [[nodiscard]] const Counters& counters() const noexcept;
  /// For types that are built on a reactor: throws std::logic_error that names `call` when used by
  /// another thread or in a forked child.
  void check(const char* call) const;

  /// Embedding in a foreign loop: watch native_handle() there for readability; before every sleep
  /// call prepare() and sleep no longer than it says (nullopt: as long as you like); then call
  /// dispatch(), which runs one turn without sleeping and returns how many callbacks ran, as
  /// run_once. Where the poller cannot, native_handle() is not_supported.
  [[nodiscard]] int native_handle() const;
  [[nodiscard]] std::optional<Duration> prepare();
  std::size_t dispatch();

  /// Functions to run in every turn, phases 1 and 3, in the order of registration. When one throws
  /// those behind it are skipped in that turn.
  [[nodiscard]] Handle before_wait(Callback<void()> hook, Name name = {});
  [[nodiscard]] Handle after_wait(Callback<void()> hook, Name name = {});

  /// For a source whose watch serves several callbacks, or none: the call in progress counts as
  /// `callbacks` instead of one. Its callback may say so more than once, adding up.
  void count_callbacks(std::size_t callbacks) noexcept;

 private:
  friend class Watch;
  struct State;

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  void set_interest(HandlerId id, Interest interest);
  void set_paused(HandlerId id, bool paused);
  [[nodiscard]] Interest interest_of(HandlerId id) const noexcept;
  [[nodiscard]] int fd_of(HandlerId id) const noexcept;

  std::size_t run_due();

  std::unique_ptr<State> state_;
};

}  // namespace detent
