// SPDX-License-Identifier: BSL-1.0
// What a spawned program finds: its arguments, environment, directory, group, signals, descriptors
// and streams.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "process_fixtures.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/kernel_double.h"
#include "support/processes.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class SpawnOnEveryPoller : public ChildrenOnEveryPoller {
 protected:
  /// What the program writes to its standard output, until that ends and the program does.
  std::string output_of(SpawnOptions options) {
    options.output = Stdio::pair;
    Child child = children_.spawn(options, note());
    const UniqueFd output = child.take_output();
    std::string text;
    bool has_ended = false;
    const Watch watch = reactor_.watch(output, {.readable = true}, [&](Ready) {
      const std::string more = take(output.fd());
      text += more;
      has_ended = more.empty();
    });
    while (!has_ended || child) {
      if (reactor_.run_once(kPatience) == 0) ADD_FAILURE() << "no end";
      if (HasFailure()) break;
      if (has_ended && watch) const_cast<Watch&>(watch).cancel();
    }
    return text;
  }
  std::string output_of_shell(const std::string& script) {
    return output_of({.arguments = {"sh", "-c", script}});
  }
};

// ---- arguments, environment, directory

TEST_P(SpawnOnEveryPoller, M2_ItGetsItsArgumentsAsTheyAre) {
  EXPECT_EQ(output_of({.arguments = {"printf", "<%s>", "a b", "", "$HOME *", "\\xc3"}}),
            "<a b><><$HOME *><\\xc3>");
}

TEST_P(SpawnOnEveryPoller, M2_AProgramWithoutASlashIsLookedForInThePath) {
  EXPECT_EQ(output_of({.arguments = {"echo", "found"}}), "found\n");
  EXPECT_EQ(output_of({.arguments = {"/bin/echo", "given"}}), "given\n");
}

TEST_P(SpawnOnEveryPoller, M2_ItsEnvironmentIsOursOrTheOneThatIsGiven) {
  ::setenv("DETENT_TEST_WORD", "ours", 1);
  EXPECT_EQ(output_of_shell("echo $DETENT_TEST_WORD"), "ours\n");
  ::unsetenv("DETENT_TEST_WORD");
  EXPECT_EQ(output_of({.arguments = {"env"}, .environment = {{"A=1", "B=x y"}}}), "A=1\nB=x y\n");
  EXPECT_EQ(output_of({.arguments = {"env"}, .environment = std::vector<std::string>()}), "");
}

TEST_P(SpawnOnEveryPoller, M2_ItStartsInItsDirectoryAndARelativePathBeginsThere) {
  const std::string folder = std::filesystem::canonical(testing::TempDir()).string() +
                             "/detent_spawn" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/here") << "#!/bin/sh\npwd\n";
  std::filesystem::permissions(folder + "/here", std::filesystem::perms::owner_all);
  EXPECT_EQ(output_of({.arguments = {"./here"}, .directory = folder}), folder + "\n");
  EXPECT_EQ(error_of([&] { static_cast<void>(spawn({"./here"})); }),
            std::errc::no_such_file_or_directory);
  std::filesystem::remove_all(folder);
}

// ---- group and signals

TEST_P(SpawnOnEveryPoller, M2_ItLeadsAGroupOfItsOwnWhenAskedTo) {
  Child member = spawn({"sleep", "1000"});
  Child leader = children_.spawn({.arguments = {"sleep", "1000"}, .own_group = true}, note());
  EXPECT_EQ(::getpgid(member.pid()), ::getpgrp());
  EXPECT_EQ(::getpgid(leader.pid()), leader.pid());
  EXPECT_TRUE(member.kill(SIGTERM));
  EXPECT_TRUE(leader.kill(SIGTERM));
  run_until_told(2);
}

/// The signals of a mask in /proc/PID/status.
std::uint64_t mask_in(const std::string& status, const std::string& name) {
  const std::size_t place = status.find(name + ":\t");
  EXPECT_NE(place, std::string::npos) << status;
  return std::stoull(status.substr(place + name.size() + 2, 16), nullptr, 16);
}

TEST_P(SpawnOnEveryPoller, M2_NoSignalIsBlockedOrIgnoredThoughItIsHere) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  const auto ignore = [](int signal) { return ::signal(signal, SIG_IGN); };
  const std::array former = {ignore(SIGPIPE), ignore(SIGHUP), ignore(SIGUSR1)};
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Child child =
      children_.spawn({.arguments = {"cat", "/proc/self/status"}, .output = Stdio::pair}, note());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::signal(SIGPIPE, former[0]);
  ::signal(SIGHUP, former[1]);
  ::signal(SIGUSR1, former[2]);
  const UniqueFd output = child.take_output();
  run_until_told(1);
  const std::string status = take(output.fd());
  EXPECT_EQ(mask_in(status, "SigBlk"), 0U);
  // glibc keeps signals 32 and 33 for itself, and ignores them in a child.
  constexpr std::uint64_t kOfGlibc = 3ULL << 31U;
#ifdef __GLIBC__
  EXPECT_EQ(mask_in(status, "SigIgn"), kOfGlibc);
