// SPDX-License-Identifier: BSL-1.0
#include "support/cpu.h"

#include <sched.h>

#include <ctime>
#include <vector>

#include "support/check.h"

namespace bench {

namespace {

Nanoseconds read_clock(clockid_t clock) {
  timespec time{};
  succeeded(::clock_gettime(clock, &time), "clock_gettime");
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(static_cast<double>(time.tv_nsec));
}

// As the program found them, before any pinning.
const std::vector<int>& given_cores() {
  static const std::vector<int> given = [] {
    cpu_set_t set;
    succeeded(::sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
    std::vector<int> found;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(static_cast<std::size_t>(core), &set)) found.push_back(core);
    }
    return found;
  }();
  return given;
}

}  // namespace

Nanoseconds thread_cpu() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

Nanoseconds process_cpu(pid_t process) {
  clockid_t clock = 0;
  require(::clock_getcpuclockid(process, &clock) == 0, "clock_getcpuclockid failed");
  return read_clock(clock);
}

Nanoseconds elapsed() { return read_clock(CLOCK_MONOTONIC); }

unsigned cores() { return static_cast<unsigned>(given_cores().size()); }

void pin_to_core(unsigned which) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(given_cores()[which % cores()]), &set);
  succeeded(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

}  // namespace bench
