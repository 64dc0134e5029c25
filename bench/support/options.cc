// SPDX-License-Identifier: BSL-1.0
#include "support/options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace bench {

namespace {

[[noreturn]] void fail(const char* program) {
  std::fprintf(stderr,
               "usage: %s [--quick | --smoke] [--rounds N] [--peers NAME,NAME...] [--out FILE] "
               "[--commit ID]\n",
               program);
  std::exit(2);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

bool Options::wants(const std::string& peer) const {
  return peers.empty() || std::any_of(peers.begin(), peers.end(), [&](const std::string& wanted) {
           return peer == wanted || peer.starts_with(wanted + "/");
         });
}

Options parse_options(int argc, char** argv) {
  Options options;
  options.command = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--quick" || flag == "--smoke") {
      options.command += " " + flag;
      options.size = flag == "--quick" ? Size::quick : Size::smoke;
      if (flag == "--smoke") options.rounds = 1;
      continue;
    }
    if (++i == argc) fail(argv[0]);
    if (flag == "--rounds") {
      options.rounds = std::atoi(argv[i]);
      options.command += " --rounds " + std::string(argv[i]);
    } else if (flag == "--peers") {
      options.peers = split(argv[i]);
      options.command += " --peers " + std::string(argv[i]);
    } else if (flag == "--out") {
      options.out = argv[i];
    } else if (flag == "--commit") {
      options.commit = argv[i];
    } else {
      fail(argv[0]);
    }
  }
  if (options.rounds < 1) fail(argv[0]);
  return options;
}

}  // namespace bench
