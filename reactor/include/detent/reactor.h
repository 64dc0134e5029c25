// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls a function of yours when a descriptor is ready, or when another thread asks for it.
///
///     detent::Reactor reactor;
///     auto watch = reactor.watch(fd, {.readable = true}, [&](detent::Ready) {
///       if (!read_from(fd)) reactor.stop();
///     });
///     reactor.run();
///
/// One turn of the loop, in this order:
///  1. before_wait hooks run; the poller applies pending changes of interest.
///  2. The wait; it does not sleep while posted, deferred, put-off or carried-over work exists.
///  3. after_wait hooks run.
///  4. Functions run that were posted before this phase began or put off to this turn by
///     next_turn(), in the order of the calls.
///  5. Descriptor callbacks run in the poller's order, timers when their alarm's turn comes.
///  6. Functions run that were deferred before this phase began.
///  7. The numbers of ended registrations become reusable; retired objects are destroyed.
///
/// What a phase schedules for itself runs in the next turn, and each phase has a budget. So nothing
/// can lock the loop up. An exception ends the turn at once; the next turn does the rest.
/// Lifetimes: handle.h.
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
#include "detent/observer.h"
#include "detent/poller.h"
#include "detent/poster.h"
#include "detent/retirable.h"
#include "detent/watch.h"

namespace detent {

class Service;

/// How much of each kind one turn does at most; the next turn does the rest. All at least 1.
/// Sources bound what they do in one event by their own options.
struct Budgets {
  std::size_t events = 1024;     ///< Ready descriptors.
  std::size_t functions = 1024;  ///< Posted and put-off functions; and as many deferred ones.
};

struct ReactorOptions {
  std::unique_ptr<Poller> poller = {};  ///< Null: make_poller().
  Clock* clock = nullptr;               ///< Null: kernel_clock(). Must outlive the reactor.
  Budgets budgets = {};
  /// Gets what a callback threw and the callback's Name; then the loop goes on. If it is empty, the
  /// exception leaves run(). So does what this function itself throws.
  Callback<void(std::exception_ptr, const Name&)> on_exception = {};
  /// Lets posts gather in a flood, which is 32 or more at once from other threads. After one, a
  /// loop with nothing but posts to do takes the next ones 4 µs later, together. This takes fewer
  /// turns, but each post runs a little later.
  bool gather_posts = false;
};

/// Counted since the reactor was made.
struct Counters {
  std::uint64_t turns = 0;
  std::uint64_t callbacks = 0;     ///< As returned by run_once.
  std::uint64_t stale_events = 0;  ///< Events without a callback: the registration had ended.
};

/// The loop. Belongs to the thread that makes it. Other threads may use only post, stop, wake and a
/// Poster. All else throws std::logic_error there, or ends the program with a message where it is
/// noexcept. Only what costs nothing to get, as clock() and budgets(), is not checked. In a forked
/// child only destroying it is legal, and leaves the parent's loop alone. There stop and wake do
/// nothing, and all functions that can throw do. Destroying it inside one of its callbacks ends the
/// program with a message when that callback returns. std::exit() in a callback is legal, even if
/// the loop has static storage.
///
/// Each function that takes a callback throws std::invalid_argument when the callback is empty.
class Reactor final : private HandleOwner {
 public:
  /// Throws std::system_error when the kernel refuses a descriptor, and what make_poller throws.
  explicit Reactor(ReactorOptions options = {});
  /// Destroys posted, put-off and deferred functions without running them. Handles become inert.
  ~Reactor();

  /// Calls `on_ready` while `fd` is ready, until the Watch is destroyed. The caller keeps `fd`, and
  /// closes it after the Watch. One number can be watched once (make a duplicate for a second
  /// watch). Reports what `interest` asks for, read_closed with readable, and hangup, error and
  /// invalid unasked. With an empty interest it reports only invalid. An event without readable,
  /// writable and priority comes once, and the watch is silent until set_interest or resume.
  /// `invalid` comes once and ends the watch. Throws what Poller::add throws, with the descriptor
  /// and `name` in its text.
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

  /// For a source: a type whose many callbacks share one descriptor, as timers share a kernel
  /// timer. Calls `serve(Ready)` while `fd` is readable. `serve` makes each callback within
  /// observed(), and returns how many it made. The source has to bound that number. A `serve` that
  /// throws counts as one callback. It is called again in the next turn with the same Ready,
  /// whether or not `fd` is ready then. Else as watch().
  template <class Serve>
  [[nodiscard]] Watch watch_source(int fd, Serve serve, Name name = {}) {
    return add_source(
        fd, [this, serve = std::move(serve)](Ready ready) mutable { run_source(serve, ready); },
        name);
  }

  /// Runs `function` in a later phase 4, in the order of posting. Any thread. Allocates nothing in
  /// steady state when the callable is stored inline.
  void post(Callback<void()> function);
  /// For threads that may outlive the loop.
  [[nodiscard]] Poster poster() const noexcept;
  /// Runs `function` once, in phase 4 of the next turn, also when called in a hook of this one.
  /// Uses no kernel timer. Destroying the handle cancels it.
  [[nodiscard]] Handle next_turn(Callback<void()> function, Name name = {});
  /// Runs `function` once at the end of this turn (phase 6). When called in phase 6 or outside of a
  /// turn, at the end of the next one. Destroying the handle cancels it.
  [[nodiscard]] Handle defer(Callback<void()> function, Name name = {});

