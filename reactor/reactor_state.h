// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The members of a reactor, for reactor.cc, which registers the work, and turn.cc, which
/// does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "detent/affinity.h"
#include "detent/handler_list.h"
#include "detent/handler_table.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "functions.h"
#include "mailbox.h"
#include "observers.h"
#include "retired_objects.h"
#include "sys.h"
#include "turn_queue.h"
#include "watch_data.h"

namespace detent {

/// The number of the mailbox's wake-up. No table hands it out.
constexpr HandlerId kWakeupId = {.slot = UINT32_MAX, .generation = 1};

/// How far a turn has come; see Reactor::State::turn.
enum class Phase : std::uint8_t { idle, begun, waited, collected };

using Watches = HandlerTable<void(Ready), WatchData>;

[[noreturn]] void fail_empty(const char* call);
/// Throws std::invalid_argument that names `call` when its callback is empty.
inline void check_not_empty(bool has_function, const char* call) {
  if (!has_function) [[unlikely]]
    fail_empty(call);
}

struct Reactor::State {
  State(Reactor& reactor, ReactorOptions options);

  // For functions that must not throw.
  const State& checked(const char* call) const noexcept {
    affinity.check_or_terminate(call);
    return *this;
  }

  // Throws inside a turn, since turns do not nest.
  void check_idle(const char* call) const {
    affinity.check(call);
    if (in_turn) [[unlikely]]
      fail_busy(call);
  }
  [[noreturn]] void fail_busy(const char* call) const;

  // Runs a part of a turn. Passes what a callback throws to on_exception, if that is set.
  template <class Part>
  void guarded(Part&& part) {
    in_turn = true;
    has_now = false;
    struct Leave {
      bool& flag;
      ~Leave() { flag = false; }
    } const leave = {in_turn};
    try {
      part();
    } catch (...) {
      check_not_destroyed();
      waited_in_full = false;
      const Name name = std::exchange(source_thrower, std::nullopt).value_or(last_thrower);
      if (!on_exception) throw;
      on_exception(std::current_exception(), name);
    }
  }

  // After a callback, which may have destroyed the reactor.
  void check_not_destroyed() const noexcept {
    if (is_closing) [[unlikely]]
      die_destroyed();
  }
  [[noreturn]] static void die_destroyed() noexcept;

  // For an embedder that sleeps on native_handle(): what prepare() returned is not true any more.
  void wake_embedder() const noexcept {
    if (!in_turn) mailbox->interrupt();
  }

  Handle add_hook(HandlerList<void()>& hooks, Callback<void()>&& hook, const Name& name);
  WatchData& data_of(HandlerId id, const char* call);
  void change(const Watches::Entry& entry, WatchData& data, Interest interest, bool paused,
              const char* call);

  // ---- turn.cc. The inline ones are that file's alone.
  void turn(std::optional<Duration> max_wait);
  void turn_observed(std::optional<Duration> max_wait);
  inline void go_on(std::optional<Duration> max_wait);
  void finish_interrupted_turn();
  void prepare_turn();
  inline void begin_turn();
  inline void complete_turn(std::optional<Duration> max_wait);
  void collect_posts();
  void let_posts_gather(std::optional<Duration> max_wait) const;
  inline void wait(std::optional<Duration> max_wait);
  void wait_observed(std::optional<Duration> max_wait);
  void mark_ended() noexcept;
  void run_posts();
  inline void run_posted(Callback<void()>& function);
  void run_deferred();
  void run_put_off();
  void run_observed(Callback<void()>& function);
  void run_function(Functions& functions, Functions::Entry& entry);
  void do_late_work();
  inline void dispatch(const Event& event);
  void dispatch_other(Watches::Entry* entry, const Event& event);
  void handle_unknown_id(const Event& event);
  void call_other(Watches::Entry& entry, Ready ready);
  void call_ended(Watches::Entry& entry, Ready ready);

  [[nodiscard]] bool has_events() const noexcept { return next_event < events.size(); }
  [[nodiscard]] bool has_functions() const noexcept {
    return !posted.empty() || !deferred.empty() || has_late_work;
  }

  // Never changes, since other threads read it: post(), wake() and stop() read `mailbox`, and a
  // refused post() `affinity`.
  const Affinity affinity;
  Reactor& reactor;
  Clock& clock;
  const Budgets budgets;
  const bool gather_posts;
  Callback<void(std::exception_ptr, const Name&)> on_exception;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();

  // Only the loop's thread uses the rest.
  alignas(kDestructiveInterferenceSize) std::unique_ptr<Poller> poller;
  Counters counters;
  Observers observers;
  TimePoint now = {};
  bool has_now = false;         // `now` was read since the wait, or since the turn began
  bool in_turn = false;         // or in ~Reactor
  Phase phase = Phase::idle;    // what the turn has reached
  bool prepared = false;        // by prepare(); dispatch() goes on with that turn
  bool waited_in_full = false;  // the last wait found nothing until its time was over
  bool is_closing = false;      // ~Reactor has begun

  std::vector<Event> room;     // for as many events as the budget of a turn
  std::span<Event> events;     // of this turn, or carried over by an exception; in `room`
  std::size_t next_event = 0;  // those before it are done
  struct Again {
    Event event;
    std::uint64_t thrown_in;  // which turn
  };
  std::vector<Again> again;            // sources that threw, for the next turn
  HandlerId called_again = {};         // of those, the one that is called now
  std::optional<Name> source_thrower;  // of the callback whose exception left a source

  // An empty function marks the place of the next of `put_off` in the order.
  TurnQueue<Callback<void()>> posted;
  Functions put_off;
  bool has_late_work = false;  // `again` is not empty, or the reactor was destroyed
  // Not in the mailbox: a loop that waits must leave its cache lines to the threads that post.
  bool flooded = false;         // the last collection found a flood from other threads
  TimePoint next_collect = {};  // when flooded: let posts gather until then
  Functions deferred;
  HandlerList<void()> before_wait;
  HandlerList<void()> after_wait;
  Duration waited = {};  // in this turn; measured for the observers
  Watches watches;
  RetiredObjects retired;
  Service* services = nullptr;
  ServiceLink link;
  Handle attachment;
};

}  // namespace detent
