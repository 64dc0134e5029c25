// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a kernel allocates is no business of the program's: the double's memory does not come from
/// `operator new`, which tests count and let fail.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace kqueue_double {

template <class T>
struct UnseenAllocator {
  using value_type = T;

  UnseenAllocator() = default;
  template <class U>
  explicit(false) UnseenAllocator(const UnseenAllocator<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    void* const memory = std::malloc(count * sizeof(T));
    if (memory == nullptr) std::abort();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t /*count*/) noexcept { std::free(memory); }

  friend bool operator==(const UnseenAllocator&, const UnseenAllocator&) noexcept { return true; }
};

/// The base of what is made with `new` all the same.
struct Unseen {
  static void* operator new(std::size_t size);
  static void operator delete(void* memory) noexcept;
};

}  // namespace kqueue_double
