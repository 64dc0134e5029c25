// SPDX-License-Identifier: BSL-1.0
/// \file
/// A move-only function object, in which the loop stores the function that you hand it.
///
///     detent::Callback<void(int)> f = [owner = std::move(owner)](int n) { owner->add(n); };
///     f(3);
///
/// Unlike std::function it takes callables that cannot be copied. A callable of up to 32 bytes
/// (four pointers) costs no allocation.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "detent/needs_cpp20.h"

namespace detent {

/// Whether `f` is a null pointer, or a std::function or the like that holds nothing to call.
template <class F>
[[nodiscard]] constexpr bool is_empty_function(const F& f) noexcept {
  if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>) {
    return f == nullptr;
  } else if constexpr (
      std::is_class_v<F> && requires { static_cast<bool>(f); } &&
      !requires { +f; }) {  // a lambda without captures converts to a pointer, so to bool
    return !static_cast<bool>(f);
  } else {
    return false;
  }
}

template <class Signature>
class Callback;

/// Holds one callable, or nothing. Calling an empty Callback is undefined: test one that may be
/// empty with `operator bool`. Not tied to a thread.
template <class R, class... Args>
class Callback<R(Args...)> {
 public:
  static constexpr std::size_t kInlineSize = 32;
  static constexpr std::size_t kInlineAlignment = 16;

  /// True for callables that are stored in place: small, not over-aligned, and nothrow-movable. A
  /// Callback's own move is noexcept, hence the last condition. Storing any other costs one
  /// allocation.
  template <class F>
  static constexpr bool kStoredInline =
      sizeof(F) <= kInlineSize &&
      alignof(F) <= kInlineAlignment&& std::is_nothrow_move_constructible_v<F>;

  Callback() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): `nullptr` reads as "no callback".
  Callback(std::nullptr_t) noexcept {}

  /// Stores `f`, moved or copied. Stays empty for a null pointer, an empty std::function and an
  /// empty Callback. Throws what the move, the copy or the allocation throws.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Callback> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
      // NOLINTNEXTLINE(google-explicit-constructor, bugprone-forwarding-reference-overload)
      Callback(F&& f)
  noexcept(kStoredInline<std::decay_t<F>>&& std::is_nothrow_constructible_v<std::decay_t<F>, F>) {
    using Stored = std::decay_t<F>;
    if (is_empty_function(f)) return;
    if constexpr (kStoredInline<Stored>) {
      ::new (static_cast<void*>(storage_)) Stored(std::forward<F>(f));
    } else {
      ::new (static_cast<void*>(storage_)) Stored*(new Stored(std::forward<F>(f)));
    }
    invoke_ = &invoke<Stored>;
    if constexpr (!kPlain<Stored>) manage_ = &manage<Stored>;
  }

  Callback(Callback&& other) noexcept { take(other); }
  Callback& operator=(Callback&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  Callback& operator=(std::nullptr_t) noexcept {
    reset();
    return *this;
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() { reset(); }

  explicit operator bool() const noexcept { return invoke_ != nullptr; }

  R operator()(Args... args) { return invoke_(storage_, static_cast<Passed<Args>>(args)...); }

 private:
  template <class F>
  static F& stored(std::byte* storage) noexcept {
    if constexpr (kStoredInline<F>) {
      return *std::launder(reinterpret_cast<F*>(storage));
    } else {
      return **std::launder(reinterpret_cast<F**>(storage));
    }
  }

  // A plain callable is moved by copying its bytes, and needs no destructor.
  template <class F>
  static constexpr bool kPlain = kStoredInline<F>&& std::is_trivially_copyable_v<F>;

  // Passes small plain arguments by value, so in registers, and all others by reference. The type
  // behind a reference may still be incomplete.
  template <class Arg>
  static constexpr bool passed_by_value() noexcept {
    if constexpr (std::is_reference_v<Arg>) {
      return false;
    } else {
      return std::is_trivially_copyable_v<Arg> && sizeof(Arg) <= sizeof(void*);
    }
  }
  template <class Arg>
  using Passed = std::conditional_t<passed_by_value<Arg>(), Arg, Arg&&>;

  template <class F>
  static R invoke(std::byte* storage, Passed<Args>... args) {
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(stored<F>(storage)(static_cast<Args&&>(args)...));
    } else {
      return stored<F>(storage)(static_cast<Args&&>(args)...);
    }
  }

  // Moves the callable to `to`, if `to` is not null, and ends the one in `from`.
  template <class F>
  static void manage(std::byte* from, std::byte* to) noexcept {
    if constexpr (kStoredInline<F>) {
      F& f = stored<F>(from);
      if (to != nullptr) ::new (static_cast<void*>(to)) F(std::move(f));
      f.~F();  // NOLINT(bugprone-use-after-move): a moved-from object still needs its destructor
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
    if (other.invoke_ == nullptr) return;
    invoke_ = std::exchange(other.invoke_, nullptr);
    manage_ = std::exchange(other.manage_, nullptr);
    if (manage_ != nullptr) {
      manage_(other.storage_, storage_);
    } else {
      std::memcpy(storage_, other.storage_, sizeof storage_);
    }
  }

  // Empties the members first: the callable's destructor may use this Callback.
  void reset() noexcept {
    invoke_ = nullptr;
    if (auto* end = std::exchange(manage_, nullptr)) end(storage_, nullptr);
  }

  alignas(kInlineAlignment) std::byte storage_[kInlineSize] = {};
  R (*invoke_)(std::byte*, Passed<Args>...) = nullptr;
  void (*manage_)(std::byte* from, std::byte* to) noexcept = nullptr;  // null: it is plain
};

}  // namespace detent
