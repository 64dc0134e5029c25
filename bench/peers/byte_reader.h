// SPDX-License-Identifier: BSL-1.0
// For loops that say when to read, and leave the reading to their user.
#pragma once

#include <unistd.h>

#include "support/check.h"

namespace bench {

template <class F>
struct ReadByte {
  int fd;
  F on_byte;
  void operator()() {
    char byte = 0;
    require(::read(fd, &byte, 1) == 1, "there was no byte to read");
    on_byte();
  }
};

/// `Readable<F>(peer, fd, f)` calls f() while the descriptor is readable.
template <class Peer, template <class> class Readable, class F>
class ReadableByteReader {
 public:
  ReadableByteReader(Peer& peer, int fd, F on_byte) : readable_(peer, fd, {fd, on_byte}) {}

 private:
  Readable<ReadByte<F>> readable_;
};

}  // namespace bench
