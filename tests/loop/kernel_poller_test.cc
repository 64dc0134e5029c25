// SPDX-License-Identifier: BSL-1.0
// What the pollers do with a real kernel's descriptors. A new poller is tested without a change
// here.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <new>

#include "detent/clock.h"
#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/allocations.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/processes.h"
#include "support/readiness.h"
#include "support/signal_storm.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

UniqueFd duplicate_of(const UniqueFd& fd) { return UniqueFd(::fcntl(fd.fd(), F_DUPFD_CLOEXEC, 0)); }

class KernelPoller : public PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(KernelPoller);

// --- D1: what cannot be added

TEST_P(KernelPoller, D1_ANumberThatIsNotOpenIsABadFileDescriptor) {
  const int closed = make_pipe().near.fd();
  for (const int fd : {closed, INT_MAX}) {
    for (const Interest interest : {kRead, Interest{}}) {
      EXPECT_EQ(error_of([&] { poller_->add(fd, interest, kFirst); }),
                std::errc::bad_file_descriptor);
    }
  }
}

TEST_P(KernelPoller, D1_RegularFilesAndDirectoriesAreNotPermitted) {
  for (const char* path : {"/proc/self/exe", "/"}) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    for (const Interest interest : {kRead, Interest{}}) {
      EXPECT_EQ(error_of([&] { poller_->add(file.fd(), interest, kFirst); }),
                std::errc::operation_not_permitted);
    }
  }
}

TEST_P(KernelPoller, S7_TheErrorOfARegularFileOrADirectoryNamesWhatTellsOfItsChanges) {
  for (const char* path : {"/proc/self/exe", "/"}) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    const auto message =
        message_of<std::system_error>([&] { poller_->add(file.fd(), kRead, kFirst); });
    EXPECT_NE(message.find("detent::Files tells of changes"), std::string::npos) << message;
  }
}

TEST_P(KernelPoller, D1_WhateverTheKernelSaysTheErrorBeginsWithTheCallAndTheDescriptor) {
  const UniqueFd folder(::open("/", O_RDONLY | O_CLOEXEC));
  const int closed = make_pipe().near.fd();
  for (const int fd : {folder.fd(), closed, INT_MAX}) {
    const auto message = message_of<std::system_error>([&] { poller_->add(fd, kRead, kFirst); });
    const std::string beginning = "Poller::add(" + std::to_string(fd) + "): ";
    EXPECT_TRUE(message.starts_with(beginning)) << message;
  }
}

TEST_P(KernelPoller, D1_AFailedAddLeavesNothingRegistered) {
  const int closed = make_pipe().near.fd();
  std::ignore = error_of([&] { poller_->add(closed, kRead, kFirst); });
  EXPECT_EQ(error_of([&] { poller_->remove(closed); }), std::errc::no_such_file_or_directory);
}

TEST_P(KernelPoller, AnAddThatRunsOutOfMemoryMayBeRepeated) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  {
    const OutOfMemory none;
    EXPECT_THROW(poller_->add(pair.near.fd(), kRead, kFirst), std::bad_alloc);
  }
  ASSERT_NO_THROW(poller_->add(pair.near.fd(), kRead, kFirst));
  EXPECT_TRUE(poll(kFirst).readable);
}

TEST_P(KernelPoller, D7_ItsOwnHandleIsRejectedAndAnotherPollersWorks) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_->native_handle());
    return;
  }
  EXPECT_TRUE(error_of([&] { poller_->add(poller_->native_handle(), kRead, kFirst); }));

  const auto inner = make_poller(GetParam());
  const SocketPair pair = make_socket_pair();
  inner->add(pair.near.fd(), kRead, kSecond);
  poller_->add(inner->native_handle(), kRead, kFirst);
  EXPECT_TRUE(poll().empty());
  put(pair.far.fd());
  EXPECT_TRUE(poll(kFirst).readable);
  take(pair.near.fd());
  wait_into(events_, *inner, Duration::zero());
  EXPECT_TRUE(poll().empty());
}

