// SPDX-License-Identifier: BSL-1.0
// What a Children does when a process has ended, or its grace.
#include <sys/wait.h>

#include <csignal>
#include <utility>

#include "children/children_state.h"
#include "children/left_behind.h"

namespace detent {
namespace {

ProcessExit make_exit(int pid, std::optional<int> status) {
  ProcessExit exit = {.pid = pid};
  if (!status) return exit;
  if (WIFEXITED(*status)) exit.code = WEXITSTATUS(*status);
  if (WIFSIGNALED(*status)) exit.signal = WTERMSIG(*status);
  exit.dumped_core = WIFSIGNALED(*status) && WCOREDUMP(*status);
  return exit;
}

}  // namespace

// What is left of a group goes before the number of the group does.
void ChildrenState::end_of_grace(Number number) {
  Process& process = processes_.at(number);
  process.kill_at = Process::kNever;
  static_cast<void>(send_signal(process, SIGKILL));
  if (!process.is_held) return;
  static_cast<void>(collect(process, Collect::reap));
  forget(number);
}

// Returns how many callbacks it made.
std::size_t ChildrenState::tell_exits() {
  if (next_in_batch_ == batch_.size()) {
    processes_.recycle();
    callbacks_.recycle();
    next_in_batch_ = 0;
    queue_.take(batch_);
  }
  std::size_t called = 0;
  while (next_in_batch_ < batch_.size()) {
    if (!tell(batch_[next_in_batch_++], called)) break;
  }
  return called;
}

// False when a callback destroyed the service.
bool ChildrenState::tell(const Ended& ended, std::size_t& called) {
  HandlerId callback;
  const std::optional<ProcessExit> exit = take_exit(ended, callback);
  Table::Entry* entry = exit ? callbacks_.find(callback) : nullptr;
  if (entry == nullptr) return true;
  entry->data.process = ProcessTable::kNone;
  ++called;
  return reactor("Children")
      .observed([entry] { return Observer::Call{.name = entry->name()}; },
                [&] { return callbacks_.call_and_survive(*entry, *exit); });
}

// Nothing when its watch went meanwhile, when a tracer holds the exit back, or when it was told.
std::optional<ProcessExit> ChildrenState::take_exit(const Ended& ended, HandlerId& callback) {
  Process* process = processes_.find(ended.number);
  if (process == nullptr || process->is_held) return std::nullopt;
  const bool keeps_group = process->has_own_group && process->kill_at != Process::kNever;
  const bool reaps = process->is_spawned && !keeps_group;
  Collected collected = collect(*process, reaps ? Collect::reap : Collect::look);
  if (!collected.has_ended && !ended.is_last) return std::nullopt;
  if (!collected.status) collected.status = ended.status;
  callback = std::exchange(process->callback, {});
  const ProcessExit exit = make_exit(process->pid, collected.status);
  process->is_held = keeps_group;
  if (keeps_group) return exit;
  if (!collected.has_ended && process->is_spawned)
    leave_behind({.pid = process->pid, .is_spawned = true});
  forget(ended.number);
  return exit;
}

}  // namespace detent
