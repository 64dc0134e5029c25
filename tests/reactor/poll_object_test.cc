// SPDX-License-Identifier: BSL-1.0
// What the documentation of Python's select module says of its polling objects (Q1, Q2, ...), on
// each poller.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "detent/poller.h"
#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/errors.h"
#include "support/poller_fixtures.h"
#include "support/printing.h"
#include "support/reactor_fixtures.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using testing_support::error_of;
using testing_support::make_pipe;
using testing_support::make_socket_pair;
using testing_support::put;
using testing_support::SocketPair;

class PollObject : public testing_support::PollerOnEveryPoller {};

DETENT_ON_EVERY_POLLER(PollObject);

TEST_P(PollObject, Q1_ARepeatedRegistrationIsFileExistsAndModifyIsWhatReplaces) {
  const SocketPair pair = make_socket_pair();
  poller_->add(pair.near.fd(), kRead, kFirst);
  EXPECT_EQ(error_of([&] { poller_->add(pair.near.fd(), kWrite, kFirst); }),
            std::errc::file_exists);
  EXPECT_TRUE(poll().empty()) << "and changes nothing";
  poller_->modify(pair.near.fd(), kWrite, kFirst);
  poller_->modify(pair.near.fd(), kWrite, kFirst);
  EXPECT_EQ(poll(kFirst), Ready{.writable = true});
}

TEST_P(PollObject, Q2_WithoutAnInterestNothingIsReported) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  poller_->add(pair.near.fd(), Interest{}, kFirst);
  EXPECT_TRUE(poll().empty()) << "it is readable and writable";
}

TEST_P(PollObject, Q3_ModifyingWhatWasNeverRegisteredIsNoSuchFileOrDirectory) {
  const SocketPair pair = make_socket_pair();
  EXPECT_EQ(error_of([&] { poller_->modify(pair.near.fd(), kRead, kFirst); }),
            std::errc::no_such_file_or_directory);
}

TEST_P(PollObject, Q4_RemovingWhatWasNeverRegisteredIsNoSuchFileOrDirectory) {
  const SocketPair pair = make_socket_pair();
  EXPECT_EQ(error_of([&] { poller_->remove(pair.near.fd()); }),
            std::errc::no_such_file_or_directory);
}

// ---- Q5: milliseconds here, seconds elsewhere

template <class Time>
concept WaitsFor = requires(Poller& poller, Reactor& reactor, std::span<Event> room, Time t) {
  poller.wait(room, t);
  reactor.run_once(t);
};
static_assert(!WaitsFor<int> && !WaitsFor<long> && !WaitsFor<double>);
static_assert(!WaitsFor<std::chrono::duration<double>>,
              "seconds with a fraction are rounded first");
static_assert(WaitsFor<std::chrono::seconds> && WaitsFor<std::chrono::milliseconds>);

TEST_P(PollObject, Q5_ATimeHasItsUnitInItsType) {
  const TimePoint start = kernel_clock().now();
  poll(2ms);
  EXPECT_GE(kernel_clock().now() - start, Duration(2'000'000));
}

TEST_P(PollObject, Q6_TheResultIsPairsOfDescriptorAndEventsAndIsEmptyWhenTheTimeIsOver) {
  const SocketPair pipe = make_pipe();
  const auto id_of = [](const UniqueFd& fd) {
    return HandlerId{.slot = static_cast<std::uint32_t>(fd.fd()), .generation = 1};
  };
  poller_->add(pipe.near.fd(), kRead, id_of(pipe.near));
  EXPECT_TRUE(poll(1ms).empty());
  poller_->add(pipe.far.fd(), kWrite, id_of(pipe.far));
  put(pipe.far.fd());
  std::map<int, Ready> pairs;
  for (const Event& event : poll()) pairs[static_cast<int>(event.id.slot)] = event.ready;
  EXPECT_EQ(pairs, (std::map<int, Ready>{{pipe.near.fd(), {.readable = true}},
                                         {pipe.far.fd(), {.writable = true}}}));
}

TEST_P(PollObject, Q7_AClosedDescriptorIsInvalidOnceAndThenItsNumberIsFree) {
  SocketPair pair = make_socket_pair();
  const int number = pair.near.fd();
  poller_->add(number, kRead, kFirst);
  EXPECT_TRUE(poll().empty());
  pair.near.reset();
  if (can_.native_handle) {  // the kernel keeps the registrations, and drops this one in silence
    EXPECT_DIFFERENCE(poll().empty());
    poller_->modify(number, kBoth, kFirst);
  }
  EXPECT_EQ(poll(kFirst), Ready{.invalid = true});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(poll().empty()) << "it would spin";
  EXPECT_EQ(error_of([&] { poller_->remove(number); }), std::errc::no_such_file_or_directory);
}

TEST_P(PollObject, Q8_AnObjectThatHasADescriptorIsAccepted) {
  const SocketPair pair = make_socket_pair();
  put(pair.far.fd());
  Reactor reactor(testing_support::on_poller(GetParam()));
  const UniqueFd& object = pair.near;
  const Watch watch = reactor.watch(object, kRead, [](Ready) {});
  EXPECT_EQ(watch.fd(), object.fd());
  EXPECT_EQ(reactor.dispatch(), 1U);
}

}  // namespace
}  // namespace detent
