// SPDX-License-Identifier: BSL-1.0
#include "detent/framing.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace detent {
namespace {

constexpr std::size_t kMostKept = 65'536;  // of memory, when little is in use

}  // namespace

LineParser::LineParser(std::size_t max_length) : max_length_(max_length) {
  if (max_length == 0) throw std::invalid_argument("LineParser: the maximum length is 0");
}

void LineParser::append(std::string_view bytes) {
  if (too_long_) return;
  // For users who append before they took all lines. Moves at most as many bytes as were taken, so
  // the work stays linear.
  if (begin_ >= buffer_.size() - begin_) drop_taken();
  buffer_.append(bytes);
}

std::optional<std::string_view> LineParser::next() {
  if (too_long_) return std::nullopt;
  const std::size_t end = buffer_.find('\n', scanned_);
  if (end != std::string::npos) return take_line(end);
  scanned_ = buffer_.size();
  // Moves a byte at most once: it gets into the first line, and goes with that line before the next
  // move.
  drop_taken();
  check_unfinished();
  return std::nullopt;
}

std::optional<std::string_view> LineParser::finish() {
  if (const auto line = next()) return line;
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.size() > max_length_) too_long_ = true;  // its last "\r" was not part of a line's end
  if (too_long_ || rest.empty()) return std::nullopt;
  begin_ = scanned_ = buffer_.size();
  return rest;
}

std::string_view LineParser::partial() const noexcept {
  return std::string_view(buffer_).substr(begin_, std::min(scanned_ - begin_, max_length_));
}

void LineParser::clear() noexcept {
  begin_ = scanned_ = buffer_.size();
  drop_taken();
  too_long_ = false;
}

std::optional<std::string_view> LineParser::take_line(std::size_t end) {
  std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > max_length_) {
    scanned_ = end;
    too_long_ = true;
    return std::nullopt;
  }
  begin_ = scanned_ = end + 1;
  return line;
}

// One byte over the maximum may still be the "\r" of the line's end.
void LineParser::check_unfinished() noexcept {
  const std::size_t length = scanned_ - begin_;
  if (length <= max_length_) return;
  too_long_ = length - 1 > max_length_ || buffer_.back() != '\r';
}

void LineParser::drop_taken() noexcept {
  buffer_.erase(0, begin_);
  scanned_ -= std::exchange(begin_, 0);
  const bool is_large = buffer_.capacity() > kMostKept;
  if (is_large && buffer_.size() <= kMostKept / 2) buffer_.shrink_to_fit();
}

}  // namespace detent
