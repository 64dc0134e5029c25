// SPDX-License-Identifier: BSL-1.0
// usage: workload [--compiler | NAME OPERATIONS], does so many operations and prints how often they
// allocated. Instructions and system calls are for others to count: see tests/dev/tool/guards.py.
// Without arguments, the names.
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "counted.h"
#include "workloads.h"

namespace {

using namespace detent::guards;

const std::map<std::string_view, Workload> workloads = {
    {"dispatch_m1", dispatch_m1},
    {"dispatch_m1_idle_timer", dispatch_m1_idle_timer},
    {"dispatch_m100", dispatch_m100},
    {"dispatch_m100_idle_timer", dispatch_m100_idle_timer},
    {"set_up_watch", set_up_watch},
    {"timer_add", timer_add},
    {"timer_rearm_random", timer_rearm_random},
    {"timer_rearm_later", timer_rearm_later},
    {"timer_cancel", timer_cancel},
    {"timer_fire", timer_fire},
    {"timer_periodic_tick", timer_periodic_tick},
    {"timer_wake_up", timer_wake_up},
    {"post", post},
    {"wake_up", wake_up},
    {"echo_request", echo_request},
    {"accept_churn", accept_churn},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    workloads.at(argv[1])(std::stoul(argv[2]));
    std::printf("%zu\n", counted_allocations());
  } else if (argc == 2 && std::string_view(argv[1]) == "--compiler") {
    std::puts(DETENT_GUARDS_COMPILER);
  } else {
    for (const auto& [name, workload] : workloads) std::printf("%s\n", name.data());
  }
}
