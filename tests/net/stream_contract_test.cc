// SPDX-License-Identifier: BSL-1.0
// The contract of stream.h, for the kinds of stream of this library.
#include <fcntl.h>
#include <sys/stat.h>

#include "detent/socket.h"
#include "detent/stream.h"
#include "support/connected_pair.h"
#include "support/standard.h"
#include "support/stream_contract_cases.h"
#include "support/temporary_folder.h"
#include "xor_stream.h"

namespace detent {
namespace {

using namespace testing_support;

StreamPair over(Reactor& reactor, SocketPair pair, const StreamOptions& options = {}) {
  return {adopt(reactor, std::move(pair.near), options),
          adopt(reactor, std::move(pair.far), options)};
}
constexpr StreamKind kTcp = {
    .name = "tcp",
    .make = [](Reactor& reactor) { return over(reactor, make_tcp_pair()); },
    .has_reset = true};
constexpr StreamKind kUnix = {.name = "unix",
                              .make =
                                  [](Reactor& reactor) {
                                    return over(reactor, make_socket_pair(),
                                                {.descriptors_per_read = 2});
                                  },
                              .passes_descriptors = true};

constexpr StreamKind kPipe = {
    .name = "pipe", .make = [](Reactor& reactor) -> StreamPair {
      SocketPair there = make_pipe();
      SocketPair back = make_pipe();
      return {make_stream(reactor, std::move(back.near), std::move(there.far)),
              make_stream(reactor, std::move(there.near), std::move(back.far))};
    }};
constexpr StreamKind kFifo = {
    .name = "fifo", .make = [](Reactor& reactor) -> StreamPair {
      const TemporaryFolder folder;
      const auto make = [&](const char* name) -> SocketPair {
        const std::string path = folder / name;
        checked(::mkfifo(path.c_str(), 0600), "mkfifo");
        UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        return {std::move(reader), UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC))};
      };
      SocketPair there = make("there");
      SocketPair back = make("back");
      return {make_stream(reactor, std::move(back.near), std::move(there.far)),
              make_stream(reactor, std::move(there.near), std::move(back.far))};
    }};

// The one that the examples show how to write.
constexpr StreamKind kXor = {
    .name = "xor_unix",
    .make = [](Reactor& reactor) -> StreamPair {
      StreamPair inner = kUnix.make(reactor);
      return {std::make_unique<XorStream>(std::move(inner.near), std::byte{0x5a}),
              std::make_unique<XorStream>(std::move(inner.far), std::byte{0x5a})};
    },
    .passes_descriptors = true};

DETENT_STREAM_CONTRACT_OF(OnEveryPoller, &kTcp, &kUnix, &kPipe, &kFifo, &kXor);

}  // namespace
}  // namespace detent
