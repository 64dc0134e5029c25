// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The processes that a Children waits for, by number. A spawned one stays here after its
/// handle went, until it is reaped.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "detent/handler_id.h"
#include "detent/time.h"
#include "detent/unique_fd.h"

namespace detent {

struct Process {
  static constexpr TimePoint kNever = TimePoint::max();

  int pid = 0;              // 0: none
  UniqueFd fd = {};         // the exit queue's
  HandlerId callback = {};  // none: its handle went
  bool is_spawned = false;  // and is reaped here
  bool tell_when_reaped = false;
  bool has_own_group = false;
  bool is_held = false;        // its exit was told, and it keeps the number of its group
  TimePoint kill_at = kNever;  // the kill alarm's
};

/// A removed number is not used again before recycle(), so a number in flight finds nothing.
class ProcessTable {
 public:
  using Number = std::uint32_t;
  static constexpr Number kNone = UINT32_MAX;

  /// Throws std::bad_alloc.
  [[nodiscard]] Number add() {
    if (free_.empty()) {
      processes_.emplace_back();
      free_.reserve(processes_.capacity());
      retired_.reserve(processes_.capacity());
      return static_cast<Number>(processes_.size() - 1);
    }
    const Number number = free_.back();
    free_.pop_back();
    return number;
  }
  /// Allocates nothing.
  void remove(Number number) noexcept {
    processes_[number] = {};
    retired_.push_back(number);
  }
  /// Call it once no number is in flight.
  void recycle() noexcept {
    free_.insert(free_.end(), retired_.begin(), retired_.end());
    retired_.clear();
  }

  [[nodiscard]] Process& at(Number number) noexcept { return processes_[number]; }
  /// Null when there is none, or it was removed.
  [[nodiscard]] Process* find(Number number) noexcept {
    const bool exists = number < processes_.size() && processes_[number].pid != 0;
    return exists ? &processes_[number] : nullptr;
  }
  template <class Visit>
  void for_each(Visit visit) {
    for (Process& process : processes_) {
      if (process.pid != 0) visit(process);
    }
  }

 private:
  std::vector<Process> processes_;
  std::vector<Number> free_;
  std::vector<Number> retired_;
};

}  // namespace detent
