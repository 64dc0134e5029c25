// SPDX-License-Identifier: BSL-1.0
// The yardstick: what one writes by hand when it has to be fast. epoll, one timerfd, and a heap of
// four children a node that knows the place of each timer and puts a timer off by a mere store.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <vector>

#include "peers/byte_reader.h"
#include "peers/contestant.h"
#include "peers/peers.h"
#include "support/check.h"
#include "workloads/datagram_server.h"
#include "workloads/echo_server.h"
#include "workloads/inbox.h"
#include <detent/unique_fd.h>

namespace bench {

namespace {

struct TimerNode {
  std::int64_t deadline = 0;
  std::uint32_t place = UINT32_MAX;  // in the heap; UINT32_MAX: none
  void (*on_expiry)(TimerNode*) = nullptr;
};

class TimerHeap {
 public:
  [[nodiscard]] bool empty() const { return items_.empty(); }

  // True when it is the earliest now.
  bool set(TimerNode* node, std::int64_t deadline) {
    node->deadline = deadline;
    if (node->place == UINT32_MAX) {
      items_.emplace_back();
      move_up(items_.size() - 1, {deadline, node});
    } else if (deadline < items_[node->place].deadline) {
      move_up(node->place, {deadline, node});
    }
    return node->place == 0;
  }

  void remove(TimerNode* node) {
    if (node->place == UINT32_MAX) return;
    const std::size_t hole = node->place;
    node->place = UINT32_MAX;
    const Item last = items_.back();
    items_.pop_back();
    if (last.node == node) return;
    if (hole > 0 && last.deadline < items_[(hole - 1) / 4].deadline) {
      move_up(hole, last);
    } else {
      move_down(hole, last);
    }
  }

  // Null when there is none. What was put off sinks here.
  TimerNode* earliest() {
    while (!items_.empty()) {
      TimerNode* const node = items_[0].node;
      if (node->deadline == items_[0].deadline) return node;
      move_down(0, {node->deadline, node});
    }
    return nullptr;
  }

 private:
  struct Item {
    std::int64_t deadline;
    TimerNode* node;
  };

  void put(std::size_t place, const Item& item) {
    items_[place] = item;
    item.node->place = static_cast<std::uint32_t>(place);
  }
  void move_up(std::size_t hole, const Item& item) {
    while (hole > 0 && item.deadline < items_[(hole - 1) / 4].deadline) {
      put(hole, items_[(hole - 1) / 4]);
      hole = (hole - 1) / 4;
    }
    put(hole, item);
  }
  void move_down(std::size_t hole, const Item& item) {
    for (;;) {
      const std::size_t first = hole * 4 + 1;
      if (first >= items_.size()) break;
      std::size_t least = first;
      const std::size_t end = std::min(first + 4, items_.size());
      for (std::size_t child = first + 1; child < end; ++child) {
        if (items_[child].deadline < items_[least].deadline) least = child;
      }
      if (items_[least].deadline >= item.deadline) break;
      put(hole, items_[least]);
      hole = least;
    }
    put(hole, item);
  }

