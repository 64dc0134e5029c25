// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The kernel's notices about files: inotify(7) on Linux, EVFILT_VNODE of kqueue(2) on BSD
/// and macOS.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "files/file_hints.h"

namespace detent {

/// What the notices about a file shall tell. Asking again for the same file adds to it.
enum class Notify : std::uint8_t {
  removal,    ///< That it was moved or removed.
  names,      ///< Also what becomes of a directory's entries.
  content,    ///< Also what becomes of its content and attributes; of a directory's entries too.
  directory,  ///< The same, if it is a directory, and no symbolic link to one.
};

struct FileNotice {
  int mark = -1;          ///< -1: about all.
  std::string_view name;  ///< The entry of the marked directory; empty for the marked file itself.
  FileHints hints;
  bool is_last = false;  ///< The mark has ended.
};

/// Readable while there are notices. One thread. In a forked child, which shares the parent's
/// marks, only destroying it has an effect, and none on the parent.
class FileNotices {
 public:
  FileNotices();
  FileNotices(const FileNotices&) = delete;
  FileNotices& operator=(const FileNotices&) = delete;
  ~FileNotices();

  [[nodiscard]] int fd() const noexcept;

  /// Marks what `path` leads to. A file has one mark, by whatever path. -1, with errno, on failure.
  [[nodiscard]] int add(const std::string& path, Notify what);
  void remove(int mark) noexcept;
  /// What an error of add() comes from.
  static const char* const kAddCall;

  /// Gets notices from the kernel, without waiting: as many as there is room for. All that were got
  /// before must have been taken.
  void receive() noexcept;
  /// Each of them, once; valid until the next receive(). May name a mark that was removed.
  [[nodiscard]] std::optional<FileNotice> take() noexcept;

  /// Whether notices name the entry that they are about, and tell of its content.
  static const bool kTellOfEntries;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detent
