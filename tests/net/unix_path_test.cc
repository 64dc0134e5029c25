// SPDX-License-Identifier: BSL-1.0
// The path of a unix socket: what is removed there, by whom and when.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <barrier>
#include <filesystem>
#include <fstream>

#include "detent/callback.h"
#include "detent/socket.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/net_fixtures.h"
#include "support/processes.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace {
// What happens between opening a lock's file and locking it; once.
detent::Callback<void()> before_flock;
}  // namespace

// Stands before the C library's in the order of symbols, so the library under test gets this one.
extern "C" int flock(int fd, int operation) noexcept {
  if (before_flock) std::exchange(before_flock, {})();
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

namespace detent {
namespace {

using namespace testing_support;

class UnixPath : public testing::Test {
 protected:
  [[nodiscard]] std::string file() const { return folder_ / "socket"; }
  [[nodiscard]] Endpoint endpoint() const { return Endpoint::parse("unix:" + file()); }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  void leave_dead_socket() const { static_cast<void>(Socket::listen(endpoint())); }
  [[nodiscard]] std::error_code error_of_listening() const {
    return error_of([&] { static_cast<void>(Socket::listen(endpoint())); });
  }
  [[nodiscard]] std::error_code error_of_connecting() const {
    return Socket::connect(endpoint()).take_error();
  }
  // A socket of another type or state, which detent does not make.
  [[nodiscard]] UniqueFd bind(int type) const {
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const auto address = endpoint().native();
    checked(::bind(socket.fd(), reinterpret_cast<const sockaddr*>(address.data()),
                   static_cast<socklen_t>(address.size())),
            "bind");
    return socket;
  }

  TemporaryFolder folder_;
};

TEST_F(UnixPath, N8_ADeadSocketIsReplacedAndNothingElseIsLeft) {
  leave_dead_socket();
  EXPECT_EQ(error_of_connecting(), std::errc::connection_refused);
  const Socket listener = Socket::listen(endpoint());
  EXPECT_FALSE(error_of_connecting());
  EXPECT_EQ(files(), std::set<std::string>{"socket"});
  EXPECT_EQ(listener.local_endpoint(), endpoint());
}

TEST_F(UnixPath, N8_ADeadSocketIsLeftWhereTheOptionSaysSo) {
  leave_dead_socket();
  EXPECT_EQ(
      error_of([&] { static_cast<void>(Socket::listen(endpoint(), {.remove_dead_path = false})); }),
      std::errc::address_in_use);
  EXPECT_EQ(error_of_connecting(), std::errc::connection_refused) << "it is there";
}

TEST_F(UnixPath, N8_ASocketAtWhichAnotherListensIsNeverRemoved) {
  Socket listener = Socket::listen(endpoint());
  const std::string message =
      message_of<std::system_error>([&] { static_cast<void>(Socket::listen(endpoint())); });
  EXPECT_TRUE(message.starts_with("bind " + endpoint().to_string() + ": ")) << message;
  EXPECT_FALSE(error_of_connecting());
}

TEST_F(UnixPath, N8_AListenerWithAFullBacklogIsNotDead) {
  Socket listener = Socket::listen(endpoint(), {.backlog = 0});
  std::vector<Socket> clients;
  std::error_code error;
  while (!error) {
    clients.push_back(Socket::connect(endpoint()));
    error = clients.back().take_error();
  }
  EXPECT_EQ(error, std::errc::resource_unavailable_try_again);
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_TRUE(listener.accept().socket);
  EXPECT_FALSE(error_of_connecting());
}

TEST_F(UnixPath, N8_WhatIsNoSocketIsNeverRemoved) {
  std::ofstream(file()) << "precious";
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_EQ(std::filesystem::file_size(file()), 8U);
  std::filesystem::remove(file());

  std::filesystem::create_directory(file());
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_TRUE(std::filesystem::is_directory(file()));
  std::filesystem::remove(file());

  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_TRUE(std::filesystem::is_fifo(file()));
}

TEST_F(UnixPath, N8_NeitherASymbolicLinkNorTheDeadSocketBehindItIsRemoved) {
  leave_dead_socket();
  std::filesystem::rename(file(), folder_ / "target");
  std::filesystem::create_symlink("target", file());
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_EQ(files(), (std::set<std::string>{"socket", "target"}));
}

TEST_F(UnixPath, N8_ASocketOfAnotherTypeIsRemovedOnlyWhenItIsDead) {
  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    SCOPED_TRACE(type);
    {
      const UniqueFd other = bind(type);
      if (type == SOCK_SEQPACKET) {
        ASSERT_EQ(::listen(other.fd(), 1), 0);
      }
      EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
    }
    EXPECT_FALSE(error_of_listening());
    std::filesystem::remove(file());
  }
}

TEST_F(UnixPath, N8_WhileAnotherBeginsToListenAStarterGetsAddressInUse) {
  leave_dead_socket();
  const UniqueFd other(
      ::open((file() + ".detent-lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(other.fd(), LOCK_EX), 0);
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_EQ(files(), (std::set<std::string>{"socket", "socket.detent-lock"}));
  ASSERT_EQ(::flock(other.fd(), LOCK_UN), 0);
  EXPECT_FALSE(error_of_listening()) << "a lock file that was left behind is no lock";
}

TEST_F(UnixPath, N8_TheLockOfAFileThatAnotherHasReplacedMeanwhileIsNone) {
  leave_dead_socket();
  const std::string lock = file() + ".detent-lock";
  UniqueFd other;
  before_flock = [&] {
    std::filesystem::remove(lock);
    other.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::flock(other.fd(), LOCK_EX), 0);
  };
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_TRUE(std::filesystem::exists(lock));
}

TEST_F(UnixPath, N8_AFileOfAnotherThatHasTheLocksNameIsLeft) {
  leave_dead_socket();
  std::ofstream(file() + ".detent-lock") << "4711";
  EXPECT_FALSE(error_of_listening());
  EXPECT_EQ(std::filesystem::file_size(file() + ".detent-lock"), 4U);
}

// Many programs lock PATH.lock before they listen at PATH, as display servers do.
TEST_F(UnixPath, N8_ALockThatTheProgramItselfKeepsBesideThePathIsNoneOfOurs) {
  leave_dead_socket();
  const UniqueFd own(::open((file() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(own.fd(), LOCK_EX), 0);
  EXPECT_FALSE(error_of_listening());
  EXPECT_EQ(files(), (std::set<std::string>{"socket", "socket.lock"}));
}

TEST_F(UnixPath, N8_AFolderThatDoesNotExistIsAnErrorOfBind) {
  const Endpoint nowhere = Endpoint::parse("unix:" + folder_ / "missing/socket");
  const std::string message =
      message_of<std::system_error>([&] { static_cast<void>(Socket::listen(nowhere)); });
  EXPECT_TRUE(message.starts_with("bind " + nowhere.to_string() + ": ")) << message;
}

TEST_F(UnixPath, N8_TheProbeLeavesNoDescriptorOpen) {
  const DescriptorsBefore before;
  leave_dead_socket();
  leave_dead_socket();
  const Socket listener = Socket::listen(endpoint());
  EXPECT_EQ(error_of_listening(), std::errc::address_in_use);
  EXPECT_EQ(before.opened_since().size(), 1U);
}

// Were the lock missing, one would remove the path of another between its bind and its listen.
TEST_F(UnixPath, N8_OfManyThatStartAtADeadPathExactlyOneListensThere) {
  constexpr int kStarters = 4;
  constexpr int kRounds = 300;
  std::vector<Socket> listeners(kStarters);
  std::vector<std::error_code> errors(kStarters);
  std::vector<std::string> failures;
  int round = 0;
  // Runs when all have tried.
  std::barrier all(kStarters, [&]() noexcept {
    const auto winners = std::ranges::count_if(listeners, [](const Socket& s) { return !!s; });
    const bool all_told = std::ranges::all_of(
        errors, [](std::error_code e) { return !e || e == std::errc::address_in_use; });
    if (winners != 1 || !all_told || error_of_connecting() || files().size() != 1) {
      failures.push_back(std::to_string(winners) + " listen in round " + std::to_string(round));
    }
    // The path stays for the next round, sometimes dead and sometimes not there.
    if (++round % 3 == 0) std::filesystem::remove(file());
    for (Socket& listener : listeners) listener = Socket();
  });
  const auto start = [&](std::size_t i) {
    for (int n = 0; n < kRounds; ++n) {
      errors[i] = error_of([&] { listeners[i] = Socket::listen(endpoint()); });
      all.arrive_and_wait();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kStarters; ++i) threads.emplace_back(start, i);
  }
  EXPECT_EQ(failures, std::vector<std::string>());
}

}  // namespace
}  // namespace detent
