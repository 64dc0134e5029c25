// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a Connection throws that cannot be made for want of descriptors or memory.
///
///     [&](detent::Socket socket, const detent::Endpoint&) {
///       clients.push_back(make_client(std::move(socket)));  // may throw LimitReached: leave it
///     }
#pragma once

#include <system_error>

#include "detent/needs_cpp20.h"

namespace detent {

/// A system_error of its own type, so that a Listener can tell it from all others: let through by
/// on_accept, it has that client turned away and makes the listener rest, as at a limit in
/// accept(2). So no client can end run() by coming when the poller takes no more.
class LimitReached : public std::system_error {
 public:
  using std::system_error::system_error;
};

}  // namespace detent
