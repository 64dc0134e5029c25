// SPDX-License-Identifier: BSL-1.0
#include "support/server_process.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/check.h"
#include "support/memory.h"
#include <detent/unique_fd.h>

namespace bench {

namespace {

// In the server. A signal handler has no other way to know.
int report_to = -1;
double allocated_before = 0;

template <class T>
void report(const T& value) {
  require(::write(report_to, &value, sizeof value) == sizeof value, "the server cannot report");
}

void report_memory(int /*signal*/) { report(allocated() - allocated_before); }

}  // namespace

ServerProcess::ServerProcess(const Serve& serve) {
  int ends[2];
  succeeded(::pipe(ends), "pipe");
  reports_.reset(ends[0]);
  detent::UniqueFd writing(ends[1]);
  process_ = static_cast<pid_t>(succeeded(::fork(), "fork"));
  if (process_ == 0) {
    reports_.reset();
    succeeded(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    pin_to_core(1);
    report_to = writing.fd();
    require(std::signal(SIGUSR1, report_memory) != SIG_ERR, "signal failed");
    allocated_before = allocated();
    serve([](std::uint16_t port) { report(port); });
    std::_Exit(1);  // it should not have ended
  }
  writing.reset();
  port_ = next_report<std::uint16_t>();
}

ServerProcess::~ServerProcess() {
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

double ServerProcess::memory() const {
  succeeded(::kill(process_, SIGUSR1), "kill");
  return next_report<double>();
}

template <class T>
T ServerProcess::next_report() const {
  T value{};
  require(::read(reports_.fd(), &value, sizeof value) == sizeof value,
          "the server ended before its time");
  return value;
}

}  // namespace bench
