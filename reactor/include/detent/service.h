// SPDX-License-Identifier: BSL-1.0
/// \file
/// The base of a type that uses a reactor and hands out handles, as timers do.
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

/// When its reactor is destroyed first, its handles become inert and it refuses further calls.
/// Belongs to its reactor's thread. Not moved.
class Service : public HandleOwner {
 public:
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

 protected:
  /// std::logic_error that names `type` on another thread, or when the reactor is being destroyed.
  Service(Reactor& reactor, const char* type);
  virtual ~Service();

  /// Call it first in the destructor, which `call` names: handles become inert, and refuses() is
  /// true. Then destroy the callbacks, while all members live. On another thread it ends the
  /// program with a message.
  void close(const char* call) noexcept;

  /// Call it first in a function that registers. True while this service or its reactor is being
  /// destroyed: then drop() the callback and return an inert handle. Throws std::logic_error that
  /// names `call` on another thread, in a forked child, and when only the reactor is gone.
  [[nodiscard]] bool refuses(const char* call) const {
    return !link_.check(call) && is_going(call);
  }

  /// std::logic_error that names `call` when the reactor is gone.
  [[nodiscard]] Reactor& reactor(const char* call) const {
    if (reactor_ == nullptr) [[unlikely]]
      fail_gone(call);
    return *reactor_;
  }

  /// For the handles.
  [[nodiscard]] const ServiceLink& link() const noexcept { return link_; }
  [[nodiscard]] const Affinity& affinity() const noexcept { return link_.affinity(); }

 private:
  friend class Reactor;
  [[nodiscard]] bool is_going(const char* call) const;
  [[noreturn]] static void fail_gone(const char* call);
  void leave() noexcept;

  ServiceLink link_;
  Reactor* reactor_;  // null: gone
  Service* next_ = nullptr;
  Service** place_ = nullptr;  // what points here in the reactor's list
  bool is_closing_ = false;
};

}  // namespace detent
