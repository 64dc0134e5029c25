// SPDX-License-Identifier: BSL-1.0
#include "mailbox.h"

#include "detent/poster.h"

namespace detent {

bool Mailbox::post(Callback<void()> function) {
  // In a forked child the mutex may be locked for ever, by a thread that was not copied.
  if (affinity_.in_forked_child()) return false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    incoming_.push(std::move(function));
    posted_.store(true);
  }
  interrupt();
  return true;
}

void Mailbox::collect(FunctionQueue& queue) {
  if (!posted_.load()) return;
  const std::lock_guard lock(mutex_);
  queue.append(incoming_);
  posted_.store(false);
}

bool Mailbox::may_sleep() noexcept {
  sleeping_.store(true);
  if (!posted_.load() && !stop_.load() && !wake_.load()) return true;
  awake();
  return false;
}

void Mailbox::close() {
  FunctionQueue unrun;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  unrun.append(incoming_);
}

// The wake-up is shared with the parent process, which must not hear of it.
void Mailbox::request(std::atomic<bool>& flag) noexcept {
  if (affinity_.in_forked_child()) return;
  flag.store(true);
  interrupt();
}

void Mailbox::interrupt() noexcept {
  if (sleeping_.exchange(false)) wakeup_.signal();
}

bool Poster::post(Callback<void()> function) const { return mailbox_->post(std::move(function)); }

}  // namespace detent
