// SPDX-License-Identifier: BSL-1.0
#include "detent/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/net_fixtures.h"
#include "support/own_network.h"
#include "support/standard.h"
#include "support/temporary_folder.h"

namespace detent {
namespace {

using namespace testing_support;

constexpr int kNoLimitMs = 20'000;  // reached only by a test that fails

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The events of one descriptor that came, waiting for one of those asked for, a hang-up or an
// error.
short wait_for(const Socket& socket, short events) {
  pollfd entry = {.fd = socket.fd(), .events = events, .revents = 0};
  EXPECT_EQ(::poll(&entry, 1, kNoLimitMs), 1);
  return entry.revents;
}

AcceptResult accept_one(Socket& listener) {
  wait_for(listener, POLLIN);
  AcceptResult accepted = listener.accept();
  EXPECT_FALSE(accepted.error) << accepted.error.message();
  EXPECT_TRUE(accepted.socket);
  return accepted;
}

// Reads until `size` bytes, the end of the stream or an error has come.
struct Received {
  std::string text;
  bool end_of_stream = false;
  std::error_code error = {};
};

Received receive(Socket& socket, std::size_t size) {
  Received received;
  while (received.text.size() < size && !received.end_of_stream && !received.error) {
    if (wait_for(socket, POLLIN) == 0) break;
    std::array<std::byte, 4096> buffer;
    const Socket::Result result = socket.read(buffer);
    received.text.append(reinterpret_cast<const char*>(buffer.data()), result.size);
    received.end_of_stream = result.end_of_stream;
    received.error = result.error;
  }
  return received;
}

struct Pair {
  Socket client, server;
  Endpoint client_seen_by_server;
};

Pair connected_pair(const Endpoint& endpoint) {
  Socket listener = Socket::listen(endpoint);
  Socket client = Socket::connect(listener.local_endpoint());
  AcceptResult accepted = accept_one(listener);
  wait_for(client, POLLOUT);
  EXPECT_FALSE(client.take_error());
  return {std::move(client), std::move(accepted.socket), accepted.peer};
}

// A name in the file system for one test.
struct TemporaryPath {
  const TemporaryFolder folder;

  [[nodiscard]] std::string file() const { return folder / "socket"; }
  [[nodiscard]] Endpoint endpoint() const { return Endpoint::parse("unix:" + file()); }
};

Endpoint any_port() { return Endpoint::parse("127.0.0.1:0"); }

// A loopback port that refuses connections: nobody listens, and nobody gets it while it is bound.
struct RefusingPort {
  Socket bound = Socket::adopt(UniqueFd(::socket(AF_INET, SOCK_STREAM, 0)));
  RefusingPort() {
    const Endpoint any = any_port();
    EXPECT_EQ(::bind(bound.fd(), reinterpret_cast<const sockaddr*>(any.native().data()),
                     static_cast<socklen_t>(any.native().size())),
              0);
  }
};

bool is_non_blocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

template <class Function>
std::string system_error_text(Function function, std::errc expected) {
  EXPECT_EQ(error_of(function), expected);
  return message_of<std::system_error>(function);
}

// Everything that every family must do alike.
class SocketOfEveryFamily : public testing::TestWithParam<const char*> {
 protected:
  Endpoint endpoint() {
    const std::string family = GetParam();
    if (family == "path") return path_.endpoint();
    if (family == "abstract") return unused_name();
    return Endpoint::parse(family == "ipv6" ? "[::1]:0" : "127.0.0.1:0");
  }

