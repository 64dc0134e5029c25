// SPDX-License-Identifier: BSL-1.0
#include "loop_wakeup.h"

#include <fcntl.h>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace detent {
namespace {

bool is_open(const UniqueFd& fd) noexcept { return ::fcntl(fd.fd(), F_GETFD) != -1; }

std::string message(int lost, int other) {
  const std::string beginning =
      "Reactor: descriptor " + std::to_string(lost) + ", which ends the loop's sleep, was closed ";
  if (other == -1) return beginning + "by other code, and none is left";
  return beginning + "by other code; the loop goes on with " + std::to_string(other);
}

// An event behind this one, of the same wait, may have ended the registration.
void remove_if_registered(Poller& poller, int fd) {
  try {
    poller.remove(fd);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::no_such_file_or_directory) throw;
  }
}

}  // namespace

void LoopWakeup::watch(Poller& poller, HandlerId id) {
  const Interest readable = interest(poller);
  edge_ = readable.trigger == Trigger::edge;
  poller.add(watched_.fd(), readable, id);
  if (kWatchesBoth) poller.add(spare_.fd(), readable, id);
}

// Does not close the lost descriptor: its number may be another file's.
void LoopWakeup::go_on_with_one(Poller& poller, HandlerId id, Ready ready) {
  const bool lost_spare = spare_ && is_open(watched_) && !is_open(spare_);
  const int lost = (lost_spare ? spare_ : watched_).release();
  if (!lost_spare) watched_ = std::move(spare_);
  const int other = watched_.fd();
  if (other == -1) throw std::logic_error(message(lost, other));
  first_ = second_ = other;

  const bool registered = (!lost_spare || kWatchesBoth) && !ready.invalid;
  if (registered) remove_if_registered(poller, lost);
  if (!lost_spare && !kWatchesBoth) poller.add(other, interest(poller), id);
  throw std::logic_error(message(lost, other));
}

}  // namespace detent
