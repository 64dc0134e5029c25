// SPDX-License-Identifier: BSL-1.0
/// \file
/// The callbacks of an object that goes on after it called one, though the callback may destroy it.
///
///     const decltype(callbacks_)::Call call(callbacks_);
///     call->on_data(bytes);                  // may destroy *this, and its callbacks_
///     if (!call) return;
///
/// HandlerTable does the same for many callbacks; this is for an object with a few. A server's
/// clients can share one block of handlers, so that a client costs a pointer.
#pragma once

#include <cstdint>
#include <utility>

#include "detent/needs_cpp20.h"

namespace detent {

/// A member of the object in question. One thread. The handlers live as long as one owner of them,
/// or one call that began before its owner went.
template <class Handlers>
class CallbackOwner {
  struct Block {
    Handlers handlers;
    std::uint32_t owners = 1;
  };

 public:
  explicit CallbackOwner(Handlers handlers) : block_(new Block{std::move(handlers)}) {}
  /// The same from its members, each moved once.
  template <class... Members>
  explicit CallbackOwner(std::in_place_t /*tag*/, Members&&... members)
      : block_(new Block{Handlers{std::forward<Members>(members)...}}) {}
  /// Shares the handlers.
  CallbackOwner(const CallbackOwner& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) ++block_->owners;
  }
  CallbackOwner& operator=(const CallbackOwner&) = delete;
  ~CallbackOwner() { end(); }

  /// On the stack of the function that calls out; several may nest. The handlers stay while it
  /// lives. Not of an owner that has ended.
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
    CallbackOwner* owner_;  // null: gone, and the outermost call has its share of the block
    Block* block_;
    Call* outer_;
  };

  /// The object is going: lets go of the handlers at once, while all its other members live, or
  /// when the outermost call returns. Idempotent; the destructor does it too.
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
