// SPDX-License-Identifier: BSL-1.0
// Other code closes, by mistake, the descriptor that ends the loop's sleep.
#include <fcntl.h>
#include <unistd.h>

#include "detent/reactor.h"
#include "detent/unique_fd.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

class ClosedWakeup : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { make(); }

  void make(Callback<void(std::exception_ptr, const Name&)> on_exception = {}) {
    reactor_.reset();
    ReactorOptions options = {.poller = make_poller(GetParam()),
                              .on_exception = std::move(on_exception)};
    const DescriptorsBefore before;
    reactor_ = std::make_unique<Reactor>(std::move(options));
    ASSERT_EQ(before.opened_since().size(), 2U);
    number_ = *before.opened_since().begin();  // the second one is there for this case
  }

  void expect_to_hear_other_threads() {
    bool ran = false;
    std::jthread other = when_asleep([&] {
      reactor_->post([&ran] { ran = true; });
      reactor_->stop();
    });
    EXPECT_NO_THROW(reactor_->run());
    EXPECT_TRUE(ran);
    other.join();
  }
  [[nodiscard]] std::string beginning() const {
    return "Reactor: descriptor " + std::to_string(number_) +
           ", which ends the loop's sleep, was closed by other code; the loop goes on with ";
  }

  std::unique_ptr<Reactor> reactor_;
  int number_ = -1;
};

DETENT_ON_EVERY_POLLER(ClosedWakeup);

TEST_P(ClosedWakeup, L6_APostStillEndsTheSleepAndRunThrowsWhatHappened) {
  bool ran = false;
  std::jthread other = when_asleep([&] {
    ::close(number_);
    reactor_->post([&] { ran = true; });
  });
  const std::string message = message_of<std::logic_error>([&] { reactor_->run(); });
  other.join();
  EXPECT_TRUE(message.starts_with(beginning())) << message;
  expect_to_hear_other_threads();
  EXPECT_TRUE(ran);
}

TEST_P(ClosedWakeup, L6_TheSameWhenItWasClosedBeforeRun) {
  ::close(number_);
  std::jthread other = when_asleep([&] { reactor_->post([] {}); });
  const std::string message = message_of<std::logic_error>([&] { reactor_->run(); });
  other.join();
  EXPECT_TRUE(message.starts_with(beginning())) << message;
  expect_to_hear_other_threads();
}

TEST_P(ClosedWakeup, L6_AStopStillEndsTheSleep) {
  std::jthread other = when_asleep([&] {
    ::close(number_);
    reactor_->stop();
  });
  std::string message;
  do {  // what is told leaves the stop for the next run
    message = message_of<std::logic_error>([&] { reactor_->run(); });
    EXPECT_TRUE(message.empty() || message.starts_with(beginning())) << message;
  } while (!message.empty());
  other.join();
}

TEST_P(ClosedWakeup, L6_OnExceptionHearsItOnceAndTheLoopGoesOn) {
  int told = 0;
  make([&](const std::exception_ptr& error, const Name&) {
    ++told;
    EXPECT_THROW(std::rethrow_exception(error), std::logic_error);
    reactor_->stop();
  });
  std::jthread other = when_asleep([&] {
    ::close(number_);
    reactor_->post([] {});
  });
  reactor_->run();
  other.join();
  EXPECT_EQ(told, 1);
  expect_to_hear_other_threads();
  EXPECT_EQ(told, 1);
}

TEST_P(ClosedWakeup, L6_TheNextOwnerOfItsNumberIsLeftAloneAndMayWatchItAfterwards) {
  const SocketPair pair = make_socket_pair();
  const UniqueFd reused(::dup3(pair.near.fd(), number_, O_CLOEXEC));
  const auto watch = [&] {
    return reactor_->watch(reused, {.readable = true}, [this](Ready) { reactor_->stop(); });
  };
  EXPECT_EQ(error_of([&] { const Watch early = watch(); }), std::errc::file_exists);
  // A poller that goes by numbers waits for the new file, and finds out when that is ready.
  put(pair.far.fd(), "the next owner's");
  std::jthread other = when_asleep([&] { reactor_->post([] {}); });
  const std::string message = message_of<std::logic_error>([&] { reactor_->run(); });
  other.join();
  EXPECT_TRUE(message.starts_with(beginning())) << message;
  EXPECT_EQ(take(pair.far.fd()), "");
  const Watch late = watch();
  reactor_->run();
  EXPECT_EQ(take(pair.near.fd()), "the next owner's");
}

}  // namespace
}  // namespace detent
