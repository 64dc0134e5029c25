// SPDX-License-Identifier: BSL-1.0
#include "detent/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "sys.h"

namespace detent {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr std::size_t kPathRoom = sizeof(sockaddr_un::sun_path);
// One byte of the room goes to the NUL after a path, or before an abstract name.
constexpr std::size_t kLongestName = kPathRoom - 1;

// ---- Saying what is wrong

// The text comes from anywhere, and the message goes to logs and terminals.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 80;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte > '~') {
      result.append("\\x").append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 15U]);
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  result += '"';
  if (text.size() > kMost) result += "... (" + std::to_string(text.size()) + " bytes)";
  return result;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw std::invalid_argument(quoted(text) + " is no endpoint: " + why +
                              " (expected 127.0.0.1:PORT, [::1]:PORT, unix:/path or unix:@name)");
}

// ---- Reading text. `whole` is there for the message.

// The C library's functions read up to a NUL, so one inside would hide what follows it.
template <std::size_t size>
bool copy_terminated(std::string_view text, std::array<char, size>& buffer) noexcept {
  if (text.size() >= size || text.find('\0') != std::string_view::npos) return false;
  *std::copy(text.begin(), text.end(), buffer.begin()) = '\0';
  return true;
}

template <class Address>
bool read_address(int family, std::string_view text, Address& address) noexcept {
  std::array<char, INET6_ADDRSTRLEN> buffer;
  return copy_terminated(text, buffer) && ::inet_pton(family, buffer.data(), &address) == 1;
}

template <class Number>
std::optional<Number> read_number(std::string_view text) noexcept {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

in_port_t read_port(std::string_view text, std::string_view whole) {
  if (text.empty()) refuse(whole, "the port is missing");
  const auto port = read_number<std::uint16_t>(text);
  if (!port) refuse(whole, "the port is not a number from 0 to 65535");
  return htons(*port);
}

std::uint32_t read_scope(std::string_view text, std::string_view whole) {
  if (const auto number = read_number<std::uint32_t>(text); number && *number != 0) return *number;
  std::array<char, IF_NAMESIZE> name;
  if (!text.empty() && copy_terminated(text, name)) {
    if (const unsigned int index = ::if_nametoindex(name.data()); index != 0) return index;
    if (errno != ENODEV && errno != ENXIO) sys::fail("if_nametoindex");
  }
  refuse(whole, "after % there is neither the name nor the number of a network interface");
}

[[noreturn]] void refuse_without_brackets(std::string_view text) {
  const auto colon = text.rfind(':');
  const std::string address(text.substr(0, colon));
  in6_addr unused;
  const bool is_address = read_address(AF_INET6, address, unused);
  refuse(text,
         "an IPv6 address needs brackets" +
             (is_address ? ": " + quoted("[" + address + "]" + std::string(text.substr(colon)))
                         : std::string()));
}

sockaddr_in read_ipv4(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) refuse(text, "the port is missing");
  const std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (port.find(':') != std::string_view::npos) refuse_without_brackets(text);

  sockaddr_in result = {};
  result.sin_family = AF_INET;
  if (!read_address(AF_INET, address, result.sin_addr)) {
    refuse(text, "the address is not four decimal numbers, and host names are not looked up");
  }
  result.sin_port = read_port(port, text);
  return result;
}

sockaddr_in6 read_ipv6(std::string_view text) {
  const auto bracket = text.find(']');
  if (bracket == std::string_view::npos) refuse(text, "the closing bracket is missing");
  const std::string_view inside = text.substr(1, bracket - 1);
  const std::string_view after = text.substr(bracket + 1);
  const auto percent = inside.find('%');

  sockaddr_in6 result = {};
  result.sin6_family = AF_INET6;
  if (!read_address(AF_INET6, inside.substr(0, percent), result.sin6_addr)) {
    refuse(text, "between the brackets there is no IPv6 address");
  }
  if (percent != std::string_view::npos) {
    result.sin6_scope_id = read_scope(inside.substr(percent + 1), text);
  }
  if (!after.empty() && after.front() != ':') refuse(text, "no colon follows the bracket");
  result.sin6_port = read_port(after.empty() ? after : after.substr(1), text);
  return result;
}

