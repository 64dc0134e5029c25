// SPDX-License-Identifier: BSL-1.0
// No rtnetlink(7) here. A program may watch a routing socket, route(4), as any descriptor.
#include "links/link_socket.h"

#include <cerrno>

#include "sys.h"

namespace detent {

LinkSocket::LinkSocket(int /*receive_buffer*/, std::size_t /*first_size*/) {
  sys::fail("Links", ENOTSUP);
}

void LinkSocket::ask() {}

bool LinkSocket::is_empty() const { return true; }

void LinkSocket::read(LinkReading& reading) {
  reading.clear();
  reading.is_empty = true;
}

}  // namespace detent
