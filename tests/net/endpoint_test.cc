// SPDX-License-Identifier: BSL-1.0
#include "detent/endpoint.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <ostream>

#include "support/errors.h"
#include "support/standard.h"

namespace detent {

void PrintTo(const Endpoint& endpoint, std::ostream* stream) { *stream << endpoint.to_string(); }

namespace {

using namespace std::string_literals;
using testing_support::message_of;
using Family = Endpoint::Family;

// What parse says about a text that it must refuse.
std::string refusal(std::string_view text) {
  try {
    const Endpoint endpoint = Endpoint::parse(text);
    return "accepted as " + endpoint.to_string();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

template <class Address>
Endpoint from_struct(const Address& address, std::size_t size = sizeof(Address)) {
  return Endpoint::from_native(std::as_bytes(std::span(&address, 1)).first(size));
}

// What the kernel would fill in for a unix socket whose sun_path holds these bytes.
Endpoint from_sun_path(std::string_view bytes) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, bytes.data(), bytes.size());
  return from_struct(address, offsetof(sockaddr_un, sun_path) + bytes.size());
}

TEST(Endpoint, PrintsWhatItParsed) {
  for (const char* text :
       {"127.0.0.1:1234", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
        "[2001:db8::8:800:200c:417a]:443", "[::ffff:1.2.3.4]:1", "[fe80::1%1]:80",
        "unix:/run/a.sock", "unix:relative/path", "unix:./@file", "unix:/with space:and:colons [x]",
        "unix:@name", "unix:@@", "unix:@/slashed"}) {
    EXPECT_EQ(Endpoint::parse(text).to_string(), text);
  }
}

TEST(Endpoint, PrintsTheShortestFormOfAnAddress) {
  EXPECT_EQ(Endpoint::parse("[0:0:0:0:0:0:0:1]:0080").to_string(), "[::1]:80");
  EXPECT_EQ(Endpoint::parse("[2001:DB8::]:1").to_string(), "[2001:db8::]:1");
}

TEST(Endpoint, ParsingWhatItPrintsGivesAnEqualEndpoint) {
  for (const std::string& text :
       {"10.1.2.3:65535"s, "[fe80::1%lo]:80"s, "[fe80::1%4294967295]:80"s, "unix:@a\0b\xff\n"s,
        "unix:/tmp/\x01\xfe\""s, "unix:/" + std::string(106, 'x'),
        "unix:@" + std::string(107, 'x')}) {
    const Endpoint endpoint = Endpoint::parse(text);
    EXPECT_EQ(Endpoint::parse(endpoint.to_string()), endpoint);
  }
}

TEST(Endpoint, TellsItsFamilyPortAndPath) {
  const std::vector<std::tuple<std::string, Family, int, std::string>> rows = {
      {"127.0.0.1:1234", Family::ipv4, 1234, ""},
      {"[::1]:80", Family::ipv6, 80, ""},
      {"unix:/run/a.sock", Family::unix_path, 0, "/run/a.sock"},
      {"unix:@name\0with NUL"s, Family::abstract, 0, "name\0with NUL"s}};
  for (const auto& [text, family, port, path] : rows) {
    const Endpoint endpoint = Endpoint::parse(text);
    EXPECT_EQ(endpoint.family(), family) << text;
    EXPECT_EQ(endpoint.port(), port) << text;
    EXPECT_EQ(endpoint.path(), path) << text;
  }
}

TEST(Endpoint, IsUnnamedUntilItIsGivenAValue) {
  Endpoint endpoint;
  EXPECT_EQ(endpoint.family(), Family::unnamed);
  EXPECT_EQ(endpoint.port(), 0);
  EXPECT_EQ(endpoint.path(), "");
  EXPECT_EQ(endpoint.to_string(), "unix:");
  endpoint = Endpoint::parse("127.0.0.1:1");
  EXPECT_EQ(endpoint.to_string(), "127.0.0.1:1");
}

TEST(Endpoint, IsEqualToItsCopyAndDiffersInEachPart) {
  const Endpoint endpoint = Endpoint::parse("[fe80::1%1]:80");
  const Endpoint copy = endpoint;
  EXPECT_EQ(copy, endpoint);
  for (const char* other : {"[fe80::1%1]:81", "[fe80::2%1]:80", "[fe80::1%2]:80", "[fe80::1]:80",
                            "127.0.0.1:80", "unix:/a", "unix:@a"}) {
    EXPECT_NE(Endpoint::parse(other), endpoint) << other;
  }
  EXPECT_NE(Endpoint::parse("unix:/a"), Endpoint::parse("unix:/a/"));
  EXPECT_NE(Endpoint::parse("unix:/a"), Endpoint::parse("unix:@/a"));
  EXPECT_NE(Endpoint::parse("unix:@a"), Endpoint::parse("unix:@a\0"s));
}

TEST(Endpoint, TakesAScopeByNameOrByNumber) {
  const std::string number = std::to_string(::if_nametoindex("lo"));
  EXPECT_EQ(Endpoint::parse("[fe80::1%lo]:80"), Endpoint::parse("[fe80::1%" + number + "]:80"));
}

TEST(Endpoint, IsMadeFromAnAddressAndAPort) {
  EXPECT_EQ(Endpoint::ipv4("127.0.0.1", 1234), Endpoint::parse("127.0.0.1:1234"));
  EXPECT_EQ(Endpoint::ipv4("0.0.0.0", 0), Endpoint::parse("0.0.0.0:0"));
  EXPECT_EQ(Endpoint::ipv6("::1", 65535), Endpoint::parse("[::1]:65535"));
  EXPECT_EQ(Endpoint::ipv6("::", 80), Endpoint::parse("[::]:80"));
  EXPECT_EQ(Endpoint::ipv6("fe80::1%lo", 80), Endpoint::parse("[fe80::1%lo]:80"));
  EXPECT_EQ(Endpoint::ipv6("::ffff:1.2.3.4", 80), Endpoint::parse("[::ffff:1.2.3.4]:80"));
}

TEST(Endpoint, RefusesAnAddressThatIsNoneAndSaysWhatWasExpected) {
  for (const std::string_view text :
       {"", "localhost", "127.0.0.1:80", "1.2.3", "::1", " 1.2.3.4"}) {
    const std::string message =
        message_of<std::invalid_argument>([&] { (void)Endpoint::ipv4(text, 80); });
    EXPECT_TRUE(message.starts_with('"' + std::string(text) + "\" is no IPv4 address: "))
        << message;
    EXPECT_TRUE(message.ends_with("(expected 127.0.0.1)")) << message;
  }
  for (const std::string_view text : {"", "localhost", "[::1]", "[::1]:80", "127.0.0.1", "fe80::1%",
                                      "fe80::1%no-such-device", "fe80::1%0"}) {
    const std::string message =
        message_of<std::invalid_argument>([&] { (void)Endpoint::ipv6(text, 80); });
    EXPECT_TRUE(message.starts_with('"' + std::string(text) + "\" is no IPv6 address: "))
        << message;
    EXPECT_TRUE(message.ends_with("(expected ::1 or fe80::1%eth0)")) << message;
  }
}

TEST(Endpoint, KeepsAllButThePortWhenThatIsReplaced) {
  const Endpoint endpoint = Endpoint::parse("[fe80::1%1]:80");
  EXPECT_EQ(endpoint.with_port(81), Endpoint::parse("[fe80::1%1]:81"));
  EXPECT_EQ(endpoint.port(), 80);
  EXPECT_EQ(Endpoint::ipv4("1.2.3.4", 1).with_port(0), Endpoint::parse("1.2.3.4:0"));
  for (const char* text : {"unix:/run/a.sock", "unix:@name"}) {
    EXPECT_EQ(message_of<std::invalid_argument>([&] { (void)Endpoint::parse(text).with_port(80); }),
              "Endpoint::with_port: " + std::string(text) + " has no port");
  }
  EXPECT_THROW((void)Endpoint().with_port(80), std::invalid_argument);
}

TEST(Endpoint, RefusesBadTextAndSaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "it is empty"},
      {" ", "the port is missing"},
      {"127.0.0.1", "the port is missing"},
      {"127.0.0.1:", "the port is missing"},
      {":80", "the address is missing"},
      {"127.0.0.1:65536", "the port is not a number from 0 to 65535"},
      {"127.0.0.1:99999999999999999999", "the port is not a number"},
      {"127.0.0.1:+80", "the port is not a number"},
      {"127.0.0.1:-1", "the port is not a number"},
      {"127.0.0.1: 80", "the port is not a number"},
      {"127.0.0.1:80 ", "the port is not a number"},
      {"127.0.0.1:0x50", "the port is not a number"},
      {"127.0.0.1:http", "the port is not a number"},
      {"127.0.0.1:80\0"s, "the port is not a number"},
      {" 127.0.0.1:80", "not four decimal numbers"},
      {"127.0.0.1 :80", "not four decimal numbers"},
      {"127.0.0.1\0:80"s, "not four decimal numbers"},
      {"127.0.0:80", "not four decimal numbers"},
      {"127.0.0.256:80", "not four decimal numbers"},
      {"127.0.0.01:80", "not four decimal numbers"},
      {"0x7f.0.0.1:80", "not four decimal numbers"},
      {"localhost:80", "host names are not looked up"},
      {"local:80", "host names are not looked up"},
      {"::1:80", "an IPv6 address needs brackets"},
      {"127.0.0.1:80:", "an IPv6 address needs brackets"},
      {"[::1", "the closing bracket is missing"},
      {"[", "the closing bracket is missing"},
      {"[]:80", "no IPv6 address"},
      {"[127.0.0.1]:80", "no IPv6 address"},
      {"[::1\0]:80"s, "no IPv6 address"},
      {"[ ::1]:80", "no IPv6 address"},
      {"[[::1]]:80", "no IPv6 address"},
      {"[12345::]:80", "no IPv6 address"},
      {"[::1]", "the port is missing"},
      {"[::1]:", "the port is missing"},
      {"[::1]80", "no colon follows the bracket"},
      {"[::1]:65536", "the port is not a number"},
      {"[fe80::1%]:80", "neither the name nor the number"},
      {"[fe80::1%0]:80", "neither the name nor the number"},
      {"[fe80::1%4294967296]:80", "neither the name nor the number"},
      {"[fe80::1%no-such-if]:80", "neither the name nor the number"},
      {"[fe80::1%lo\0]:80"s, "neither the name nor the number"},
      {"[fe80::1%" + std::string(1000, 'x') + "]:80", "neither the name nor the number"},
      {"unix:", "the path is empty"},
      {"unix:@", "the abstract name is empty"},
      {"unix:/a\0b"s, "the path contains a NUL byte"},
      {"unix:\0b"s, "the path contains a NUL byte"},
      {"unix:/" + std::string(107, 'x'), "the path is longer than 107 bytes"},
      {"unix:@" + std::string(108, 'x'), "the abstract name is longer than 107 bytes"},
  };
  for (const auto& [text, reason] : cases) {
    const std::string message = refusal(text);
    EXPECT_TRUE(contains(message, reason)) << message;
    EXPECT_TRUE(contains(message, "expected 127.0.0.1:PORT")) << message;
  }
}

