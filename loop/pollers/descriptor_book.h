// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a poller knows of each descriptor number. Throws the errors that all pollers have
/// in common, whatever the kernel would answer.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "detent/handler_id.h"
#include "poller_call.h"

namespace detent {

/// What each entry has. A poller derives its own from this.
struct BookEntry {
  HandlerId id = {};
  std::uint32_t serial = 0;  ///< Tells a registration from later ones of its number; 0: none.
  bool changed = false;      ///< Listed as changed.
};

/// The registrations by descriptor number, and a list of those that changed since the last wait,
/// oldest first. As long as the highest number needs; it does not shrink.
template <class Entry>
class DescriptorBook {
 public:
  /// What Poller::add does. `admit(entry)` asks the kernel, and throws if the kernel refuses; then
  /// nothing has changed. Throws file_exists for a registered number, and bad_file_descriptor for
  /// one that cannot be open.
  template <class Admit>
  void add(int fd, HandlerId id, Admit admit) {
    const PollerCall call = {"Poller::add", fd};
    if (fd < 0) call.fail(EBADF);
    if (find(fd) != nullptr) call.fail(EEXIST);
    const auto index = static_cast<std::size_t>(fd);
    if (index >= entries_.size()) {
      // A number that is not open must not make the book grow. The book doubles, so this is rare.
      if (::fcntl(fd, F_GETFD) == -1) call.fail(errno);
      entries_.resize(std::max(index + 1, entries_.size() * 2));
    }
    changed_.reserve(entries_.size());  // so that note_change() cannot fail
    if (++last_serial_ == 0) ++last_serial_;
    Entry& entry = entries_[index];
    entry.id = id;
    entry.serial = last_serial_;
    try {
      admit(entry);
    } catch (...) {
      remove(entry);
      throw;
    }
  }

  /// Null when the number is not registered.
  [[nodiscard]] const Entry* find(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    const bool known = fd >= 0 && index < entries_.size() && entries_[index].serial != 0;
    return known ? &entries_[index] : nullptr;
  }
  [[nodiscard]] Entry* find(int fd) noexcept {
    return const_cast<Entry*>(static_cast<const DescriptorBook*>(this)->find(fd));
  }

  /// The entry for any number ever given to the kernel. Compare its serial: the registration may
  /// have ended.
  [[nodiscard]] Entry& entry_of_known_number(std::uint32_t number) noexcept {
    return entries_[number];
  }

  /// Throws no_such_file_or_directory when the number is not registered.
  Entry& at(const PollerCall& call) {
    Entry* entry = find(call.fd);
    if (entry == nullptr) call.fail(ENOENT);
    return *entry;
  }

  void remove(Entry& entry) noexcept {
    const bool changed = entry.changed;  // its number stays listed
    entry = {};
    entry.changed = changed;
  }

  /// Calls visit(fd, entry) for each registration.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].serial != 0) visit(static_cast<int>(i), entries_[i]);
    }
  }

  void note_change(int fd, Entry& entry) noexcept {
    if (entry.changed) return;
    if (changed_.size() == changed_.capacity()) drop_taken();
    changed_.push_back(fd);
    entry.changed = true;
  }
  [[nodiscard]] bool has_changes() const noexcept { return !changed_.empty(); }
  /// Takes the first number off the list. Its registration may have ended since, and a new one
  /// begun.
  int take_change() noexcept {
    const int fd = changed_[taken_++];
    if (taken_ == changed_.size()) drop_taken();
    entries_[static_cast<std::size_t>(fd)].changed = false;
    return fd;
  }

 private:
  void drop_taken() noexcept {
    changed_.erase(changed_.begin(), changed_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
  }

  std::vector<Entry> entries_;
  std::vector<int> changed_;
  std::size_t taken_ = 0;  // so many of changed_, but never all: then they are dropped
  std::uint32_t last_serial_ = 0;
};

}  // namespace detent
