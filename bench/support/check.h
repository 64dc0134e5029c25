// SPDX-License-Identifier: BSL-1.0
// A benchmark that did not do its work has no result: it ends the program.
#pragma once

namespace bench {

/// Ends the program with a message when `holds` is false.
void require(bool holds, const char* what);

/// For a system call: ends the program with errno's text when `result` is negative, else returns
/// it.
long succeeded(long result, const char* call);

/// The same, for calls that return a descriptor.
int opened(int fd, const char* call);

}  // namespace bench
