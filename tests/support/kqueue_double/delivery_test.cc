// SPDX-License-Identifier: BSL-1.0
// When an event is reported, how often, and what it says.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "support/readiness.h"
#include "support/standard.h"
#include "test_queue.h"

namespace kqueue_double {
namespace {

int error_of_socket(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

void reset_connection(UniqueFd& socket) {
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  checked(::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
  socket.reset();
}

TEST(KqueueDouble, ALevelReportsAtEveryCallWhileItHolds) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  put(pair.far.fd(), "abc");
  for (int i = 0; i < 3; ++i) {
    const Events events = queue.collect();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].data, 3);
    EXPECT_EQ(events[0].flags, 0);
  }
  take(pair.near.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
  put(pair.far.fd());
  EXPECT_EQ(queue.wait().size(), 1U);
}

TEST(KqueueDouble, ASmallEventListRotatesThroughAll) {
  const TestQueue queue;
  std::vector<SocketPair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(make_socket_pair());
    ASSERT_EQ(queue.add(pairs.back().near.fd(), EVFILT_READ), 0);
    put(pairs.back().far.fd());
  }
  for (int round = 0; round < 3; ++round) {
    std::set<std::uintptr_t> seen;
    for (int i = 0; i < 5; ++i) {
      const Events one = queue.collect(1);
      ASSERT_EQ(one.size(), 1U);
      seen.insert(one[0].ident);
    }
    EXPECT_EQ(seen.size(), 5U);
  }
  EXPECT_EQ(queue.collect(3).size(), 3U);
  EXPECT_EQ(queue.collect().size(), 5U) << "each once";
}

TEST(KqueueDouble, MoreThanABatchIsReportedByOneCall) {
  const TestQueue queue;
  std::vector<SocketPair> pairs;
  for (int i = 0; i < 200; ++i) {
    pairs.push_back(make_socket_pair());
    ASSERT_EQ(queue.add(pairs.back().near.fd(), EVFILT_READ, EV_CLEAR), 0);
  }
  for (const SocketPair& pair : pairs) put(pair.far.fd());
  EXPECT_EQ(queue.collect(1000).size(), 200U);
  EXPECT_EQ(queue.collect(1000).size(), 0U);
}

TEST(KqueueDouble, WhatWasConsumedMeanwhileIsNotReported) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  take(pair.near.fd());
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].filter, EVFILT_USER);
}

TEST(KqueueDouble, AnEdgeIsCheckedAgainToo) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  take(pair.near.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
}

TEST(KqueueDouble, AOneShotIsCollectedUncheckedAsInFreeBsd) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd(), "abc");
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_ONESHOT), 0);
  take(pair.near.fd());
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, 3);
}

TEST(KqueueDouble, AnEdgeReaderStaysQuietUntilNewDataComes) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 0U);
  put(pair.far.fd());  // and the old data has not been read
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].data, 2);
  EXPECT_EQ(queue.collect().size(), 0U);
}

TEST(KqueueDouble, AnEdgeReaderStaysQuietWhenTheWriterOfTheSameDescriptorIsAddedOrChanged) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 1U);
  for (const unsigned flags :
       std::array<unsigned, 5>{EV_ADD | EV_CLEAR, EV_DISABLE, EV_ENABLE, EV_ADD, EV_DELETE}) {
    ASSERT_EQ(queue.apply(pair.near.fd(), EVFILT_WRITE, flags), 0);
    EXPECT_FALSE(of_filter(queue.collect(), EVFILT_READ)) << flags;
  }
}

TEST(KqueueDouble, AnEdgeReaderStaysQuietWhenTheWriterOfTheSameDescriptorFires) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE, EV_CLEAR), 0);
    put(pair.far.fd());
    detent::testing_support::wait_until_readable(pair.near.fd());
    EXPECT_EQ(queue.collect().size(), 2U);
    const std::string block(65536, 'x');
    while (::write(pair.near.fd(), block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(queue.collect().size(), 0U);
    take(pair.far.fd());
    const Events events = queue.wait();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].filter, EVFILT_WRITE);
  }
}

