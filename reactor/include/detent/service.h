// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a type that is built on a reactor and hands out handles derives from, as timers do.
///
///     class Alarms final : private detent::Service {
///      public:
///       explicit Alarms(detent::Reactor& reactor) : Service(reactor, "Alarms") {}
///       ~Alarms() override {
///         close("~Alarms");
///         callbacks_.clear();
///       }
#pragma once

#include "detent/handle.h"

namespace detent {

class Reactor;

/// Is told when its reactor goes first: then its handles are inert, and what it is asked for is
/// refused. Belongs to its reactor's thread. Not moved.
class Service : public HandleOwner {
 public:
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

 protected:
  /// std::logic_error that names `type` on another thread, or when the reactor is going.
  Service(Reactor& reactor, const char* type);
  virtual ~Service();

  /// First thing in the destructor, which `call` names: handles become inert, and refuses() is
  /// true. The callbacks are to be destroyed next, while all members live. On another thread ends
  /// the program with a message.
  void close(const char* call) noexcept;

  /// First thing in a function that registers: whether it has to return an inert handle and to
  /// drop() the callback, since this service or its reactor is going. Throws std::logic_error that
  /// names `call` on another thread, in a forked child, and when the reactor is gone and this
  /// service is not going too.
  [[nodiscard]] bool refuses(const char* call) const {
    return !line_.check(call) && is_going(call);
  }

  /// std::logic_error that names `call` when it is gone.
  [[nodiscard]] Reactor& reactor(const char* call) const {
    if (reactor_ == nullptr) [[unlikely]]
      fail_gone(call);
    return *reactor_;
  }

  /// For the handles.
  [[nodiscard]] const Lifeline& line() const noexcept { return line_; }
  [[nodiscard]] const Affinity& affinity() const noexcept { return line_.affinity(); }

 private:
  friend class Reactor;
  [[nodiscard]] bool is_going(const char* call) const;
  [[noreturn]] static void fail_gone(const char* call);
  void leave() noexcept;

  Lifeline line_;
  Reactor* reactor_;  // null: gone
  Service* next_ = nullptr;
  Service** place_ = nullptr;  // what points here in the reactor's list
  bool is_closing_ = false;
};

}  // namespace detent
