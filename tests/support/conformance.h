// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a test that runs on every poller says about the one that it runs on. A test that passes
/// means that the poller does the same as the others, unless it says otherwise, with one of the
/// macros below. docs/conformance.md is made of that: see ./dev conformance.
#pragma once

#include <string>
#include <system_error>

#include "support/errors.h"

namespace detent::testing_support {

/// What the running test has to say of its poller, for its cell of the table.
void note_outcome(const std::string& outcome);

}  // namespace detent::testing_support

/// This poller differs from the others, and this is what pins the difference.
#define EXPECT_DIFFERENCE(assertion)                                      \
  do {                                                                    \
    EXPECT_TRUE(assertion);                                               \
    ::detent::testing_support::note_outcome("differs: `" #assertion "`"); \
  } while (false)

/// This poller cannot do what the statement asks for, and says so.
#define EXPECT_UNSUPPORTED(statement)                                                     \
  do {                                                                                    \
    EXPECT_EQ(::detent::testing_support::error_of([&] { static_cast<void>(statement); }), \
              ::std::errc::not_supported);                                                \
    ::detent::testing_support::note_outcome("unsupported: error `not_supported`");        \
  } while (false)
