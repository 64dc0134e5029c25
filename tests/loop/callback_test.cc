// SPDX-License-Identifier: BSL-1.0
#include "detent/callback.h"

#include <new>

#include "support/allocations.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

template <std::size_t Size, std::size_t Alignment = 1>
struct Sized {
  alignas(Alignment) std::array<char, Size> bytes = {};
  void operator()() {}
};

struct ThrowingMove {
  ThrowingMove() = default;
  ThrowingMove(ThrowingMove&&) noexcept(false) {}
  void operator()() {}
};

// Counts the living copies of a callable.
template <std::size_t Padding = 1>
class Counted {
 public:
  explicit Counted(int& living) : living_(&living) { ++*living_; }
  Counted(Counted&& other) noexcept : living_(other.living_) { ++*living_; }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --*living_; }
  void operator()() {}

 private:
  int* living_;
  std::array<char, Padding> padding_ = {};
};
using Small = Counted<1>;
using Large = Counted<64>;

template <class F>
std::size_t allocations_to_store(F&& f) {
  return allocations_in([&] {
    const Callback<void()> callback(std::forward<F>(f));
    look_at(&callback);
  });
}

TEST(Callback, IsSixPointersLarge) { static_assert(sizeof(Callback<void()>) == 48); }

TEST(Callback, StoresUpTo32BytesInPlace) {
  static_assert(Callback<void()>::kStoredInline<Sized<32>>);
  EXPECT_EQ(allocations_to_store(Sized<32>()), 0U);
}

TEST(Callback, Allocates33BytesOnce) {
  static_assert(!Callback<void()>::kStoredInline<Sized<33>>);
  EXPECT_EQ(allocations_to_store(Sized<33>()), 1U);
}

TEST(Callback, StoresAnAlignmentOf16InPlaceAndAlignsIt) {
  const void* place = nullptr;
  struct Aligned {
    alignas(16) const void** place;
    void operator()() { *place = this; }
  };
  EXPECT_EQ(allocations_to_store(Aligned{&place}), 0U);
  std::array<Callback<void()>, 3> callbacks;
  for (auto& callback : callbacks) {
    callback = Aligned{&place};
    callback();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 16, 0U);
  }
}

TEST(Callback, AllocatesAnAlignmentOf32OnceAndAlignsIt) {
  const void* place = nullptr;
  struct OverAligned {
    alignas(32) const void** place;
    void operator()() { *place = this; }
  };
  EXPECT_EQ(allocations_to_store(OverAligned{&place}), 1U);
  Callback<void()> callback = OverAligned{&place};
  callback();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 32, 0U);
}

TEST(Callback, AllocatesWhatMayThrowWhenMoved) {
  static_assert(sizeof(ThrowingMove) <= Callback<void()>::kInlineSize);
  EXPECT_EQ(allocations_to_store(ThrowingMove()), 1U);
  static_assert(std::is_nothrow_move_constructible_v<Callback<void()>>);
  static_assert(std::is_nothrow_move_assignable_v<Callback<void()>>);
}

TEST(Callback, IsMadeWithoutAThrowOfWhatIsSmallAndDoesNotThrow) {
  const auto small = [] {};
  struct MayThrow {
    MayThrow(const MayThrow& /*other*/) {}  // NOLINT(*-use-equals-default): which would not throw
    MayThrow(MayThrow&& /*other*/) noexcept {}
    void operator()() {}
  };
  const auto large = [bytes = std::array<char, 33>()] { static_cast<void>(bytes); };
  using Plain = Callback<void()>;
  static_assert(std::is_nothrow_constructible_v<Plain, decltype(small)&>);
  static_assert(std::is_nothrow_constructible_v<Plain, MayThrow>);
  static_assert(!std::is_nothrow_constructible_v<Plain, const MayThrow&>);
  static_assert(!std::is_nothrow_constructible_v<Plain, decltype(large)>, "it allocates");
}

TEST(Callback, MovingAllocatesNothing) {
  int living = 0;
  Callback<void()> small = Small(living);
  Callback<void()> large = Large(living);
  EXPECT_EQ(allocations_in([&] {
              Callback<void()> moved = std::move(small);
              moved = std::move(large);
              std::swap(small, moved);
            }),
            0U);
}

TEST(Callback, CallingAllocatesNothing) {
  int living = 0;
  Callback<void()> small = Small(living);
  Callback<void()> large = Large(living);
  EXPECT_EQ(allocations_in([&] { small(), large(); }), 0U);
}

TEST(Callback, IsEmptyByDefaultFromNullptrAndAfterAMove) {
  Callback<int()> callback;
  EXPECT_FALSE(callback);
  callback = [] { return 1; };
  EXPECT_TRUE(callback);
  const Callback<int()> other = std::move(callback);
  EXPECT_TRUE(other);
  EXPECT_FALSE(callback);  // NOLINT(bugprone-use-after-move): what this test is about
  callback = nullptr;
  EXPECT_FALSE(callback);
  EXPECT_FALSE(Callback<int()>(nullptr));
}

