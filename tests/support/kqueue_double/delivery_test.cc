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

TEST_F(KqueueDouble, ALevelReportsAtEveryCallWhileItHolds) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  put(pair_.far.fd(), "abc");
  for (int i = 0; i < 3; ++i) {
    const Event event = only(queue_.collect());
    EXPECT_EQ(event.data, 3);
    EXPECT_EQ(event.flags, 0);
  }
  take(pair_.near.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.wait().size(), 1U);
}

TEST_F(KqueueDouble, ASmallEventListRotatesThroughAll) {
  std::vector<SocketPair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(make_socket_pair());
    ASSERT_EQ(queue_.add(pairs.back().near.fd(), EVFILT_READ), 0);
    put(pairs.back().far.fd());
  }
  for (int round = 0; round < 3; ++round) {
    std::set<std::uintptr_t> seen;
    for (int i = 0; i < 5; ++i) {
      const Events one = queue_.collect(1);
      ASSERT_EQ(one.size(), 1U);
      seen.insert(one[0].ident);
    }
    EXPECT_EQ(seen.size(), 5U);
  }
  EXPECT_EQ(queue_.collect(3).size(), 3U);
  EXPECT_EQ(queue_.collect().size(), 5U) << "each once";
}

TEST_F(KqueueDouble, MoreThanABatchIsReportedByOneCall) {
  std::vector<SocketPair> pairs;
  for (int i = 0; i < 200; ++i) {
    pairs.push_back(make_socket_pair());
    ASSERT_EQ(queue_.add(pairs.back().near.fd(), EVFILT_READ, EV_CLEAR), 0);
  }
  for (const SocketPair& pair : pairs) put(pair.far.fd());
  EXPECT_EQ(queue_.collect(1000).size(), 200U);
  EXPECT_EQ(queue_.collect(1000).size(), 0U);
}

TEST_F(KqueueDouble, WhatWasConsumedMeanwhileIsNotReported) {
  put(pair_.far.fd());
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue_.add(1, EVFILT_USER, 0, {.fflags = NOTE_TRIGGER}), 0);
  take(pair_.near.fd());
  EXPECT_EQ(only(queue_.collect()).filter, EVFILT_USER);
}

TEST_F(KqueueDouble, AOneShotIsCollectedUncheckedAsInFreeBsd) {
  put(pair_.far.fd(), "abc");
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_ONESHOT), 0);
  take(pair_.near.fd());
  EXPECT_EQ(only(queue_.collect()).data, 3);
}

TEST_F(KqueueDouble, AnEdgeReaderStaysQuietUntilNewDataComes) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 0U);
  put(pair_.far.fd());  // and the old data has not been read
  EXPECT_EQ(only(queue_.collect()).data, 2);
  EXPECT_EQ(queue_.collect().size(), 0U);
}

TEST_F(KqueueDouble, AnEdgeReaderStaysQuietWhenTheWriterOfTheSameDescriptorIsAddedOrChanged) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 1U);
  for (const unsigned flags :
       std::array<unsigned, 5>{EV_ADD | EV_CLEAR, EV_DISABLE, EV_ENABLE, EV_ADD, EV_DELETE}) {
    ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_WRITE, flags), 0);
    EXPECT_FALSE(of_filter(queue_.collect(), EVFILT_READ)) << flags;
  }
}

TEST_F(KqueueDouble, AnEdgeReaderStaysQuietWhenTheWriterOfTheSameDescriptorFires) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ, EV_CLEAR), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE, EV_CLEAR), 0);
    put(pair.far.fd());
    wait_until_readable(pair.near.fd());
    EXPECT_EQ(queue.collect().size(), 2U);
    const std::string block(65536, 'x');
    while (::write(pair.near.fd(), block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(queue.collect().size(), 0U);
    take(pair.far.fd());
    EXPECT_EQ(only(queue.wait()).filter, EVFILT_WRITE);
  }
}

TEST_F(KqueueDouble, AnEdgeWriterStaysQuietWhenDataComes) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_WRITE, EV_CLEAR), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
}

