// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Counts the clients of a listener, in all and by address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <system_error>
#include <vector>

#include "detent/callback.h"
#include "detent/endpoint.h"
#include "detent/handle.h"
#include "detent/listener.h"

namespace detent {

class ClientBook final : private HandleOwner {
 public:
  /// Which addresses are the same one: 16 bytes as of IPv6, and a scope.
  using Address = std::array<std::byte, 20>;

  struct Limits {
    std::size_t clients;
    std::size_t clients_per_address;
    unsigned ipv6_prefix;  ///< 1 to 128
  };
  struct Answer {
    Admission admission = {};    ///< Empty if there is a limit.
    std::error_code limit = {};  ///< A NetError.
    bool is_news = false;        ///< The first since this address was below its limit.
  };

  /// `on_room` is called whenever a client leaves a full book, and must not throw.
  ClientBook(const Limits& limits, Callback<void()> on_room)
      : limits_(limits), on_room_(std::move(on_room)) {}
  ClientBook(const ClientBook&) = delete;
  ClientBook& operator=(const ClientBook&) = delete;
  ~ClientBook() { link_.cut(); }

  /// Allocates for the first client of an address only; std::bad_alloc changes nothing.
  [[nodiscard]] Answer admit(const Endpoint& peer);
  [[nodiscard]] bool is_full() const noexcept { return clients_ >= limits_.clients; }

 private:
  // What an Admission's number means. Place 0 is for clients without an address.
  struct Place {
    Address address = {};
    std::size_t clients = 0;
    bool limit_told = false;
    std::uint32_t next_free = 0;  // 0: none
  };

  [[nodiscard]] std::uint32_t find_or_add(const Address& address);
  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId /*id*/) const noexcept override { return true; }

  const Limits limits_;
  Callback<void()> on_room_;
  std::size_t clients_ = 0;
  std::vector<Place> places_ = std::vector<Place>(1);
  std::uint32_t first_free_ = 0;
  std::map<Address, std::uint32_t> places_of_;  // ordered: no choice of addresses makes it slow
  ServiceLink link_{*this};
};

/// The first `ipv6_prefix` bits of an IPv6 address; the whole of one that is link-local, with its
/// scope, or that is IPv4's. None for a unix socket.
[[nodiscard]] std::optional<ClientBook::Address> counted_address(const Endpoint& endpoint,
                                                                 unsigned ipv6_prefix) noexcept;

}  // namespace detent
