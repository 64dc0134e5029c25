// SPDX-License-Identifier: BSL-1.0
/// \file
/// What is counted: each function does so many operations of one kind, a thousand or a multiple of
/// it, as a user of the library would.
///
/// They repeat to the instruction. So they use one thread and the epoll poller, and their timers a
/// virtual clock; where they need the kernel's, no order depends on it.
#pragma once

#include <cstddef>
#include <stdexcept>

#include "detent/poller.h"
#include "detent/reactor.h"

namespace detent::guards {

using Workload = void (*)(std::size_t operations);

// An operation is a byte that is received and sent on, with one or a hundred of them under way.
void dispatch_m1(std::size_t events);
void dispatch_m1_idle_timer(std::size_t events);
void dispatch_m100(std::size_t events);
void dispatch_m100_idle_timer(std::size_t events);
void set_up_watch(std::size_t watches);

// On a thousand one-shot timers; ticks of a thousand periodic ones.
void timer_add(std::size_t timers);
void timer_rearm_random(std::size_t rearms);
void timer_rearm_later(std::size_t rearms);
void timer_cancel(std::size_t timers);
void timer_fire(std::size_t timers);
void timer_periodic_tick(std::size_t ticks);
void timer_wake_up(std::size_t wake_ups);  // of the kernel's clock, for one timer

void post(std::size_t functions);    // to a loop that is awake, ten a turn
void wake_up(std::size_t wake_ups);  // by posting, of a loop that was about to sleep

// The client is in here, too.
void echo_request(std::size_t requests);
void accept_churn(std::size_t connections);

/// A workload that did not do its work has no figure.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

inline ReactorOptions on_epoll(Clock* clock = nullptr) {
  return {.poller = make_poller("epoll"), .clock = clock};
}

}  // namespace detent::guards
