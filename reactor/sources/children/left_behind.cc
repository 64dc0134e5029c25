// SPDX-License-Identifier: BSL-1.0
#include "children/left_behind.h"

#include <atomic>
#include <new>
#include <utility>

#include "children/exit_queue.h"

namespace detent {
namespace {

struct Node {
  Process process;
  Node* next = nullptr;
};

// No lock, which another thread might hold while this one forks. A thread takes the whole list, and
// puts back what still runs.
std::atomic<Node*> list = nullptr;

void put(Node* node) noexcept {
  node->next = list.load();
  while (!list.compare_exchange_weak(node->next, node)) {
  }
}

}  // namespace

void leave_behind(Process process) noexcept {
  if (Node* node = new (std::nothrow) Node{std::move(process)}) put(node);
}

// In a forked child they are no children, so collect() tells that they are gone.
void reap_left_behind() noexcept {
  Node* next = nullptr;
  for (Node* node = list.exchange(nullptr); node != nullptr; node = next) {
    next = node->next;
    if (collect(node->process, Collect::reap).has_ended) {
      delete node;
    } else {
      put(node);
    }
  }
}

}  // namespace detent
