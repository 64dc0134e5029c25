// SPDX-License-Identifier: BSL-1.0
#include "support/machine.h"

#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "support/check.h"
#include "support/cpu.h"
#include "support/json.h"

namespace bench {

namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string load() {
  double averages[3] = {};
  require(::getloadavg(averages, 3) == 3, "getloadavg failed");
  char text[64];
  std::snprintf(text, sizeof text, "[%.2f, %.2f, %.2f]", averages[0], averages[1], averages[2]);
  return text;
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts));
  return text;
}

}  // namespace

std::string machine_line(const std::string& commit) {
  utsname system{};
  succeeded(::uname(&system), "uname");
  return JsonLine()
      .field("kind", "machine")
      .field("cpu", processor())
      .field("cores", cores())
      .field("kernel", std::string(system.sysname) + " " + system.release)
      .field("compiler", DETENT_BENCH_COMPILER)
      .field("commit", commit)
      .raw("load", load())
      .field("date", date())
      .text();
}

}  // namespace bench
