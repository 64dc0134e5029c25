// SPDX-License-Identifier: BSL-1.0
/// \file
/// Descriptors for the model test of the pollers: links under a few fixed numbers, which can be
/// closed, used again, duplicated and made ready. Knows nothing of pollers.
#pragma once

#include <array>
#include <memory>

#include "detent/unique_fd.h"
#include "support/poller_operations.h"

namespace detent::testing_support {

/// The far end of a connection or a pipe. The pointer to it stands for the open file at the near
/// end, whatever numbers that has.
struct Link {
  UniqueFd far;
  Source kind = Source::socket;
  bool near_writes_ended = false;  ///< By a shutdown: whoever writes there fails at once.
  bool far_writes_ended = false;
};
using File = std::shared_ptr<Link>;

/// What an operation came to.
struct Effect {
  bool any = false;
  File arrived = {};  ///< Who has more to read.
};

class DescriptorSlots {
 public:
  /// Every slot is open, with the four kinds of links in turn.
  DescriptorSlots();

  [[nodiscard]] static int number(unsigned slot);
  /// What the slot's number means; null when it is closed.
  [[nodiscard]] const File& file(unsigned slot) const { return slots_[slot].file; }
  /// Some number under which this file is open; -1 for none, and for null.
  [[nodiscard]] int any_number_of(const File& file) const;

  /// close, reopen, duplicate, drop, write, drain and shut_down.
  Effect apply(const Operation& operation);

 private:
  struct Slot {
    UniqueFd near;
    File file;
    UniqueFd duplicate;
    File duplicated;  // the file that `duplicate` is open for
  };
  // The file that an operation is about, and a number of it.
  struct Subject {
    int near = -1;
    File file;
  };

  void open(unsigned slot, Source source);
  void place(unsigned slot, int near, File file);
  static bool close(Slot& slot);
  bool reopen(unsigned slot, Source source);
  static bool keep_duplicate(Slot& slot);
  static bool drop_duplicate(Slot& slot);
  static Subject subject(const Slot& slot, unsigned argument);
  static Effect write(const Subject& subject, Written what);
  static bool drain(const Subject& subject, Side side);
  static bool shut_down(const Subject& subject, Shutdown how);

  std::array<Slot, kSlots> slots_;
};

}  // namespace detent::testing_support
