// SPDX-License-Identifier: BSL-1.0
/// \file
/// The address that a socket listens at or connects to: IPv4 or IPv6 with a port, or a unix socket.
///
///     auto web = detent::Endpoint::parse("[::1]:80");
///     auto control = detent::Endpoint::parse("unix:/run/control.sock");
///     auto all = detent::Endpoint::ipv4("0.0.0.0", 8080);
///     std::cout << web.to_string();        // [::1]:80
///
/// It does not look up host names, so making one never waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "detent/needs_cpp20.h"

namespace detent {

/// One address, as a value: copied, compared, never changed. Not tied to a thread.
class Endpoint {
 public:
  enum class Family : std::uint8_t {
    ipv4,
    ipv6,
    unix_path,  ///< A unix socket with a name in the file system.
    abstract,   ///< A unix socket with a name outside it (Linux: unix(7)).
    unnamed     ///< A unix socket without a name, such as a client's.
  };

  /// Unnamed.
  Endpoint() noexcept;

  /// Reads one of these forms, with nothing before or after it:
  ///
  ///     127.0.0.1:1234       four decimal numbers and a port from 0 to 65535
  ///     [::1]:80             an IPv6 address stands in brackets
  ///     [fe80::1%eth0]:80    its scope may follow: an interface's name, or its number
  ///     unix:/run/a.sock     a path without a NUL; may be relative
  ///     unix:@name           an abstract name, any bytes; Linux only
  ///
  /// A path or name has at most 107 bytes, on macOS and BSD 103.
  ///
  /// Write unix:./@name for a file whose own name begins with @. Takes any text of any length. If
  /// it is none of the above, std::invalid_argument quotes it (escaped, and cut when long). The
  /// message says what is wrong and what was expected. For a URL, a bare path or a bare port it
  /// says what to write instead. std::system_error when the kernel's call for an interface's number
  /// fails. not_supported for an abstract name on a system without them.
  [[nodiscard]] static Endpoint parse(std::string_view text);

  /// From the text of an address, without brackets, and a port. An IPv6 address may have a scope,
  /// as in fe80::1%eth0. "0.0.0.0" and "::" are all addresses of this machine. Throws as `parse`
  /// does.
  [[nodiscard]] static Endpoint ipv4(std::string_view address, std::uint16_t port);
  [[nodiscard]] static Endpoint ipv6(std::string_view address, std::uint16_t port);

  /// The same address with another port. std::invalid_argument for a unix socket, which has none.
  [[nodiscard]] Endpoint with_port(std::uint16_t port) const;

  /// From an address that accept(2), getsockname(2) or the like filled in. Copies what identifies
  /// the endpoint (not IPv6's flow label). Empty bytes are an unnamed one. std::invalid_argument
  /// for another address family and for less than a whole address.
  [[nodiscard]] static Endpoint from_native(std::span<const std::byte> native);

  [[nodiscard]] Family family() const noexcept;
  /// 0 for unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The path, or the abstract name without its @; empty for the others.
  [[nodiscard]] std::string path() const;

  /// In the form that `parse` reads; parsing it gives an equal endpoint. Does not escape the bytes
  /// of a path or name; prints a scope as a number. Two kinds, which `parse` does not make, are
  /// exceptions. An unnamed one is printed as "unix:", which `parse` refuses. A path that begins
  /// with @ gets a ./ before it.
  [[nodiscard]] std::string to_string() const;

  /// A sockaddr and its exact length, for bind(2), connect(2) and the like. Lives in this object.
  [[nodiscard]] std::span<const std::byte> native() const noexcept;

  /// Equal if all that `from_native` copies is equal.
  friend bool operator==(const Endpoint& left, const Endpoint& right) noexcept;

 private:
  template <class Address>
  void store(const Address& address, std::size_t size) noexcept;

  // Room for a sockaddr_un, the largest address. A public header has no kernel type.
  alignas(8) std::array<std::byte, 112> bytes_ = {};
  std::uint8_t size_ = 0;
};

}  // namespace detent
