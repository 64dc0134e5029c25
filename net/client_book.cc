// SPDX-License-Identifier: BSL-1.0
#include "client_book.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "detent/net_error.h"

namespace detent {
namespace {

template <class Native>
Native load(const Endpoint& endpoint) noexcept {
  Native native = {};
  std::memcpy(&native, endpoint.native().data(), sizeof native);
  return native;
}

// Clears the bits behind the first `prefix` ones.
void cut_to(std::span<std::byte> address, unsigned prefix) noexcept {
  for (std::byte& byte : address) {
    const unsigned kept = std::min(prefix, 8U);
    byte &= std::byte(0xFFU << (8U - kept));
    prefix -= kept;
  }
}

}  // namespace

std::optional<ClientBook::Address> counted_address(const Endpoint& endpoint,
                                                   unsigned ipv6_prefix) noexcept {
  constexpr std::size_t kSize = sizeof(in6_addr);
  ClientBook::Address address = {};
  if (endpoint.family() == Endpoint::Family::ipv4) {
    address[10] = address[11] = std::byte(0xFF);  // as the mapped one: RFC 4291, 2.5.5.2
    const in_addr native = load<sockaddr_in>(endpoint).sin_addr;
    std::memcpy(address.data() + 12, &native, sizeof native);
    return address;
  }
  if (endpoint.family() != Endpoint::Family::ipv6) return std::nullopt;
  const auto native = load<sockaddr_in6>(endpoint);
  std::memcpy(address.data(), &native.sin6_addr, kSize);
  if (IN6_IS_ADDR_LINKLOCAL(&native.sin6_addr)) {
    std::memcpy(address.data() + kSize, &native.sin6_scope_id, sizeof native.sin6_scope_id);
  } else if (!IN6_IS_ADDR_V4MAPPED(&native.sin6_addr)) {
    cut_to(std::span(address).first(kSize), ipv6_prefix);
  }
  return address;
}

ClientBook::Answer ClientBook::admit(const Endpoint& peer) {
  if (is_full()) return {.limit = NetError::too_many_clients};
  const bool by_address = limits_.clients_per_address != ListenerOptions::kNoLimit;
  const auto address = by_address ? counted_address(peer, limits_.ipv6_prefix) : std::nullopt;
  const std::uint32_t number = address ? find_or_add(*address) : 0;
  Place& place = places_[number];
  if (address && place.clients == limits_.clients_per_address) {
    return {.limit = NetError::too_many_clients_of_address,
            .is_news = !std::exchange(place.limit_told, true)};
  }
  ++place.clients;
  ++clients_;
  return {.admission = Admission(link_, {.slot = number, .generation = 1})};
}

std::uint32_t ClientBook::find_or_add(const Address& address) {
  if (const auto found = places_of_.find(address); found != places_of_.end()) return found->second;
  if (first_free_ == 0) {
    places_.emplace_back();
    first_free_ = static_cast<std::uint32_t>(places_.size() - 1);
  }
  const std::uint32_t number = first_free_;
  places_of_.emplace(address, number);
  first_free_ = places_[number].next_free;
  places_[number] = {.address = address};
  return number;
}

void ClientBook::cancel(HandlerId id) noexcept {
  Place& place = places_[id.slot];
  --place.clients;
  place.limit_told = false;
  if (id.slot != 0 && place.clients == 0) {
    places_of_.erase(place.address);
    place.next_free = std::exchange(first_free_, id.slot);
  }
  const bool was_full = is_full();
  --clients_;
  if (was_full) on_room_();
}

}  // namespace detent
