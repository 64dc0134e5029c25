// SPDX-License-Identifier: BSL-1.0
#include "support/child_program.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "support/connected_pair.h"
#include "support/kernel_double.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

using std::chrono::steady_clock;

constexpr int kUnknown = -1000;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_child_pipe() {
  std::array<int, 2> ends = {};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name =
        std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    bool replaced = false;
    for (const auto& [key, value] : more) replaced = replaced || key == name;
    if (!replaced) all.emplace_back(*entry);
  }
  for (const auto& [key, value] : more) all.push_back(key + '=' + value);
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool give_rights_up(uid_t user) {
  return ::setgroups(0, nullptr) == 0 && ::setgid(user) == 0 && ::setuid(user) == 0;
}

// Between fork and exec: nothing that allocates.
[[noreturn]] void become(const char* file, char** arguments, char** environment,
                         std::array<int, 3> streams, const ChildOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int fd = 0; fd < 3; ++fd) ::dup2(streams.at(static_cast<std::size_t>(fd)), fd);
  ::close_range(3, ~0U, 0);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.descriptor_limit) {
    const rlimit limit = {.rlim_cur = *options.descriptor_limit,
                          .rlim_max = *options.descriptor_limit};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (options.user && !give_rights_up(*options.user)) ::_exit(126);
  ::execvpe(file, arguments, environment);
  constexpr std::string_view kMessage = "cannot be run: ";
  if (::write(2, kMessage.data(), kMessage.size()) > 0) ::perror(file);
  ::_exit(127);
}

std::string proc(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

std::string contents_of(const std::string& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

std::string example(std::string_view name) {
  return std::string(DETENT_EXAMPLES_DIR) + '/' + std::string(name);
}

bool is_installed(std::string_view program) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + '/' + std::string(program)).c_str(), X_OK) == 0) return true;
  }
  return false;
}

ChildProgram::ChildProgram(const std::string& file, const ChildOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), file);
  std::vector<std::string> environment = environment_with(options.environment);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);

  Pipe input = make_child_pipe();
  Pipe output = make_child_pipe();
  Pipe errors = make_child_pipe();
  pid_ = checked(::fork(), "fork");
  if (pid_ == 0) {
    become(file.c_str(), const_cast<char**>(argument_pointers.data()),
           const_cast<char**>(environment_pointers.data()),
           {input.read.fd(), output.write.fd(), errors.write.fd()}, options);
  }
  input_ = std::move(input.write);
  output_.fd = std::move(output.read);
  errors_.fd = std::move(errors.read);
}

ChildProgram::~ChildProgram() { kill_it(); }

// ---- what it prints

std::optional<std::string> ChildProgram::next_line() {
  const Deadline deadline = steady_clock::now() + kPatience;
  for (;;) {
    const std::size_t end = output_.text.find('\n', output_.taken);
    if (end != std::string::npos) {
      std::string line = output_.text.substr(output_.taken, end - output_.taken);
      output_.taken = end + 1;
      return line;
    }
    if (!output_.fd) return std::nullopt;
    if (read_some(deadline)) continue;
    ADD_FAILURE() << "no line came; so far:\n" << output_.text << errors_.text;
    return std::nullopt;
  }
}

std::string ChildProgram::wait_for_line(std::string_view beginning) {
  const Deadline deadline = steady_clock::now() + kPatience;
  while (auto line = next_line()) {
    if (line->starts_with(beginning)) return *line;
    if (steady_clock::now() > deadline) break;
  }
  ADD_FAILURE() << "no line began with \"" << beginning << "\":\n" << output_.text << errors_.text;
  return {};
}

// False when nothing came in time.
bool ChildProgram::read_some(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
  std::array<pollfd, 2> streams = {{{.fd = output_.fd.fd(), .events = POLLIN, .revents = 0},
                                    {.fd = errors_.fd.fd(), .events = POLLIN, .revents = 0}}};
  if (left <= 0 || ::poll(streams.data(), streams.size(), static_cast<int>(left)) == 0) {
    return false;
  }
  if (streams[0].revents != 0) read_from(output_);
  if (streams[1].revents != 0) read_from(errors_);
  return true;
}

void ChildProgram::read_from(Stream& stream) {
  std::array<char, 16 * 1024> buffer;
  const ssize_t size = ::read(stream.fd.fd(), buffer.data(), buffer.size());
  if (size == -1 && errno == EINTR) return;
  if (size <= 0) return stream.fd.reset();
  stream.text.append(buffer.data(), static_cast<std::size_t>(size));
}

// ---- what is done to it

void ChildProgram::write(std::string_view input) const { put(input_.fd(), input); }

void ChildProgram::send_signal(int signal) {
  ASSERT_TRUE(is_running()) << output_.text << errors_.text;
  checked(::kill(pid_, signal), "kill");
}

void ChildProgram::freeze() {
  send_signal(SIGSTOP);
  const Deadline deadline = steady_clock::now() + kPatience;
  while (contents_of(proc(pid_, "status")).find("\nState:\tT") == std::string::npos) {
    ASSERT_LT(steady_clock::now(), deadline) << "it does not stop";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int ChildProgram::wait() {
  const Deadline deadline = steady_clock::now() + kPatience;
  bool in_time = true;
  while (in_time && (output_.fd || errors_.fd)) in_time = read_some(deadline);
  while (in_time && !reap(WNOHANG)) {
    in_time = steady_clock::now() < deadline;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!in_time) {
    ADD_FAILURE() << "it does not end; so far:\n" << output_.text << errors_.text;
    kill_it();
  }
  return *exit_code_;
}

bool ChildProgram::reap(int flags) {
  if (exit_code_) return true;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, flags);
  if (ended == -1 && errno == ECHILD) exit_code_ = kUnknown;  // who traced it saw it end
  if (ended == pid_) exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_code_.has_value();
}

void ChildProgram::kill_it() {
  if (reap(WNOHANG)) return;
  ::kill(pid_, SIGKILL);
  while (!reap(0) && errno == EINTR) {
  }
}

// ---- what the kernel tells of it

std::map<int, std::string> ChildProgram::descriptors() const {
  std::map<int, std::string> all;
  std::error_code gone;  // the program may close one while we look
  for (std::filesystem::directory_iterator entry(proc(pid_, "fd"), gone), end;
       !gone && entry != end; entry.increment(gone)) {
    std::error_code closed;
    const auto target = std::filesystem::read_symlink(entry->path(), closed);
    const int fd = std::stoi(entry->path().filename());
    if (!closed && !is_hidden_in_a_child(fd)) all[fd] = target.string();
  }
  return all;
}

bool ChildProgram::comes_to_have(std::size_t descriptors) const {
  const Deadline deadline = steady_clock::now() + kPatience;
  while (this->descriptors().size() != descriptors) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::string ChildProgram::descriptor_info(int fd) const {
  return contents_of(proc(pid_, "fdinfo/" + std::to_string(fd)));
}

}  // namespace detent::testing_support
