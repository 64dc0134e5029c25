// SPDX-License-Identifier: BSL-1.0
// The contract of stream.h, for the kinds of stream of this library.
#include "detent/socket.h"
#include "detent/stream.h"
#include "support/connected_pair.h"
#include "support/standard.h"
#include "support/stream_contract_cases.h"

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

DETENT_STREAM_CONTRACT_OF(OnEveryPoller, &kTcp, &kUnix);

}  // namespace
}  // namespace detent
