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
///  1. before_wait hooks run; pending changes of interest are applied.
///  2. The wait; it does not sleep while posted, deferred, put-off or carried-over work exists.
///  3. after_wait hooks run.
///  4. Posted functions run, those posted before this phase began, and those that were put off to
///     this turn, in the order of their calls.
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
#include "detent/observer.h"
#include "detent/poller.h"
#include "detent/poster.h"
#include "detent/watch.h"

namespace detent {

class Service;

/// How much of a kind one turn does at most; the rest is done in the next turn. All at least 1.
/// What sources do in one event is bounded by their own options.
struct Budgets {
  std::size_t events = 1024;     ///< Ready descriptors.
  std::size_t functions = 1024;  ///< Posted and put-off functions; and as many deferred ones.
};

struct ReactorOptions {
  std::unique_ptr<Poller> poller = {};  ///< Null: make_poller().
  Clock* clock = nullptr;               ///< Null: kernel_clock(). Must outlive the reactor.
  Budgets budgets = {};
  /// Gets what a callback threw and the callback's Name, and the loop goes on. Empty: it leaves
  /// run(). What this function throws itself leaves run().
  Callback<void(std::exception_ptr, const Name&)> on_exception = {};
  /// Lets posts gather in a flood: after 32 or more at once from other threads, a loop that would
  /// sleep if there were no more takes the next ones 4 µs later, together. Fewer turns for the same
  /// posts, each a little later.
  bool gather_posts = false;
};

/// Counted since the reactor was made.
struct Counters {
  std::uint64_t turns = 0;
  std::uint64_t callbacks = 0;     ///< As returned by run_once.
  std::uint64_t stale_events = 0;  ///< Events without a callback: their registration had ended.
};

/// The loop. Belongs to the thread that makes it: from another, only post, stop, wake and a Poster
/// may be used; all else throws std::logic_error, or ends the program with a message where it is
/// noexcept. Use in a forked child throws, too, or, for stop and wake, does nothing; there only
/// destroying is legal, and leaves the parent's loop alone. Destroying it inside one of its
/// callbacks ends the program with a message when that callback returns; std::exit() in a callback
/// is legal, with a loop of static storage too.
///
/// Each function that takes a callback throws std::invalid_argument when it is empty.
class Reactor final : private HandleOwner {
 public:
  /// Throws std::system_error when the kernel refuses a descriptor, and what make_poller throws.
  explicit Reactor(ReactorOptions options = {});
  /// Destroys what is still posted, put off or deferred without running it. Handles become inert.
  ~Reactor();

  /// Calls `on_ready` while `fd` is ready, until the Watch goes. `fd` stays the caller's, who
  /// closes it after the Watch; one number can be watched once (make a duplicate for a second
  /// watch). What was not asked for is not reported, but for read_closed, hangup, error and
  /// invalid. With no requested bit among them they are reported once, and the watch is silent
  /// until set_interest or resume. `invalid` comes once, after which the watch has ended.
  /// Throws what Poller::add throws, with the descriptor and `name` in its text.
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

  /// For a source: a type with callbacks of its own that stand behind one descriptor, as timers
  /// stand behind a kernel timer. Calls `serve(Ready)` while `fd` is readable. It returns how many
  /// callbacks it made, each within observed(); how many it makes in one call is for the source to
  /// bound. One that throws counts as one callback, and is called again in the next turn with the
  /// same Ready, whether or not `fd` is ready then. Else as watch().
  template <class Serve>
  [[nodiscard]] Watch watch_source(int fd, Serve serve, Name name = {}) {
    return add_source(
        fd, [this, serve = std::move(serve)](Ready ready) mutable { run_source(serve, ready); },
        name);
  }

  /// Runs `function` in a later phase 4, in the order of posting. From any thread. Allocates
  /// nothing in steady state when the callable is stored inline.
  void post(Callback<void()> function);
  /// For threads that may outlive the loop.
  [[nodiscard]] Poster poster() const noexcept;
  /// Runs `function` once, in phase 4 of the next turn; of the turn after when called in a hook of
  /// the present one. No kernel timer takes part. Taken back by the handle.
  [[nodiscard]] Handle next_turn(Callback<void()> function, Name name = {});
  /// Runs `function` once at the end of this turn (phase 6), or of the next one when called there
  /// or outside of a turn. Taken back by the handle.
  [[nodiscard]] Handle defer(Callback<void()> function, Name name = {});

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
  /// The number of this turn, or of the last one outside of turns. The first is 1.
  [[nodiscard]] std::uint64_t turn() const noexcept;
  [[nodiscard]] Clock& clock() const noexcept;
  [[nodiscard]] const Budgets& budgets() const noexcept;
  [[nodiscard]] const Counters& counters() const noexcept;

  /// Embedding in a foreign loop: watch native_handle() there for readability; before every sleep
  /// call prepare() and sleep no longer than it says (nullopt: as long as you like); then call
  /// dispatch(), which runs one turn without sleeping and returns how many callbacks ran, as
  /// run_once. A foreign loop without a hook before its sleeps calls prepare() after dispatch():
  /// what is changed later, outside of a turn, makes native_handle() readable. Where the poller
  /// cannot, native_handle() is not_supported.
  [[nodiscard]] int native_handle();
  [[nodiscard]] std::optional<Duration> prepare();
  std::size_t dispatch();

  /// Functions to run in every turn, phases 1 and 3, in the order of registration. When one throws
  /// those behind it are skipped in that turn.
  [[nodiscard]] Handle before_wait(Callback<void()> hook, Name name = {});
  [[nodiscard]] Handle after_wait(Callback<void()> hook, Name name = {});

  /// Tells `observer` of each callback and each turn from now on, until the handle goes. At any
  /// time; several at once are told in the order of their calls.
  [[nodiscard]] Handle observe(Observer& observer);
  /// For a source: calls `function`, a user's callback, and tells the observers before and after.
  /// `describe()` makes the Observer::Call; it is called only when somebody observes. Returns what
  /// `function` returns, and lets through what it throws.
  template <class Describe, class Function>
  [[gnu::always_inline]] decltype(auto) observed(Describe&& describe, Function&& function) {
    if (!is_observed_) [[likely]]
      return function();
    const Observed around(*this, describe());
    return function();
  }
  /// For a source: throws std::logic_error that names `call` when used by another thread or in a
  /// forked child.
  void check_thread(const char* call) const;
  /// For a source that may outlive the loop: a copy of this says whether the loop still lives, and
  /// checks the thread.
  [[nodiscard]] const Lifeline& line() const noexcept;

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

  // The event counted as one callback.
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
  void add_callbacks(std::size_t more) noexcept;
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
