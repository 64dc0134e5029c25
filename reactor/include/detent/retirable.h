// SPDX-License-Identifier: BSL-1.0
/// \file
/// The base of an object that its own function may end, such as a Stream.
///
///     void on_line(std::string_view line) {       // `parser_` calls it, and is a Retirable
///       if (line == "quit") reactor_.retire(std::move(parser_));  // it is running: destroyed
///       later
///     }
#pragma once

#include <memory>
#include <utility>

#include "detent/needs_cpp20.h"

namespace detent {

/// The owner of such an object is called by it, and may want to destroy it in that call. But the
/// object's own function is still running then. So the owner passes the object to Reactor::retire,
/// which destroys it at the end of the turn, when no function runs any more. Retiring allocates
/// nothing.
class Retirable {
 public:
  Retirable() = default;
  Retirable(const Retirable&) = delete;
  Retirable& operator=(const Retirable&) = delete;
  virtual ~Retirable() = default;

 private:
  friend class RetiredObjects;
  std::unique_ptr<Retirable> next_;  // of the list of those that wait for their end
};

}  // namespace detent
