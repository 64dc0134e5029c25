// SPDX-License-Identifier: BSL-1.0
#include "detent/children.h"

#include "children/children_state.h"

namespace detent {

Children::Children(Reactor& reactor, const ChildrenOptions& options)
    : state_(std::make_unique<ChildrenState>(reactor, options)) {}

Children::~Children() { state_->end(); }

Child Children::spawn(const SpawnOptions& options, OnExit on_exit, Name name) {
  return state_->spawn(options, std::move(on_exit), name);
}

Handle Children::watch(int pid, const ProcessWatchOptions& options, OnExit on_exit, Name name) {
  return state_->watch(pid, options, std::move(on_exit), name);
}

bool Child::kill(int signal) {
  HandleOwner* children = owner("Child::kill");
  return children != nullptr && static_cast<ChildrenState*>(children)->kill(id(), signal);
}

bool Child::terminate(Duration grace) {
  HandleOwner* children = owner("Child::terminate");
  return children != nullptr && static_cast<ChildrenState*>(children)->terminate(id(), grace);
}

}  // namespace detent
