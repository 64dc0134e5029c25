// SPDX-License-Identifier: BSL-1.0
// Where and when: what a result has to say of its circumstances.
#pragma once

#include <string>

namespace bench {

/// A line of JSON of the kind "machine". Compiler: the one that compiled this program.
std::string machine_line(const std::string& commit);

}  // namespace bench
