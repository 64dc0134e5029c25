// SPDX-License-Identifier: BSL-1.0
#include "detent/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <variant>

#include "endpoint_text.h"
#include "sys.h"
#include "unix_address.h"

namespace detent {
namespace {

// ---- The kernel's structures as bytes

template <class Address>
Address load(std::span<const std::byte> native) noexcept {
  Address address = {};
  std::memcpy(&address, native.data(), std::min(native.size(), sizeof address));
  return address;
}

template <class Address>
Address load_whole(std::span<const std::byte> native) {
  if (native.size() < sizeof(Address)) {
    throw std::invalid_argument("Endpoint::from_native: the address is not whole");
  }
  return load<Address>(native);
}

int family_of(std::span<const std::byte> native) noexcept {
  return load<sockaddr>(native).sa_family;
}

std::string_view name_bytes(std::span<const std::byte> native) noexcept {
  if (native.size() <= kPathOffset) return {};
  const auto name = native.subspan(kPathOffset);
  return {reinterpret_cast<const char*>(name.data()), name.size()};
}

UnixAddress load_unix(std::span<const std::byte> native) {
  std::string_view name = name_bytes(native);
  // On systems without abstract names the kernel fills an unnamed address with NULs.
  const bool abstract = sys::kAbstractNames && name.starts_with('\0');
  // A program that bound a path may have counted bytes after its NUL. The kernel counts a NUL even
  // if it does not fit.
  if (!abstract) name = name.substr(0, name.find('\0'));
  if (name.size() > kPathRoom) {
    throw std::invalid_argument("Endpoint::from_native: the name does not fit into a sockaddr_un");
  }
  if (abstract) return abstract_name(name.substr(1));
  if (!name.empty()) return unix_path(name);
  return {};
}

std::string print_address(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> buffer;
  return ::inet_ntop(family, address, buffer.data(), buffer.size());
}

}  // namespace

template <class Address>
void Endpoint::store(const Address& address, std::size_t size) noexcept {
  static_assert(sizeof address <= sizeof bytes_ && alignof(Address) <= alignof(Endpoint));
  bytes_ = {};
  std::memcpy(bytes_.data(), &address, size);
  size_ = static_cast<std::uint8_t>(size);
}

Endpoint::Endpoint() noexcept {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  store(address, kPathOffset);
}

Endpoint Endpoint::parse(std::string_view text) {
  Endpoint endpoint;
  const NativeAddress read = read_endpoint(text);
  if (const auto* name = std::get_if<UnixAddress>(&read)) {
    endpoint.store(name->address, name->size);
  } else if (const auto* ipv6 = std::get_if<sockaddr_in6>(&read)) {
    endpoint.store(*ipv6, sizeof *ipv6);
  } else {
    endpoint.store(std::get<sockaddr_in>(read), sizeof(sockaddr_in));
  }
  return endpoint;
}

Endpoint Endpoint::ipv4(std::string_view address, std::uint16_t port) {
  sockaddr_in native = read_ipv4_address(address);
  native.sin_port = htons(port);
  Endpoint endpoint;
  endpoint.store(native, sizeof native);
  return endpoint;
}

Endpoint Endpoint::ipv6(std::string_view address, std::uint16_t port) {
  sockaddr_in6 native = read_ipv6_address(address);
  native.sin6_port = htons(port);
  Endpoint endpoint;
  endpoint.store(native, sizeof native);
  return endpoint;
}

Endpoint Endpoint::with_port(std::uint16_t port) const {
  Endpoint endpoint;
  if (family() == Family::ipv4) {
    auto address = load<sockaddr_in>(native());
    address.sin_port = htons(port);
    endpoint.store(address, sizeof address);
  } else if (family() == Family::ipv6) {
    auto address = load<sockaddr_in6>(native());
    address.sin6_port = htons(port);
    endpoint.store(address, sizeof address);
  } else {
    throw std::invalid_argument("Endpoint::with_port: " + to_string() + " has no port");
  }
  return endpoint;
}

// Builds each address anew, so that operator== may compare bytes. Leaves out what differs between
// equal addresses: padding, flow labels and the length bytes of the BSDs.
Endpoint Endpoint::from_native(std::span<const std::byte> native) {
  Endpoint endpoint;
  if (native.empty()) return endpoint;
  switch (family_of(native)) {
    case AF_INET: {
      const auto from = load_whole<sockaddr_in>(native);
      sockaddr_in address = {};
      address.sin_family = AF_INET;
      address.sin_addr = from.sin_addr;
      address.sin_port = from.sin_port;
      endpoint.store(address, sizeof address);
      return endpoint;
    }
    case AF_INET6: {
      const auto from = load_whole<sockaddr_in6>(native);
      sockaddr_in6 address = {};
      address.sin6_family = AF_INET6;
      address.sin6_addr = from.sin6_addr;
      address.sin6_port = from.sin6_port;
      address.sin6_scope_id = from.sin6_scope_id;
      endpoint.store(address, sizeof address);
      return endpoint;
    }
    case AF_UNIX: {
      const UnixAddress from = load_unix(native);
      if (from.size > kPathOffset) endpoint.store(from.address, from.size);
      return endpoint;
    }
    default:
      throw std::invalid_argument("Endpoint::from_native: neither IPv4, IPv6 nor unix");
  }
}

Endpoint::Family Endpoint::family() const noexcept {
  const int native_family = family_of(native());
  if (native_family == AF_INET) return Family::ipv4;
  if (native_family == AF_INET6) return Family::ipv6;
  const std::string_view name = name_bytes(native());
  if (name.empty()) return Family::unnamed;
  return name.front() == '\0' ? Family::abstract : Family::unix_path;
}

std::uint16_t Endpoint::port() const noexcept {
  if (family() == Family::ipv4) return ntohs(load<sockaddr_in>(native()).sin_port);
  if (family() == Family::ipv6) return ntohs(load<sockaddr_in6>(native()).sin6_port);
  return 0;
}

std::string Endpoint::path() const {
  const std::string_view name = name_bytes(native());
  if (family() == Family::abstract) return std::string(name.substr(1));
  if (family() == Family::unix_path) return std::string(name.substr(0, name.find('\0')));
  return {};
}

std::string Endpoint::to_string() const {
  switch (family()) {
    case Family::ipv4: {
      const auto address = load<sockaddr_in>(native());
      return print_address(AF_INET, &address.sin_addr) + ':' + std::to_string(port());
    }
    case Family::ipv6: {
      const auto address = load<sockaddr_in6>(native());
      const auto scope = address.sin6_scope_id;
      return '[' + print_address(AF_INET6, &address.sin6_addr) +
             (scope == 0 ? "" : '%' + std::to_string(scope)) + "]:" + std::to_string(port());
    }
    case Family::unix_path: {
      const std::string name = path();
      return std::string(kUnixPrefix) + (name.front() == '@' ? "./" : "") + name;
    }
    case Family::abstract:
      return std::string(kUnixPrefix) + '@' + path();
    case Family::unnamed:
      break;
  }
  return std::string(kUnixPrefix);
}

std::span<const std::byte> Endpoint::native() const noexcept {
  return std::span(bytes_).first(size_);
}

bool operator==(const Endpoint& left, const Endpoint& right) noexcept {
  return std::ranges::equal(left.native(), right.native());
}

}  // namespace detent
