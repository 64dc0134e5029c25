// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Whether all links have to be asked for, and whether an answer is worth anything.
#pragma once

#include <utility>

#include "links/link_news.h"

namespace detent {

/// Begins with a question to ask. An answer counts if nothing was lost while it was read.
class LinkQuestion {
 public:
  /// Else a question has to be sent once all is read.
  [[nodiscard]] bool is_settled() const noexcept { return !must_ask_ && !in_answer_; }

  /// True when `reading` ends an answer that counts.
  [[nodiscard]] bool take_reading(const LinkReading& reading) noexcept {
    must_ask_ = must_ask_ || reading.is_lossy || reading.is_incomplete;
    return reading.ends_answer && std::exchange(in_answer_, false) && !must_ask_;
  }
  /// The question was sent. False during an answer: if all is read before its end, the kernel was
  /// out of memory and broke off. The question makes it go on, or begin anew, and the answer does
  /// not count.
  [[nodiscard]] bool note_question_sent() noexcept {
    must_ask_ = std::exchange(in_answer_, true);
    return !must_ask_;
  }

 private:
  bool must_ask_ = true;
  bool in_answer_ = false;
};

}  // namespace detent