 private:
  TemporaryPath path_;
};

INSTANTIATE_TEST_SUITE_P(, SocketOfEveryFamily, testing::Values("ipv4", "ipv6", "path", "abstract"),
                         [](const auto& family) { return std::string(family.param); });

TEST_P(SocketOfEveryFamily, CarriesBytesBothWays) {
  Pair pair = connected_pair(endpoint());
  EXPECT_EQ(pair.client.write(bytes_of("question?")).size, 9U);
  EXPECT_EQ(receive(pair.server, 9).text, "question?");
  EXPECT_EQ(pair.server.write(bytes_of("answer")).size, 6U);
  EXPECT_EQ(receive(pair.client, 6).text, "answer");
}

TEST_P(SocketOfEveryFamily, KnowsBothItsEnds) {
  const Pair pair = connected_pair(endpoint());
  EXPECT_EQ(pair.client.peer_endpoint(), pair.server.local_endpoint());
  EXPECT_EQ(pair.server.peer_endpoint(), pair.client.local_endpoint());
  EXPECT_EQ(pair.client_seen_by_server, pair.client.local_endpoint());
}

TEST_P(SocketOfEveryFamily, IsNonBlockingAndCloseOnExec) {
  Socket listener = Socket::listen(endpoint());
  const Socket client = Socket::connect(listener.local_endpoint());
  const AcceptResult accepted = accept_one(listener);
  for (const int fd : {listener.fd(), client.fd(), accepted.socket.fd()}) {
    EXPECT_TRUE(is_non_blocking(fd));
    EXPECT_TRUE(is_close_on_exec(fd));
  }
}

TEST_P(SocketOfEveryFamily, AcceptingWhenNobodyWaitsIsNoError) {
  Socket listener = Socket::listen(endpoint());
  const AcceptResult accepted = listener.accept();
  EXPECT_FALSE(accepted.socket);
  EXPECT_FALSE(accepted.error);
}

TEST_P(SocketOfEveryFamily, SaysWhatItIsBlockedOn) {
  Pair pair = connected_pair(endpoint());
  std::array<std::byte, 16> buffer;
  Socket::Result result = pair.client.read(buffer);
  EXPECT_TRUE(result.would_block);
  EXPECT_EQ(result.size, 0U);
  EXPECT_FALSE(result.error || result.end_of_stream);

  const std::string block(1 << 20, 'x');
  do result = pair.client.write(bytes_of(block));
  while (result.size > 0);
  EXPECT_TRUE(result.would_block);
  EXPECT_FALSE(result.error || result.end_of_stream);
}

TEST_P(SocketOfEveryFamily, N3_AHalfClosedStreamStillCarriesTheAnswer) {
  Pair pair = connected_pair(endpoint());
  for (auto [from, to] : {std::pair{&pair.client, &pair.server}, {&pair.server, &pair.client}}) {
    EXPECT_EQ(from->write(bytes_of("last words")).size, 10U);
    EXPECT_FALSE(from->shutdown_write().error);
    const Received received = receive(*to, std::string::npos);
    EXPECT_EQ(received.text, "last words");
    EXPECT_TRUE(received.end_of_stream);
    EXPECT_FALSE(received.error);
  }
}

TEST_P(SocketOfEveryFamily, N3_ShuttingDownTwiceIsHarmless) {
  Pair pair = connected_pair(endpoint());
  EXPECT_FALSE(pair.client.shutdown_write().error);
  EXPECT_FALSE(pair.client.shutdown_write().error);
  EXPECT_EQ(pair.client.write(bytes_of("x")).error, std::errc::broken_pipe);
  EXPECT_TRUE(receive(pair.server, 1).end_of_stream);
}

// The default disposition of SIGPIPE would end this program.
TEST_P(SocketOfEveryFamily, N3_WritingToADeadPeerIsAnErrorCodeAndNoSignal) {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  struct sigaction before = {};
  ASSERT_EQ(::sigaction(SIGPIPE, &standard, &before), 0);

  Pair pair = connected_pair(endpoint());
  pair.server = Socket();
  Socket::Result result;
  do {  // a first write over TCP may succeed; the answer to it is the reset
    result = pair.client.write(bytes_of("anybody there?"));
  } while (!result.error && wait_for(pair.client, POLLHUP) != 0);
  EXPECT_TRUE(result.error == std::errc::broken_pipe || result.error == std::errc::connection_reset)
      << result.error.message();
  EXPECT_EQ(pair.client.write(bytes_of("again")).error, std::errc::broken_pipe);
  EXPECT_EQ(result.size, 0U);

  struct sigaction after = {};
  ASSERT_EQ(::sigaction(SIGPIPE, &before, &after), 0);
  EXPECT_EQ(after.sa_handler, SIG_DFL);
}

TEST_P(SocketOfEveryFamily, MovingNoBytesIsNeitherAnEndNorAnError) {
  Pair pair = connected_pair(endpoint());
  for (const Socket::Result& result : {pair.client.read({}), pair.client.write({})}) {
    EXPECT_EQ(result.size, 0U);
    EXPECT_FALSE(result.error || result.end_of_stream);
    EXPECT_FALSE(result.would_block);
  }
}

TEST_P(SocketOfEveryFamily, ClosesEveryDescriptorThatItOpened) {
  const DescriptorsBefore before;
  {
    const Pair pair = connected_pair(endpoint());
    EXPECT_EQ(before.opened_since().size(), 2U);
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(SocketOfEveryFamily, AnEndpointInUseIsASystemErrorThatNamesBind) {
  const Socket listener = Socket::listen(endpoint());
  const Endpoint taken = listener.local_endpoint();
  const DescriptorsBefore before;
  const std::string text =
      system_error_text([&] { (void)Socket::listen(taken); }, std::errc::address_in_use);
  EXPECT_TRUE(text.starts_with("bind " + taken.to_string() + ": ")) << text;
  EXPECT_TRUE(before.opened_since().empty());
}

TEST(Socket, N3_AConnectThatFailsIsToldOnceWhenTheSocketIsWritableOrByReadAndWrite) {
  using std::errc;
  const RefusingPort port;
  const TemporaryPath missing;
  const TemporaryPath stale;
  static_cast<void>(Socket::listen(stale.endpoint()));
  for (const auto& [nowhere, reason] :
       {std::pair{port.bound.local_endpoint(), errc::connection_refused},
        std::pair{missing.endpoint(), errc::no_such_file_or_directory},
        std::pair{stale.endpoint(), errc::connection_refused}}) {
    SCOPED_TRACE(nowhere.to_string());
    std::vector<Socket> sockets;
    for (int i = 0; i < 3; ++i) {
      sockets.push_back(Socket::connect(nowhere));
      EXPECT_NE(wait_for(sockets.back(), POLLOUT) & POLLOUT, 0);
    }
    EXPECT_EQ(sockets[0].take_error(), reason);
    EXPECT_FALSE(sockets[0].take_error());
    std::array<std::byte, 1> buffer = {};
    EXPECT_EQ(sockets[1].read(buffer).error, reason);
    EXPECT_EQ(sockets[2].write(buffer).error, reason);
  }
}

TEST(Socket, AFailedConnectMovesWithItsSocket) {
  const TemporaryPath path;
  Socket socket = Socket::connect(path.endpoint());
  Socket moved = std::move(socket);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): the subject.
  EXPECT_EQ(socket.take_error(), std::errc::bad_file_descriptor);
  socket = std::move(moved);
  EXPECT_EQ(socket.take_error(), std::errc::no_such_file_or_directory);
}

TEST(Socket, N3_AResetIsAnErrorCode) {
  Pair pair = connected_pair(any_port());
  reset_connection(pair.server.release());
  const Received received = receive(pair.client, 1);
  EXPECT_EQ(received.error, std::errc::connection_reset);
  EXPECT_FALSE(received.end_of_stream);
}

TEST(Socket, AMovedFromSocketIsEmpty) {
  static_assert(!std::is_copy_constructible_v<Socket> && !std::is_copy_assignable_v<Socket>);
  Socket first = Socket::listen(any_port());
  const int fd = first.fd();
  Socket second = std::move(first);
  EXPECT_EQ(second.fd(), fd);
  EXPECT_TRUE(second);
  // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what is left is the
  // subject.
  EXPECT_EQ(first.fd(), -1);
  EXPECT_FALSE(first);
  EXPECT_EQ(first.write(bytes_of("x")).error, std::errc::bad_file_descriptor);
  EXPECT_EQ(first.shutdown_write().error, std::errc::bad_file_descriptor);
  EXPECT_EQ(first.set_no_delay(true), std::errc::bad_file_descriptor);
  EXPECT_EQ(first.accept().error, std::errc::bad_file_descriptor);
  // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
}

TEST(Socket, ReleasesItsDescriptorToTheCaller) {
  Socket socket = Socket::listen(any_port());
  const int fd = socket.fd();
  const UniqueFd released = socket.release();
  EXPECT_EQ(released.fd(), fd);
  EXPECT_FALSE(socket);
  EXPECT_TRUE(is_close_on_exec(fd));
}

TEST(Socket, AdoptsOneMadeElsewhere) {
  std::array<int, 2> ends;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  Socket left = Socket::adopt(UniqueFd(ends[0]));
  Socket right = Socket::adopt(UniqueFd(ends[1]));
  EXPECT_TRUE(is_non_blocking(left.fd()));
  EXPECT_TRUE(is_close_on_exec(left.fd()));
  EXPECT_EQ(left.peer_endpoint().family(), Endpoint::Family::unnamed);
  EXPECT_EQ(left.write(bytes_of("hello")).size, 5U);
  EXPECT_EQ(receive(right, 5).text, "hello");
}

TEST(Socket, RefusesToAdoptWhatIsNoStreamOfAKnownFamilySaysWhatItIsAndClosesIt) {
  const DescriptorsBefore before;
  const auto adopt = [](int fd) { return [fd] { (void)Socket::adopt(UniqueFd(fd)); }; };
  const auto null = [] { (void)Socket::adopt(UniqueFd(::open("/dev/null", O_RDWR))); };
  EXPECT_TRUE(system_error_text(adopt(-1), std::errc::bad_file_descriptor).starts_with("fcntl"));
  EXPECT_TRUE(system_error_text(null, std::errc::not_a_socket).starts_with("getsockname"));
  EXPECT_THROW(adopt(::socket(AF_NETLINK, SOCK_RAW, 0))(), std::invalid_argument);
  for (const auto& [family, type] : {std::pair{AF_INET, SOCK_DGRAM},
                                     {AF_INET6, SOCK_DGRAM},
                                     {AF_UNIX, SOCK_DGRAM},
                                     {AF_UNIX, SOCK_SEQPACKET}}) {
    const int fd = ::socket(family, type, 0);
    if (fd == -1) continue;  // a machine without IPv6
    EXPECT_EQ(message_of<std::invalid_argument>(adopt(fd)),
              "Socket::adopt: descriptor " + std::to_string(fd) + " is no stream socket");
  }
  EXPECT_TRUE(before.opened_since().empty());
}

TEST(Socket, AdoptsOneThatListens) {
  Socket made = Socket::listen(any_port());
  Socket listener = Socket::adopt(made.release());
  Socket client = Socket::connect(listener.local_endpoint());
  EXPECT_TRUE(accept_one(listener).socket);
}

// ---- N4: an answer in two writes does not wait for the peer's acknowledgement

bool has_no_delay(const Socket& socket) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  return value != 0;
}

TEST(Socket, N4_SmallWritesOverTcpAreSentAtOnceUnlessAskedOtherwise) {
  for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
    Pair pair = connected_pair(Endpoint::parse(where));
    EXPECT_TRUE(has_no_delay(pair.client));
    EXPECT_TRUE(has_no_delay(pair.server));
    EXPECT_FALSE(pair.client.set_no_delay(false));
    EXPECT_FALSE(has_no_delay(pair.client));
    EXPECT_FALSE(pair.client.set_no_delay(true));
    EXPECT_TRUE(has_no_delay(pair.client));
  }
  const Socket adopted = Socket::adopt(UniqueFd(::socket(AF_INET, SOCK_STREAM, 0)));
  EXPECT_TRUE(has_no_delay(adopted));
}

TEST(Socket, N4_AListenerCanLeaveTheDelayToItsConnections) {
  Socket listener = Socket::listen(any_port(), {.no_delay = false});
  const Socket client = Socket::connect(listener.local_endpoint());
  EXPECT_FALSE(has_no_delay(accept_one(listener).socket));
}

// ---- N9: how a connect can fail

TEST(Socket, N9_ConnectingToOrListeningAtAnUnnamedEndpointIsAnInvalidArgument) {
  EXPECT_EQ(message_of<std::invalid_argument>([] { (void)Socket::connect(Endpoint()); }),
            "Socket::connect: the endpoint is unnamed");
  EXPECT_EQ(message_of<std::invalid_argument>([] { (void)Socket::listen(Endpoint()); }),
            "Socket::listen: the endpoint is unnamed");
}

TEST(Socket, N9_WithoutADescriptorLeftConnectTellsItAsAnError) {
  const Socket listener = Socket::listen(any_port());
  const Endpoint endpoint = listener.local_endpoint();
  std::optional<Socket> socket;
  {
    const NoFreeDescriptor none;
    socket = Socket::connect(endpoint);
  }
  EXPECT_EQ(socket->fd(), -1);
  EXPECT_EQ(socket->take_error(), std::errc::too_many_files_open);
  EXPECT_EQ(socket->take_error(), std::errc::bad_file_descriptor) << "told once";
}

TEST(Socket, N9_WithoutADescriptorForAFailedConnectItsReasonIsStillTold) {
  const TemporaryPath path;
  for (const std::size_t left : {1U, 2U}) {  // for the socket, and for one that is always ready
    std::optional<Socket> socket;
    {
      const DescriptorsLeft limit(left);
      socket = Socket::connect(path.endpoint());
    }
    EXPECT_EQ(socket->take_error(), std::errc::no_such_file_or_directory);
  }
}

// Runs `body` where the kernel can give a connection but one port, 40000. Nullopt where a process
// may have no network of its own.
template <class Body>
std::optional<bool> holds_with_one_port(Body body) {
  constexpr int kNotAllowed = 77;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!enter_own_network(40000)) ::_exit(kNotAllowed);
    body();
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotAllowed) return std::nullopt;
  return status == 0;
}

