// SPDX-License-Identifier: BSL-1.0
// What pipes and terminals have of their own. The rest is in stream_contract_test.cc.
#include <fcntl.h>
#include <pty.h>
#include <termios.h>

#include <csignal>

#include "detent/stream.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/net_fixtures.h"
#include "support/standard.h"
#include "support/stream_contract.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace testing_support;

class PipeStreamOnEveryPoller : public NetOnEveryPoller {
 protected:
  void start(UniqueFd in, UniqueFd out) {
    stream_ = make_stream(reactor_, std::move(in), std::move(out));
    stream_->start(user_);
  }
  Written write(std::string_view bytes) {
    const Piece piece(bytes);
    return user_.calling([&] { return stream_->write({&piece, 1}); });
  }
  // Our end is the master's, as that of a terminal emulator; the far end is raw.
  UniqueFd start_terminal() {
    int master = -1;
    int slave = -1;
    checked(::openpty(&master, &slave, nullptr, nullptr, nullptr), "openpty");
    termios raw = {};
    checked(::tcgetattr(slave, &raw), "tcgetattr");
    ::cfmakeraw(&raw);
    checked(::tcsetattr(slave, TCSANOW, &raw), "tcsetattr");
    checked(::fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK), "fcntl");
    UniqueFd in(master);
    UniqueFd out(::fcntl(master, F_DUPFD_CLOEXEC, 0));
    start(std::move(in), std::move(out));
    return UniqueFd(slave);
  }

  Recorder user_;
  std::unique_ptr<Stream> stream_;
};
DETENT_ON_EVERY_POLLER(PipeStreamOnEveryPoller);

TEST_P(PipeStreamOnEveryPoller, N3_OneThatOnlyReadsTellsTheEndAndTakesNoWrites) {
  SocketPair pipe = make_pipe();
  start(std::move(pipe.near), {});
  EXPECT_EQ(write("nobody hears").error, std::errc::broken_pipe);
  put(pipe.far.fd(), "bytes");
  pipe.far.reset();
  EXPECT_TRUE(run_until([&] { return user_.count('e') == 1; }));
  EXPECT_EQ(user_.bytes, "bytes");
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(user_.count('x'), 0);
}

TEST_P(PipeStreamOnEveryPoller, N3_OneThatOnlyWritesTellsTheEndAfterFinish) {
  SocketPair pipe = make_pipe();
  start({}, std::move(pipe.far));
  EXPECT_EQ(write("bytes").size, 5U);
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(user_.order, "");
  user_.calling([&] { stream_->finish(); });
  EXPECT_EQ(take(pipe.near.fd()), "bytes");
  EXPECT_TRUE(run_until([&] { return user_.order == "e"; }));
}

TEST_P(PipeStreamOnEveryPoller, N3_OneThatOnlyWritesTellsAnErrorWhenItsReaderHasGone) {
  for (const bool full : {false, true}) {
    SCOPED_TRACE(full);
    user_ = Recorder();
    SocketPair pipe = make_pipe();
    start({}, std::move(pipe.far));
    user_.then = [&](char event) { EXPECT_TRUE(event != 'r' || write("more").error); };
    EXPECT_TRUE(!full || write(std::string(1'000'000, 'x')).size < 1'000'000U);
    pipe.near.reset();
    EXPECT_TRUE(full || write("nobody hears").error == std::errc::broken_pipe);
    EXPECT_TRUE(run_until([&] { return user_.count('x') == 1; }));
    EXPECT_EQ(user_.error, std::errc::broken_pipe);
    EXPECT_TRUE(comes_to_rest(reactor_));
  }
}

TEST_P(PipeStreamOnEveryPoller, N3_AFailedWriteLeavesSigpipeNeitherPendingNorBlocked) {
  for (const bool blocked : {false, true}) {
    sigset_t pipe_signal;
    sigset_t before;
    ::sigemptyset(&pipe_signal);
    ::sigaddset(&pipe_signal, SIGPIPE);
    ::pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &pipe_signal, &before);
    SocketPair pipe = make_pipe();
    start({}, std::move(pipe.far));
    pipe.near.reset();
    EXPECT_EQ(write("nobody hears").error, std::errc::broken_pipe);
    sigset_t pending;
    sigset_t now;
    ::sigpending(&pending);
    EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
    ::pthread_sigmask(SIG_SETMASK, &before, &now);
    EXPECT_EQ(::sigismember(&now, SIGPIPE), blocked ? 1 : 0);
  }
}

TEST_P(PipeStreamOnEveryPoller, N3_ATerminalsBytesGoBothWaysAndItsOtherSidesCloseIsTheEnd) {
  UniqueFd slave = start_terminal();
  EXPECT_EQ(write("to the program").size, 14U);
  EXPECT_EQ(take(slave.fd()), "to the program");
  put(slave.fd(), "to the user");
  EXPECT_TRUE(run_until([&] { return user_.bytes == "to the user"; }));
  slave.reset();
  EXPECT_TRUE(run_until([&] { return user_.count('e') == 1; }));
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(user_.count('x'), 0) << user_.error.message();
}

TEST_P(PipeStreamOnEveryPoller, SetUpErrorsNameTheCallAndNothingStaysOpen) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  const DescriptorsBefore before;
  UniqueFd file(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_THROW(static_cast<void>(make_stream(reactor_, UniqueFd(), UniqueFd())),
               std::invalid_argument);
  const std::string text = message_of<std::system_error>(
      [&] { static_cast<void>(make_stream(reactor_, std::move(file), {}, {}, "the log")); });
  EXPECT_NE(text.find("make_stream"), std::string::npos) << text;
  EXPECT_NE(text.find("the log"), std::string::npos) << text;
  EXPECT_TRUE(before.opened_since().empty());
}

}  // namespace
}  // namespace detent
