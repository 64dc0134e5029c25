// SPDX-License-Identifier: BSL-1.0
// The level-triggered reports, compared with poll(2) after each of many random operations.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

constexpr int kOperations = 20'000;

struct End {
  int fd = -1;
  bool reads = false;
  bool writes = false;
  std::map<int, bool> added = {};  // the filters, and whether they are enabled
};

class Stage {
 public:
  explicit Stage(std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 4; ++i) {
      open(make_socket_pair(), true);
      open(make_pipe(), false);
    }
  }

  void run() {
    for (int i = 0; i < kOperations && !testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("operation " + std::to_string(i));
      act();
      compare();
    }
  }

 private:
  void open(SocketPair pair, bool both_ways) {
    ends_.push_back({.fd = pair.near.fd(), .reads = true, .writes = both_ways});
    ends_.push_back({.fd = pair.far.fd(), .reads = both_ways, .writes = true});
    pairs_.push_back(std::move(pair));
  }

  std::size_t dice(std::size_t sides) { return random_() % sides; }

  void act() {
    const std::size_t which = dice(ends_.size());
    End& end = ends_[which];
    const int filter = dice(2) == 0 ? EVFILT_READ : EVFILT_WRITE;
    const std::size_t what = dice(160);
    if (what < 52) {
      if (end.writes) fill(end.fd);
    } else if (what < 92) {
      if (end.reads) drain(end.fd);
    } else if (what < 116) {
      add(end, filter);
    } else if (what < 128) {
      EXPECT_EQ(queue_.apply(end.fd, filter, EV_DELETE) == 0, end.added.erase(filter) == 1);
    } else if (what < 156) {
      set_enabled(end, filter, dice(2) == 0);
    } else if (what < 159) {
      reopen(which / 2);
    } else if (end.reads && end.writes) {
      ::shutdown(end.fd, SHUT_WR);
    }
  }

  void add(End& end, int filter) {
    if (filter == EVFILT_READ ? !end.reads : !end.writes) return;
    EXPECT_EQ(queue_.add(end.fd, filter), 0);
    end.added.try_emplace(filter, true);
  }

  void set_enabled(End& end, int filter, bool on) {
    const int error = queue_.apply(end.fd, filter, on ? EV_ENABLE : EV_DISABLE);
    const auto place = end.added.find(filter);
    EXPECT_EQ(error == 0, place != end.added.end());
    if (place != end.added.end()) place->second = on;
  }

  void fill(int fd) {
    const std::string bytes(dice(8) == 0 ? 1'000'000 : dice(3000) + 1, 'x');
    static_cast<void>(!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (!is_socket(fd)) static_cast<void>(!::write(fd, bytes.data(), bytes.size()));
  }

  void drain(int fd) {
    static std::array<char, 100'000> buffer;
    static_cast<void>(!::read(fd, buffer.data(), dice(buffer.size()) + 1));
  }

  // Closes both, with what was registered; the numbers come back as something else.
  void reopen(std::size_t which) {
    const bool was_socket = ends_[2 * which].writes;
    pairs_[which] = {};
    pairs_[which] = was_socket ? make_pipe() : make_socket_pair();
    ends_[2 * which] = {.fd = pairs_[which].near.fd(), .reads = true, .writes = !was_socket};
    ends_[2 * which + 1] = {.fd = pairs_[which].far.fd(), .reads = !was_socket, .writes = true};
  }

  using Reports = std::map<std::pair<int, int>, bool>;  // descriptor and filter; is it the end?

  [[nodiscard]] Reports expected() const {
    Reports all;
    for (const End& end : ends_) {
      for (const auto& [filter, enabled] : end.added) {
        const bool reads = filter == EVFILT_READ;
        const int wanted = reads ? POLLIN : POLLOUT;
        const int state = poll_one(end.fd, wanted | POLLRDHUP);
        if (!enabled || (state & (wanted | POLLHUP | POLLERR | POLLRDHUP)) == 0) continue;
        const bool is_socket = end.reads && end.writes;
        // poll(2) does not tell a socket's writer that its own side is shut down.
        if (!reads && (state & (POLLOUT | POLLERR)) == 0) continue;
        const int over = reads ? POLLRDHUP | POLLHUP : POLLERR;
        all[{end.fd, filter}] = (!is_socket || reads) && (state & over) != 0;
      }
    }
    return all;
  }

  void compare() {
    Reports reported;
    for (const Event& event : queue_.collect()) {
      const int fd = static_cast<int>(event.ident);
      const bool is_socket_writer = event.filter == EVFILT_WRITE && is_socket(fd);
      reported[{fd, event.filter}] = !is_socket_writer && has(event, EV_EOF);
    }
    Reports wanted = expected();
    // A writer that is at its end is reported although poll(2) finds it full.
    for (const auto& [key, over] : reported) {
      if (key.second == EVFILT_WRITE && is_socket(key.first) && !wanted.contains(key)) {
        EXPECT_EQ(::send(key.first, "", 0, MSG_NOSIGNAL), -1) << key.first;
        wanted[key] = over;
      }
    }
    EXPECT_EQ(reported, wanted);
    if (!wanted.empty()) {
      EXPECT_TRUE(is_readable(queue_.fd()));
    }
  }

  [[nodiscard]] static bool is_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  }

  std::mt19937_64 random_;
  TestQueue queue_;
  std::vector<SocketPair> pairs_;
  std::vector<End> ends_;
};

TEST_F(KqueueDouble, TheLevelsAgreeWithPollAfterEachOfManyRandomOperations) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Stage(seed).run();
  }
}

}  // namespace
}  // namespace kqueue_double
