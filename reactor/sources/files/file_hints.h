// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a kernel's notice says about a file. It only hints at what to look for: by the
/// time of the look the file may have changed again.
#pragma once

namespace detent {

struct FileHints {
  bool written = false;
  bool attributes = false;
  bool place = false;  ///< A name may lead elsewhere: the entry's, or one of the file's own.
  bool left = false;   ///< The file that the entry led to is not there any more.
  bool moved = false;  ///< It was moved.
  bool gone = false;   ///< The file itself does not exist any more.
  bool revoked = false;
  bool entries = false;   ///< Some entry of the directory came, went or was replaced.
  bool overflow = false;  ///< The kernel lost notices. It is not said which.

  FileHints& operator|=(const FileHints& more) noexcept {
    written |= more.written;
    attributes |= more.attributes;
    place |= more.place;
    left |= more.left;
    moved |= more.moved;
    gone |= more.gone;
    revoked |= more.revoked;
    entries |= more.entries;
    overflow |= more.overflow;
    return *this;
  }
  friend bool operator==(const FileHints&, const FileHints&) = default;
};

}  // namespace detent
