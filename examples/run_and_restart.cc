// SPDX-License-Identifier: BSL-1.0
// Runs a command, and starts it again when it fails, each time after twice the delay:
//
//     ./dev run run_and_restart -- --first-delay 500 sh -c 'sleep 2; exit 1'
//
// A run of ten seconds or more sets the delay back. A run that succeeds ends the program. So do
// SIGTERM and SIGINT: the command gets SIGTERM, and SIGKILL after five seconds. When it has ended,
// what is left of its process group gets SIGKILL.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <detent/children.h>
#include <detent/reactor.h>
#include <detent/signals.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

namespace {

constexpr detent::Duration kLongRun = 10s;
constexpr detent::Duration kLongestDelay = 60s;
constexpr detent::Duration kGrace = 5s;

struct Options {
  detent::Duration first_delay = 100ms;
  std::vector<std::string> command;
};

Options parse(int argc, char** argv) {
  Options options;
  int first = 1;
  if (argc > 3 && std::string(argv[1]) == "--first-delay") {
    options.first_delay = std::chrono::milliseconds(std::stoi(argv[2]));
    first = 3;
  }
  options.command.assign(argv + std::min(first, argc), argv + argc);
  if (options.command.empty()) {
    throw std::invalid_argument("usage: run_and_restart [--first-delay MILLISECONDS] COMMAND...");
  }
  return options;
}

std::string describe(const detent::ProcessExit& exit) {
  if (exit.signal) return "ended by signal " + std::to_string(*exit.signal);
  return "ended with code " + std::to_string(exit.code.value_or(-1));
}

class Supervisor {
 public:
  Supervisor(detent::Reactor& reactor, Options options)
      : reactor_(reactor), options_(std::move(options)), delay_(options_.first_delay) {
    start();
  }

  void end() {
    restart_.disarm();
    is_ending_ = true;
    if (!child_.terminate(kGrace)) return;
    while (child_) reactor_.run_once();
    // Until the grace is over, children_ keeps the number of the group.
    ::kill(-child_.pid(), SIGKILL);
  }

 private:
  void start() {
    started_ = timers_.clock_now();
    child_ = children_.spawn({.arguments = options_.command, .own_group = true},
                             [this](const detent::ProcessExit& exit) { on_exit(exit); });
    std::printf("%d started\n", child_.pid());
  }

  void on_exit(const detent::ProcessExit& exit) {
    std::printf("%d %s\n", exit.pid, describe(exit).c_str());
    if (exit.code == 0) reactor_.stop();
    if (exit.code == 0 || is_ending_) return;
    if (timers_.clock_now() - started_ >= kLongRun) delay_ = options_.first_delay;
    restart_.rearm(delay_);
    delay_ = std::min(2 * delay_, kLongestDelay);
  }

  detent::Reactor& reactor_;
  const Options options_;
  detent::Duration delay_;
  bool is_ending_ = false;
  detent::TimePoint started_;
  detent::TimerService timers_{reactor_};
  detent::Timer restart_ = timers_.make([this] { start(); });
  detent::Children children_{reactor_};
  detent::Child child_;
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // each line at once, into a pipe too
  try {
    detent::Reactor reactor;
    detent::Signals signals(reactor);
    const auto stop = signals.watch({SIGINT, SIGTERM}, [&](const auto&) { reactor.stop(); });
    Supervisor supervisor(reactor, parse(argc, argv));
    reactor.run();
    supervisor.end();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "run_and_restart: %s\n", error.what());
    return 1;
  }
}
