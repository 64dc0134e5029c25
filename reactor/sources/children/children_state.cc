// SPDX-License-Identifier: BSL-1.0
#include "children/children_state.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "children/left_behind.h"
#include "children/spawn_process.h"
#include "detent/drop.h"
#include "setup_error.h"

namespace detent {
namespace {

std::size_t checked_budget(std::size_t exits) {
  if (exits == 0) throw std::invalid_argument("Children: ChildrenOptions::exits_per_turn is 0");
  return exits;
}

void check_not_empty(const Children::OnExit& on_exit, const char* call) {
  if (!on_exit) throw std::invalid_argument(std::string(call) + ": the callback is empty");
}

void check_pid(int pid) {
  if (pid > 0 && pid != ::getpid()) return;
  throw std::invalid_argument("Children::watch: " + std::to_string(pid) +
                              (pid > 0 ? " is this process" : " is no number of a process"));
}

std::string program_of(const SpawnOptions& options) {
  const std::string program = "program " + options.arguments.front();
  return options.directory.empty() ? program : program + " in " + options.directory;
}

}  // namespace

ChildrenState::ChildrenState(Reactor& reactor, const ChildrenOptions& options)
    : Service(reactor, "Children"),
      queue_(checked_budget(options.exits_per_turn)),
      kill_alarm_([this](Number number) { end_of_grace(number); }),
      watch_(reactor.watch_source(
          queue_.fd(), [this](Ready) { return tell_exits(); }, "children")) {
  reap_left_behind();
}

// In a forked child the processes are the parent's to reap.
void ChildrenState::end() noexcept {
  close("~Children");
  watch_.cancel();
  kill_alarm_.stop();
  if (!affinity().in_forked_child()) {
    processes_.for_each([](Process& process) {
      if (process.is_spawned) leave_behind(std::move(process));
    });
    reap_left_behind();
  }
  callbacks_.clear();
}

// ---- registering

HandlerId ChildrenState::add(Children::OnExit&& on_exit, const Name& name) {
  const Number number = processes_.add();
  try {
    return callbacks_.add(std::move(on_exit), name, {number});
  } catch (...) {
    remove(number);
    throw;
  }
}

// For a process that is not in the queue.
void ChildrenState::undo(HandlerId id) noexcept {
  remove(callbacks_.find(id)->data.process);
  callbacks_.remove(id);
}

void ChildrenState::remove(Number number) noexcept {
  const bool numbers_in_flight = next_in_batch_ != batch_.size();
  if (!numbers_in_flight) processes_.recycle();
  processes_.remove(number);
}

// `work` puts the process of a new callback into the queue. If it fails, there is no callback.
template <class Describe, class Work>
void ChildrenState::start(HandlerId id, const char* call, Describe describe, Work work) {
  const Table::Entry& entry = *callbacks_.find(id);
  try {
    work(entry.data.process);
  } catch (const std::system_error& error) {
    const Name name = entry.name();
    undo(id);
    fail_setting_up(call, describe(), name, error);
  } catch (...) {
    undo(id);
    throw;
  }
}

Handle ChildrenState::watch(int pid, const ProcessWatchOptions& options, Children::OnExit&& on_exit,
                            const Name& name) {
  constexpr const char* kCall = "Children::watch";
  check_not_empty(on_exit, kCall);
  if (refuses(kCall)) {
    drop_any(std::move(on_exit));
    return {};
  }
  check_pid(pid);
  const HandlerId id = add(std::move(on_exit), name);
  start(
      id, kCall, [pid] { return "process " + std::to_string(pid); },
      [&](Number number) {
        Process& process = processes_.at(number);
        process = {.pid = pid, .callback = id, .tell_when_reaped = options.wait_for_status};
        queue_.add(number, process);
      });
  return {link(), id};
}

Child ChildrenState::spawn(const SpawnOptions& options, Children::OnExit&& on_exit,
                           const Name& name) {
  constexpr const char* kCall = "Children::spawn";
  check_not_empty(on_exit, kCall);
  if (refuses(kCall)) {
    drop_any(std::move(on_exit));
    return {};
  }
  check(options);
  reap_left_behind();
  const HandlerId id = add(std::move(on_exit), name);
  Spawned spawned;
  start(
      id, kCall, [&] { return program_of(options); },
      [&](Number number) {
        UniqueFd place = queue_.reserve();
        spawned = spawn_process(options);
        place.reset();
        queue_spawned(number, {.pid = spawned.pid,
                               .callback = id,
                               .is_spawned = true,
                               .has_own_group = options.own_group});
      });
  return {Handle(link(), id), spawned.pid, std::move(spawned.streams)};
}

// A child that cannot be waited for must not be left.
void ChildrenState::queue_spawned(Number number, Process&& spawned) {
  Process& process = processes_.at(number);
  process = std::move(spawned);
  try {
    queue_.add(number, process);
  } catch (...) {
    ::kill(process.pid, SIGKILL);
    while (::waitpid(process.pid, nullptr, 0) == -1 && errno == EINTR) {
    }
    throw;
  }
}

// ---- handles

Process* ChildrenState::process_of(HandlerId id) noexcept {
  const Table::Entry* entry = callbacks_.find(id);
  return entry == nullptr ? nullptr : processes_.find(entry->data.process);
}

void ChildrenState::forget(Number number) noexcept {
  Process& process = processes_.at(number);
  kill_alarm_.remove(number, process);
  queue_.remove(number, process);
  remove(number);
}

// A spawned process stays, to be reaped.
void ChildrenState::cancel(HandlerId id) noexcept {
  Table::Entry* entry = callbacks_.find(id);
  if (entry == nullptr) return;
  if (Process* process = processes_.find(entry->data.process)) {
    process->callback = {};
    if (!process->is_spawned) forget(entry->data.process);
  }
  callbacks_.recycle();
  callbacks_.remove(*entry);  // the last use of *this: the captures may own this service
}

bool ChildrenState::active(HandlerId id) const noexcept {
  const Table::Entry* entry = callbacks_.find(id);
  return entry != nullptr && entry->data.process != ProcessTable::kNone;
}

bool ChildrenState::kill(HandlerId id, int signal) {
  affinity().check("Child::kill");
  return process_of(id) != nullptr && send("Child::kill", id, signal);
}

bool ChildrenState::send(const char* call, HandlerId id, int signal) {
  const Process& process = *process_of(id);
  const int error = send_signal(process, signal);
  if (error == 0 || error == ESRCH) return error == 0;
  fail_setting_up(
      call, "process " + std::to_string(process.pid), callbacks_.find(id)->name(),
      std::system_error(error, std::generic_category(), "signal " + std::to_string(signal)));
}

bool ChildrenState::terminate(HandlerId id, Duration grace) {
  affinity().check("Child::terminate");
  Process* process = process_of(id);
  if (process == nullptr) return false;
  Reactor& loop = reactor("Child::terminate");
  const TimePoint deadline = saturating_add(loop.clock().now(), std::max(grace, Duration::zero()));
  kill_alarm_.set(loop, callbacks_.find(id)->data.process, *process, deadline);
  return send("Child::terminate", id, SIGTERM);
}

}  // namespace detent
