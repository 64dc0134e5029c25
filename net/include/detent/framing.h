// SPDX-License-Identifier: BSL-1.0
/// \file
/// Cuts a stream of bytes into lines, however the network has split or joined the bytes.
///
///     detent::LineParser parser(1024);
///     parser.append(bytes);                                 // as they arrive
///     while (auto line = parser.next()) handle(*line);
///     if (parser.too_long()) close_connection();
///
/// It knows bytes, not sockets, and calls no callback. So between two lines you may do anything,
/// even destroy the parser.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "detent/needs_cpp20.h"

namespace detent {

/// Lines end with "\n" or "\r\n", which is not part of them. Any other byte is, even NUL and a lone
/// "\r". The work is linear in the bytes, whatever pieces they come in. Keeps a buffer of up to 64
/// KiB, so that nothing allocates once it has grown. Frees a larger one when little of it is in
/// use. Use it from one thread.
class LineParser {
 public:
  /// A line may have `max_length` bytes, without its end. std::invalid_argument for 0.
  explicit LineParser(std::size_t max_length);

  /// Copies the bytes, which must not be a view that this parser returned. Does nothing once
  /// too_long(). If you took all lines before, the buffer holds at most `max_length` bytes, a "\r"
  /// and these.
  void append(std::string_view bytes);

  /// The next complete line; nothing if more bytes are needed or a line is too long. The view is
  /// valid until a call of `append`, `next`, `finish` or `clear`.
  [[nodiscard]] std::optional<std::string_view> next();

  /// For the end of the stream: as `next`, and after the last complete line returns, once, the rest
  /// without an end. Skips an empty rest. So a loop takes all that is left.
  [[nodiscard]] std::optional<std::string_view> finish();

  /// The beginning of the line whose end `next` has not found yet, or of one that is too long. At
  /// most `max_length` bytes. The view is valid as long as that of `next`.
  [[nodiscard]] std::string_view partial() const noexcept;

  /// A line was longer than allowed. `next` has returned the lines before it; nothing more comes.
  [[nodiscard]] bool too_long() const noexcept { return too_long_; }

  [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

  /// Drops all bytes, for the beginning of a stream.
  void clear() noexcept;

  /// How many bytes of memory it holds.
  [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.capacity(); }

 private:
  std::optional<std::string_view> take_line(std::size_t end);
  void check_unfinished() noexcept;
  void drop_taken() noexcept;

  std::size_t max_length_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the current line
  std::size_t scanned_ = 0;  // no line's end between begin_ and here
  bool too_long_ = false;
};

}  // namespace detent
