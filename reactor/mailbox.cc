// SPDX-License-Identifier: BSL-1.0
#include "mailbox.h"

#include <stdexcept>

#include "detent/drop.h"
#include "detent/poster.h"

namespace detent {
namespace {

// The loop's core used that memory last, and fetching it takes long, so fetch it some functions
// ahead. Computes with an integer, since a pointer behind the list's end would be undefined. A
// prefetch outside the list costs little, and never faults.
void prefetch_behind(const Callback<void()>& last) noexcept {
  constexpr std::size_t kAhead = 5;
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(&last) + kAhead * sizeof last;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1);
}

}  // namespace

bool Mailbox::post(Callback<void()>&& function) {
  // In a forked child the mutex may be locked for ever, by a thread that fork() did not copy.
  if (affinity_.in_forked_child()) return false;
  {
    std::unique_lock lock(mutex_);
    if (closed_) return refuse(lock, function);
    // Set once for all that wait. collect() takes them and clears this, under the same lock.
    if (!has_posts()) {
      begun_elsewhere_ = !affinity_.on_own_thread();
      requests_.fetch_or(kPost);
    }
    prefetch_behind(incoming_.emplace_back(std::move(function)));
  }
  interrupt();
  return true;
}

// Outside of the lock: destroying the function's captures may post again.
bool Mailbox::refuse(std::unique_lock<std::mutex>& lock, Callback<void()>& function) noexcept {
  lock.unlock();
  drop(std::move(function));
  return false;
}

void Mailbox::close() {
  std::vector<Callback<void()>> unrun;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  unrun.swap(incoming_);
}

// A forked child shares the wake-up with its parent, which it must not wake.
void Mailbox::request(Requests what) noexcept {
  if (affinity_.in_forked_child()) return;
  requests_.fetch_or(what);
  interrupt();
}

// A plain load first: when there are many requests, the loop is usually awake.
void Mailbox::interrupt() noexcept {
  if (sleeping_.load() && sleeping_.exchange(false)) wakeup_.signal();
}

bool Poster::post(Callback<void()> function) const {
  if (!function) throw std::invalid_argument("Poster::post: the function is empty");
  return mailbox_->post(std::move(function));
}

}  // namespace detent
