// SPDX-License-Identifier: BSL-1.0
// Trials that several programs make.
#pragma once

#include <cstddef>

#include "peers/contestant.h"
#include "support/in_process.h"

namespace bench {

/// Metrics: ns_per_event, and with one byte in flight set_up_ns_per_fd.
void measure_ring(benchmark::State& state, const Contestant& peer, const Ring& ring,
                  const RingCase& test_case);

/// Metrics: add_ns, random_rearm_ns, idle_rearm_ns, cancel_ns and fire_ns. At least so many of
/// each.
void measure_timers(benchmark::State& state, const Contestant& peer, std::size_t timers,
                    std::size_t least);

}  // namespace bench