TEST_P(KernelPoller, D1_ADuplicateIsARegistrationOfItsOwn) {
  const SocketPair pair = make_socket_pair();
  const UniqueFd other = duplicate_of(pair.near);
  poller_->add(pair.near.fd(), kRead, kFirst);
  poller_->add(other.fd(), kWrite, kSecond);
  put(pair.far.fd());
  EXPECT_TRUE(poll(kFirst).readable);
  EXPECT_TRUE(poll(kSecond).writable);
  poller_->remove(other.fd());
  EXPECT_TRUE(poll(kFirst).readable);
  EXPECT_EQ(events_.size(), 1U);
}

TEST_P(KernelPoller, S11_NumbersMayBeLargeAndFarApartOrAreRefusedWhenAdded) {
  allow_many_descriptors();
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  std::map<std::uint32_t, UniqueFd> fds;
  for (const int least : {100, 900, 2000, 9000}) {
    UniqueFd fd(::fcntl(pair.near.fd(), F_DUPFD_CLOEXEC, least));
    if (!fd && least > 2000) continue;  // more than the limit
    ASSERT_TRUE(fd) << "the limit is below " << least;
    const auto slot = static_cast<std::uint32_t>(fd.fd());
    const auto error = error_of([&] { poller_->add(fd.fd(), kRead, {slot, 1}); });
    if (fd.fd() >= can_.descriptor_limit) {
      EXPECT_DIFFERENCE(error == std::errc::invalid_argument);
      continue;
    }
    EXPECT_FALSE(error);
    fds.emplace(slot, std::move(fd));
  }
  EXPECT_EQ(poll().size(), fds.size());
  for (const Event& event : events_) EXPECT_EQ(fds.count(event.id.slot), 1U);
}

TEST_P(KernelPoller, T10_WaitsForEveryKindOfDescriptor) {
  sigset_t mask;
  ::sigemptyset(&mask);
  const UniqueFd event(::eventfd(1, EFD_CLOEXEC));
  const UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec at_once = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1}};
  ::timerfd_settime(timer.fd(), TFD_TIMER_ABSTIME, &at_once, nullptr);
  const UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC));
  const UniqueFd files(::inotify_init1(IN_CLOEXEC));
  const SocketPair pipe = make_pipe();
  put(pipe.far.fd());
  const std::pair<int, bool> kinds[] = {{event.fd(), true},
                                        {timer.fd(), true},
                                        {signals.fd(), false},
                                        {files.fd(), false},
                                        {pipe.near.fd(), true}};
  for (const auto& [fd, is_ready] : kinds) {
    poller_->add(fd, kRead, kFirst);
    EXPECT_EQ(poll(kFirst), Ready{.readable = is_ready});
    poller_->remove(fd);
  }
}

// --- D2, D4: what the bits mean

TEST_P(KernelPoller, D2_AHalfCloseIsReadClosedAndReadableAndTheOtherWayStaysOpen) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd(), "unread");
  poller_->add(pair.near.fd(), kRead, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.readable = true});
  ::shutdown(pair.far.fd(), SHUT_WR);
  const Ready reader = poll(kFirst);
  poller_->modify(pair.near.fd(), kBoth, kFirst);
  const Ready both = poll(kFirst);
  if (can_.read_closed) {
    EXPECT_EQ(reader, (Ready{.readable = true, .read_closed = true}));
    EXPECT_EQ(both, (Ready{.readable = true, .writable = true, .read_closed = true}));
  } else {
    EXPECT_DIFFERENCE(reader == Ready{.readable = true});
    EXPECT_EQ(both, (Ready{.readable = true, .writable = true}));
  }
}

TEST_P(KernelPoller, D2_AWriterHearsNoHalfClose) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kWrite, kFirst);
  ::shutdown(pair.far.fd(), SHUT_WR);
  EXPECT_EQ(poll(kFirst), Ready{.writable = true});
}