TEST(KqueueDouble, AnEdgeWriterStaysQuietWhenDataComes) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE, EV_CLEAR), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
}

TEST(KqueueDouble, AOneShotDeletesAfterDelivery) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_ONESHOT), 0);
  put(pair.far.fd());
  const Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(has(events[0], EV_ONESHOT));
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, EV_DELETE), ENOENT);
  EXPECT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, ADispatchDisablesAndKeeps) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_DISPATCH), 0);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 1U);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
  EXPECT_EQ(queue.collect().size(), 0U);
  EXPECT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, EV_DELETE), 0);
}

TEST(KqueueDouble, WhatIsDisabledIsQuietAndReportsWhenItIsEnabled) {
  const TestQueue queue;
  const SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  ASSERT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, EV_DISABLE), 0);
  put(pair.far.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(queue.apply(pair.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, TheEndComesTogetherWithTheDataBeforeIt) {
  SocketPair pairs[] = {make_socket_pair(), make_tcp_pair(), make_pipe()};
  for (SocketPair& pair : pairs) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
    put(pair.far.fd(), "abc");
    pair.far.reset();
    Events events = queue.wait();
    while (events.size() == 1 && !has(events[0], EV_EOF)) events = queue.wait();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].data, 3);
    EXPECT_EQ(events[0].fflags, 0U);
    take(pair.near.fd());
    events = queue.collect();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(has(events[0], EV_EOF));
    EXPECT_EQ(events[0].data, 0);
  }
}

TEST(KqueueDouble, TheEndIsNotAnnouncedToAWriterThatCanStillWrite) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    checked(::shutdown(pair.far.fd(), SHUT_WR), "shutdown");
    detent::testing_support::wait_until_readable(pair.near.fd());
    const Events events = queue.collect();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_TRUE(has(*of_filter(events, EVFILT_READ), EV_EOF));
    EXPECT_FALSE(has(*of_filter(events, EVFILT_WRITE), EV_EOF));
  }
}

TEST(KqueueDouble, AWriterThatHasShutDownIsAtItsEnd) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    checked(::shutdown(pair.near.fd(), SHUT_WR), "shutdown");
    const Events events = queue.collect();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(has(events[0], EV_EOF));
  }
}

TEST(KqueueDouble, TheErrorOfASocketIsInFflagsAndStaysForTheProgram) {
  SocketPair pair = make_tcp_pair();
  const TestQueue queue;
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
  reset_connection(pair.far);
  for (int i = 0; i < 2; ++i) {
    const Events events = queue.wait();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(has(events[0], EV_EOF));
    EXPECT_EQ(events[0].fflags, static_cast<unsigned>(ECONNRESET));
  }
  EXPECT_EQ(error_of_socket(pair.near.fd()), ECONNRESET);
}

TEST(KqueueDouble, AConnectionThatIsRefusedIsAtItsEndWithThatError) {
  UniqueFd socket = detent::testing_support::make_tcp_socket(SOCK_NONBLOCK);
  const TestQueue queue;
  sockaddr_in nobody = {};
  {
    const UniqueFd reserved = detent::testing_support::make_tcp_socket();
    nobody = detent::testing_support::bind_to_loopback(reserved.fd());
  }
  EXPECT_EQ(detent::testing_support::connect_to(socket.fd(), nobody), -1);
  ASSERT_EQ(queue.add(socket.fd(), EVFILT_WRITE), 0);
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(has(events[0], EV_EOF));
  EXPECT_EQ(events[0].fflags, static_cast<unsigned>(ECONNREFUSED));
  EXPECT_EQ(error_of_socket(socket.fd()), ECONNREFUSED);
}

TEST(KqueueDouble, AnAcceptedConnectionThatIsResetSaysSo) {
  SocketPair pair = make_tcp_pair();  // `near` was accepted, `far` has connected
  const TestQueue queue;
  ASSERT_EQ(queue.add(pair.far.fd(), EVFILT_READ), 0);
  reset_connection(pair.near);
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].fflags, static_cast<unsigned>(ECONNRESET));
}

