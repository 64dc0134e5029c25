// SPDX-License-Identifier: BSL-1.0
// What does a wait cost that finds one ready descriptor? By how many others are watched, on every
// poller, and by how large the descriptor's number is. docs/pollers.md has the table.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <detent/poller.h>
#include <detent/unique_fd.h>

namespace {

using detent::UniqueFd;

UniqueFd opened(int fd, const char* call) {
  if (fd == -1) throw std::system_error(errno, std::system_category(), call);
  return UniqueFd(fd);
}

class ReadablePipe {
 public:
  ReadablePipe() {
    int ends[2];
    if (::pipe(ends) == -1 || ::write(ends[1], "x", 1) != 1) {
      throw std::system_error(errno, std::system_category(), "pipe");
    }
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
  }
  /// Another number for it, the first that is free from `least` on.
  [[nodiscard]] UniqueFd numbered(int least) const {
    return opened(::fcntl(reading_.fd(), F_DUPFD_CLOEXEC, least), "fcntl");
  }

 private:
  UniqueFd reading_;
  UniqueFd writing_;
};

void watch(detent::Poller& poller, const UniqueFd& fd) {
  poller.add(fd.fd(), {.readable = true}, {static_cast<std::uint32_t>(fd.fd()), 1});
}

void measure(benchmark::State& state, detent::Poller& poller) {
  std::vector<detent::Event> events;
  for (auto _ : state) {
    poller.wait(events, detent::Duration::zero());
    if (events.size() != 1) return state.SkipWithError("not one descriptor was ready");
  }
}

void wait_among_many(benchmark::State& state, std::string_view name) {
  const auto poller = detent::make_poller(name);
  const ReadablePipe ready;
  const UniqueFd one = ready.numbered(0);
  watch(*poller, one);
  std::vector<UniqueFd> silent;
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    silent.push_back(opened(::socket(AF_INET, SOCK_DGRAM, 0), "socket"));
    watch(*poller, silent.back());
  }
  measure(state, *poller);
}

void wait_for_number(benchmark::State& state, std::string_view name) {
  const auto poller = detent::make_poller(name);
  const ReadablePipe ready;
  const UniqueFd one = ready.numbered(static_cast<int>(state.range(0)));
  watch(*poller, one);
  measure(state, *poller);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto add = [](const std::string& name, auto function, std::string_view poller,
                      const std::vector<std::int64_t>& arguments) {
    auto* const bench = benchmark::RegisterBenchmark(
        (name + "/" + std::string(poller)).c_str(),
        [function, poller](benchmark::State& state) { function(state, poller); });
    bench->ArgsProduct({arguments})->MinTime(0.05)->Repetitions(9)->DisplayAggregatesOnly();
  };
  for (const std::string_view poller : detent::poller_names()) {
    add("one_ready_among", wait_among_many, poller, {10, 100, 1000});
    add("one_alone_numbered", wait_for_number, poller, {10, 1000});
  }
  benchmark::RunSpecifiedBenchmarks();
}