// ---- Unix names: sun_path holds a path and a NUL, or, on Linux, a NUL and an abstract name
// (unix(7)).

struct UnixAddress {
  sockaddr_un address = {};
  std::size_t size = kPathOffset;
};

UnixAddress unix_path(std::string_view path) {
  UnixAddress result;
  result.address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), result.address.sun_path);
  // The kernel knows paths without room for the NUL too; somebody else may have bound one.
  result.size = kPathOffset + std::min(path.size() + 1, kPathRoom);
  return result;
}

UnixAddress abstract_name(std::string_view name) {
  UnixAddress result;
  result.address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), result.address.sun_path + 1);
  result.size = kPathOffset + 1 + name.size();
  return result;
}

UnixAddress read_unix(std::string_view text) {
  std::string_view name = text.substr(kUnixPrefix.size());
  const bool abstract = name.starts_with('@');
  if (abstract) name.remove_prefix(1);

  const std::string what = abstract ? "the abstract name" : "the path";
  if (name.empty()) refuse(text, what + " is empty");
  if (name.size() > kLongestName) {
    refuse(text, what + " is longer than " + std::to_string(kLongestName) + " bytes");
  }
  if (abstract && !sys::kAbstractNames) {
    sys::fail((quoted(text) + ": abstract names").c_str(), ENOTSUP);
  }
  if (abstract) return abstract_name(name);
  if (name.find('\0') != std::string_view::npos) refuse(text, "the path contains a NUL byte");
  return unix_path(name);
}

// ---- Forms that other programs take, and what to write here instead

// "http://127.0.0.1:80/path", "file:///path".
[[noreturn]] void refuse_url(std::string_view text, std::string_view behind_scheme) {
  if (behind_scheme.starts_with('/')) {
    refuse(text, "a path is written " + quoted(std::string(kUnixPrefix).append(behind_scheme)));
  }
  const auto end = behind_scheme.find_first_of("/?#");
  refuse(text, "it is a URL; write " + quoted(behind_scheme.substr(0, end)));
}

void refuse_foreign_form(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme != std::string_view::npos) refuse_url(text, text.substr(scheme + 3));
  if (text.find('/') < text.find(':')) {
    refuse(text, "a path is written " + quoted(std::string(kUnixPrefix).append(text)));
  }
  if (text.front() == '@') {
    refuse(text, "an abstract name is written " + quoted(std::string(kUnixPrefix).append(text)));
  }
  const std::string_view port = text.substr(text.starts_with("*:") ? 2 : text.starts_with(':'));
  if (!port.empty() && read_number<std::uint16_t>(port)) {
    const std::string rest(port);
    refuse(text, "the address is missing; write " + quoted("0.0.0.0:" + rest) + ", or " +
                     quoted("127.0.0.1:" + rest) + " for this machine alone");
  }
}

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
  // Elsewhere the kernel fills an unnamed address up with NULs.
  const bool abstract = sys::kAbstractNames && name.starts_with('\0');
  // Whoever bound a path may have counted the bytes after its NUL, and the kernel counts a NUL
  // that does not fit any more.
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
  if (text.empty()) refuse(text, "it is empty");
  if (text.starts_with(kUnixPrefix)) {
    const UnixAddress read = read_unix(text);
    endpoint.store(read.address, read.size);
  } else if (text.front() == '[') {
    endpoint.store(read_ipv6(text), sizeof(sockaddr_in6));
  } else {
    refuse_foreign_form(text);
    endpoint.store(read_ipv4(text), sizeof(sockaddr_in));
  }
  return endpoint;
}

// Builds each address anew, so that padding, flow labels and the length bytes of the BSDs, which
// differ between equal addresses, are left behind and operator== may compare bytes.
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
