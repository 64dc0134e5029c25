// SPDX-License-Identifier: BSL-1.0
/// \file
/// A kind of handle, as the table of lifetimes sees it: see lifetime_table.h.
///
///     struct HookActor final : Actor {
///       using Actor::Actor;
///       std::unique_ptr<Held> add(Callback<void()> call) override {
///         return hold(reactor().before_wait(std::move(call)));
///       }
///     };
#pragma once

#include "detent/reactor.h"
#include "detent/service.h"
#include "detent/simulation.h"
#include "support/at_the_end.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"
#include "support/watched_socket.h"

namespace detent::testing_support {

/// How a registration ends. One that is silenced (paused, disarmed) keeps its captures, and may
/// speak again.
enum class Way { destroyed, cancelled, silenced };

/// A registration that lives as long as this, whatever type its handle has.
class Held {
 public:
  Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  virtual ~Held() = default;
  [[nodiscard]] virtual bool active() const = 0;
  virtual void cancel() {}
  virtual void silence() {}
  virtual void speak() {}
};

template <class HandleT>
class HeldHandle : public Held {
 public:
  explicit HeldHandle(HandleT handle) : handle_(std::move(handle)) {}
  [[nodiscard]] bool active() const override { return handle_.active(); }
  void cancel() override { handle_.cancel(); }
  void silence() override {
    if constexpr (requires { handle_.disarm(); }) handle_.disarm();
  }
  void speak() override {
    if constexpr (requires { handle_.rearm(Duration::zero()); }) handle_.rearm(Duration::zero());
  }

 private:
  HandleT handle_;
};

template <class HandleT>
[[nodiscard]] std::unique_ptr<Held> hold(HandleT handle) {
  return std::make_unique<HeldHandle<HandleT>>(std::move(handle));
}

/// What is made in place and destroyed early. While it is going its captures still find it here.
template <class T>
class Owned {
 public:
  Owned() = default;
  template <class... Args>
  explicit Owned(std::in_place_t /*tag*/, Args&&... args) {
    make(std::forward<Args>(args)...);
  }
  template <class... Args>
  void make(Args&&... args) {
    owned_ = std::make_unique<T>(std::forward<Args>(args)...);
    seen_ = owned_.get();
  }
  void end() { owned_.reset(); }
  [[nodiscard]] bool exists() const { return owned_ != nullptr; }
  T& operator*() const { return *seen_; }
  T* operator->() const { return seen_; }

 private:
  std::unique_ptr<T> owned_;
  T* seen_ = nullptr;
};

/// Has a loop in virtual time, on a real poller.
class Actor {
 public:
  // What an actor says otherwise it says in a constant of its own.
  static constexpr std::array kWays = {Way::destroyed, Way::cancelled};
  static constexpr bool kCaptures = true;           // the registration owns its callback
  static constexpr bool kOwnerHasCallbacks = true;  // and they go with what it is made by

  explicit Actor(std::string_view poller)
      : reactor_(std::in_place, ReactorOptions{.poller = make_poller(poller), .clock = &clock_}) {}
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  virtual ~Actor() = default;

  /// Registers `call`.
  [[nodiscard]] virtual std::unique_ptr<Held> add(Callback<void()> call) = 0;
  /// Destroys `old`, and registers `call` under the same number, where there are any.
  [[nodiscard]] virtual std::unique_ptr<Held> add_in_place_of(std::unique_ptr<Held> old,
                                                              Callback<void()> call) {
    old.reset();
    return add(std::move(call));
  }
  /// All that is registered is due in the next turn.
  virtual void make_due() {}
  void turn() {
    if (reactor_.exists()) reactor_->dispatch();
  }

  /// Destroys what the handles are registered with.
  virtual void end_owner() { end_reactor(); }
  /// Makes another, where it is a service.
  virtual void make_owner() {}
  /// Asks all that a capture may ask of an owner that is going.
  virtual void ask_the_going_owner() { ask_the_going_reactor(); }
  void end_reactor() { reactor_.end(); }
  void ask_the_going_reactor();

  [[nodiscard]] Reactor& reactor() { return *reactor_; }

 protected:
  Simulation clock_;

 private:
  Owned<Reactor> reactor_;
};

/// Makes what is to be refused: it is never called, and goes at once, while `ask` still works.
template <class Ask>
class ToRefuse {
 public:
  explicit ToRefuse(Ask ask) : ask_(std::move(ask)) {}
  ToRefuse(const ToRefuse&) = delete;
  ToRefuse& operator=(const ToRefuse&) = delete;
  ~ToRefuse() { EXPECT_EQ(left_, 0) << "kept"; }

  [[nodiscard]] auto operator()() {
    ++left_;
    return [end = at_the_end([this] { go(); })] { ADD_FAILURE() << "called"; };
  }

 private:
  void go() {
    --left_;
    ask_();
  }

  Ask ask_;
  int left_ = 0;
};

/// What is never called.
[[nodiscard]] inline auto never() {
  return [] { ADD_FAILURE() << "called"; };
}

inline void Actor::ask_the_going_reactor() {
  struct AnyService final : Service {
    explicit AnyService(Reactor& reactor) : Service(reactor, "AnyService") {}
    void cancel(HandlerId /*id*/) noexcept override {}
    [[nodiscard]] bool active(HandlerId /*id*/) const noexcept override { return false; }
  };
  struct Deaf final : Observer {
    void before(const Call& /*call*/) noexcept override { ADD_FAILURE() << "told"; }
    void after(const Call& /*call*/) noexcept override {}
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
  } observer;
  Reactor& going = reactor();
  ToRefuse to_refuse([&going] { EXPECT_THROW(going.dispatch(), std::logic_error); });
  const WatchedSocket socket;
  socket.send();
  EXPECT_FALSE(
      going.watch(socket, {.readable = true}, [call = to_refuse()](Ready) mutable { call(); }));
  EXPECT_FALSE(going.watch_source(socket.fd(), [call = to_refuse()](Ready) {
    call();
    return std::size_t{1};
  }));
  EXPECT_FALSE(going.before_wait(to_refuse()));
  EXPECT_FALSE(going.after_wait(to_refuse()));
  EXPECT_FALSE(going.next_turn(to_refuse()));
  EXPECT_FALSE(going.defer(to_refuse()));
  EXPECT_FALSE(going.observe(observer));
  EXPECT_FALSE(going.poster().post(to_refuse()));
  going.post(to_refuse());
  going.wake();
  going.stop();
  EXPECT_THROW(going.run(), std::logic_error);
  EXPECT_THROW(going.run_once(), std::logic_error);
  EXPECT_THROW(going.dispatch(), std::logic_error);
  EXPECT_THROW(static_cast<void>(going.prepare()), std::logic_error);
  EXPECT_THROW(static_cast<void>(going.native_handle()), std::logic_error);
  EXPECT_THROW(AnyService{going}, std::logic_error);
  EXPECT_EQ(going.now(), going.clock().now());
  EXPECT_EQ(going.turn(), going.counters().turns);
}

}  // namespace detent::testing_support
