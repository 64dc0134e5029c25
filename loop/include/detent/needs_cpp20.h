// SPDX-License-Identifier: BSL-1.0
/// \file
/// Stops a compiler that was not asked for C++20, before it complains of each line that it does not
/// understand. Every header of detent leads here before its first line of code.
#pragma once

#if __cplusplus < 202002L
#error detent needs C++20: compile with -std=c++20 (CMake: link detent::detent, which asks for it)
#include "detent: compilation stops here"  // A missing file ends it; an #error alone does not.
#endif