TEST(Endpoint, SaysWhatToWriteInsteadOfAnotherProgramsForm) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"http://127.0.0.1:80", R"(it is a URL; write "127.0.0.1:80")"},
      {"https://[::1]:443/index.html", R"(it is a URL; write "[::1]:443")"},
      {"tcp://0.0.0.0:1234?reuse=1#x", R"(it is a URL; write "0.0.0.0:1234")"},
      {"UNIX:///run/x.sock", R"(a path is written "unix:/run/x.sock")"},
      {"file:///run/x.sock", R"(a path is written "unix:/run/x.sock")"},
      {"/run/x.sock", R"(a path is written "unix:/run/x.sock")"},
      {"./x.sock", R"(a path is written "unix:./x.sock")"},
      {"run/x:1.sock", R"(a path is written "unix:run/x:1.sock")"},
      {"@name", R"(an abstract name is written "unix:@name")"},
      {"1234", R"(write "0.0.0.0:1234", or "127.0.0.1:1234" for this machine alone)"},
      {":1234", R"(write "0.0.0.0:1234", or "127.0.0.1:1234" for this machine alone)"},
      {"*:1234", R"(write "0.0.0.0:1234", or "127.0.0.1:1234" for this machine alone)"},
      {"::1:80", R"(an IPv6 address needs brackets: "[::1]:80")"},
  };
  for (const auto& [text, instead] : cases) {
    const std::string message = refusal(text);
    EXPECT_TRUE(contains(message, instead)) << message;
    const std::string written = message.substr(0, message.find("(expected"));
    const std::size_t begin = written.find('"', written.find("is no endpoint")) + 1;
    EXPECT_NO_THROW((void)Endpoint::parse(written.substr(begin, written.find('"', begin) - begin)))
        << message;
  }
}

