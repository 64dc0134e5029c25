// SPDX-License-Identifier: BSL-1.0
// What does a wait cost that finds one ready descriptor? By how many others are watched, on every
// poller, and by how large the descriptor's number is. docs/pollers.md has the table.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
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

// The first argument of each benchmark; its name is the label.
std::unique_ptr<detent::Poller> make_poller(benchmark::State& state) {
  const std::string_view name = detent::poller_names()[static_cast<std::size_t>(state.range(0))];
  state.SetLabel(std::string(name));
  return detent::make_poller(name);
}

void measure(benchmark::State& state, detent::Poller& poller) {
  std::array<detent::Event, 64> room;
  while (state.KeepRunning()) {
    const auto events = poller.wait(room, detent::Duration::zero());
    if (events.size() != 1) return state.SkipWithError("not one descriptor was ready");
  }
}

void one_ready_among(benchmark::State& state) {
  const auto poller = make_poller(state);
  const ReadablePipe ready;
  const UniqueFd one = ready.numbered(0);
  watch(*poller, one);
  std::vector<UniqueFd> silent;
  for (std::int64_t i = 1; i < state.range(1); ++i) {
    silent.push_back(opened(::socket(AF_INET, SOCK_DGRAM, 0), "socket"));
    watch(*poller, silent.back());
  }
  measure(state, *poller);
}

void one_alone_numbered(benchmark::State& state) {
  const auto poller = make_poller(state);
  const ReadablePipe ready;
  const UniqueFd one = ready.numbered(static_cast<int>(state.range(1)));
  watch(*poller, one);
  measure(state, *poller);
}

void on_each_poller(benchmark::internal::Benchmark* bench,
                    const std::vector<std::int64_t>& values) {
  std::vector<std::int64_t> pollers(detent::poller_names().size());
  std::iota(pollers.begin(), pollers.end(), 0);
  bench->ArgNames({"poller", ""})->ArgsProduct({pollers, values});
  bench->MinTime(0.05)->Repetitions(9)->DisplayAggregatesOnly();
}

BENCHMARK(one_ready_among)->Apply([](benchmark::internal::Benchmark* bench) {
  on_each_poller(bench, {10, 100, 1000});
});
BENCHMARK(one_alone_numbered)->Apply([](benchmark::internal::Benchmark* bench) {
  on_each_poller(bench, {10, 1000});
});

}  // namespace

BENCHMARK_MAIN();