TEST(Socket, N9_AConnectionToItselfIsConnectionRefused) {
  const std::optional<bool> held = holds_with_one_port([] {
    for (const char* self : {"127.0.0.1:40000", "0.0.0.0:40000", "[::1]:40000", "[::]:40000"}) {
      SCOPED_TRACE(self);
      Socket socket = Socket::connect(Endpoint::parse(self));
      EXPECT_NE(wait_for(socket, POLLOUT) & POLLOUT, 0);
      EXPECT_EQ(socket.take_error(), std::errc::connection_refused);
      std::array<std::byte, 1> buffer = {};
      Socket again = Socket::connect(Endpoint::parse(self));
      EXPECT_EQ(again.write(buffer).error, std::errc::connection_refused);
    }
  });
  if (!held) GTEST_SKIP() << "this process may not have a network of its own: unshare(2)";
  EXPECT_TRUE(*held);
}

TEST(Socket, ForeignAddressesAndPeersThatAreNotThereAreErrorsThatNameTheCall) {
  EXPECT_TRUE(system_error_text([] { (void)Socket::listen(Endpoint::parse("192.0.2.77:1")); },
                                std::errc::address_not_available)
                  .starts_with("bind 192.0.2.77:1: "));
  const Socket listener = Socket::listen(any_port());
  EXPECT_TRUE(system_error_text([&] { (void)listener.peer_endpoint(); }, std::errc::not_connected)
                  .starts_with("getpeername"));
}

