// SPDX-License-Identifier: BSL-1.0
// What a program makes of its environment, for environment_test.cc: its own users, its poller and
// its seed.
#include <unistd.h>

#include <iostream>

#include "detent/poller.h"
#include "detent/simulation.h"

int main() {
  std::cout << (::getuid() == ::geteuid() ? "plain" : "set-uid") << std::endl
            << "poller " << detent::make_poller()->name() << std::endl
            << "seed " << detent::Simulation().seed() << std::endl;
}
