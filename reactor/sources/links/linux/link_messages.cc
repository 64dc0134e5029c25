// SPDX-License-Identifier: BSL-1.0
// netlink(7), rtnetlink(7).
#include "links/link_messages.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace detent {
namespace {

using Bytes = std::span<const std::byte>;

// A plain struct at the beginning of `bytes`, which may lie at any address.
template <class T>
std::optional<T> read_as(Bytes bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::size_t length_of(const nlmsghdr& header) { return header.nlmsg_len; }
std::size_t length_of(const rtattr& header) { return header.rta_len; }

template <class Header>
struct Part {
  Header header;
  Bytes body;
};

// Takes the first of `rest`, which is a row of messages, or of attributes: a header with the length
// of both, and a body, each of them filled up to four bytes. Nothing when there is no whole one.
template <class Header>
std::optional<Part<Header>> take_part(Bytes& rest) {
  const auto header = read_as<Header>(rest);
  if (!header) return std::nullopt;
  const std::size_t length = length_of(*header);
  if (length < sizeof(Header) || length > rest.size()) return std::nullopt;
  const Bytes body = rest.subspan(sizeof(Header), length - sizeof(Header));
  rest = rest.subspan(std::min((length + 3) / 4 * 4, rest.size()));
  return Part<Header>{*header, body};
}

std::string_view text_in(Bytes bytes) {
  const auto* const text = reinterpret_cast<const char*>(bytes.data());
  return {text, ::strnlen(text, std::min<std::size_t>(bytes.size(), IFNAMSIZ - 1))};
}

std::string_view name_in(Bytes attributes) {
  while (const auto part = take_part<rtattr>(attributes)) {
    if ((part->header.rta_type & NLA_TYPE_MASK) == IFLA_IFNAME) return text_in(part->body);
  }
  return {};
}

// A link that has just been switched on is IFF_RUNNING for a moment even without a cable: its state
// is unknown. IFF_LOWER_UP, its driver's word, alone does not say that a login (802.1X) is over.
bool is_running(unsigned flags) {
  constexpr unsigned kBoth = IFF_RUNNING | IFF_LOWER_UP;
  return (flags & kBoth) == kBoth;
}

// Of another family than AF_UNSPEC are messages about a link's part in something else. A bridge
// sends a DELLINK of its own when a link leaves it.
void take_link(const nlmsghdr& header, Bytes body, LinkReading& reading) {
  const auto info = read_as<ifinfomsg>(body);
  if (!info || info->ifi_family != AF_UNSPEC || info->ifi_index <= 0) return;
  LinkNews& news = reading.news.emplace_back();
  news.link = {.index = info->ifi_index,
               .name = std::string(name_in(body.subspan(sizeof *info))),
               .up = (info->ifi_flags & IFF_UP) != 0,
               .running = is_running(info->ifi_flags)};
  news.exists = header.nlmsg_type == RTM_NEWLINK;
  news.is_answer = (header.nlmsg_flags & NLM_F_MULTI) != 0;
}

// The kernel sends it negative.
int error_in(Bytes body) { return -std::min(read_as<int>(body).value_or(0), 0); }

void take_message(const Part<nlmsghdr>& message, LinkReading& reading) {
  const auto& [header, body] = message;
  const bool is_answer = (header.nlmsg_flags & NLM_F_MULTI) != 0;
  if (is_answer && (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) reading.is_incomplete = true;
  switch (header.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return take_link(header, body, reading);
    case NLMSG_DONE:
      reading.ends_answer = true;
      [[fallthrough]];
    case NLMSG_ERROR:
      if (reading.error == 0) reading.error = error_in(body);
      return;
    default:
      return;
  }
}

}  // namespace

void parse_link_messages(Bytes datagram, LinkReading& reading) {
  while (const auto message = take_part<nlmsghdr>(datagram)) take_message(*message, reading);
}

}  // namespace detent
