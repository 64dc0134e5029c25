// SPDX-License-Identifier: BSL-1.0
/// \file
/// Another program, run by a test: its input and output on pipes, and what /proc tells of it.
///
///     ChildProgram server(example("stop_server"), {.arguments = {"--port", "0"}});
///     const std::string line = server.wait_for_line("Listening on ");
///     server.send_signal(SIGTERM);
///     EXPECT_EQ(server.wait(), 0);
///
/// What waits does so for kPatience, and then fails the test: long enough for a slow machine and a
/// sanitizer, since a good run never comes near it.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "detent/unique_fd.h"

namespace detent::testing_support {

constexpr std::chrono::seconds kPatience(20);

/// Where the build has put one of the programs in examples/.
[[nodiscard]] std::string example(std::string_view name);

/// True when $PATH leads to a program of that name.
[[nodiscard]] bool is_installed(std::string_view program);

struct ChildOptions {
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< Beside our own.
  std::optional<unsigned> descriptor_limit = {};                      ///< RLIMIT_NOFILE.
  std::optional<uid_t> user = {};  ///< Runs it, in a group of that number.
};

/// Starts with three descriptors and default signals. It is killed when this object goes, and when
/// the test program dies.
class ChildProgram {
 public:
  /// `file` is looked up in $PATH when it has no slash. One that cannot be run ends with 127.
  explicit ChildProgram(const std::string& file, const ChildOptions& options = {});
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;
  ~ChildProgram();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool is_running() { return !reap(WNOHANG); }

  /// The next line of its output, without the end; nothing at the end of the output.
  std::optional<std::string> next_line();
  /// The next line that begins like that; those before it are skipped. Empty when none comes.
  std::string wait_for_line(std::string_view beginning);
  /// All of its standard output, and of its standard error, that has been read so far.
  [[nodiscard]] const std::string& output() const noexcept { return output_.text; }
  [[nodiscard]] const std::string& errors() const noexcept { return errors_.text; }

  void write(std::string_view input) const;
  void close_input() { input_.reset(); }

  void send_signal(int signal);
  /// Stops it as SIGSTOP does, and returns when it stands still; SIGCONT lets it go on.
  void freeze();
  /// Reads what it still prints and waits for its end: the exit code, or minus the signal.
  int wait();

  /// Its open descriptors, and what each one is, as "anon_inode:[timerfd]".
  [[nodiscard]] std::map<int, std::string> descriptors() const;
  /// True as soon as it has that many.
  [[nodiscard]] bool comes_to_have(std::size_t descriptors) const;
  /// The kernel's account of one of them.
  [[nodiscard]] std::string descriptor_info(int fd) const;

 private:
  struct Stream {
    UniqueFd fd;
    std::string text = {};
    std::size_t taken = 0;
  };
  using Deadline = std::chrono::steady_clock::time_point;

  bool read_some(Deadline deadline);
  void read_from(Stream& stream);
  bool reap(int flags);
  void kill_it();

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  UniqueFd input_;
  Stream output_;
  Stream errors_;
};

}  // namespace detent::testing_support