  /// Runs turns until stop(). Waits even if nothing is registered.
  void run();
  /// Runs turns until a callback ran, stop() or wake() was called, or `max_wait` has passed on
  /// clock(). Returns how many callbacks ran: hooks do not count. Consumes a pending stop.
  std::size_t run_once(std::optional<Duration> max_wait = std::nullopt);
  /// Ends run() after the current turn. Before run(), or if an exception leaves run() first, the
  /// next run() returns at once. Any thread, any signal handler; keeps errno.
  void stop() noexcept;
  /// Ends the current wait, or the next one. Any thread, any signal handler; keeps errno.
  void wake() noexcept;

  /// The time of this turn, read at the first call after the wait. Outside of turns, the current
  /// time.
  [[nodiscard]] TimePoint now() const;
  /// The number of this turn, or of the last one outside of turns. The first is 1.
  [[nodiscard]] std::uint64_t turn() const noexcept;
  [[nodiscard]] Clock& clock() const noexcept;
  [[nodiscard]] const Budgets& budgets() const noexcept;
  [[nodiscard]] const Counters& counters() const noexcept;

  /// To embed this loop in a foreign one, watch native_handle() there for readability. Before each
  /// sleep call prepare(), and sleep no longer than it returns (nullopt: no limit). After the sleep
  /// call dispatch(): it runs one turn without sleeping and returns how many callbacks ran, as
  /// run_once does. A foreign loop without a hook before its sleeps calls prepare() after
  /// dispatch(). Changes outside of a turn then make native_handle() readable. Throws not_supported
  /// for a poller without a native handle.
  [[nodiscard]] int native_handle();
  [[nodiscard]] std::optional<Duration> prepare();
  std::size_t dispatch();

  /// Runs `hook` in every turn, in phase 1 or 3, in the order of registration. When one throws, the
  /// turn skips those behind it.
  [[nodiscard]] Handle before_wait(Callback<void()> hook, Name name = {});
  [[nodiscard]] Handle after_wait(Callback<void()> hook, Name name = {});

  /// Tells `observer` of each callback and each turn from now on, until the handle is destroyed.
  /// Call it at any time. Several observers are told in the order of these calls.
  [[nodiscard]] Handle observe(Observer& observer);
  /// For a source: calls `function`, a user's callback, and tells the observers before and after.
  /// `describe()` makes the Observer::Call; it is called only when there are observers. Returns
  /// what `function` returns and throws what it throws.
  template <class Describe, class Function>
  [[gnu::always_inline]] decltype(auto) observed(Describe&& describe, Function&& function) {
    if (!is_observed_) [[likely]]
      return function();
    const Observed around(*this, describe());
    return function();
  }
  /// For a source that makes callbacks in an event of another source, which does not count them:
  /// adds them to Counters::callbacks, and to what run_once returns.
  void add_callbacks(std::size_t more) noexcept;
  /// For a source: destroys `object`, which may be running a function of its own, in phase 7 of
  /// this turn; if an exception ends the turn, in that of the next. Outside of a turn, destroys it
  /// at once. Its destructor may retire others. Null is legal. On another thread it ends the
  /// program with a message.
  void retire(std::unique_ptr<Retirable> object) noexcept;
  /// For a source: throws std::logic_error that names `call` on another thread or in a forked
  /// child.
  void check_thread(const char* call) const;
  /// For a source that may outlive the loop. A copy of the link says whether the loop still lives,
  /// and checks the thread.
  [[nodiscard]] const ServiceLink& link() const noexcept;

 private:
  friend class Watch;
  friend class Service;
  struct State;

  // A call that observers are told of.
  class Observed {
   public:
    Observed(Reactor& reactor, const Observer::Call& call) noexcept;
    Observed(const Observed&) = delete;
    Observed& operator=(const Observed&) = delete;
    ~Observed();

   private:
    Reactor& reactor_;
    Observer::Call call_;
  };

  // The event itself has counted as one callback.
  template <class Serve>
  void run_source(Serve& serve, Ready ready) {
    last_thrower.text = nullptr;
    try {
      add_callbacks(serve(ready) - 1);
    } catch (...) {
      call_source_again(ready);
      throw;
    }
  }

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  [[gnu::always_inline]] Watch add(int fd, Interest interest, Callback<void(Ready)>&& on_ready,
                                   const Name& name, bool is_source);
  Watch add_source(int fd, Callback<void(Ready)> serve, const Name& name);
  void call_source_again(Ready ready);
  void set_interest(HandlerId id, Interest interest);
  void set_paused(HandlerId id, bool paused);
  [[nodiscard]] Interest interest_of(HandlerId id) const noexcept;
  [[nodiscard]] int fd_of(HandlerId id) const noexcept;
  [[nodiscard]] Name name_of(HandlerId id) const noexcept;

  std::size_t run_due();

  std::unique_ptr<State> state_;
  bool is_observed_ = false;
};

}  // namespace detent
