// SPDX-License-Identifier: BSL-1.0
// Abseil's loader opens any path, reads to the end, and allocates as much memory as a header says.
// So this code checks a file before the loader gets it. It trusts users who may write to the
// folder: they can exchange the file after the check.
#include "zone_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "detent/unique_fd.h"

namespace detent {
namespace {

constexpr std::size_t kLongestName = 255;
// The largest zone of tzdata has 4 KiB.
constexpr off_t kLargestFile = off_t{256} * 1024;
// tzfile(5): "TZif", a version, fifteen bytes for later, six counts of four bytes.
constexpr std::size_t kHeaderSize = 44;
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kCountsAt = 20;

bool is_name_character(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '_';
}

// A program that runs with another user's rights must not let its caller choose the data.
bool may_trust_environment() { return ::getuid() == ::geteuid() && ::getgid() == ::getegid(); }

std::string data_folder() {
  const char* const chosen = may_trust_environment() ? std::getenv("TZDIR") : nullptr;
  if (chosen == nullptr || *chosen == '\0') return "/usr/share/zoneinfo";
  std::error_code failed;
  return std::filesystem::absolute(chosen, failed).string();
}

bool may_hold_zone(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_size > 0 && status.st_size <= kLargestFile;
}

// Opening a device can act on it, so checks the kind of file first. O_NONBLOCK is for a device that
// took the file's place since.
std::string contents(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !may_hold_zone(status)) return {};
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = ::read(file.fd(), bytes.data(), bytes.size());
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

std::uint64_t count_at(std::string_view bytes, std::size_t place) {
  std::uint64_t count = 0;
  for (const char c : bytes.substr(place, 4)) count = count << 8U | static_cast<unsigned char>(c);
  return count;
}

// Skips a header and its data, whose times have `time_size` bytes. False when that is more than
// there is.
bool skip_block(std::string_view& bytes, std::uint64_t time_size) {
  if (bytes.size() < kHeaderSize || !bytes.starts_with("TZif")) return false;
  const auto count = [&](std::size_t n) { return count_at(bytes, kCountsAt + 4 * n); };
  const std::uint64_t size = count(0) + count(1) + count(2) * (time_size + 4) +
                             count(3) * (time_size + 1) + count(4) * 6 + count(5);
  if (size > bytes.size() - kHeaderSize) return false;
  bytes.remove_prefix(kHeaderSize + static_cast<std::size_t>(size));
  return true;
}

// Since version 2 a second block, with larger times, follows the first.
bool holds_zone(std::string_view bytes) {
  std::string_view rest = bytes;
  return skip_block(rest, 4) && (bytes[kVersionAt] == '\0' || skip_block(rest, 8));
}

}  // namespace

bool is_zone_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kLongestName) return false;
  char before = '/';
  for (const char c : name) {
    if (c == '/' ? before == '/' : !is_name_character(c)) return false;
    before = c;
  }
  return before != '/';
}

std::string zone_file(std::string_view name) {
  if (!is_zone_name(name)) return {};
  std::string path = data_folder() + "/" + std::string(name);
  return holds_zone(contents(path)) ? path : std::string();
}

}  // namespace detent
