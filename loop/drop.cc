// SPDX-License-Identifier: BSL-1.0
#include "detent/drop.h"

#include <deque>
#include <new>

namespace detent {
namespace {

using Dropped = std::deque<Callback<void()>>;

// The list of the outermost drop() on this thread. A pointer needs no destructor, so static objects
// can still drop functions at the end of the program.
thread_local constinit Dropped* in_progress = nullptr;

}  // namespace

void drop(Callback<void()> function) noexcept {
  try {
    if (in_progress != nullptr) {
      in_progress->push_back(std::move(function));
      return;
    }
    Dropped dropped;
    in_progress = &dropped;
    function = nullptr;
    for (; !dropped.empty(); dropped.pop_front()) dropped.front() = nullptr;
  } catch (const std::bad_alloc&) {
  }
  in_progress = nullptr;
}

}  // namespace detent