TEST_F(KqueueDouble, AOneShotDeletesAfterDelivery) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_ONESHOT), 0);
  put(pair_.far.fd());
  EXPECT_TRUE(has(only(queue_.collect()), EV_ONESHOT));
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_DELETE), ENOENT);
  EXPECT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, ADispatchDisablesAndKeeps) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_DISPATCH), 0);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 1U);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
  EXPECT_EQ(queue_.collect().size(), 0U);
  EXPECT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_DELETE), 0);
}

TEST_F(KqueueDouble, WhatIsDisabledIsQuietAndReportsWhenItIsEnabled) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, EV_CLEAR), 0);
  ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_DISABLE), 0);
  put(pair_.far.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(queue_.apply(pair_.near.fd(), EVFILT_READ, EV_ENABLE), 0);
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, TheEndComesTogetherWithTheDataBeforeIt) {
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

TEST_F(KqueueDouble, TheEndIsNotAnnouncedToAWriterThatCanStillWrite) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_READ), 0);
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    checked(::shutdown(pair.far.fd(), SHUT_WR), "shutdown");
    wait_until_readable(pair.near.fd());
    const Events events = queue.collect();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_TRUE(has(*of_filter(events, EVFILT_READ), EV_EOF));
    EXPECT_FALSE(has(*of_filter(events, EVFILT_WRITE), EV_EOF));
  }
}

TEST_F(KqueueDouble, AWriterThatHasShutDownIsAtItsEnd) {
  for (const SocketPair& pair : {make_socket_pair(), make_tcp_pair()}) {
    const TestQueue queue;
    ASSERT_EQ(queue.add(pair.near.fd(), EVFILT_WRITE), 0);
    checked(::shutdown(pair.near.fd(), SHUT_WR), "shutdown");
    EXPECT_TRUE(has(only(queue.collect()), EV_EOF));
  }
}

TEST_F(KqueueDouble, TheErrorOfASocketIsInFflagsAndStaysForTheProgram) {
  SocketPair pair = make_tcp_pair();
  ASSERT_EQ(queue_.add(pair.near.fd(), EVFILT_READ), 0);
  reset_connection(pair.far);
  for (int i = 0; i < 2; ++i) {
    const Event event = only(queue_.wait());
    EXPECT_TRUE(has(event, EV_EOF));
    EXPECT_EQ(event.fflags, static_cast<unsigned>(ECONNRESET));
  }
  EXPECT_EQ(error_of_socket(pair.near.fd()), ECONNRESET);
}

TEST_F(KqueueDouble, AConnectionThatIsRefusedIsAtItsEndWithThatError) {
  UniqueFd socket = make_tcp_socket(SOCK_NONBLOCK);
  sockaddr_in nobody = {};
  {
    const UniqueFd reserved = make_tcp_socket();
    nobody = bind_to_loopback(reserved.fd());
  }
  EXPECT_EQ(connect_to(socket.fd(), nobody), -1);
  ASSERT_EQ(queue_.add(socket.fd(), EVFILT_WRITE), 0);
  const Event event = only(queue_.wait());
  EXPECT_TRUE(has(event, EV_EOF));
  EXPECT_EQ(event.fflags, static_cast<unsigned>(ECONNREFUSED));
  EXPECT_EQ(error_of_socket(socket.fd()), ECONNREFUSED);
}

TEST_F(KqueueDouble, AnAcceptedConnectionThatIsResetSaysSo) {
  SocketPair pair = make_tcp_pair();  // `near` was accepted, `far` has connected
  ASSERT_EQ(queue_.add(pair.far.fd(), EVFILT_READ), 0);
  reset_connection(pair.near);
  EXPECT_EQ(only(queue_.wait()).fflags, static_cast<unsigned>(ECONNRESET));
}

TEST_F(KqueueDouble, AWriterOfAPipeWhoseReaderLeftIsAtItsEnd) {
  SocketPair pipe = make_pipe();
  ASSERT_EQ(queue_.add(pipe.far.fd(), EVFILT_WRITE, EV_CLEAR), 0);
  EXPECT_FALSE(has(only(queue_.collect()), EV_EOF));
  pipe.near.reset();
  EXPECT_TRUE(has(only(queue_.collect()), EV_EOF));
}