TEST_P(KernelPoller, D4_AnUnrequestedHangUpIsReported) {
  SocketPair pair = make_socket_pair();
  constexpr Interest kUrgent = {.priority = true};
  if (!can_.priority) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kUrgent, kFirst));
    return;
  }
  poller_->add(pair.near.fd(), kUrgent, kFirst);
  pair.far.reset();
  const Ready ready = poll(kFirst);
  if (can_.hangup) {
    EXPECT_EQ(ready, (Ready{.readable = true, .hangup = true}));
  } else {
    EXPECT_DIFFERENCE(ready == Ready{});
  }
}

TEST_P(KernelPoller, D2_DataComesBeforeTheEndOfTheStream) {
  SocketPair pipe = make_pipe();
  poller_->add(pipe.near.fd(), kRead, kFirst);
  put(pipe.far.fd(), "last words");
  pipe.far.reset();
  const Ready ready = poll(kFirst);
  EXPECT_TRUE(ready.readable);
  if (can_.hangup) {
    EXPECT_TRUE(ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.readable && !ready.hangup);
  }
  EXPECT_EQ(take(pipe.near.fd()), "last words");
  EXPECT_TRUE(poll(kFirst).readable) << "the end is readable";
  EXPECT_EQ(take(pipe.near.fd()), "");
}

TEST_P(KernelPoller, D2_ABrokenPipeIsAnErrorOfTheWriter) {
  for (const bool full : {false, true}) {
    SocketPair pipe = make_pipe();
    if (full) fill(pipe.far.fd());
    poller_->add(pipe.far.fd(), kWrite, kFirst);
    EXPECT_EQ(poll().empty(), full);
    pipe.near.reset();
    const Ready ready = poll(kFirst);
    if (can_.hangup) {
      EXPECT_EQ(ready, (Ready{.writable = !full, .error = true}));
    } else {
      EXPECT_DIFFERENCE(ready.writable && !ready.hangup);
    }
    poller_->remove(pipe.far.fd());
  }
}

TEST_P(KernelPoller, D2_ASocketThatWasNeverConnectedIsHungUp) {
  const UniqueFd socket = make_tcp_socket(SOCK_NONBLOCK);
  poller_->add(socket.fd(), kWrite, kFirst);
  const Ready ready = poll(kFirst);
  if (can_.hangup) {
    EXPECT_EQ(ready, (Ready{.readable = true, .writable = true, .hangup = true}));
  } else {
    EXPECT_DIFFERENCE(!ready.hangup);
  }
}

TEST_P(KernelPoller, D2_ARefusedConnectionIsAnErrorThatTheSocketTells) {
  const UniqueFd nobody = make_tcp_socket();  // bound, and does not listen
  const sockaddr_in address = bind_to_loopback(nobody.fd());
  const UniqueFd socket = make_tcp_socket(SOCK_NONBLOCK);
  ASSERT_EQ(connect_to(socket.fd(), address), -1);
  poller_->add(socket.fd(), kWrite, kFirst);
  wait_into(events_, *poller_, std::nullopt);
  ASSERT_EQ(events_.size(), 1U);
  const Ready ready = events_[0].ready;
  EXPECT_TRUE(ready.writable);
  if (can_.hangup) {
    EXPECT_TRUE(ready.error && ready.hangup);
  } else {
    EXPECT_DIFFERENCE(ready.writable && !ready.hangup);
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST_P(KernelPoller, D2_UrgentDataIsPriority) {
  const SocketPair pair = make_tcp_pair();
  constexpr Interest kUrgent = {.priority = true};
  if (!can_.priority) {
    EXPECT_UNSUPPORTED(poller_->add(pair.near.fd(), kUrgent, kFirst));
    return;
  }
  poller_->add(pair.near.fd(), kUrgent, kFirst);
  put(pair.far.fd());
  EXPECT_TRUE(poll().empty()) << "readable, and nobody asked";
  ASSERT_EQ(::send(pair.far.fd(), "!", 1, MSG_OOB), 1);
  wait_into(events_, *poller_, std::nullopt);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.priority = true});
  char urgent = 0;
  EXPECT_EQ(::recv(pair.near.fd(), &urgent, 1, MSG_OOB), 1);
  EXPECT_TRUE(poll().empty()) << "read, and silent";
}

