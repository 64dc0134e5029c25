// SPDX-License-Identifier: BSL-1.0
/// \file
/// Does random operations to a poller and compares each ready set with what poll(2) says.
///
/// What it demands of a wait:
///  - Every event has the id of a registration that exists, and no id comes twice.
///  - Level, and a one-shot that has not fired since it was added or modified: exactly poll(2)'s
///    answer for the same interest. A paused one and a fired one-shot: silence.
///  - Edge: never a bit that poll(2) does not have. One that it has must come if, since it was last
///    reported, it appeared, data arrived for it, or the registration was added or modified; else
///    it may.
///  - A batch that is full may lack some; any other is complete. Repeated waits bring everybody
///    within two rounds (D5). For kqueue, whose kernel reports the two directions of a descriptor
///    one by one, they count separately, and one may come later; and an `invalid` fills the batch.
///  - A registration whose number was closed: what rule L6 says, see Binding. Where two files had
///    the number in turn and only the kernel knows which one a change has met, anything.
///  - An event for nobody, HandlerId{}, comes only after such a registration ended while its file
///    stayed open elsewhere, and in the following wait no more.
///  - add, modify and remove of a slot in the wrong state: the errors of D1.
/// What the capabilities do not list is taken away from what is wanted, after it has been refused,
/// and from what poll(2) says: without `hangup` a hang-up is readable, and an error is readable or
/// writable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "detent/poller.h"
#include "support/model_coverage.h"
#include "support/poller_operations.h"

namespace detent::testing_support {

/// What a registration means when its number is closed while it is registered: rule L6.
enum class Binding : std::uint8_t {
  number,      ///< Whatever has the number at the wait; `invalid` when nothing has. poll, select.
  file,        ///< The file as long as it is open under any number, then silence. epoll.
  kept_file,   ///< The file until that is ready, then the number; so, anything. io_uring.
  descriptor,  ///< Nothing: silence. kqueue.
};
[[nodiscard]] Binding binding_of(const Poller& poller);

struct Failure {
  std::size_t operation;  ///< The index of the one that showed it.
  std::string what;
};
/// Does the operations, one after the other, to the poller and to descriptors of their own, until
/// one of them fails.
[[nodiscard]] std::optional<Failure> run_operations(Poller& poller,
                                                    std::span<const Operation> operations,
                                                    Coverage& coverage);

}  // namespace detent::testing_support
