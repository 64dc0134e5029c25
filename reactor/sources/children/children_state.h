// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. What a Children is made of: the table has the callbacks, the process table what they
/// wait for, the exit queue wakes the loop.
#pragma once

#include <cstddef>
#include <vector>

#include "children/exit_queue.h"
#include "children/kill_alarm.h"
#include "children/process_table.h"
#include "detent/children.h"
#include "detent/handler_table.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "detent/watch.h"

namespace detent {

class ChildrenState final : public Service {
 public:
  ChildrenState(Reactor& reactor, const ChildrenOptions& options);
  /// Call it first in the owner's destructor.
  void end() noexcept;

  [[nodiscard]] Child spawn(const SpawnOptions& options, Children::OnExit&& on_exit,
                            const Name& name);
  [[nodiscard]] Handle watch(int pid, const ProcessWatchOptions& options,
                             Children::OnExit&& on_exit, const Name& name);

  // What a Child asks for.
  bool kill(HandlerId id, int signal);
  bool terminate(HandlerId id, Duration grace);

 private:
  using Number = ProcessTable::Number;
  struct Data {
    Number process = ProcessTable::kNone;  // none: its exit was told
  };
  using Table = HandlerTable<void(const ProcessExit&), Data>;

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;

  [[nodiscard]] HandlerId add(Children::OnExit&& on_exit, const Name& name);
  void undo(HandlerId id) noexcept;
  void remove(Number number) noexcept;
  template <class Describe, class Work>
  void start(HandlerId id, const char* call, Describe describe, Work work);
  void queue_spawned(Number number, Process&& spawned);
  bool send(const char* call, HandlerId id, int signal);
  [[nodiscard]] Process* process_of(HandlerId id) noexcept;
  void forget(Number number) noexcept;
  void end_of_grace(Number number);

  std::size_t tell_exits();
  [[nodiscard]] bool tell(const Ended& ended, std::size_t& called);
  [[nodiscard]] std::optional<ProcessExit> take_exit(const Ended& ended, HandlerId& callback);

  Table callbacks_;
  ProcessTable processes_;
  ExitQueue queue_;
  KillAlarm kill_alarm_;
  // What one turn tells. A callback that throws leaves a rest for the next turn.
  std::vector<Ended> batch_;
  std::size_t next_in_batch_ = 0;
  Watch watch_;
};

}  // namespace detent