// --- D6: times

TEST_P(KernelPoller, D6_TheLongestWaitsEndWithAnEventAndNotBefore) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  using Wait = std::optional<Duration>;
  for (const Wait wait : {Wait(), Wait(Duration::max()), Wait(std::chrono::hours(24 * 25)),
                          Wait(std::chrono::hours(24 * 50))}) {
    const std::jthread writer = when_asleep([&] { put(pair.far.fd()); });
    wait_into(events_, *poller_, wait);
    EXPECT_EQ(events_.size(), 1U);
    take(pair.near.fd());
  }
}

TEST_P(KernelPoller, S13_SignalsNeitherEndAWaitNorMakeItLonger) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  const SignalStorm storm;
  const TimePoint start = kernel_clock().now();
  wait_into(events_, *poller_, 20ms);  // would never end if each signal began it anew
  EXPECT_GE(kernel_clock().now() - start, Duration(20ms));
  EXPECT_TRUE(events_.empty());
  EXPECT_GT(storm.handled(), 0) << "otherwise this test shows nothing";
}

TEST_P(KernelPoller, S13_AWaitWithoutEndOutlivesSignals) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  const SignalStorm storm;
  const UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec later = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 20'000'000}};
  ::timerfd_settime(timer.fd(), 0, &later, nullptr);
  poller_->add(timer.fd(), kRead, kSecond);
  wait_into(events_, *poller_, std::nullopt);
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].id, kSecond);
}

// signal(7): epoll_wait(2) fails with EINTR after SIGCONT though there is no handler.
TEST_P(KernelPoller, S13_AStopOfTheProcessNeitherEndsAWaitNorMakesItLonger) {
  const SocketPair end = make_pipe();
  const pid_t waiting = ::fork();
  if (waiting == 0) {
    const auto poller = make_poller(GetParam());
    poller->add(end.near.fd(), kRead, kFirst);
    wait_into(events_, *poller, std::nullopt);
    const bool first_ended_well = events_.size() == 1;
    poller->remove(end.near.fd());
    const TimePoint start = kernel_clock().now();
    wait_into(events_, *poller, 20ms);
    const bool second_ended_well = events_.empty() && kernel_clock().now() - start >= 20ms;
    ::_exit(first_ended_well && second_ended_well ? 0 : 1);
  }
  int status = 0;
  const auto stop_and_continue = [&] {
    ::kill(waiting, SIGSTOP);
    ASSERT_EQ(::waitpid(waiting, &status, WUNTRACED), waiting);
    ASSERT_TRUE(WIFSTOPPED(status)) << "the wait has ended";
    ::kill(waiting, SIGCONT);
  };
  for (int i = 0; i < 3; ++i) {
    wait_until_asleep(waiting);
    stop_and_continue();
  }
  put(end.far.fd());
  ASSERT_EQ(::waitpid(waiting, &status, 0), waiting);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// --- Threads: one at a time

TEST_P(KernelPoller, OneThreadAfterAnotherMayUseIt) {
  const SocketPair first = make_socket_pair();
  const SocketPair second = make_socket_pair();
  poller_->add(first.near.fd(), kRead, kFirst);
  EXPECT_TRUE(poll().empty());
  put(first.far.fd());
  for (int round = 0; round < 3; ++round) {
    std::thread([&] {
      EXPECT_TRUE(poll(kFirst).readable) << "what came before";
      poller_->add(second.near.fd(), kRead, kSecond);
      EXPECT_FALSE(poll(kSecond).readable);
      put(second.far.fd());
      EXPECT_TRUE(poll(kSecond).readable);
    }).join();
    EXPECT_TRUE(poll(kSecond).readable) << "the first thread again";
    poller_->modify(second.near.fd(), kBoth, kSecond);
    std::thread([&] {
      EXPECT_TRUE(poll(kSecond).writable);
      poller_->remove(second.near.fd());
    }).join();
    EXPECT_EQ(poll(kSecond), Ready{});
    take(second.near.fd());
  }
}

TEST_P(KernelPoller, AnotherThreadsWaitSleepsUntilSomethingComes) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  EXPECT_TRUE(poll().empty());
  std::atomic<pid_t> waiting = 0;
  std::thread waiter([&] {
    waiting = this_thread_number();
    wait_into(events_, *poller_, std::nullopt);
  });
  while (waiting == 0) std::this_thread::yield();
  wait_until_asleep(waiting);
  put(pair.far.fd());
  waiter.join();
  ASSERT_EQ(events_.size(), 1U);
  EXPECT_EQ(events_[0].ready, Ready{.readable = true});
}

