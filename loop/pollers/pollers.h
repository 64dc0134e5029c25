// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What the pollers have in common, and how the platform lists those that it has.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "detent/poller.h"
#include "poller_call.h"

namespace detent {

// The factories; each platform has some of them.
[[nodiscard]] std::unique_ptr<Poller> make_epoll_poller();
[[nodiscard]] std::unique_ptr<Poller> make_io_uring_poller();
[[nodiscard]] std::unique_ptr<Poller> make_kqueue_poller();
[[nodiscard]] std::unique_ptr<Poller> make_poll_poller();
[[nodiscard]] std::unique_ptr<Poller> make_select_poller();

struct PollerRow {
  std::string_view name;
  std::unique_ptr<Poller> (*make)();
  /// Why the kernel does not offer it; empty when it does. Has no side effect.
  std::string (*absence)() = [] { return std::string(); };
};

/// All the pollers that detent knows, the platform's default first.
[[nodiscard]] std::span<const PollerRow> platform_pollers() noexcept;

/// For pollers whose kernel would take everything: throws bad_file_descriptor, or
/// operation_not_permitted for a regular file or a directory.
void check_waitable(const PollerCall& call);
/// For pollers that lack something: throws not_supported for what they have not.
void check_supported(const PollerCall& call, Interest interest, const Poller& poller);
/// What native_handle() of a poller without one does: throws not_supported.
[[noreturn]] void refuse_native_handle(const Poller& poller);

/// As poll(2) spells it.
[[nodiscard]] short to_poll_mask(Interest interest) noexcept;
[[nodiscard]] Ready from_poll_mask(short mask) noexcept;

}  // namespace detent
