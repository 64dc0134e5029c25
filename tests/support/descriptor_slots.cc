// SPDX-License-Identifier: BSL-1.0
#include "support/descriptor_slots.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

// Above whatever the process opens by itself, so that only a slot ever uses a slot's number.
constexpr int kFirstNumber = 200;

void set(int fd, int level, int option, int value) {
  checked(::setsockopt(fd, level, option, &value, sizeof value), "setsockopt");
}

void reset_when_closed(int socket, bool reset = true) {
  const linger at_once = {.l_onoff = reset ? 1 : 0, .l_linger = 0};
  checked(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
}

// One listener for all pairs, clients from many addresses, and a reset at the end: hundreds of
// thousands of pairs must not use up the ports of this machine. The far end connects.
SocketPair make_frugal_tcp_pair() {
  struct Listener {
    UniqueFd socket = make_tcp_socket();
    sockaddr_in address = bind_to_loopback(socket.fd());
    std::uint32_t clients = 0;
    Listener() { checked(::listen(socket.fd(), 1), "listen"); }
  };
  static Listener listener;
  UniqueFd far = make_tcp_socket();
  set(far.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  sockaddr_in client = listener.address;
  client.sin_port = 0;
  client.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x10000U + ++listener.clients % 0x10000U);
  checked(::bind(far.fd(), reinterpret_cast<const sockaddr*>(&client), sizeof client), "bind");
  checked(connect_to(far.fd(), listener.address), "connect");
  UniqueFd near(checked(
      ::accept4(listener.socket.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept4"));
  checked(::fcntl(far.fd(), F_SETFL, O_NONBLOCK), "fcntl");
  reset_when_closed(near.fd());
  reset_when_closed(far.fd());
  return {std::move(near), std::move(far)};
}

// Small buffers, which are soon full.
SocketPair make_link(Source source) {
  constexpr int kBufferSize = 4096;
  SocketPair pair = source == Source::socket ? make_socket_pair()
                    : source == Source::tcp  ? make_frugal_tcp_pair()
                                             : make_pipe();
  if (source == Source::pipe_writer) std::swap(pair.near, pair.far);
  if (source == Source::socket || source == Source::tcp) {
    for (const int fd : {pair.near.fd(), pair.far.fd()}) {
      set(fd, SOL_SOCKET, SO_SNDBUF, kBufferSize);
      if (source != Source::tcp) continue;
      set(fd, SOL_SOCKET, SO_RCVBUF, kBufferSize);
      set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
  } else {
    checked(::fcntl(pair.near.fd(), F_SETPIPE_SZ, kBufferSize), "F_SETPIPE_SZ");
  }
  return pair;
}

bool is_socket(const Link& link) { return link.kind == Source::socket || link.kind == Source::tcp; }

// False when nothing went.
bool send_some(int fd, const Link& link, std::size_t size, int flags = 0) {
  static constexpr std::array<char, 4096> kBytes = {};
  const auto sent = is_socket(link) ? ::send(fd, kBytes.data(), size, MSG_NOSIGNAL | flags)
                                    : ::write(fd, kBytes.data(), size);
  return sent > 0;
}

int unread(int fd) {
  int count = 0;
  checked(::ioctl(fd, FIONREAD, &count), "FIONREAD");
  return count;
}

bool take_all(int fd, const Link& link) {
  static std::array<char, 1 << 16> buffer;
  bool any = link.kind == Source::tcp && ::recv(fd, buffer.data(), 1, MSG_OOB) == 1;
  while (::read(fd, buffer.data(), buffer.size()) > 0) any = true;
  return any;
}

}  // namespace

int DescriptorSlots::number(unsigned slot) { return kFirstNumber + static_cast<int>(slot); }

DescriptorSlots::DescriptorSlots() {
  for (unsigned slot = 0; slot < kSlots; ++slot) open(slot, first_source(slot));
}

int DescriptorSlots::any_number_of(const File& file) const {
  if (file == nullptr) return -1;
  for (const Slot& slot : slots_) {
    if (slot.file == file) return slot.near.fd();
    if (slot.duplicated == file) return slot.duplicate.fd();
  }
  return -1;
}

Effect DescriptorSlots::apply(const Operation& operation) {
  Slot& slot = slots_[operation.slot];
  const unsigned choice = operation.argument % kOfDuplicate;
  switch (operation.act) {
    case Act::close:
      return {.any = close(slot)};
    case Act::reopen:
      return {.any = reopen(operation.slot, static_cast<Source>(choice))};
    case Act::duplicate:
      return {.any = keep_duplicate(slot)};
    case Act::drop:
      return {.any = drop_duplicate(slot)};
    default:
      break;
  }
  const Subject about = subject(slot, operation.argument);
  if (about.file == nullptr) return {};
  if (operation.act == Act::write) return write(about, static_cast<Written>(choice));
  if (operation.act == Act::drain) return {.any = drain(about, static_cast<Side>(choice))};
  return {.any = shut_down(about, static_cast<Shutdown>(choice))};
}

void DescriptorSlots::open(unsigned slot, Source source) {
  SocketPair pair = make_link(source);
  place(slot, pair.near.fd(), std::make_shared<Link>(Link{std::move(pair.far), source}));
}

void DescriptorSlots::place(unsigned slot, int near, File file) {
  if (is_open(number(slot))) throw std::logic_error("a slot's number is taken");
  slots_[slot].near.reset(checked(::dup3(near, number(slot), O_CLOEXEC), "dup3"));
  slots_[slot].file = std::move(file);
}

bool DescriptorSlots::close(Slot& slot) {
  if (!slot.near) return false;
  slot.near.reset();
  slot.file.reset();
  return true;
}

bool DescriptorSlots::reopen(unsigned slot, Source source) {
  if (slots_[slot].near) return false;
  const Slot& own = slots_[slot];
  const Slot& next = slots_[(slot + 1) % kSlots];
  if (source == Source::duplicate && own.duplicate) {
    place(slot, own.duplicate.fd(), own.duplicated);
  } else if (source == Source::neighbour && next.near) {
    place(slot, next.near.fd(), next.file);
  } else {
    open(slot, source > Source::pipe_writer ? Source::socket : source);
  }
  return true;
}

bool DescriptorSlots::keep_duplicate(Slot& slot) {
  if (!slot.near || slot.duplicate) return false;
  slot.duplicate.reset(checked(::fcntl(slot.near.fd(), F_DUPFD_CLOEXEC, 0), "F_DUPFD_CLOEXEC"));
  slot.duplicated = slot.file;
  return true;
}

bool DescriptorSlots::drop_duplicate(Slot& slot) {
  if (!slot.duplicate) return false;
  slot.duplicate.reset();
  slot.duplicated.reset();
  return true;
}

DescriptorSlots::Subject DescriptorSlots::subject(const Slot& slot, unsigned argument) {
  const bool of_duplicate = slot.duplicate && ((argument & kOfDuplicate) != 0 || !slot.near);
  if (of_duplicate) return {.near = slot.duplicate.fd(), .file = slot.duplicated};
  return {.near = slot.near.fd(), .file = slot.file};
}

Effect DescriptorSlots::write(const Subject& subject, Written what) {
  const Link& link = *subject.file;
  if (!link.far) return {};
  if (what == Written::until_full || link.kind == Source::pipe_writer) {
    if (link.kind == Source::pipe_reader) return {};
    bool any = false;
    while (send_some(subject.near, link, 1024)) any = true;
    return {.any = any};
  }
  const bool urgent = what == Written::urgent && link.kind == Source::tcp;
  const int before = unread(subject.near);
  const bool sent = send_some(link.far.fd(), link, 1, urgent ? MSG_OOB : 0);
  // TCP may deliver it later.
  return {.any = sent, .arrived = unread(subject.near) > before ? subject.file : nullptr};
}

bool DescriptorSlots::drain(const Subject& subject, Side side) {
  const Link& link = *subject.file;
  const bool near =
      link.kind == Source::pipe_reader || (side == Side::near && link.kind != Source::pipe_writer);
  if (near) return take_all(subject.near, link);
  return link.far && take_all(link.far.fd(), link);
}

bool DescriptorSlots::shut_down(const Subject& subject, Shutdown how) {
  Link& link = *subject.file;
  if (!link.far) return false;
  if (!is_socket(link)) how = Shutdown::far_closes;
  const bool ends_far = how == Shutdown::far_writes || how == Shutdown::far_closes;
  const bool ends_near = how == Shutdown::near_writes;
  const bool ends_both =
      (ends_far && link.near_writes_ended) || (ends_near && link.far_writes_ended);
  // An orderly end would occupy the port for a minute.
  if (ends_both && link.kind == Source::tcp) how = Shutdown::far_resets;
  switch (how) {
    case Shutdown::far_writes:
      link.far_writes_ended = true;
      return ::shutdown(link.far.fd(), SHUT_WR) == 0;
    case Shutdown::near_writes:
      link.near_writes_ended = true;
      return ::shutdown(subject.near, SHUT_WR) == 0;
    case Shutdown::near_reads:
      return ::shutdown(subject.near, SHUT_RD) == 0;
    case Shutdown::far_resets:
      break;
    case Shutdown::far_closes:
      if (link.kind == Source::tcp) reset_when_closed(link.far.fd(), false);
      take_all(link.far.fd(), link);
      break;
  }
  link.far.reset();
  return true;
}

}  // namespace detent::testing_support
