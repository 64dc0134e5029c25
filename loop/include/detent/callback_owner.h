// SPDX-License-Identifier: BSL-1.0
/// \file
/// Keeps an object's callbacks, so that a callback may destroy the object that is calling it.
///
///     const decltype(callbacks_)::Call call(callbacks_);
///     call->on_data(bytes);                  // may destroy *this, and its callbacks_
///     if (!call) return;
///
/// For an object with a few callbacks; HandlerTable does the same for many. The clients of a server
/// can share one block of handlers, which costs each client a pointer.
#pragma once

#include <cstdint>
#include <utility>

#include "detent/needs_cpp20.h"

namespace detent {

/// A member of the object that calls. One thread. The handlers live while an owner shares them, and
/// until a call that began before its owner ended returns.
template <class Handlers>
class CallbackOwner {
  struct Block {
    Handlers handlers;
    std::uint32_t owners = 1;
  };

 public:
  explicit CallbackOwner(Handlers handlers) : block_(new Block{std::move(handlers)}) {}
  /// The same from the members of Handlers, each moved once.
  template <class... Members>
  explicit CallbackOwner(std::in_place_t /*tag*/, Members&&... members)
      : block_(new Block{Handlers{std::forward<Members>(members)...}}) {}
  /// Shares the handlers.
  CallbackOwner(const CallbackOwner& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) ++block_->owners;
  }
  CallbackOwner& operator=(const CallbackOwner&) = delete;
  ~CallbackOwner() { end(); }

  /// Make one on the stack of the function that calls a callback. It keeps the handlers alive.
  /// Several may nest. Do not make one for an owner that has ended.
  class Call {
   public:
    explicit Call(CallbackOwner& owner) noexcept
        : owner_(&owner), block_(owner.block_), outer_(std::exchange(owner.innermost_, this)) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (owner_ != nullptr) [[likely]]
        owner_->innermost_ = outer_;
      else if (outer_ == nullptr)
        let_go(block_);
    }

    /// Whether the object still exists.
    explicit operator bool() const noexcept { return owner_ != nullptr; }
    Handlers* operator->() const noexcept { return &block_->handlers; }

   private:
    friend class CallbackOwner;
    CallbackOwner* owner_;  // null: the owner ended; the outermost call has its share of the block
    Block* block_;
    Call* outer_;
  };

  /// For an object that is being destroyed: releases the handlers at once, while its other members
  /// live. During a call, releases them when the outermost call returns. Idempotent; the destructor
  /// does it too.
  void end() noexcept {
    Block* const block = std::exchange(block_, nullptr);
    Call* const innermost = std::exchange(innermost_, nullptr);
    for (Call* call = innermost; call != nullptr; call = call->outer_) call->owner_ = nullptr;
    if (innermost == nullptr && block != nullptr) let_go(block);
  }
  [[nodiscard]] bool has_ended() const noexcept { return block_ == nullptr; }

 private:
  static void let_go(Block* block) noexcept {
    if (--block->owners == 0) delete block;
  }

  Block* block_;
  Call* innermost_ = nullptr;
};

}  // namespace detent
