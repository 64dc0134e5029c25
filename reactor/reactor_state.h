// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a reactor is made of, for reactor.cc, which says what there is to do, and turn.cc,
/// which does it.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "detent/affinity.h"
#include "detent/handler_list.h"
#include "detent/handler_table.h"
#include "detent/reactor.h"
#include "function_queue.h"
#include "mailbox.h"
#include "sys.h"
#include "watch_data.h"

namespace detent {

/// The number of the mailbox's wake-up, which no table hands out.
constexpr HandlerId kWakeupId = {.slot = UINT32_MAX, .generation = 1};

/// How far a turn has come; see Reactor::State::turn.
enum class Phase : std::uint8_t { idle, begun, waited, collected };

using Watches = HandlerTable<void(Ready), WatchData>;

struct Reactor::State {
  State(Reactor& reactor, ReactorOptions options);

  // For what must not throw.
  const State& checked(const char* call) const noexcept {
    affinity.check_or_terminate(call);
    return *this;
  }

  // Turns do not nest.
  void check_idle(const char* call) const {
    affinity.check(call);
    if (in_turn) throw std::logic_error(std::string(call) + ": inside one of its own callbacks");
  }

  // Runs a part of a turn, and hands what a callback throws to the handler, if there is one.
  template <class Part>
  void guarded(Part&& part) {
    in_turn = true;
    now.reset();
    struct Leave {
      bool& flag;
      ~Leave() { flag = false; }
    } const leave = {in_turn};
    try {
      part();
    } catch (...) {
      if (!on_exception) throw;
      on_exception(std::current_exception());
    }
  }

  WatchData& data_of(HandlerId id, const char* call) {
    Watches::Entry* entry = watches.find(id);
    if (entry == nullptr || entry->data.ended) sys::fail(call, ENOENT);
    return entry->data;
  }

  void change(WatchData& data, HandlerId id, Interest interest, bool paused);

  // ---- turn.cc. The inline ones are that file's alone.
  void turn(std::optional<Duration> max_wait);
  inline void begin_turn();
  inline void complete_turn(std::optional<Duration> max_wait);
  void collect_posts();
  void let_posts_gather(std::optional<Duration> max_wait) const;
  inline void wait(std::optional<Duration> max_wait);
  void mark_ended() noexcept;
  inline void dispatch(const Event& event);
  void dispatch_other(Watches::Entry* entry, const Event& event);
  void reach_nobody(const Event& event);
  inline void call(Watches::Entry& entry, Ready ready);
  void look_at(Watches::Entry& entry, Ready ready);
  void call_suspect(Watches::Entry& entry, Ready ready);
  void call_ended(Watches::Entry& entry, Ready ready);

  [[nodiscard]] bool has_events() const noexcept { return next_event < events.size(); }
  [[nodiscard]] bool has_functions() const noexcept { return !posted.empty() || !deferred.empty(); }

  // Stays as it is made: from other threads, post(), wake() and stop() look at `mailbox`, and a
  // refused post() at `affinity`.
  const Affinity affinity;
  Clock& clock;
  const Budgets budgets;
  Callback<void(std::exception_ptr)> on_exception;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();

  // The loop's own.
  alignas(kDestructiveInterferenceSize) std::unique_ptr<Poller> poller;
  Counters counters;
  std::optional<TimePoint> now;
  bool in_turn = false;
  Phase phase = Phase::idle;    // what the turn has reached
  bool prepared = false;        // by prepare(); dispatch() goes on with that turn
  bool waited_in_full = false;  // the last wait found nothing until its time was over
  bool counted_by_source = false;

  std::vector<Event> events;   // of this turn, or carried over by an exception
  std::size_t next_event = 0;  // before it: done
  FunctionQueue posted;
  // Here and not in the mailbox, whose cache lines a loop that waits must leave to those who post.
  bool flooded = false;         // the last collection, by other threads
  TimePoint next_collect = {};  // when flooded: what a loop that would sleep waits for
  FunctionQueue deferred;
  HandlerList<void()> before_wait;
  HandlerList<void()> after_wait;
  Watches watches;
  Lifeline line;
  Handle attachment;
};

}  // namespace detent
