// SPDX-License-Identifier: BSL-1.0
/// \file
/// A move-only function object: what the loop stores of the function that you hand it.
///
///     detent::Callback<void(int)> f = [owner = std::move(owner)](int n) { owner->add(n); };
///     f(3);
///
/// Unlike std::function it takes callables that cannot be copied, and a callable of up to 32 bytes
/// (four pointers) costs no allocation.
#pragma once

#include <concepts>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace detent {

template <class Signature>
class Callback;

/// Holds one callable, or nothing. Calling an empty Callback is undefined; test it with
/// `operator bool` where it may be empty. Not tied to a thread.
template <class R, class... Args>
class Callback<R(Args...)> {
 public:
  static constexpr std::size_t kInlineSize = 32;
  static constexpr std::size_t kInlineAlignment = 16;

  /// True for callables that are stored in place: small, not over-aligned, and nothrow-movable,
  /// because a Callback's own move is noexcept. All others cost one allocation when stored.
  template <class F>
  static constexpr bool kStoredInline =
      sizeof(F) <= kInlineSize &&
      alignof(F) <= kInlineAlignment&& std::is_nothrow_move_constructible_v<F>;

  Callback() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): `nullptr` reads as "no callback".
  Callback(std::nullptr_t) noexcept {}

  /// Stores `f`, moved or copied. Throws what that copy or the allocation throws.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Callback> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
      // NOLINTNEXTLINE(google-explicit-constructor, bugprone-forwarding-reference-overload)
      Callback(F&& f) {
    using Stored = std::decay_t<F>;
    if constexpr (kStoredInline<Stored>) {
      ::new (static_cast<void*>(storage_)) Stored(std::forward<F>(f));
    } else {
      ::new (static_cast<void*>(storage_)) Stored*(new Stored(std::forward<F>(f)));
    }
    invoke_ = &invoke<Stored>;
    manage_ = &manage<Stored>;
  }

  Callback(Callback&& other) noexcept { take(other); }
  Callback& operator=(Callback&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() { reset(); }

  explicit operator bool() const noexcept { return invoke_ != nullptr; }

  R operator()(Args... args) { return invoke_(storage_, std::forward<Args>(args)...); }

 private:
  template <class F>
  static F& stored(std::byte* storage) noexcept {
    if constexpr (kStoredInline<F>) {
      return *std::launder(reinterpret_cast<F*>(storage));
    } else {
      return **std::launder(reinterpret_cast<F**>(storage));
    }
  }

  template <class F>
  static R invoke(std::byte* storage, Args&&... args) {
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(stored<F>(storage)(std::forward<Args>(args)...));
    } else {
      return stored<F>(storage)(std::forward<Args>(args)...);
    }
  }

  // Moves the callable to `to` when that is not null, and ends the one in `from`.
  template <class F>
  static void manage(std::byte* from, std::byte* to) noexcept {
    if constexpr (kStoredInline<F>) {
      F& f = stored<F>(from);
      if (to != nullptr) ::new (static_cast<void*>(to)) F(std::move(f));
      f.~F();  // NOLINT(bugprone-use-after-move): what was moved from is to be destroyed
    } else {
      F* f = &stored<F>(from);
      if (to != nullptr) {
        ::new (static_cast<void*>(to)) F*(f);
      } else {
        delete f;
      }
    }
  }

  void take(Callback& other) noexcept {
    if (other.manage_ == nullptr) return;
    other.manage_(other.storage_, storage_);
    invoke_ = std::exchange(other.invoke_, nullptr);
    manage_ = std::exchange(other.manage_, nullptr);
  }

  // The members are emptied first: the callable's destructor may look at its own Callback.
  void reset() noexcept {
    invoke_ = nullptr;
    if (auto* end = std::exchange(manage_, nullptr)) end(storage_, nullptr);
  }

  alignas(kInlineAlignment) std::byte storage_[kInlineSize];
  R (*invoke_)(std::byte*, Args&&...) = nullptr;
  void (*manage_)(std::byte* from, std::byte* to) noexcept = nullptr;
};

}  // namespace detent