TEST(Endpoint, QuotesWhatItRefusesPrintablyAndInShort) {
  EXPECT_TRUE(refusal("local:80").starts_with("\"local:80\" is no endpoint"));
  EXPECT_TRUE(refusal("\x1b[2J\0\xff\"\\\n"s).starts_with(R"("\x1b[2J\x00\xff\"\\\x0a" is no)"));

  const std::string message = refusal(std::string(1'000'000, 'x'));
  EXPECT_TRUE(contains(message, "... (1000000 bytes)")) << message;
  EXPECT_LT(message.size(), 400U);
}

TEST(Endpoint, ReadsNothingBehindItsText) {
  const std::string_view text = "127.0.0.1:12345";
  EXPECT_EQ(Endpoint::parse(text.substr(0, 12)).port(), 12);
  const std::vector<char> exact = {'u', 'n', 'i', 'x', ':', '/', 'a'};  // no NUL; ASan sees beyond
  EXPECT_EQ(Endpoint::parse({exact.data(), exact.size()}).path(), "/a");
}

TEST(Endpoint, IsWhatTheKernelTakes) {
  const Endpoint endpoint = Endpoint::parse("127.0.0.1:1234");
  sockaddr_in address = {};
  ASSERT_EQ(endpoint.native().size(), sizeof address);
  std::memcpy(&address, endpoint.native().data(), sizeof address);
  EXPECT_EQ(address.sin_family, AF_INET);
  EXPECT_EQ(address.sin_port, htons(1234));
  EXPECT_EQ(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(Endpoint::parse("unix:@name").native().size(), offsetof(sockaddr_un, sun_path) + 5);
}

TEST(Endpoint, ComesFromWhatTheKernelFillsIn) {
  for (const std::string& text : {"1.2.3.4:5"s, "[fe80::1%3]:80"s, "unix:/a"s, "unix:@a\0b"s}) {
    const Endpoint endpoint = Endpoint::parse(text);
    EXPECT_EQ(Endpoint::from_native(endpoint.native()), endpoint);
  }
  EXPECT_EQ(Endpoint::from_native(Endpoint().native()), Endpoint());
  EXPECT_EQ(Endpoint::from_native({}), Endpoint());
}

TEST(Endpoint, IgnoresBytesThatDoNotIdentifyIt) {
  sockaddr_in ipv4 = {};
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(80);
  std::memset(ipv4.sin_zero, 0x55, sizeof ipv4.sin_zero);
  EXPECT_EQ(from_struct(ipv4), Endpoint::parse("0.0.0.0:80"));

  sockaddr_in6 ipv6 = {};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_flowinfo = htonl(0x12345);
  EXPECT_EQ(from_struct(ipv6), Endpoint::parse("[::]:0"));

  sockaddr_storage more = {};
  std::memcpy(&more, &ipv6, sizeof ipv6);
  EXPECT_EQ(from_struct(more), Endpoint::parse("[::]:0"));
}

TEST(Endpoint, TakesAPathWithOrWithoutItsNul) {
  const Endpoint expected = Endpoint::parse("unix:/a");
  EXPECT_EQ(from_sun_path("/a"), expected);
  EXPECT_EQ(from_sun_path("/a\0"s), expected);
  EXPECT_EQ(from_sun_path("/a\0garbage"s), expected);
  // The longest that Linux binds has no room for it: unix(7).
  const Endpoint longest = from_sun_path(std::string(108, 'x'));
  EXPECT_EQ(longest.path(), std::string(108, 'x'));
  EXPECT_EQ(longest.native().size(), sizeof(sockaddr_un));
  EXPECT_EQ(Endpoint::from_native(longest.native()), longest);
}

TEST(Endpoint, PrintsAPathThatBeginsWithAnAtSignAsAPath) {
  const Endpoint endpoint = from_sun_path("@file");
  EXPECT_EQ(endpoint.family(), Family::unix_path);
  EXPECT_EQ(endpoint.to_string(), "unix:./@file");
  EXPECT_EQ(Endpoint::parse(endpoint.to_string()).family(), Family::unix_path);
}

TEST(Endpoint, RefusesNativeAddressesThatAreForeignOrNotWhole) {
  sockaddr_storage address = {};
  for (const auto family : {AF_INET, AF_INET6}) {
    address.ss_family = static_cast<sa_family_t>(family);
    EXPECT_THROW((void)from_struct(address, 1), std::invalid_argument);
    EXPECT_THROW((void)from_struct(address, 15), std::invalid_argument);
  }
  address.ss_family = AF_NETLINK;
  EXPECT_THROW((void)from_struct(address), std::invalid_argument);

  address.ss_family = AF_UNIX;
  std::memset(reinterpret_cast<char*>(&address) + offsetof(sockaddr_un, sun_path), 'x', 110);
  EXPECT_THROW((void)from_struct(address, 112), std::invalid_argument);
}

// Either an endpoint that prints and parses to itself, or a refusal; never anything else.
void check_any_text(const std::string& text) {
  try {
    const Endpoint endpoint = Endpoint::parse(text);
    ASSERT_EQ(Endpoint::parse(endpoint.to_string()), endpoint);
    ASSERT_EQ(Endpoint::from_native(endpoint.native()), endpoint);
  } catch (const std::invalid_argument&) {
  }
}

TEST(Endpoint, AnyTextIsAnEndpointOrAnError) {
  const std::vector<std::string> seeds = {"127.0.0.1:1234", "[::1]:80",   "[fe80::1%lo]:80",
                                          "unix:/run/sock", "unix:@name", "[::ffff:1.2.3.4]:65535"};
  const std::string alphabet = "0123456789abcdef:.[]%@/unix+- \0\xff"s;
  const unsigned int seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) { return random() % bound; };

  for (int round = 0; round < 50'000 && !HasFatalFailure(); ++round) {
    std::string text = round % 4 == 0 ? std::string() : seeds[below(seeds.size())];
    for (std::size_t change = below(6) + 1; change > 0; --change) {
      const std::size_t place = below(text.size() + 1);
      const char byte = alphabet[below(alphabet.size())];
      switch (below(4)) {
        case 0:
          text.insert(place, 1, byte);
          break;
        case 1:
          text.insert(place, below(120), byte);
          break;
        case 2:
          text.erase(place, below(4));
          break;
        default:
          if (place < text.size()) text[place] = byte;
      }
    }
    SCOPED_TRACE(testing::PrintToString(text));
    check_any_text(text);
  }
}

}  // namespace
}  // namespace detent
