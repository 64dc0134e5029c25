// SPDX-License-Identifier: BSL-1.0
// Linux: prints the network interfaces that there are, and then what becomes of them.
#include <cstdio>

#include <detent/links.h>
#include <detent/reactor.h>

namespace {

// In the order of LinkChange::Kind.
constexpr const char* kKinds[] = {"came", "went",    "renamed",    "up",
                                  "down", "running", "not running"};

void print(const detent::Link& link, const char* what) {
  std::printf("%d %s: %s\n", link.index, link.name.c_str(), what);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  detent::Reactor reactor;
  detent::Links links(reactor);
  for (const detent::Link& link : links.list()) {
    print(link, link.running ? "is running" : link.up ? "is up" : "is down");
  }
  const detent::Handle watch = links.watch([](const detent::LinkChange& change) {
    print(change.link, kKinds[static_cast<int>(change.kind)]);
  });
  reactor.run();
}
