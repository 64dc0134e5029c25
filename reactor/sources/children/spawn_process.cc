// SPDX-License-Identifier: BSL-1.0
#include "children/spawn_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "sys.h"

namespace detent {
namespace {

class FileActions {
 public:
  FileActions() { sys::check_code(::posix_spawn_file_actions_init(&actions_), "posix_spawn"); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  [[nodiscard]] posix_spawn_file_actions_t& get() noexcept { return actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  Attributes() { sys::check_code(::posix_spawnattr_init(&attributes_), "posix_spawn"); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  [[nodiscard]] posix_spawnattr_t& get() noexcept { return attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// The calls copy the texts, so they change none.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

void check_text(const std::string& text) {
  if (text.find('\0') == std::string::npos) return;
  throw std::invalid_argument(std::string("Children::spawn: a NUL follows \"") + text.c_str() +
                              '"');
}

// A signal that is ignored, or blocked, stays so through an exec: execve(2).
void set(posix_spawnattr_t& attributes, bool own_group) {
  sigset_t none;
  sigset_t all;
  // Without ::, since these are macros on macOS.
  sigemptyset(&none);
  sigfillset(&all);
  for (const int fixed : {SIGKILL, SIGSTOP}) sigdelset(&all, fixed);
  sys::check_code(::posix_spawnattr_setsigmask(&attributes, &none), "posix_spawn");
  sys::check_code(::posix_spawnattr_setsigdefault(&attributes, &all), "posix_spawn");
  int flags = kSpawnFlags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (own_group) flags |= POSIX_SPAWN_SETPGROUP;  // a group of 0 is a new one
  sys::check_code(::posix_spawnattr_setflags(&attributes, static_cast<short>(flags)),
                  "posix_spawn");
}

// If this program has closed its own standard streams, new descriptors have their numbers. Then one
// dup2(2) in the child would overwrite what another needs, and here a print would reach the child.
void move_above_streams(UniqueFd& fd) {
  if (!fd || fd.fd() > STDERR_FILENO) return;
  fd.reset(sys::check(::fcntl(fd.fd(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl"));
}

/// The standard streams of a child to come.
class Streams {
 public:
  explicit Streams(const SpawnOptions& options)
      : kinds_{options.input, options.output, options.error} {
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      if (kinds_[i] == Stdio::pair) pairs_[i] = make_stdio_pair();
      for (UniqueFd* end : {&pairs_[i].ours, &pairs_[i].theirs}) move_above_streams(*end);
    }
  }
  [[nodiscard]] int add_to(posix_spawn_file_actions_t& actions, std::size_t stream) const {
    const auto fd = static_cast<int>(stream);
    switch (kinds_[stream]) {
      case Stdio::inherit:
        return add_inherited(actions, fd);
      case Stdio::null:
        return ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
      case Stdio::pair:
        break;
    }
    return ::posix_spawn_file_actions_adddup2(&actions, pairs_[stream].theirs.fd(), fd);
  }
  [[nodiscard]] std::array<UniqueFd, 3> take_ours() {
    return {std::move(pairs_[0].ours), std::move(pairs_[1].ours), std::move(pairs_[2].ours)};
  }

 private:
  std::array<Stdio, 3> kinds_;
  std::array<StdioPair, 3> pairs_;
};

void fill(posix_spawn_file_actions_t& actions, const std::string& directory,
          const Streams& streams) {
  if (!directory.empty()) {
    sys::check_code(add_directory(actions, directory.c_str()), "posix_spawn");
  }
  for (const std::size_t stream : {0U, 1U, 2U}) {
    sys::check_code(streams.add_to(actions, stream), "posix_spawn");
  }
  sys::check_code(close_others(actions), "posix_spawn");
}

}  // namespace

void check(const SpawnOptions& options) {
  if (options.arguments.empty() || options.arguments.front().empty()) {
    throw std::invalid_argument("Children::spawn: SpawnOptions::arguments names no program");
  }
  for (const std::string& text : options.arguments) check_text(text);
  check_text(options.directory);
  if (!options.environment) return;
  for (const std::string& text : *options.environment) check_text(text);
}

Spawned spawn_process(const SpawnOptions& options) {
  const std::vector<char*> arguments = pointers_to(options.arguments);
  std::vector<char*> environment;
  if (options.environment) environment = pointers_to(*options.environment);
  Attributes attributes;
  set(attributes.get(), options.own_group);
  Streams streams(options);
  FileActions actions;
  fill(actions.get(), options.directory, streams);
  pid_t pid = 0;
  sys::check_code(
      ::posix_spawnp(&pid, arguments.front(), &actions.get(), &attributes.get(), arguments.data(),
                     options.environment ? environment.data() : own_environment()),
      "posix_spawn");
  return {pid, streams.take_ours()};
}

}  // namespace detent