// --- L4, L6: descriptors closed behind the poller's back

// A descriptor that was closed while registered, then removed; its file lives on in a duplicate
// and is readable.
class Ghost {
 public:
  Ghost(Poller& poller, HandlerId id) : pair_(make_socket_pair()) {
    poller.add(number(), {.readable = true}, id);
    duplicate_ = duplicate_of(pair_.near);
    number_ = number();
    pair_.near.reset();
    poller.remove(number_);
    put(pair_.far.fd());
  }
  [[nodiscard]] int closed_number() const { return number_; }
  [[nodiscard]] const UniqueFd& duplicate() const { return duplicate_; }

 private:
  [[nodiscard]] int number() const { return pair_.near.fd(); }

  SocketPair pair_;
  UniqueFd duplicate_;
  int number_ = -1;
};

class KernelPollerWithGhost : public KernelPoller {
 protected:
  // Waits until the ghost is silent, which must be soon. The living are heard meanwhile.
  void lay(HandlerId living) {
    int ghostly = 0;
    int heard = 0;
    for (int i = 0; i < 20; ++i) {
      for (const Event& event : poll()) {
        if (event.id == HandlerId{}) {
          ++ghostly;
          EXPECT_LT(i, 3) << "a ghost's event reached nobody, and comes again and again";
        } else {
          EXPECT_EQ(event.id, living);
          ++heard;
        }
      }
    }
    EXPECT_LE(ghostly, 3);
    EXPECT_GE(heard, 18);
  }
};

DETENT_ON_EVERY_POLLER(KernelPollerWithGhost);

TEST_P(KernelPollerWithGhost, L6_AClosedFileThatADuplicateKeepsAliveReachesNobodyAndEnds) {
  const SocketPair living = make_socket_pair();
  put(living.far.fd());
  poller_->add(living.near.fd(), kRead, kSecond);
  const Ghost ghost(*poller_, kFirst);
  lay(kSecond);
}

TEST_P(KernelPollerWithGhost, L6_TheSameWhenTheDuplicateLivesInAChild) {
  const SocketPair living = make_socket_pair();
  put(living.far.fd());
  poller_->add(living.near.fd(), kRead, kSecond);
  SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  SocketPair alive = make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    alive.far.reset();
    poll_one(alive.near.fd(), POLLIN, -1);  // until the parent closes its end
    ::_exit(0);
  }
  const int number = pair.near.fd();
  pair.near.reset();
  poller_->remove(number);
  put(pair.far.fd());
  lay(kSecond);
  alive.far.reset();
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST_P(KernelPollerWithGhost, L4_WhoeverGetsTheNumberNextHearsItsOwnEventsOnly) {
  const SocketPair pair = make_socket_pair();
  const Ghost ghost(*poller_, kFirst);
  ASSERT_EQ(::dup3(pair.near.fd(), ghost.closed_number(), O_CLOEXEC), ghost.closed_number());
  const UniqueFd successor(ghost.closed_number());
  poller_->add(successor.fd(), kRead, kSecond);
  for (int i = 0; i < 10; ++i) {
    for (const Event& event : poll()) EXPECT_EQ(event.id, HandlerId{}) << "not the successor's";
  }
  put(pair.far.fd());
  EXPECT_EQ(poll(kSecond), Ready{.readable = true});
}