TEST(KqueueDouble, AWriterOfAPipeWhoseReaderLeftIsAtItsEnd) {
  const TestQueue queue;
  SocketPair pipe = make_pipe();
  ASSERT_EQ(queue.add(pipe.far.fd(), EVFILT_WRITE, EV_CLEAR), 0);
  Events events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_FALSE(has(events[0], EV_EOF));
  pipe.near.reset();
  events = queue.collect();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(has(events[0], EV_EOF));
}

TEST(KqueueDouble, ASocketThatWasNeverConnectedSaysNothing) {
  const TestQueue queue;
  const UniqueFd tcp = detent::testing_support::make_tcp_socket();
  const UniqueFd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {tcp.fd(), local.fd()}) {
    ASSERT_EQ(queue.add(fd, EVFILT_READ), 0);
    ASSERT_EQ(queue.add(fd, EVFILT_WRITE), 0);
  }
  EXPECT_EQ(queue.collect().size(), 0U);
}

TEST(KqueueDouble, DataIsTheNumberOfConnectionsOfAListener) {
  const TestQueue queue;
  const UniqueFd listener = detent::testing_support::make_tcp_socket();
  const sockaddr_in address = detent::testing_support::bind_to_loopback(listener.fd());
  checked(::listen(listener.fd(), 8), "listen");
  ASSERT_EQ(queue.add(listener.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue.collect().size(), 0U);
  std::vector<UniqueFd> clients;
  for (int i = 1; i <= 3; ++i) {
    clients.push_back(detent::testing_support::make_tcp_socket());
    checked(detent::testing_support::connect_to(clients.back().fd(), address), "connect");
    const Events events = queue.wait();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].data, i);
  }
}

TEST(KqueueDouble, DataOfAWriterIsTheSpaceThatIsLeft) {
  const TestQueue queue;
  const SocketPair pipe = make_pipe();
  ASSERT_EQ(queue.add(pipe.far.fd(), EVFILT_WRITE), 0);
  const auto before = queue.collect().at(0).data;
  put(pipe.far.fd(), "abc");
  EXPECT_EQ(queue.collect().at(0).data, before - 3);
}

TEST(KqueueDouble, ALowWaterMarkHoldsTheReaderBackUntilTheEnd) {
  const TestQueue queue;
  SocketPair pair = make_socket_pair();
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 4}), 0);
  put(pair.far.fd(), "abc");
  EXPECT_EQ(queue.collect().size(), 0U);
  put(pair.far.fd(), "d");
  EXPECT_EQ(queue.collect().size(), 1U);
  take(pair.near.fd());
  put(pair.far.fd(), "a");
  EXPECT_EQ(queue.collect().size(), 0U);
  pair.far.reset();
  EXPECT_EQ(queue.collect().size(), 1U);
}

TEST(KqueueDouble, UrgentDataIsAnExceptionOfItsOwn) {
  const TestQueue queue;
  const SocketPair pair = make_tcp_pair();
  EXPECT_EQ(queue.add(pair.near.fd(), EVFILT_EXCEPT), EINVAL);
  ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_EXCEPT, 0, {.fflags = NOTE_OOB}), 0);
  put(pair.far.fd(), "a");
  detent::testing_support::wait_until_readable(pair.near.fd());
  EXPECT_EQ(queue.collect().size(), 0U);
  ASSERT_EQ(::send(pair.far.fd(), "!", 1, MSG_OOB), 1);
  const Events events = queue.wait();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].filter, EVFILT_EXCEPT);
  EXPECT_EQ(events[0].fflags, NOTE_OOB);
}

TEST(KqueueDouble, ARegularFileIsAcceptedAndReadyWithWhatIsLeftOfIt) {
  const TestQueue queue;
  const UniqueFd file(checked(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open"));
  put(file.fd(), "abcde");
  checked(static_cast<int>(::lseek(file.fd(), 2, SEEK_SET)), "lseek");
  ASSERT_EQ(queue.add(file.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue.add(file.fd(), EVFILT_WRITE), 0);
  for (int i = 0; i < 2; ++i) {
    const Events events = queue.wait();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(of_filter(events, EVFILT_READ)->data, 3);
  }
}

}  // namespace
}  // namespace kqueue_double
