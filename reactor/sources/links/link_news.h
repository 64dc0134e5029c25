// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What the kernel says of a link.
#pragma once

#include <vector>

#include "detent/links.h"

namespace detent {

struct LinkNews {
  Link link;               // the name may be missing
  bool exists = true;      // else it has gone
  bool is_answer = false;  // to a question for all links, else sent because something happened
};

/// What one read gave. Keep it for the next read: its memory is used again.
struct LinkReading {
  std::vector<LinkNews> news = {};
  bool is_empty = false;       // there was nothing to read
  bool is_lossy = false;       // messages were lost
  bool is_incomplete = false;  // the answer is not of one moment, or breaks off
  bool ends_answer = false;
  int error = 0;  // errno of the answer

  void clear() noexcept {
    news.clear();
    is_empty = is_lossy = is_incomplete = ends_answer = false;
    error = 0;
  }
};

}  // namespace detent