TEST_P(KernelPollerWithGhost, D1_AReusedNumberIsFileExistsUntilTheOldOneIsRemoved) {
  SocketPair old = make_socket_pair();
  const UniqueFd duplicate = duplicate_of(old.near);
  poller_->add(old.near.fd(), kRead, kFirst);
  const SocketPair fresh = make_socket_pair();
  ASSERT_EQ(::dup3(fresh.near.fd(), old.near.fd(), O_CLOEXEC), old.near.fd());  // closes the old
  EXPECT_EQ(error_of([&] { poller_->add(old.near.fd(), kRead, kSecond); }), std::errc::file_exists);
  poller_->remove(old.near.fd());
  poller_->add(old.near.fd(), kRead, kSecond);
  put(fresh.far.fd());
  EXPECT_EQ(poll(kSecond), Ready{.readable = true});
}

TEST_P(KernelPollerWithGhost, D1_TheSameFileMayComeBackUnderTheSameNumber) {
  const Ghost ghost(*poller_, kFirst);
  const UniqueFd back(::dup3(ghost.duplicate().fd(), ghost.closed_number(), O_CLOEXEC));
  ASSERT_EQ(back.fd(), ghost.closed_number());
  ASSERT_NO_THROW(poller_->add(back.fd(), kRead, kSecond));
  EXPECT_EQ(poll(kSecond), Ready{.readable = true});
}

TEST_P(KernelPollerWithGhost, L6_EverythingElseStaysAsItWas) {
  std::array<SocketPair, 4> pairs = {make_socket_pair(), make_socket_pair(), make_socket_pair(),
                                     make_socket_pair()};
  const Interest interests[] = {kRead, kBoth, {}, {.readable = true, .trigger = Trigger::one_shot}};
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    put(pairs[i].far.fd());
    poller_->add(pairs[i].near.fd(), interests[i], {10 + i, 1});
  }
  EXPECT_TRUE(poll({13, 1}).readable) << "the one-shot has fired";
  const Ghost ghost(*poller_, kFirst);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(poll({12, 1}), Ready{}) << "paused";
    EXPECT_EQ(poll({13, 1}), Ready{}) << "fired";
  }
  EXPECT_EQ(poll({10, 1}), Ready{.readable = true});
  EXPECT_EQ(poll({11, 1}), (Ready{.readable = true, .writable = true}));
  EXPECT_EQ(events_.size(), 2U);
  poller_->modify(pairs[2].near.fd(), kRead, {12, 1});
  poller_->modify(pairs[3].near.fd(), interests[3], {13, 1});
  EXPECT_EQ(poll().size(), 4U);
  EXPECT_EQ(poll().size(), 3U);
  for (const SocketPair& pair : pairs) poller_->remove(pair.near.fd());
  EXPECT_TRUE(poll().empty());
}

TEST_P(KernelPollerWithGhost, L6_ARegistrationThatEndedLeavesNothingInTheKernel) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_->native_handle());
    return;
  }
  const SocketPair old = make_socket_pair();
  const SocketPair successor = make_socket_pair();
  const int number = old.near.fd();
  poller_->add(number, kRead, kFirst);
  ASSERT_EQ(::dup3(successor.near.fd(), number, O_CLOEXEC), number);  // closes the old
  poller_->modify(number, kWrite, kSecond);
  const Ready ready = poll(kSecond);
  if (!can_.file_identity) {
    EXPECT_DIFFERENCE(ready == Ready{.writable = true});  // it goes on, with the successor
    return;
  }
  EXPECT_EQ(ready, Ready{.invalid = true});
  EXPECT_TRUE(poll().empty());
  EXPECT_FALSE(is_readable(poller_->native_handle())) << "a wait would spin";
}

