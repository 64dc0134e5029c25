// SPDX-License-Identifier: BSL-1.0
/// \file
/// Keeps a callback registered. While a Handle lives, its callback may run; after that it never
/// runs again.
///
///     detent::Handle hook = reactor.before_wait([&] { flush_statistics(); });
///     hook.cancel();                        // or let it go out of scope
///
/// The eight rules of lifetimes, which Watch and Timer follow too:
///  1. A handle *is* the registration: move-only, and it cancels when destroyed.
///  2. It may be destroyed, moved or cancelled anywhere, inside its own callback too.
///  3. A number (HandlerId) names a registration, so a stale number finds nothing.
///  4. A handle that outlives its service is inert.
///  5. Declare a descriptor before its watch: the watch must go first.
///  6. A callback runs in place. If it is cancelled while it runs, its captures are destroyed just
///     after it returns or throws.
///  7. Loops do not nest: running a loop inside one of its callbacks throws.
///  8. A service ends in two steps. It first makes its handles inert, then destroys the callbacks
///     while its other members live. Calls by their captures then do nothing: registering returns
///     an inert handle and drops the callback. Only running the loop, asking it for its native
///     handle and making another service throw std::logic_error.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "detent/affinity.h"
#include "detent/handler_id.h"

namespace detent {

/// The service behind a handle, such as the reactor.
class HandleOwner {
 public:
  /// Ends the registration `id`, if it still exists.
  virtual void cancel(HandlerId id) noexcept = 0;
  /// Whether `id` may still be called.
  [[nodiscard]] virtual bool active(HandlerId id) const noexcept = 0;

 protected:
  ~HandleOwner() = default;
};

/// Says whether a service still lives, and to which thread it belongs. A service and its handles
/// share it, so it outlives each of them.
class ServiceLink {
 public:
  /// For a service: make one as a member, and call `cut` first thing in the destructor.
  explicit ServiceLink(HandleOwner& owner) : shared_(new Shared(owner)) {}
  ServiceLink(const ServiceLink& other) noexcept : shared_(other.shared_) { hold(); }
  ServiceLink(ServiceLink&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  ServiceLink& operator=(ServiceLink other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~ServiceLink() { let_go(); }

  /// The service is being destroyed: from now on its handles are inert.
  void cut() noexcept { shared_->owner = nullptr; }

  /// The service, or null when it is gone.
  [[nodiscard]] HandleOwner* owner() const noexcept {
    return shared_ == nullptr ? nullptr : shared_->owner;
  }
  [[nodiscard]] const Affinity& affinity() const noexcept { return shared_->affinity; }
  /// For a service: false when it is being destroyed. Throws std::logic_error that names `call` on
  /// another thread or in a forked child.
  [[nodiscard]] bool check(const char* call) const {
    shared_->affinity.check(call);
    return shared_->owner != nullptr;
  }

 private:
  friend class Handle;
  ServiceLink() noexcept = default;

  struct Shared {
    explicit Shared(HandleOwner& service) noexcept : owner(&service) {}
    HandleOwner* owner;
    Affinity affinity;
    std::atomic<std::uint32_t> references{1};
  };

  // While the service lives, only its thread changes the count, so plain arithmetic is enough. Any
  // thread may destroy a handle that outlives it, so then the decrement must be atomic.
  void hold() const noexcept {
    if (shared_ == nullptr) return;
    auto& count = shared_->references;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void let_go() const noexcept {
    if (shared_ == nullptr) return;
    auto& count = shared_->references;
    std::uint32_t left = 0;
    if (shared_->owner != nullptr) {
      left = count.load(std::memory_order_relaxed) - 1;
      count.store(left, std::memory_order_relaxed);
    } else {
      left = count.fetch_sub(1, std::memory_order_acq_rel) - 1;
    }
    if (left == 0) delete shared_;
  }

  Shared* shared_ = nullptr;
};

/// Move-only; cancels when destroyed. The functions here do nothing for an empty one (default-made,
/// moved from, cancelled). Those that a derived handle adds may throw std::logic_error for it.
/// Belongs to the thread of its service. While the service lives, destroying or cancelling it on
/// another thread ends the program with a message.
class [[nodiscard]] Handle {
 public:
  Handle() noexcept = default;
  /// For services: hands out the registration `id`.
  Handle(const ServiceLink& link, HandlerId id) noexcept : link_(link), id_(id) {}
  Handle(Handle&& other) noexcept
      : link_(std::move(other.link_)), id_(std::exchange(other.id_, {})) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      const Handle former(std::move(*this));  // destroyed last: its captures may destroy *this
      link_ = std::move(other.link_);
      id_ = std::exchange(other.id_, {});
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (!is_empty()) cancel();
  }

  /// Ends the registration; the callback is never entered again. Idempotent. Destroys the
  /// callback's captures before it returns. If the callback is running, they are destroyed when it
  /// returns.
  void cancel() noexcept;

  /// Whether the callback may still be called. False for an empty handle, after the service's end,
  /// and after the registration ended by itself.
  [[nodiscard]] bool active() const noexcept {
    const HandleOwner* owner = link_.owner();
    if (owner == nullptr) return false;
    link_.affinity().check_or_terminate("Handle::active");
    return owner->active(id_);
  }
  explicit operator bool() const noexcept { return active(); }

 protected:
  [[nodiscard]] HandleOwner* owner() const noexcept { return link_.owner(); }
  /// The same for a function that needs a registration: std::logic_error that names `call` when the
  /// handle is empty.
  [[nodiscard]] HandleOwner* owner(const char* call) const {
    if (is_empty()) [[unlikely]]
      fail_empty(call);
    return link_.owner();
  }
  [[nodiscard]] HandlerId id() const noexcept { return id_; }
  [[nodiscard]] bool is_empty() const noexcept { return id_ == HandlerId{}; }

 private:
  [[noreturn]] static void fail_empty(const char* call);

  ServiceLink link_;
  HandlerId id_;
};

}  // namespace detent
