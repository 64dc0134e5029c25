// SPDX-License-Identifier: BSL-1.0
// The command line, which is the same for all programs.
//
//     ring [--quick | --smoke] [--rounds N] [--peers NAME,NAME...] [--out FILE] [--commit ID]
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

/// How much work: to see that it works, to get an answer soon, to get a good one.
enum class Size : std::uint8_t { smoke, quick, full };

struct Options {
  Size size = Size::full;
  int rounds = 5;
  std::vector<std::string> peers = {};  ///< Empty: all. "detent" means all of detent/...
  std::string out = {};                 ///< Empty: no file is written.
  std::string commit = "unknown";
  /// As it was called, without where the results go: what one types to measure the same again.
  std::string command = {};

  [[nodiscard]] bool wants(const std::string& peer) const;
  /// One of three, by size.
  template <class T>
  [[nodiscard]] T pick(T smoke, T quick, T full) const {
    return size == Size::smoke ? smoke : size == Size::quick ? quick : full;
  }
};

/// Ends the program with a usage message when it cannot read them.
Options parse_options(int argc, char** argv);

}  // namespace bench
