// SPDX-License-Identifier: BSL-1.0
/// \file
/// Where a socket listens or connects to: an IPv4 or IPv6 address with a port, or a unix socket.
///
///     auto web = detent::Endpoint::parse("[::1]:80");
///     auto control = detent::Endpoint::parse("unix:/run/control.sock");
///     std::cout << web.to_string();        // [::1]:80
///
/// Host names are not looked up: an endpoint is what the kernel takes, and asking for it costs no
/// time.
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
  /// A file whose own name begins with @ is written unix:./@name. Any text of any length may be
  /// passed in: if it is none of the above, std::invalid_argument quotes it (escaped, and cut when
  /// long) and says what is wrong with it and what was expected. For a URL, a bare path or a bare
  /// port it says what to write instead. std::system_error when the kernel cannot be asked for an
  /// interface's number, and not_supported for an abstract name where there are none.
  [[nodiscard]] static Endpoint parse(std::string_view text);

  /// From what accept(2), getsockname(2) and the like filled in. Takes a copy of what identifies
  /// the endpoint (not IPv6's flow label). Empty bytes are an unnamed one. std::invalid_argument
  /// for another address family and for less than a whole address.
  [[nodiscard]] static Endpoint from_native(std::span<const std::byte> native);

  [[nodiscard]] Family family() const noexcept;
  /// 0 for unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The path, or the abstract name without its @; empty for the others.
  [[nodiscard]] std::string path() const;

  /// In the form that `parse` reads, and parsing it gives an equal endpoint. The bytes of a path
  /// or name are not escaped; a scope is printed as a number. Two endpoints, which only
  /// `from_native` makes, differ: an unnamed one is printed as "unix:", which `parse` refuses, and
  /// a path that begins with @ gets a ./ before it.
  [[nodiscard]] std::string to_string() const;

  /// A sockaddr and its exact length, for bind(2), connect(2) and the like. Lives in this object.
  [[nodiscard]] std::span<const std::byte> native() const noexcept;

  /// Alike in what `from_native` takes.
  friend bool operator==(const Endpoint& left, const Endpoint& right) noexcept;

 private:
  template <class Address>
  void store(const Address& address, std::size_t size) noexcept;

  // Room for a sockaddr_un, the largest of them. The header shows no kernel type.
  alignas(8) std::array<std::byte, 112> bytes_ = {};
  std::uint8_t size_ = 0;
};

}  // namespace detent