TEST_P(KernelPollerWithGhost, D7_TheNativeHandleKeepsItsNumberAndItsMeaning) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_->native_handle());
    return;
  }
  const int handle = poller_->native_handle();
  const SocketPair living = make_socket_pair();
  poller_->add(living.near.fd(), kRead, kSecond);
  const Ghost ghost(*poller_, kFirst);
  for (int i = 0; i < 5; ++i) poll();
  EXPECT_EQ(poller_->native_handle(), handle);
  EXPECT_TRUE(is_close_on_exec(handle));
  EXPECT_FALSE(is_readable(handle));
  put(living.far.fd());
  EXPECT_TRUE(is_readable(handle));
}

TEST_P(KernelPollerWithGhost, D7_ALoopThatWatchesTheNativeHandleGoesOnSeeingIt) {
  if (!can_.native_handle) {
    EXPECT_UNSUPPORTED(poller_->native_handle());
    return;
  }
  const SocketPair living = make_socket_pair();
  poller_->add(living.near.fd(), kRead, kSecond);
  for (const std::string_view outer_name : poller_names()) {
    SCOPED_TRACE(outer_name);
    const auto outer = make_poller(outer_name);
    outer->add(poller_->native_handle(), kRead, kFirst);
    const Ghost ghost(*poller_, kFirst);
    for (int i = 0; i < 5; ++i) poll();
    put(living.far.fd());
    std::vector<Event> seen;
    wait_into(seen, *outer, Duration::zero());
    EXPECT_EQ(seen.size(), 1U);
    take(living.near.fd());
  }
}

TEST_P(KernelPollerWithGhost, L6_LeavesNoDescriptorBehind) {
  const DescriptorsBefore before;
  {
    const auto poller = make_poller(GetParam());
    const Ghost ghost(*poller, kFirst);
    for (int i = 0; i < 5; ++i) wait_into(events_, *poller, Duration::zero());
  }
  EXPECT_TRUE(before.opened_since().empty());
}

// --- L6: descriptors that were closed and never removed

// What a descriptor's registration is told after that was closed; its file lives on in a duplicate,
// and is readable.
class KernelPollerWithLostDescriptor : public KernelPoller {
 protected:
  // The poller that looks takes one wait in a thousand to do it.
  static constexpr int kWaits = 1'100;

  void lose(Interest interest = kRead) {
    number_ = pair_.near.fd();
    poller_->add(number_, interest, kFirst);
    EXPECT_TRUE(poll().empty());
    duplicate_ = duplicate_of(pair_.near);
    pair_.near.reset();
    put(pair_.far.fd());
  }
  void wait(int times = kWaits) {
    for (int i = 0; i < times; ++i) {
      for (const Event& event : poll()) {
        if (event.id == kFirst) ++(event.ready.invalid ? invalid_ : heard_);
      }
    }
  }
  // A poller that takes the number for a name, and not for a file, finds that out by itself.
  [[nodiscard]] bool must_have_ended() const { return !can_.file_identity || epoll_; }

  const bool epoll_ = poller_->name() == "epoll";
  SocketPair pair_ = make_socket_pair();
  UniqueFd duplicate_;
  int number_ = -1;
  int heard_ = 0;
  int invalid_ = 0;
};

DETENT_ON_EVERY_POLLER(KernelPollerWithLostDescriptor);

TEST_P(KernelPollerWithLostDescriptor, L6_ItsRegistrationEndsWithOneInvalidEventAndNothingAfterIt) {
  lose();
  wait();
  EXPECT_LE(heard_, 1'000);
  if (must_have_ended()) {
    EXPECT_EQ(invalid_, 1);
    EXPECT_EQ(error_of([&] { poller_->remove(number_); }), std::errc::no_such_file_or_directory);
  } else {
    EXPECT_DIFFERENCE(invalid_ == 0);  // until its interest is changed
    EXPECT_EQ(heard_, 0);
  }
  for (int i = 0; i < kWaits; ++i) ASSERT_TRUE(poll().empty()) << "no ghost is left";
}

TEST_P(KernelPollerWithLostDescriptor, L6_TheSameWhereABatchHasNoRoomForAllThatIsReady) {
  events_.reserve(2);
  std::vector<SocketPair> others;
  for (std::uint32_t i = 0; i < 3; ++i) {
    others.push_back(make_socket_pair());
    put(others.back().far.fd());
  }
  lose();
  for (std::uint32_t i = 0; i < 3; ++i) poller_->add(others[i].near.fd(), kRead, {10 + i, 1});
  wait(2 * kWaits);
  EXPECT_EQ(invalid_, must_have_ended() ? 1 : 0);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_NO_THROW(poller_->remove(others[i].near.fd())) << "the living go on";
  }
}

