// SPDX-License-Identifier: BSL-1.0
// EVFILT_VNODE of a regular file or a directory, by inotify(7), which follows the open file and not
// its name. The knotes of a queue share one inotify, since Linux gives a user 128 of them; those of
// one file share a watch there.
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "knote.h"
#include "queue.h"
#include "watched_file.h"

namespace kqueue_double {
namespace {

class VnodeKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    file_ = WatchedFile(ident());
    if (!file_.is_regular() && !file_.is_directory()) return EINVAL;
    inotify_ = queue().inotify();
    if (inotify_ == -1) return ENOMEM;
    tell_of_files(queue(), inotify_);  // what was before is news for the others alone
    constexpr unsigned kOfFile = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF;
    constexpr unsigned kOfEntries = IN_CREATE | IN_DELETE | IN_MOVE;
    watch_ = start_watch("", file_.is_directory() ? kOfFile | kOfEntries : kOfFile);
    if (watch_ == -1) return errno == ENOSPC ? ENOMEM : errno;
    if (file_.is_directory()) watch_parent();
    return 0;
  }

  void detach() override {
    end_watch(std::exchange(watch_, -1));
    end_watch(std::exchange(parent_, -1));
    tell_of_files(queue(), inotify_);  // that watches have ended is no news for anybody
  }

  int touch(const struct kevent& change) override {
    tell_of_files(queue(), inotify_);  // to each by what it has asked for until now
    return Knote::touch(change);
  }

  bool is_true() override {
    event().fflags = notes_;
    return notes_ != 0;
  }

  void clear() override {
    Knote::clear();
    notes_ = 0;
  }

  void hear(const inotify_event& change) {
    const bool is_own = change.wd == watch_;
    if (!is_own && change.wd != parent_) return;
    const std::uint32_t notes = is_own ? file_.notes_of(change) : file_.notes_of_parent();
    // All that one change means is told when any of it was asked for, as by every kernel.
    if ((asked_fflags_ & notes) != 0) notes_ |= notes;
    if (file_.is_directory() && (notes & NOTE_RENAME) != 0) watch_parent();
    activate();
  }

 private:
  [[nodiscard]] int start_watch(const char* suffix, unsigned changes) const {
    std::array<char, 64> path = {};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d%s", ident(), suffix);
    return ::inotify_add_watch(inotify_, path.data(), changes | IN_MASK_ADD);
  }

  // With its last user.
  void end_watch(int watch) const {
    bool is_needed = false;
    queue().for_each(EVFILT_VNODE, [&is_needed, watch](Knote& knote) {
      const auto& other = static_cast<VnodeKnote&>(knote);
      if (other.watch_ == watch || other.parent_ == watch) is_needed = true;
    });
    if (!is_needed) ::inotify_rm_watch(inotify_, watch);
  }

  // An open directory that is removed says nothing itself: IN_DELETE_SELF waits for the last of its
  // descriptors.
  void watch_parent() {
    const int next = start_watch("/..", IN_DELETE);
    end_watch(std::exchange(parent_, next));
  }

  WatchedFile file_;
  int inotify_ = -1;  // the queue's
  int watch_ = -1;
  int parent_ = -1;          // the watch of the directory that a directory is in
  std::uint32_t notes_ = 0;  // since the last collection
};

}  // namespace

void tell_of_files(const Queue& queue, int inotify) {
  alignas(inotify_event) std::array<char, 4096> bytes = {};
  ssize_t size = 0;
  while ((size = ::read(inotify, bytes.data(), bytes.size())) > 0) {
    inotify_event change = {};
    for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(sizeof change + change.len)) {
      std::memcpy(&change, bytes.data() + at, sizeof change);
      queue.for_each(EVFILT_VNODE, [told = &change](Knote& knote) {
        static_cast<VnodeKnote&>(knote).hear(*told);
      });
    }
  }
}

std::unique_ptr<Knote> make_vnode_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<VnodeKnote>(queue, change);
}

}  // namespace kqueue_double