TEST_F(KqueueDouble, ASocketThatWasNeverConnectedSaysNothing) {
  const UniqueFd tcp = make_tcp_socket();
  const UniqueFd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int fd : {tcp.fd(), local.fd()}) {
    ASSERT_EQ(queue_.add(fd, EVFILT_READ), 0);
    ASSERT_EQ(queue_.add(fd, EVFILT_WRITE), 0);
  }
  EXPECT_EQ(queue_.collect().size(), 0U);
}

TEST_F(KqueueDouble, DataIsTheNumberOfConnectionsOfAListener) {
  const UniqueFd listener = make_tcp_socket();
  const sockaddr_in address = bind_to_loopback(listener.fd());
  checked(::listen(listener.fd(), 8), "listen");
  ASSERT_EQ(queue_.add(listener.fd(), EVFILT_READ), 0);
  EXPECT_EQ(queue_.collect().size(), 0U);
  std::vector<UniqueFd> clients;
  for (int i = 1; i <= 3; ++i) {
    clients.push_back(make_tcp_socket());
    checked(connect_to(clients.back().fd(), address), "connect");
    EXPECT_EQ(only(queue_.wait()).data, i);
  }
}

TEST_F(KqueueDouble, DataOfAWriterIsTheSpaceThatIsLeft) {
  const SocketPair pipe = make_pipe();
  ASSERT_EQ(queue_.add(pipe.far.fd(), EVFILT_WRITE), 0);
  const auto before = queue_.collect().at(0).data;
  put(pipe.far.fd(), "abc");
  EXPECT_EQ(queue_.collect().at(0).data, before - 3);
}

TEST_F(KqueueDouble, ALowWaterMarkHoldsTheReaderBackUntilTheEnd) {
  ASSERT_EQ(queue_.add(pair_.near.fd(), EVFILT_READ, 0, {.fflags = NOTE_LOWAT, .data = 4}), 0);
  put(pair_.far.fd(), "abc");
  EXPECT_EQ(queue_.collect().size(), 0U);
  put(pair_.far.fd(), "d");
  EXPECT_EQ(queue_.collect().size(), 1U);
  take(pair_.near.fd());
  put(pair_.far.fd(), "a");
  EXPECT_EQ(queue_.collect().size(), 0U);
  pair_.far.reset();
  EXPECT_EQ(queue_.collect().size(), 1U);
}

TEST_F(KqueueDouble, UrgentDataIsAnExceptionOfItsOwn) {
  const SocketPair pair = make_tcp_pair();
  EXPECT_EQ(queue_.add(pair.near.fd(), EVFILT_EXCEPT), EINVAL);
  ASSERT_EQ(queue_.add(pair.near.fd(), EVFILT_EXCEPT, 0, {.fflags = NOTE_OOB}), 0);
  put(pair.far.fd(), "a");
  wait_until_readable(pair.near.fd());
  EXPECT_EQ(queue_.collect().size(), 0U);
  ASSERT_EQ(::send(pair.far.fd(), "!", 1, MSG_OOB), 1);
  const Event event = only(queue_.wait());
  EXPECT_EQ(event.filter, EVFILT_EXCEPT);
  EXPECT_EQ(event.fflags, NOTE_OOB);
}

TEST_F(KqueueDouble, ARegularFileIsAcceptedAndReadyWithWhatIsLeftOfIt) {
  const UniqueFd file(checked(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "open"));
  put(file.fd(), "abcde");
  checked(static_cast<int>(::lseek(file.fd(), 2, SEEK_SET)), "lseek");
  ASSERT_EQ(queue_.add(file.fd(), EVFILT_READ), 0);
  ASSERT_EQ(queue_.add(file.fd(), EVFILT_WRITE), 0);
  for (int i = 0; i < 2; ++i) {
    const Events events = queue_.wait();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(of_filter(events, EVFILT_READ)->data, 3);
  }
}

}  // namespace
}  // namespace kqueue_double