  std::vector<Item> items_;
};

struct Handler {
  void (*on_ready)(Handler*);
};

std::int64_t read_clock() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

class RawEpoll {
 public:
  static constexpr std::size_t kMostTimers = SIZE_MAX;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  explicit RawEpoll(const std::string& /*name*/)
      : epoll_(opened(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

  template <class F>
  class Readable : Handler {
   public:
    Readable(RawEpoll& loop, int fd, F f)
        : Handler{[](Handler* self) { static_cast<Readable*>(self)->f_(); }},
          loop_(loop),
          fd_(fd),
          f_(f) {
      loop_.add(fd, EPOLLIN, this);
    }
    ~Readable() { ::epoll_ctl(loop_.epoll_.fd(), EPOLL_CTL_DEL, fd_, nullptr); }
    Readable(const Readable&) = delete;
    Readable& operator=(const Readable&) = delete;

   private:
    RawEpoll& loop_;
    int fd_;
    F f_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<RawEpoll, Readable, F>;
  using EchoServer = ReadableEchoServer<RawEpoll, Readable>;
  using DatagramServer = ReadableDatagramServer<RawEpoll, Readable>;
  using Inbox = ReadableInbox<RawEpoll, Readable>;

  template <class F>
  class Timer : TimerNode {
   public:
    Timer(RawEpoll& loop, std::chrono::nanoseconds delay, F f) : loop_(loop), f_(f) {
      on_expiry = [](TimerNode* self) { static_cast<Timer*>(self)->f_(); };
      rearm(delay);
    }
    ~Timer() { loop_.heap_.remove(this); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void rearm(std::chrono::nanoseconds delay) {
      const std::int64_t at = loop_.now() + delay.count();
      if (loop_.heap_.set(this, at)) loop_.arm(at);
    }
    void cancel() { loop_.heap_.remove(this); }

   private:
    RawEpoll& loop_;
    F f_;
  };

  // It keeps the grid: each deadline is one period after the one before.
  template <class F>
  class Periodic : TimerNode {
   public:
    Periodic(RawEpoll& loop, std::chrono::nanoseconds period, F f)
        : loop_(loop), period_(period.count()), f_(f) {
      on_expiry = [](TimerNode* self) { static_cast<Periodic*>(self)->tick(); };
      const std::int64_t first = read_clock() + period_;
      if (loop_.heap_.set(this, first)) loop_.arm(first);
    }
    ~Periodic() { loop_.heap_.remove(this); }
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

   private:
    void tick() {
      loop_.heap_.set(this, deadline + period_);  // whoever calls this arms for the earliest
      f_(1);
    }

    RawEpoll& loop_;
    std::int64_t period_;
    F f_;
  };

  void run() {
    for (stopped_ = false; !stopped_;) turn();
  }
  void stop() { stopped_ = true; }

 private:
  void add(int fd, std::uint32_t events, Handler* handler) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = handler;
    succeeded(::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }

  // Once a turn, and only if somebody asks.
  std::int64_t now() {
    if (now_ == 0) now_ = read_clock();
    return now_;
  }

  void turn() {
    const int count = ::epoll_wait(epoll_.fd(), events_.data(), kMostEvents, -1);
    now_ = 0;
    for (int i = 0; i < count; ++i) {
      auto* const handler = static_cast<Handler*>(events_[static_cast<std::size_t>(i)].data.ptr);
      if (handler == nullptr) {
        expire();
      } else {
        handler->on_ready(handler);
      }
    }
  }

  void expire() {
    armed_for_ = INT64_MIN;  // what is set meanwhile is looked at in the end
    TimerNode* node = heap_.earliest();
    for (; node != nullptr && node->deadline <= now(); node = heap_.earliest()) {
      heap_.remove(node);
      node->on_expiry(node);
    }
    armed_for_ = INT64_MAX;
    if (node != nullptr) arm(node->deadline);
  }

  // Edge-triggered and never read: setting it takes back what it has told.
  void arm(std::int64_t at) {
    if (at >= armed_for_) return;
    if (timer_.fd() == -1) {
      timer_.reset(opened(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create"));
      add(timer_.fd(), EPOLLIN | EPOLLET, nullptr);
    }
    armed_for_ = at;
    itimerspec setting{};
    setting.it_value.tv_sec = at / 1'000'000'000;
    setting.it_value.tv_nsec = at % 1'000'000'000;
    succeeded(::timerfd_settime(timer_.fd(), TFD_TIMER_ABSTIME, &setting, nullptr),
              "timerfd_settime");
  }

  static constexpr int kMostEvents = 1024;

  detent::UniqueFd epoll_;
  detent::UniqueFd timer_;
  TimerHeap heap_;
  std::int64_t armed_for_ = INT64_MAX;
  std::int64_t now_ = 0;
  bool stopped_ = false;
  std::array<epoll_event, kMostEvents> events_;
};

}  // namespace

void enter_raw_epoll(std::vector<Contestant>& all) {
  all.push_back(contestant<RawEpoll>("raw_epoll"));
}

}  // namespace bench
