// SPDX-License-Identifier: BSL-1.0
#include "detent/files.h"

#include <stdexcept>
#include <system_error>
#include <utility>

#include "detent/drop.h"
#include "files/files_state.h"
#include "setup_error.h"

namespace detent {
namespace {

constexpr const char* kWatch = "Files::watch";

std::size_t checked_looks(std::size_t looks) {
  if (looks == 0) throw std::invalid_argument("Files: FilesOptions::looks_per_turn is 0");
  return looks;
}

void check_path(const std::string& path) {
  const std::string call(kWatch);
  if (path.empty()) throw std::invalid_argument(call + ": the path is empty");
  if (path.find('\0') == std::string::npos) return;
  throw std::invalid_argument(call + "(\"" + path.c_str() + "\"): the path has a NUL behind that");
}

[[noreturn]] void fail(const std::string& path, const Name& name, const std::system_error& error) {
  fail_setting_up(kWatch, "path \"" + path + '"', name, error);
}

}  // namespace

Files::Files(Reactor& reactor, FilesOptions options)
    : Service(reactor, "Files"),
      state_(std::make_unique<State>(reactor, checked_looks(options.looks_per_turn))) {}

Files::~Files() {
  close("~Files");
  state_->end();
}

Handle Files::watch(const std::string& path, OnChange on_change, Name name) {
  return watch(path, {}, std::move(on_change), name);
}

Handle Files::watch(const std::string& path, FileWatchOptions options, OnChange on_change,
                    Name name) {
  if (!on_change) throw std::invalid_argument(std::string(kWatch) + ": the callback is empty");
  check_path(path);
  if (refuses(kWatch)) {
    drop_any(std::move(on_change));
    return {};
  }
  if (options.recursive && !FileNotices::kTellOfEntries) {
    fail(path, name, {std::make_error_code(std::errc::not_supported), "recursive"});
  }
  try {
    auto watched = std::make_shared<WatchedPath>(state_->marks, path, options.recursive);
    watched->id = state_->callbacks.add(std::move(on_change), name, watched);
    Handle handle(link(), watched->id);  // on a throw, takes back what was marked
    state_->make_room();
    watched->start();
    return handle;
  } catch (const std::system_error& error) {
    fail(path, name, error);
  }
}

void Files::cancel(HandlerId id) noexcept {
  State::Callbacks::Entry* const entry = state_->callbacks.find(id);
  if (entry == nullptr) return;
  const std::shared_ptr<WatchedPath> path = std::move(entry->data);
  path->end();
  state_->callbacks.recycle();
  state_->callbacks.remove(*entry);  // the last use of *this: the captures may own it
}

bool Files::active(HandlerId id) const noexcept { return state_->callbacks.find(id) != nullptr; }

}  // namespace detent