TEST(Socket, SharesAPortOnlyIfEveryListenerWantsTo) {
  const ListenOptions shared = {.reuse_port = true};
  const Socket first = Socket::listen(any_port(), shared);
  const Endpoint endpoint = first.local_endpoint();
  EXPECT_NO_THROW((void)Socket::listen(endpoint, shared));
  system_error_text([&] { (void)Socket::listen(endpoint); }, std::errc::address_in_use);
}

TEST(Socket, AnIpv6ListenerTakesIpv4OnlyIfAsked) {
  Socket both = Socket::listen(Endpoint::parse("[::]:0"), {.ipv6_only = false});
  const std::string port = std::to_string(both.local_endpoint().port());
  const Socket client = Socket::connect(Endpoint::parse("127.0.0.1:" + port));
  EXPECT_TRUE(accept_one(both).peer.to_string().starts_with("[::ffff:127.0.0.1]:"));

  const Socket only_ipv6 = Socket::listen(Endpoint::parse("[::]:0"));
  const std::string other = std::to_string(only_ipv6.local_endpoint().port());
  Socket refused = Socket::connect(Endpoint::parse("127.0.0.1:" + other));
  wait_for(refused, POLLOUT);
  EXPECT_EQ(refused.take_error(), std::errc::connection_refused);
}

TEST(Socket, KnowsAPeerThatHasGoneBeforeItWasAccepted) {
  Socket listener = Socket::listen(any_port());
  Endpoint gone;
  {
    const Socket client = Socket::connect(listener.local_endpoint());
    gone = client.local_endpoint();
  }
  EXPECT_EQ(accept_one(listener).peer, gone);
}

}  // namespace
}  // namespace detent
