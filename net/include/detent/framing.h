// SPDX-License-Identifier: BSL-1.0
/// \file
/// Cuts a stream of bytes into lines, however the network has split or joined them.
///
///     detent::LineParser parser(1024);
///     parser.append(bytes);                                 // as they arrive
///     while (auto line = parser.next()) handle(*line);
///     if (parser.too_long()) close_connection();
///
/// It knows bytes, not sockets, and calls nobody: between two lines its user may do anything,
/// destroy the parser too.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "detent/needs_cpp20.h"

namespace detent {

/// Lines end with "\n" or "\r\n", which is not part of them; any other byte is, NUL and a lone
/// "\r" included. The work is linear in the bytes, whatever pieces they come in. A buffer of up to
/// 64 KiB is kept, so that nothing allocates once it has grown to its size; a larger one is given
/// back when little of it is in use. Use it from one thread.
class LineParser {
 public:
  /// A line of `max_length` bytes, its end not counted, is fine; one more is too long.
  /// std::invalid_argument for 0.
  explicit LineParser(std::size_t max_length);

  /// Takes a copy of the bytes; they may not be a view that this parser gave out. Does nothing once
  /// too_long(). If all lines were taken first, the buffer holds no more than `max_length` bytes,
  /// a "\r" and these.
  void append(std::string_view bytes);

  /// The next complete line; nothing if more bytes are needed or a line is too long. The view is
  /// valid until a call of `append`, `next`, `finish` or `clear`.
  [[nodiscard]] std::optional<std::string_view> next();

  /// At the end of the stream: as `next`, and after the last complete line it gives what came
  /// without an end, once, unless that is empty. So a loop takes all that is left.
  [[nodiscard]] std::optional<std::string_view> finish();

  /// What there is of the line that `next` has found no end of yet; of one that is too long, the
  /// beginning. At most `max_length` bytes; a view as that of `next`.
  [[nodiscard]] std::string_view partial() const noexcept;

  /// A line was longer than allowed. The lines before it were given out; nothing more comes.
  [[nodiscard]] bool too_long() const noexcept { return too_long_; }

  [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

  /// Back to the beginning of a stream.
  void clear() noexcept;

  /// Bytes of memory that it holds.
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