TEST(Callback, TakesWhatCannotBeCopied) {
  static_assert(!std::is_copy_constructible_v<Callback<void()>>);
  static_assert(!std::is_copy_assignable_v<Callback<void()>>);
  Callback<int()> callback = [number = std::make_unique<int>(7)] { return *number; };
  EXPECT_EQ(callback(), 7);
}

TEST(Callback, StoresACopyOfWhatItIsGivenByName) {
  const auto add = [total = 0](int n) mutable { return total += n; };
  Callback<int(int)> first = add;
  Callback<int(int)> second = add;
  EXPECT_EQ(first(3), 3);
  EXPECT_EQ(first(3), 6);
  EXPECT_EQ(second(3), 3);
}

TEST(Callback, PassesArgumentsThroughWithoutCopies) {
  Callback<std::unique_ptr<int>(std::unique_ptr<int>, int&)> callback =
      [](std::unique_ptr<int> taken, int& seen) {
        seen = *taken;
        return taken;
      };
  int seen = 0;
  auto given = std::make_unique<int>(5);
  const int* const address = given.get();
  EXPECT_EQ(callback(std::move(given), seen).get(), address);
  EXPECT_EQ(seen, 5);
}

TEST(Callback, ReturnsReferencesAsReferences) {
  int target = 0;
  Callback<int&()> callback = [&target]() -> int& { return target; };
  callback() = 4;
  EXPECT_EQ(target, 4);
}

TEST(Callback, ThatReturnsVoidTakesACallableThatReturnsSomething) {
  int calls = 0;
  Callback<void()> callback = [&calls] { return ++calls; };
  callback();
  EXPECT_EQ(calls, 1);
}

TEST(Callback, IsNotMadeFromWhatCannotBeCalled) {
  const auto takes_text = [](const std::string&) {};
  static_assert(!std::is_constructible_v<Callback<void()>, decltype(takes_text)>);
  static_assert(!std::is_constructible_v<Callback<void(int)>, decltype(takes_text)>);
  const auto returns_void = [] {};
  static_assert(!std::is_constructible_v<Callback<int()>, decltype(returns_void)>);
}

template <class F>
class CallbackLifetime : public testing::Test {
 protected:
  int living_ = 0;
};
using Places = testing::Types<Small, Large>;
TYPED_TEST_SUITE(CallbackLifetime, Places, );

TYPED_TEST(CallbackLifetime, DestroysItsCallableOnceAtItsEnd) {
  {
    const Callback<void()> callback = TypeParam(this->living_);
    EXPECT_EQ(this->living_, 1);
  }
  EXPECT_EQ(this->living_, 0);
}

TYPED_TEST(CallbackLifetime, AssigningDestroysTheOldCallable) {
  Callback<void()> callback = TypeParam(this->living_);
  callback = TypeParam(this->living_);
  EXPECT_EQ(this->living_, 1);
  callback = nullptr;
  EXPECT_EQ(this->living_, 0);
}

TYPED_TEST(CallbackLifetime, MovingLeavesOneCallable) {
  Callback<void()> from = TypeParam(this->living_);
  Callback<void()> to = std::move(from);
  EXPECT_EQ(this->living_, 1);
  from = std::move(to);
  EXPECT_EQ(this->living_, 1);
  EXPECT_TRUE(from);
}

TYPED_TEST(CallbackLifetime, SelfMoveKeepsTheCallable) {
  Callback<void()> callback = TypeParam(this->living_);
  auto& same = callback;
  callback = std::move(same);
  EXPECT_TRUE(callback);
  EXPECT_EQ(this->living_, 1);
}

TYPED_TEST(CallbackLifetime, OutOfMemoryLeavesNothingBehind) {
  if constexpr (!Callback<void()>::kStoredInline<TypeParam>) {
    EXPECT_THROW(
        {
          TypeParam callable(this->living_);
          const OutOfMemory none;
          const Callback<void()> callback(std::move(callable));
          look_at(&callback);
        },
        std::bad_alloc);
  }
  EXPECT_EQ(this->living_, 0);
}

// Its destructor looks at, and empties, the Callback that holds it.
struct ResetsItsOwner {
  Callback<void()>* owner;
  int* destroyed;
  ResetsItsOwner(Callback<void()>& callback, int& count) : owner(&callback), destroyed(&count) {}
  ResetsItsOwner(ResetsItsOwner&& other) noexcept
      : owner(std::exchange(other.owner, nullptr)), destroyed(other.destroyed) {}
  ResetsItsOwner& operator=(ResetsItsOwner&&) = delete;
  ~ResetsItsOwner() {
    if (owner == nullptr) return;
    ++*destroyed;
    EXPECT_FALSE(*owner);
    *owner = nullptr;
  }
  void operator()() {}
};

TEST(Callback, MayBeResetByItsOwnCallablesDestructor) {
  int destroyed = 0;
  Callback<void()> callback;
  callback = ResetsItsOwner(callback, destroyed);
  callback = nullptr;
  EXPECT_EQ(destroyed, 1);
  EXPECT_FALSE(callback);
}

}  // namespace
}  // namespace detent