TEST_P(KernelPollerWithLostDescriptor, L6_TheSameWhenItsNumberMeansAnotherFile) {
  lose();
  const SocketPair successor = make_socket_pair();
  const UniqueFd reused(::dup3(successor.near.fd(), number_, O_CLOEXEC));
  wait();
  if (!can_.file_identity) {
    EXPECT_DIFFERENCE(invalid_ == 0);  // it waits for the successor
    return;
  }
  EXPECT_EQ(invalid_, epoll_ ? 1 : 0);
  if (!epoll_) poller_->remove(number_);
  poller_->add(number_, kRead, kSecond);
  put(successor.far.fd());
  EXPECT_EQ(poll(kSecond), Ready{.readable = true});
  EXPECT_EQ(events_.size(), 1U);
}

TEST_P(KernelPollerWithLostDescriptor, L6_ItGoesOnWhereTheSameFileHasItsNumberAgain) {
  lose();
  const UniqueFd back(::dup3(duplicate_.fd(), number_, O_CLOEXEC));
  wait(3 * kWaits);
  EXPECT_EQ(invalid_, 0);
  if (can_.file_identity && !epoll_) {
    EXPECT_DIFFERENCE(heard_ == 0);  // closing took the registration out
  } else {
    EXPECT_EQ(heard_, 3 * kWaits);
  }
}

TEST_P(KernelPollerWithLostDescriptor, L6_AOneShotIsToldOnceAndFoundOutWhenItIsArmedAgain) {
  lose({.readable = true, .trigger = Trigger::one_shot});
  wait();
  EXPECT_LE(heard_, 1);
  if (invalid_ == 0) poller_->modify(number_, kRead, kFirst);
  wait();
  EXPECT_EQ(invalid_, 1);
}

TEST_P(KernelPollerWithLostDescriptor, L6_APausedOneIsSilentAndFoundOutWhenItIsResumed) {
  const int number = pair_.near.fd();
  poller_->add(number, {}, kFirst);
  const UniqueFd duplicate = duplicate_of(pair_.near);
  pair_.near.reset();
  put(pair_.far.fd());
  wait();
  EXPECT_EQ(heard_, 0);
  if (invalid_ == 0) poller_->modify(number, kRead, kFirst);
  wait();
  EXPECT_EQ(heard_, 0);
  EXPECT_EQ(invalid_, 1);
}

// --- D7, O8: its own descriptors

TEST_P(KernelPoller, O8_AllItsDescriptorsAreClosedOnExecAndGoWithIt) {
  const DescriptorsBefore before;
  {
    const auto poller = make_poller(GetParam());
    const SocketPair pair = make_socket_pair();
    poller->add(pair.near.fd(), kBoth, kFirst);
    wait_into(events_, *poller, Duration::zero());
    for (const int fd : before.opened_since()) {
      EXPECT_TRUE(is_close_on_exec(fd)) << fd;
    }
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(KernelPoller, O8_DestroyingItInAForkedChildLeavesTheParentUnharmed) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  put(pair.far.fd());
  EXPECT_TRUE(holds_in_a_forked_child([&] { poller_.reset(); }));
  EXPECT_TRUE(poll(kFirst).readable);
}

TEST_P(KernelPoller, TheDescriptorsThatItWasGivenStayOpen) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  poller_->remove(pair.near.fd());
  poller_->add(pair.near.fd(), kRead, kFirst);
  poller_.reset();
  EXPECT_TRUE(is_open(pair.near.fd()));
}

}  // namespace
}  // namespace detent
