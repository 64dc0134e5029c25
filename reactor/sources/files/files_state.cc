// SPDX-License-Identifier: BSL-1.0
#include "files/files_state.h"

#include <utility>

namespace detent {

Files::State::State(Reactor& loop, std::size_t looks)
    : reactor(loop),
      looks_per_turn_(looks),
      watch_(reactor.watch_source(
          marks.fd(), [this](Ready) { return serve(); }, "files")),
      watch_left_over_(reactor.watch_source(
          left_over_.fd(), [this](Ready) { return look(); }, "files")) {}

// A path is in each list once at most. Half of the room is for those that are added later.
void Files::State::make_room() {
  for (std::vector<HandlerId>* list : {&due_, &due_again_}) {
    if (list->capacity() < callbacks.size()) list->reserve(2 * callbacks.size());
  }
}

void Files::State::end() noexcept {
  watch_.cancel();
  watch_left_over_.cancel();
  callbacks.clear();
}

// Returns how many callbacks it made. All notices that were got are turned into hints before any
// callback, so a callback that throws loses none.
std::size_t Files::State::serve() {
  hear();
  return look();
}

void Files::State::hear() {
  marks.hear(
      [this](const FileNotice& notice, const FileMarkUser& user) {
        user.path->hear(notice, user);
        make_due(*user.path);
      },
      [this] {
        callbacks.for_each([this](Callbacks::Entry& entry) {
          entry.data->hear_overflow();
          make_due(*entry.data);
        });
      });
}

// Notices stay in the kernel meanwhile, whose queue has a bound. A throw changes nothing: the
// source that threw is served again.
void Files::State::leave_over(bool any) {
  if (has_left_over_ == any) return;
  if (any) {
    watch_.pause();
    left_over_.signal();
  } else {
    watch_.resume();
    left_over_.clear();
  }
  has_left_over_ = any;
}

// A callback that throws leaves the rest to the next turn, in which its source is served again.
std::size_t Files::State::look() {
  std::size_t calls = 0;
  for (std::size_t left = looks_per_turn_; left > 0; --left) {
    Callbacks::Entry* const entry = next_due();
    if (entry == nullptr) {
      leave_over(false);
      return calls;
    }
    const std::shared_ptr<WatchedPath> path = entry->data;  // has the text of the path
    const FileChange change = path->look();
    make_due(*path);
    if (!change.what.any()) continue;
    ++calls;
    if (!call(*entry, change)) return calls;
  }
  leave_over(true);
  return calls;
}

void Files::State::make_due(WatchedPath& path) {
  if (path.has_work() && !std::exchange(path.is_due, true)) due_again_.push_back(path.id);
}

// Null when there is none. Those that were cancelled meanwhile are not in the table any more.
Files::State::Callbacks::Entry* Files::State::next_due() {
  for (;;) {
    if (next_ == due_.size()) {
      due_.clear();
      next_ = 0;
      std::swap(due_, due_again_);
      if (due_.empty()) return nullptr;
    }
    Callbacks::Entry* const entry = callbacks.find(due_[next_++]);
    if (entry == nullptr) continue;
    entry->data->is_due = false;
    return entry;
  }
}

// False when the callback destroyed *this.
bool Files::State::call(Callbacks::Entry& entry, const FileChange& change) {
  return reactor.observed([&] { return Observer::Call{.name = entry.name()}; },
                          [&] { return callbacks.call_and_survive(entry, change); });
}

}  // namespace detent