#else
  EXPECT_EQ(mask_in(status, "SigIgn") & ~kOfGlibc, 0U);
#endif
}

// ---- descriptors

TEST_P(SpawnOnEveryPoller, M2_ItHasNoDescriptorButItsStreams) {
  const UniqueFd leak(::fcntl(STDIN_FILENO, F_DUPFD, 40));  // not close-on-exec
  ASSERT_TRUE(leak);
  // The fourth is that of the listing itself.
  EXPECT_EQ(output_of_shell("ls /proc/self/fd | wc -l"), "4\n");
}

TEST_P(SpawnOnEveryPoller, M2_APairIsAStreamSocketThatDoesNotBlockHereAndDoesThere) {
  Child child = children_.spawn(
      {.arguments = {"cat", "/proc/self/fdinfo/0"}, .input = Stdio::pair, .output = Stdio::pair},
      note());
  const UniqueFd input = child.take_input();
  const UniqueFd output = child.take_output();
  EXPECT_FALSE(child.take_input()) << "taken before";
  EXPECT_FALSE(child.take_error()) << "it is inherited";
  for (const int fd : {input.fd(), output.fd()}) {
    int type = 0;
    socklen_t size = sizeof type;
    EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    EXPECT_EQ(type, SOCK_STREAM);
    EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
  run_until_told(1);
  const std::string theirs = take(output.fd());
  const std::size_t flags = theirs.find("flags:\t");
  ASSERT_NE(flags, std::string::npos) << theirs;
  EXPECT_EQ(std::stoi(theirs.substr(flags + 7), nullptr, 8) & O_NONBLOCK, 0);
}

TEST_P(SpawnOnEveryPoller, M2_WhatIsWrittenToAPairIsReadAndTheEndIsSeen) {
  Child child =
      children_.spawn({.arguments = {"sort"}, .input = Stdio::pair, .output = Stdio::pair}, note());
  {
    const UniqueFd input = child.take_input();
    put(input.fd(), "b\na\n");
  }
  const UniqueFd output = child.take_output();
  EXPECT_EQ(next_exit().code, 0);
  EXPECT_EQ(take(output.fd()), "a\nb\n");
}

TEST_P(SpawnOnEveryPoller, M2_TheThreeStreamsAreSeparate) {
  Child child = children_.spawn({.arguments = {"sh", "-c", "read x; echo $x; echo error >&2"},
                                 .input = Stdio::pair,
                                 .output = Stdio::pair,
                                 .error = Stdio::pair},
                                note());
  const UniqueFd input = child.take_input();
  const UniqueFd output = child.take_output();
  const UniqueFd error = child.take_error();
  put(input.fd(), "word\n");
  run_until_told(1);
  EXPECT_EQ(take(output.fd()), "word\n");
  EXPECT_EQ(take(error.fd()), "error\n");
}

TEST_P(SpawnOnEveryPoller, M2_WhatIsNotTakenIsClosedWithTheHandle) {
  int pid = 0;
  {
    const Child child = children_.spawn({.arguments = {"cat"}, .input = Stdio::pair}, note());
    pid = child.pid();
  }
  wait_until_zombie(pid);  // it has read the end of its input
  EXPECT_EQ(turn(), 0U);
}

// unix(7). A plain write(2) would raise SIGPIPE.
TEST_P(SpawnOnEveryPoller, M2_WhatAChildThatEndedHasNotReadIsAReset) {
  Child child = children_.spawn(
      {.arguments = {"sleep", "1000"}, .input = Stdio::pair, .output = Stdio::pair}, note());
  const UniqueFd input = child.take_input();
  put(input.fd());
  child.kill(SIGKILL);
  run_until_told(1);
  char byte = 0;
  EXPECT_EQ(::read(input.fd(), &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(::read(input.fd(), &byte, 1), 0) << "the reset is told once";
  EXPECT_EQ(::send(input.fd(), "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  const UniqueFd output = child.take_output();
  EXPECT_EQ(::read(output.fd(), &byte, 1), 0) << "the others just end";
}

TEST_P(SpawnOnEveryPoller, M2_NullIsTheNullDevice) {
  SpawnOptions options = {.arguments = {"sh", "-c", "cat; echo x >&2; readlink /proc/self/fd/2"}};
  options.input = Stdio::null;
  options.error = Stdio::null;
  EXPECT_EQ(output_of(options), "/dev/null\n");
}

/// What the program writes to its pairs while this program has no streams of its own.
std::string output_without_own_streams(std::string_view poller, const SpawnOptions& options) {
  Reactor reactor(on_poller(poller));
  Children children(reactor);
  std::array<UniqueFd, 3> former;
  for (int fd = 0; fd < 3; ++fd) {
    former.at(static_cast<std::size_t>(fd)).reset(::fcntl(fd, F_DUPFD_CLOEXEC, 10));
    ::close(fd);
  }
  bool has_ended = false;
  Child child = children.spawn(options, [&](const ProcessExit&) { has_ended = true; });
  const UniqueFd input = child.take_input();
  const UniqueFd output = child.take_output();
  const UniqueFd error = child.take_error();
  if (input) put(input.fd(), "word\n");
  while (!has_ended && reactor.run_once(kPatience) != 0) {
  }
  const std::string told = take(output.fd()) + take(error.fd());
  for (int fd = 0; fd < 3; ++fd) ::dup2(former.at(static_cast<std::size_t>(fd)).fd(), fd);
  return told;
}

TEST_P(SpawnOnEveryPoller, M2_StreamsArriveThoughThisProgramHasClosedItsOwn) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    SpawnOptions options = {.arguments = {"sh", "-c", "read x; echo $x; echo error >&2"},
                            .input = Stdio::pair,
                            .output = Stdio::pair,
                            .error = Stdio::pair};
    EXPECT_EQ(output_without_own_streams(GetParam(), options), "word\nerror\n");
    options.input = options.output = Stdio::null;
    EXPECT_EQ(output_without_own_streams(GetParam(), options), "error\n");
  }));
}

// unix(7): open(2) of a socket is ENXIO. What is open already may be used.
TEST_P(SpawnOnEveryPoller, M2_AStreamThatIsAPairCannotBeOpenedAnewByItsPath) {
  Child child = children_.spawn({.arguments = {"sh", "-c", "echo x >&1; echo y > /dev/stdout"},
                                 .output = Stdio::pair,
                                 .error = Stdio::pair},
                                note());
  const UniqueFd output = child.take_output();
  const UniqueFd error = child.take_error();
  EXPECT_NE(next_exit().code, 0);
  EXPECT_EQ(take(output.fd()), "x\n");
  const std::string text = take(error.fd());
  EXPECT_NE(text.find("No such device"), std::string::npos) << text;
}

// ---- errors

/// How many descriptors this process has.
std::ptrdiff_t descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

TEST_P(SpawnOnEveryPoller, M2_AProgramThatCannotBeStartedIsAnErrorAndLeavesNothing) {
  const std::ptrdiff_t before = descriptors();
  const auto spawn_it = [&](SpawnOptions options) {
    options.input = options.output = options.error = Stdio::pair;
    static_cast<void>(children_.spawn(options, note(), "backup"));
  };
  EXPECT_EQ(error_of([&] { spawn_it({.arguments = {"no-such-program"}}); }),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(error_of([&] { spawn_it({.arguments = {"/etc/passwd"}}); }),
            std::errc::permission_denied);
  EXPECT_EQ(error_of([&] { spawn_it({.arguments = {"true"}, .directory = "/no/such"}); }),
            std::errc::no_such_file_or_directory);
  EXPECT_EQ(descriptors(), before);
  EXPECT_FALSE(has_children());
  const std::string text = message_of<std::system_error>(
      [&] { spawn_it({.arguments = {"no-such-program"}, .directory = "/tmp"}); });
  for (const char* part : {"Children::spawn", "no-such-program", "/tmp", "\"backup\"",
                           "posix_spawn", __FILE__, "No such file"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST_P(SpawnOnEveryPoller, M2_ATextThatIsNoneIsAnInvalidArgument) {
  const auto refused = [&](const SpawnOptions& options) {
    return message_of<std::invalid_argument>(
        [&] { static_cast<void>(children_.spawn(options, note())); });
  };
  EXPECT_NE(refused({}).find("names no program"), std::string::npos);
  EXPECT_NE(refused({.arguments = {""}}).find("names no program"), std::string::npos);
  const std::string with_nul("a\0b", 3);
  EXPECT_NE(refused({.arguments = {"true", with_nul}}).find("a NUL follows \"a\""),
            std::string::npos);
  EXPECT_NE(refused({.arguments = {"true"}, .environment = {{with_nul}}}).find("NUL"),
            std::string::npos);
  EXPECT_NE(refused({.arguments = {"true"}, .directory = with_nul}).find("NUL"), std::string::npos);
}

TEST_P(SpawnOnEveryPoller, M2_AtTheLimitOfDescriptorsNothingIsStarted) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    const auto lowest = static_cast<rlim_t>(UniqueFd(::fcntl(0, F_DUPFD, 0)).fd());
    const rlimit none_left = {.rlim_cur = lowest, .rlim_max = lowest};
    ::setrlimit(RLIMIT_NOFILE, &none_left);
    ASSERT_TRUE(let_calls_kill({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}));
    EXPECT_EQ(error_of([&] {
                static_cast<void>(children.spawn({.arguments = {"true"}}, [](const auto&) {}));
              }),
              std::errc::too_many_files_open);
  }));
}

TEST_P(SpawnOnEveryPoller, M2_AChildThatCannotBeWatchedIsNotLeft) {
  DETENT_NEEDS_THE_REAL_KERNEL();
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    Children children(reactor);
    ASSERT_TRUE(let_call_fail(SYS_epoll_ctl, ENOSPC)) << "max_user_watches, epoll(7)";
    EXPECT_EQ(
        error_of([&] {
          static_cast<void>(children.spawn({.arguments = {"sleep", "1000"}}, [](const auto&) {}));
        }),
        std::errc::no_space_on_device);
    EXPECT_FALSE(has_children());
  }));
}

DETENT_ON_EVERY_POLLER(SpawnOnEveryPoller);

}  // namespace
}  // namespace detent
