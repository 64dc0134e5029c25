// SPDX-License-Identifier: BSL-1.0
/// \file
/// The exception when a stream cannot be made for want of descriptors or memory.
///
///     [&](detent::Socket socket, const detent::Endpoint&) {
///       clients.push_back(make_client(std::move(socket)));  // may throw LimitReached: leave it
///     }
#pragma once

#include <system_error>

#include "detent/needs_cpp20.h"

namespace detent {

/// A type of its own, so that a Listener recognizes it. When on_accept lets it through, the
/// listener turns that client away and rests, as at a limit in accept(2). So a client that comes
/// when the poller takes no more cannot end run().
class LimitReached : public std::system_error {
 public:
  using std::system_error::system_error;
};

}  // namespace detent
