// SPDX-License-Identifier: BSL-1.0
// A daemon that reads its settings again whenever their file changes, whatever the editor does:
// write into it, replace it by another one, remove it and make it anew.
//
//     reload_on_change service.conf
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <detent/files.h>
#include <detent/reactor.h>
#include <detent/timer_service.h>

using namespace std::chrono_literals;

namespace {

void load(const char* path) {
  std::ifstream file(path);
  if (!file) {
    std::puts("no settings");
    return;
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::printf("%zu bytes, first line: %s\n", text.size(), text.substr(0, text.find('\n')).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: reload_on_change FILE\n", stderr);
    return 2;
  }
  const char* const path = argv[1];
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  detent::Reactor reactor;
  detent::TimerService timers(reactor);
  detent::Files files(reactor);

  // A program that writes a file in pieces is told of piece by piece. Once it has been quiet for a
  // moment, it is most likely done.
  detent::Timer quiet = timers.make([path] { load(path); });
  const detent::Handle watch = files.watch(
      path,
      [&quiet](const detent::FileChange& change) {
        if (change.what.has_new_content() || change.what.deleted) quiet.rearm(50ms);
      },
      "settings");
  load(path);
  reactor.run();
}
