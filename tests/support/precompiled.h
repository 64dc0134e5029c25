// SPDX-License-Identifier: BSL-1.0
/// \file
/// What takes the tests longest to parse, and does not change. CMake precompiles it and includes it
/// first in every test. No file may rely on that: the preset tsan does without.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>
