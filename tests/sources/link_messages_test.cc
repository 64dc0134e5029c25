// SPDX-License-Identifier: BSL-1.0
// Messages of rtnetlink(7), whole and broken.
#include "links/link_messages.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <span>

#include "support/standard.h"

namespace detent {
namespace {

using Bytes = std::string;

template <class T>
void put(Bytes& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

Bytes attribute(int type, std::string_view value) {
  Bytes bytes;
  put(bytes, rtattr{.rta_len = static_cast<unsigned short>(sizeof(rtattr) + value.size()),
                    .rta_type = static_cast<unsigned short>(type)});
  bytes += value;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

Bytes message(int type, const Bytes& body, int flags = 0) {
  Bytes bytes;
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = static_cast<std::uint16_t>(type);
  header.nlmsg_flags = static_cast<std::uint16_t>(flags);
  put(bytes, header);
  return bytes + body;
}

Bytes link_body(int index, unsigned flags, const Bytes& attributes, int family = AF_UNSPEC) {
  Bytes bytes;
  ifinfomsg link = {};
  link.ifi_family = static_cast<unsigned char>(family);
  link.ifi_index = index;
  link.ifi_flags = flags;
  put(bytes, link);
  return bytes + attributes;
}

Bytes number(int value) {
  Bytes bytes;
  put(bytes, value);
  return bytes;
}

const Bytes kEth = attribute(IFLA_MTU, "\1\2\3\4") + attribute(IFLA_IFNAME, {"eth0\0", 5});

// In memory of exactly that size, so that a sanitizer sees each byte too many.
LinkReading parsed(const Bytes& bytes) {
  const auto exact = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(std::as_bytes(std::span(bytes)), exact.get());
  LinkReading reading;
  parse_link_messages({exact.get(), bytes.size()}, reading);
  return reading;
}

TEST(LinkMessages, K11_ALinkHasItsIndexNameAndFlags) {
  const LinkReading reading = parsed(message(
      RTM_NEWLINK, link_body(7, IFF_UP | IFF_RUNNING | IFF_LOWER_UP | IFF_MULTICAST, kEth)));
  ASSERT_EQ(reading.news.size(), 1U);
  EXPECT_EQ(reading.news[0].link, (Link{.index = 7, .name = "eth0", .up = true, .running = true}));
  EXPECT_TRUE(reading.news[0].exists);
  EXPECT_FALSE(reading.news[0].is_answer);
  EXPECT_FALSE(reading.ends_answer || reading.is_incomplete || reading.is_lossy);
}

TEST(LinkMessages, K11_ALinkRunsWhenBothTheKernelAndTheDriverSaySo) {
  for (const unsigned flags : {unsigned{IFF_RUNNING}, unsigned{IFF_LOWER_UP}}) {
    EXPECT_FALSE(
        parsed(message(RTM_NEWLINK, link_body(7, IFF_UP | flags, kEth))).news.at(0).link.running);
  }
}

TEST(LinkMessages, K11_ADatagramHasManyAndTheEndOfTheAnswer) {
  const LinkReading reading = parsed(message(RTM_NEWLINK, link_body(1, IFF_UP, kEth), NLM_F_MULTI) +
                                     message(RTM_NEWLINK, link_body(2, 0, {}), NLM_F_MULTI) +
                                     message(NLMSG_DONE, number(0), NLM_F_MULTI));
  ASSERT_EQ(reading.news.size(), 2U);
  EXPECT_TRUE(reading.news[0].is_answer && reading.news[1].is_answer);
  EXPECT_EQ(reading.news[1].link, (Link{.index = 2}));
  EXPECT_TRUE(reading.ends_answer);
  EXPECT_EQ(reading.error, 0);
}

TEST(LinkMessages, K11_ALinkThatLeavesABridgeHasNotGone) {
  const LinkReading reading = parsed(message(RTM_DELLINK, link_body(7, IFF_UP, kEth, AF_BRIDGE)) +
                                     message(RTM_DELLINK, link_body(8, IFF_UP, kEth)));
  ASSERT_EQ(reading.news.size(), 1U);
  EXPECT_EQ(reading.news[0].link.index, 8);
  EXPECT_FALSE(reading.news[0].exists);
}

TEST(LinkMessages, K11_AnAnswerThatIsNotOfOneMomentIsIncomplete) {
  EXPECT_TRUE(parsed(message(NLMSG_DONE, number(0), NLM_F_MULTI | NLM_F_DUMP_INTR)).is_incomplete);
  EXPECT_FALSE(parsed(message(RTM_NEWLINK, link_body(1, 0, kEth), NLM_F_DUMP_INTR)).is_incomplete)
      << "the flag means something else where there is no answer";
}

TEST(LinkMessages, K11_AnErrorIsItsNumber) {
  EXPECT_EQ(parsed(message(NLMSG_ERROR, number(-EBUSY))).error, EBUSY);
  EXPECT_EQ(parsed(message(NLMSG_ERROR, number(0))).error, 0);
  EXPECT_EQ(parsed(message(NLMSG_ERROR, {})).error, 0);
  EXPECT_EQ(parsed(message(NLMSG_DONE, number(-EMSGSIZE), NLM_F_MULTI)).error, EMSGSIZE);
  EXPECT_EQ(parsed(message(NLMSG_DONE, number(20), NLM_F_MULTI)).error, 0);
}

TEST(LinkMessages, K11_ANameIsCutAtItsEndAndAtFifteenBytes) {
  const auto name = [](std::string_view bytes) {
    return parsed(message(RTM_NEWLINK, link_body(1, 0, attribute(IFLA_IFNAME, bytes))))
        .news.at(0)
        .link.name;
  };
  EXPECT_EQ(name({"ab\0cd", 5}), "ab");
  EXPECT_EQ(name("no end"), "no end");
  EXPECT_EQ(name(""), "");
  EXPECT_EQ(name("0123456789abcdefgh"), "0123456789abcde");
}

TEST(LinkMessages, K11_WhatIsNotAboutALinkIsSkipped) {
  for (const int type : std::array<int, 4>{RTM_NEWADDR, RTM_NEWROUTE, NLMSG_NOOP, RTM_GETLINK}) {
    EXPECT_TRUE(parsed(message(type, link_body(1, 0, kEth))).news.empty());
  }
  EXPECT_TRUE(parsed(message(RTM_NEWLINK, link_body(0, 0, kEth))).news.empty());
  EXPECT_TRUE(parsed(message(RTM_NEWLINK, link_body(-1, 0, kEth))).news.empty());
}

TEST(LinkMessages, K11_AMessageThatIsCutAnywhereSaysNothingWrong) {
  const Bytes whole = message(RTM_NEWLINK, link_body(7, IFF_UP, kEth));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(parsed(whole.substr(0, size)).news.empty());
  }
}

TEST(LinkMessages, K11_AnAttributeThatIsLongerThanItsMessageOrShorterThanItsHeaderIsNoName) {
  Bytes body = link_body(7, 0, attribute(IFLA_IFNAME, {"eth0\0", 5}));
  for (const int length : {0, 1, 3, 13, 255}) {
    body[sizeof(ifinfomsg)] = static_cast<char>(length);
    const LinkReading reading = parsed(message(RTM_NEWLINK, body));
    ASSERT_EQ(reading.news.size(), 1U);
    EXPECT_EQ(reading.news[0].link.name, "") << length;
  }
}

TEST(LinkMessages, K11_BytesOfAnyKindAreReadWithinTheirBounds) {
  std::mt19937 random(11);
  const Bytes sound = message(RTM_NEWLINK, link_body(7, IFF_UP, kEth), NLM_F_MULTI) +
                      message(RTM_DELLINK, link_body(8, 0, kEth)) +
                      message(NLMSG_DONE, number(0), NLM_F_MULTI);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = sound;
    bytes.resize(random() % (sound.size() + 1));
    for (std::size_t i = random() % 8; i > 0 && !bytes.empty(); --i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    for (const LinkNews& news : parsed(bytes).news) {
      EXPECT_GT(news.link.index, 0);
      EXPECT_LE(news.link.name.size(), 15U);
    }
  }
}

}  // namespace
}  // namespace detent
