// SPDX-License-Identifier: BSL-1.0
// netlink(7), rtnetlink(7).
#include "links/link_socket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <span>

#include "links/link_messages.h"
#include "sys.h"

namespace detent {
namespace {

UniqueFd open_socket(int receive_buffer) {
  constexpr const char* kSocket = "Links: socket(NETLINK_ROUTE)";
  constexpr int kType = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  UniqueFd socket(sys::check(::socket(AF_NETLINK, kType, NETLINK_ROUTE), kSocket));
  if (receive_buffer > 0) {
    sys::check(
        ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer),
        "Links: setsockopt(SO_RCVBUF)");
  }
  sockaddr_nl groups = {};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK;
  auto* const generic = reinterpret_cast<const sockaddr*>(&groups);
  sys::check(::bind(socket.fd(), generic, sizeof groups), "Links: bind(RTMGRP_LINK)");
  return socket;
}

// For all links, without their statistics, which would be most of an answer.
struct Question {
  nlmsghdr header = {.nlmsg_len = sizeof(Question),
                     .nlmsg_type = RTM_GETLINK,
                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                     .nlmsg_seq = 0,
                     .nlmsg_pid = 0};
  ifinfomsg all = {};
  rtattr attribute = {.rta_len = sizeof(rtattr) + sizeof(std::uint32_t), .rta_type = IFLA_EXT_MASK};
  std::uint32_t without = RTEXT_FILTER_SKIP_STATS;
};

// EBUSY: the answer to an earlier question goes on. The others: the kernel has no memory or no room
// for an answer now.
bool may_ask_again(int error) { return error == EBUSY || error == ENOBUFS || error == ENOMEM; }

// Returns the whole size of the message, also of one that does not fit.
ssize_t receive(int fd, std::span<std::byte> buffer, sockaddr_nl& sender) {
  iovec room = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message = {};
  message.msg_name = &sender;
  message.msg_namelen = sizeof sender;
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  return sys::retry_interrupted([&] { return ::recvmsg(fd, &message, MSG_TRUNC); });
}

}  // namespace

LinkSocket::LinkSocket(int receive_buffer, std::size_t first_size)
    : fd_(open_socket(receive_buffer)), buffer_(first_size) {}

void LinkSocket::ask() {
  const Question question;
  const auto send = [&] { return ::send(fd_.fd(), &question, sizeof question, 0); };
  if (sys::retry_interrupted(send) == -1) sys::fail("Links: send(RTM_GETLINK)");
}

bool LinkSocket::is_empty() const {
  pollfd query = {.fd = fd_.fd(), .events = POLLIN, .revents = 0};
  return sys::poll(&query, 1, Duration::zero()) != 1;  // a signal interrupts it if nothing is there
}

void LinkSocket::read(LinkReading& reading) {
  reading.clear();
  sockaddr_nl sender = {};
  const ssize_t size = receive(fd_.fd(), buffer_, sender);
  if (size == -1) {
    reading.is_empty = errno == EAGAIN;
    reading.is_lossy = errno == ENOBUFS;  // the kernel had no room for a message
    if (!reading.is_empty && !reading.is_lossy) sys::fail("Links: recvmsg");
    return;
  }
  if (sender.nl_pid == 0) take(static_cast<std::size_t>(size), reading);  // else another program's
}

void LinkSocket::take(std::size_t size, LinkReading& reading) {
  if (size > buffer_.size()) {
    buffer_.resize(size);
    reading.is_lossy = true;
    return;
  }
  parse_link_messages(std::span(buffer_).first(size), reading);
  if (reading.error == 0) return;
  if (!may_ask_again(reading.error)) sys::fail("Links: RTM_GETLINK", reading.error);
  reading.is_incomplete = true;
}

}  // namespace detent
