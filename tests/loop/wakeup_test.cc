// SPDX-License-Identifier: BSL-1.0
#include "wakeup.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <system_error>
#include <thread>

#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/readiness.h"

namespace detent {
namespace {

using testing_support::is_readable;

TEST(Wakeup, IsReadableFromSignalUntilClear) {
  const Wakeup wakeup;
  EXPECT_FALSE(is_readable(wakeup.fd()));
  wakeup.signal();
  EXPECT_TRUE(is_readable(wakeup.fd()));
  EXPECT_TRUE(is_readable(wakeup.fd())) << "it is a level";
  wakeup.clear();
  EXPECT_FALSE(is_readable(wakeup.fd()));
}

TEST(Wakeup, OneClearTakesAllSignalsBack) {
  const Wakeup wakeup;
  for (int i = 0; i < 1000; ++i) wakeup.signal();
  wakeup.clear();
  EXPECT_FALSE(is_readable(wakeup.fd()));
}

TEST(Wakeup, ClearWithoutASignalDoesNotBlockAndKeepsErrno) {
  const Wakeup wakeup;
  errno = ENOTTY;
  wakeup.clear();
  EXPECT_EQ(errno, ENOTTY);
  wakeup.signal();
  EXPECT_TRUE(is_readable(wakeup.fd()));
}

TEST(Wakeup, SignalDoesNotBlockWhenTheCounterIsFull) {
  const Wakeup wakeup;
  const std::uint64_t full = UINT64_MAX - 1;
  if (::write(wakeup.fd(), &full, sizeof full) == -1) GTEST_SKIP() << "nothing counts here";
  errno = ENOTTY;
  wakeup.signal();
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_TRUE(is_readable(wakeup.fd()));
  wakeup.clear();
  EXPECT_FALSE(is_readable(wakeup.fd()));
}

TEST(Wakeup, SignalWakesAThreadThatWaits) {
  const Wakeup wakeup;
  std::thread other([&] { wakeup.signal(); });
  testing_support::wait_until_readable(wakeup.fd());
  other.join();
  EXPECT_TRUE(is_readable(wakeup.fd()));
}

const Wakeup* signalled_by_handler = nullptr;

TEST(Wakeup, SignalWorksInASignalHandler) {
  const Wakeup wakeup;
  signalled_by_handler = &wakeup;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) { signalled_by_handler->signal(); };
  ::sigaction(SIGUSR1, &action, &before);
  ::raise(SIGUSR1);
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_TRUE(is_readable(wakeup.fd()));
}

TEST(Wakeup, O8_IsOneDescriptorThatIsClosedOnExec) {
  const testing_support::DescriptorsBefore before;
  const Wakeup wakeup;
  EXPECT_EQ(before.opened_since(), std::set{wakeup.fd()});
  EXPECT_TRUE(testing_support::is_close_on_exec(wakeup.fd()));
}

TEST(Wakeup, ThrowsSystemErrorAtTheDescriptorLimit) {
  const auto error = testing_support::error_of([] {
    const testing_support::NoFreeDescriptor limit;
    const Wakeup wakeup;
  });
  EXPECT_EQ(error, std::errc::too_many_files_open);
}

}  // namespace
}  // namespace detent
