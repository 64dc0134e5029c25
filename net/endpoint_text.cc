// SPDX-License-Identifier: BSL-1.0
#include "endpoint_text.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "sys.h"

namespace detent {
namespace {

// One byte is for the NUL after a path, or before an abstract name.
constexpr std::size_t kLongestName = kPathRoom - 1;

// ---- Saying what is wrong

// Escapes the text: it may be untrusted, and the message goes to logs and terminals.
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

[[noreturn]] void refuse_ipv4(std::string_view text, const std::string& why) {
  throw std::invalid_argument(quoted(text) + " is no IPv4 address: " + why +
                              " (expected 127.0.0.1)");
}

[[noreturn]] void refuse_ipv6(std::string_view text, const std::string& why) {
  throw std::invalid_argument(quoted(text) + " is no IPv6 address: " + why +
                              " (expected ::1 or fe80::1%eth0)");
}

// ---- Reading text. `whole` is there for the message.

// The C library's functions read up to a NUL, so refuses a text with one inside.
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

std::optional<std::uint32_t> read_scope(std::string_view text) {
  if (const auto number = read_number<std::uint32_t>(text); number && *number != 0) return number;
  std::array<char, IF_NAMESIZE> name;
  if (!text.empty() && copy_terminated(text, name)) {
    if (const unsigned int index = ::if_nametoindex(name.data()); index != 0) return index;
    if (errno != ENODEV && errno != ENXIO) sys::fail("if_nametoindex");
  }
  return std::nullopt;
}

using Refuse = void(std::string_view whole, const std::string& why);

constexpr const char* kNoIpv4 =
    "the address is not four decimal numbers, and host names are not looked up";

// An address that a % and its scope may follow.
void read_scoped(std::string_view text, sockaddr_in6& result, std::string_view whole,
                 Refuse& refuse_it, const char* if_no_address) {
  const auto percent = text.find('%');
  result.sin6_family = AF_INET6;
  if (!read_address(AF_INET6, text.substr(0, percent), result.sin6_addr)) {
    refuse_it(whole, if_no_address);
  }
  if (percent == std::string_view::npos) return;
  const auto scope = read_scope(text.substr(percent + 1));
  if (!scope) {
    refuse_it(whole, "after % there is neither the name nor the number of a network interface");
  }
  result.sin6_scope_id = *scope;
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
    refuse(text, kNoIpv4);
  }
  result.sin_port = read_port(port, text);
  return result;
}

sockaddr_in6 read_ipv6(std::string_view text) {
  const auto bracket = text.find(']');
  if (bracket == std::string_view::npos) refuse(text, "the closing bracket is missing");
  const std::string_view inside = text.substr(1, bracket - 1);
  const std::string_view after = text.substr(bracket + 1);

  sockaddr_in6 result = {};
  read_scoped(inside, result, text, refuse, "between the brackets there is no IPv6 address");
  if (!after.empty() && after.front() != ':') refuse(text, "no colon follows the bracket");
  result.sin6_port = read_port(after.empty() ? after : after.substr(1), text);
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

}  // namespace

NativeAddress read_endpoint(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  if (text.starts_with(kUnixPrefix)) return read_unix(text);
  if (text.front() == '[') return read_ipv6(text);
  refuse_foreign_form(text);
  return read_ipv4(text);
}

sockaddr_in read_ipv4_address(std::string_view text) {
  sockaddr_in result = {};
  result.sin_family = AF_INET;
  if (!read_address(AF_INET, text, result.sin_addr)) refuse_ipv4(text, kNoIpv4);
  return result;
}

sockaddr_in6 read_ipv6_address(std::string_view text) {
  sockaddr_in6 result = {};
  read_scoped(text, result, text, refuse_ipv6, "only an address and its scope may stand here");
  return result;
}

}  // namespace detent
