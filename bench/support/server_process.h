// SPDX-License-Identifier: BSL-1.0
// A server in a process and on a core of its own, which lasts as long as the object.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "support/cpu.h"
#include <detent/unique_fd.h>

namespace bench {

class ServerProcess {
 public:
  /// Runs `serve` there, on the second core, and returns when it has called the function that it is
  /// given with the port it listens on. This program must not have started a thread.
  using Serve = std::function<void(const std::function<void(std::uint16_t port)>& listening)>;
  explicit ServerProcess(const Serve& serve);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// What it has used, in user space and in the kernel.
  [[nodiscard]] Nanoseconds cpu() const { return process_cpu(process_); }
  /// The bytes that it has allocated since it began to serve. It must be waiting, since a signal
  /// handler counts them.
  [[nodiscard]] double memory() const;

 private:
  template <class T>
  [[nodiscard]] T next_report() const;

  detent::UniqueFd reports_;
  pid_t process_;
  std::uint16_t port_ = 0;
};

}  // namespace bench
