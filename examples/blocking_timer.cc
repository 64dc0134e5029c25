// SPDX-License-Identifier: BSL-1.0
// A kernel timer without a loop: first after one second, then twice a second, four times in all.
#include <chrono>
#include <iostream>

#include <detent/timer_fd.h>

using namespace std::chrono_literals;

int main() {
  detent::TimerFd timer(detent::ClockId::wall);
  timer.arm(1s, 500ms);
  for (int i = 0; i < 4; ++i) {
    timer.read();
    std::cout << "Timer expired" << std::endl;
  }
}
