// SPDX-License-Identifier: BSL-1.0
// A daemon with three jobs: one by the second, one by the working day of a place, and one that
// remembers its last run across restarts, so that what it missed meanwhile is made up for.
//
//     periodic_jobs STATE_FILE [SECONDS]       ends after so many seconds, or with SIGTERM
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <detent/calendar.h>
#include <detent/unique_fd.h>

namespace {

detent::Reactor* to_stop = nullptr;

void check(bool succeeded, const char* call) {
  if (!succeeded) throw std::system_error(errno, std::generic_category(), call);
}

// The last run of a job, in a file: seconds since 1970 and a line feed.
class State {
 public:
  explicit State(std::string path) : path_(std::move(path)) {}

  // Nullopt when there is none yet, and when the file is damaged: then nothing counts as missed.
  // One from the future is the calendar's business, which does not believe it.
  [[nodiscard]] std::optional<detent::WallTime> read() const {
    std::ifstream file(path_);
    std::string line;
    if (!std::getline(file, line)) return std::nullopt;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
    constexpr std::int64_t kMost = 9'000'000'000;
    const bool whole = error == std::errc() && end == line.data() + line.size();
    if (!whole || seconds < 0 || seconds > kMost) {
      std::printf("%s is damaged, and left aside\n", path_.c_str());
      return std::nullopt;
    }
    return detent::WallTime(std::chrono::seconds(seconds));
  }

  // At each instant the file is the old one or the new one, whole, even if the power fails.
  void write(detent::WallTime run) const {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(run.time_since_epoch()).count();
    const std::string text = std::to_string(seconds) + "\n";
    const std::string temporary = path_ + ".new";
    {
      const detent::UniqueFd file(
          ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
      check(static_cast<bool>(file), "open");
      const auto written = ::write(file.fd(), text.data(), text.size());
      check(written == static_cast<ssize_t>(text.size()), "write");
      check(::fsync(file.fd()) == 0, "fsync");
    }
    check(std::rename(temporary.c_str(), path_.c_str()) == 0, "rename");
  }

 private:
  std::string path_;
};

void print(const char* job, const detent::JobRun& run) {
  const auto late =
      std::chrono::duration_cast<std::chrono::milliseconds>(run.actual - run.scheduled);
  std::printf("%s: %lld ms late, %llu missed before\n", job, static_cast<long long>(late.count()),
              static_cast<unsigned long long>(run.missed));
}

// What follows the arguments' check: runs the jobs until the end.
void serve(const char* state_file, std::optional<std::chrono::seconds> length) {
  const State state(state_file);
  detent::Reactor reactor;
  to_stop = &reactor;
  for (const int signal : {SIGTERM, SIGINT}) {
    std::signal(signal, [](int) { to_stop->stop(); });
  }
  detent::WallTimerService timers(reactor);
  detent::Jobs jobs(timers);

  const auto pulse = jobs.schedule(detent::Cron("* * * * * *"), {},
                                   [](const detent::JobRun& run) { print("pulse", run); });
  const auto report =
      jobs.schedule(detent::Cron("0 9 * * mon-fri", {.zone = detent::TimeZone("Europe/Berlin")}),
                    {.jitter = {.most = std::chrono::minutes(5), .seed = 1}},
                    [](const detent::JobRun& run) { print("report", run); });
  // Remembered after the work is done: what is cut short is done again by the next process.
  const auto backup = jobs.schedule(detent::Cron("*/2 * * * * *"),
                                    {.missed = detent::MissedRuns::once, .last_run = state.read()},
                                    [&state](const detent::JobRun& run) {
                                      print("backup", run);
                                      state.write(run.scheduled);
                                    });
  detent::TimerService steady(reactor);
  detent::Timer end = steady.make([&reactor] { reactor.stop(); });
  if (length) end.rearm(*length);
  reactor.run();
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_IGN);  // it ends anyway
}

// Nullopt when it is no number of seconds.
std::optional<std::chrono::seconds> parse_length(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const auto length = argc == 3 ? parse_length(argv[2]) : std::nullopt;
  if (argc < 2 || argc > 3 || (argc == 3 && !length)) {
    std::fprintf(stderr, "usage: periodic_jobs STATE_FILE [SECONDS]\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    serve(argv[1], length);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "periodic_jobs: %s\n", error.what());
    return 1;
  }
  std::puts("stopped");
}
