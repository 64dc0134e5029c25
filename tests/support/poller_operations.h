// SPDX-License-Identifier: BSL-1.0
/// \file
/// What the model test of the pollers does to them: random operations, reproducible by their seed.
///
/// An operation refers to one of a few slots. A slot is a descriptor number that never changes;
/// what is open under it does (descriptor_slots.h). An operation that finds its slot in another
/// state than it needs does nothing, so that any of them may be left out when a sequence is shrunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "detent/poller.h"

namespace detent::testing_support {

inline constexpr unsigned kSlots = 8;

enum class Act : std::uint8_t {
  add,        ///< Of the slot's number. Argument: an interest, see to_interest().
  modify,     ///< The same, and under a new id.
  pause,      ///< modify to the empty interest
  remove,     ///< also of a number that was closed
  close,      ///< The number; behind the poller's back if it is registered.
  reopen,     ///< Puts another file under the closed number. Argument: Source.
  duplicate,  ///< Keeps the file open under a number that the poller does not know.
  drop,       ///< Closes that duplicate.
  write,      ///< Argument: Written.
  drain,      ///< Argument: Side.
  shut_down,  ///< Argument: Shutdown.
  wait,       ///< Argument: capacity of the batch, 0 for a large one; kUntilAllWereHeard.
};
inline constexpr std::array kActs = {Act::add,   Act::modify, Act::pause,     Act::remove,
                                     Act::close, Act::reopen, Act::duplicate, Act::drop,
                                     Act::write, Act::drain,  Act::shut_down, Act::wait};

/// A new link of one of four kinds, the file that the slot's duplicate keeps open, or the next
/// slot's file.
enum class Source : std::uint8_t { socket, tcp, pipe_reader, pipe_writer, duplicate, neighbour };
/// Some bytes for the slot; bytes from it until it would block; an urgent byte for it (TCP).
enum class Written : std::uint8_t { data, until_full, urgent };
enum class Side : std::uint8_t { near, far };
/// Where both ends stay open, and where the far one goes: with what it has not read thrown away
/// and, for TCP, a reset.
enum class Shutdown : std::uint8_t { far_writes, near_writes, near_reads, far_closes, far_resets };

/// For write, drain and shut_down: of the file that the slot's duplicate keeps open, whatever the
/// slot's number means by now.
inline constexpr unsigned kOfDuplicate = 8;
/// For wait: repeat it until whoever was ready has been reported.
inline constexpr unsigned kUntilAllWereHeard = 8;

/// What is open in a slot before the first operation.
[[nodiscard]] Source first_source(unsigned slot);

struct Operation {
  Act act;
  unsigned slot = 0;
  unsigned argument = 0;
};

/// Bits 1, 2 and 4 are readable, writable and priority; above them is the trigger.
[[nodiscard]] Interest to_interest(unsigned argument);

[[nodiscard]] std::vector<Operation> random_operations(std::uint64_t seed, std::size_t count);

[[nodiscard]] const char* name_of(Act act);
[[nodiscard]] std::string to_text(Interest interest);
/// As a person reads it: "modify slot 2: readable one_shot".
[[nodiscard]] std::string to_text(const Operation& operation);
/// As a compiler does, to be pasted into a regression test: "{Act::modify, 2, 17}".
[[nodiscard]] std::string to_code(const Operation& operation);

}  // namespace detent::testing_support
