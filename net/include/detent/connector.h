// SPDX-License-Identifier: BSL-1.0
/// \file
/// Connects to the first of several addresses that answers.
///
///     detent::Connector connector(
///         timers, [&](std::unique_ptr<detent::Stream> stream, std::error_code error) {
///           error ? report(error) : serve(std::move(stream));
///         });
///     connector.add(endpoints);  // may be called again, as a resolver finds more
///     connector.no_more();
///
/// It tries them in order. While one does not answer, the next begins after a short time beside it,
/// so that an address without a route costs a moment and not minutes (RFC 8305).
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

#include "detent/callback_owner.h"
#include "detent/endpoint.h"
#include "detent/handle.h"
#include "detent/name.h"
#include "detent/network.h"
#include "detent/reactor.h"
#include "detent/stream.h"
#include "detent/timer_service.h"

namespace detent {

struct ConnectorOptions {
  Network* network = nullptr;  ///< Null: the kernel's. It must outlive the connector.
  /// How long it waits for an attempt before it begins the next one beside it. Not negative.
  Duration stagger = std::chrono::milliseconds(250);
  /// How long it tries in all, from its construction. Positive. Without this, the system gives up
  /// an attempt after some minutes.
  Duration max_wait = Duration::max();
  StreamOptions stream = {};
};

/// One connection to be made. Lives on its loop's thread. Destroy it before the TimerService and
/// the loop. Destroying it takes all attempts back; its callback may do so. When its loop is gone,
/// it does nothing any more.
class Connector {
 public:
  /// Called once, with the first stream or with an error, never from inside of a call. It takes the
  /// other attempts back first. A stream that is not started is paused. The error is
  /// NetError::connect_timed_out after `max_wait`. Otherwise no address is left, and it is that of
  /// the attempt that failed first; destination_address_required when there was no address at all.
  using OnStream = Network::OnStream;

  /// std::invalid_argument when `on_stream` is empty and for an option out of its range.
  Connector(TimerService& timers, OnStream on_stream, Name name = {});
  Connector(TimerService& timers, const ConnectorOptions& options, OnStream on_stream,
            Name name = {});
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  ~Connector();

  /// Appends to the list. An address begins `stagger` after the one before it, or at once when that
  /// one has failed. So the first begins in this call. std::invalid_argument, without effect, if
  /// one is unnamed; std::logic_error after no_more(). Without effect when on_stream was called.
  void add(const Endpoint& endpoint);
  void add(std::span<const Endpoint> endpoints);
  /// Says that the list is complete: when the last attempt has failed, on_stream gets the error.
  /// Idempotent.
  void no_more();

 private:
  struct Handlers {
    OnStream on_stream;
    Name name;
  };
  using Call = CallbackOwner<Handlers>::Call;

  [[nodiscard]] bool usable(const char* call) const;
  void begin_next();
  void on_attempt(std::size_t number, std::unique_ptr<Stream> stream, std::error_code error);
  void on_failure(std::size_t number, std::error_code error);
  void report_in_event(std::unique_ptr<Stream> stream, std::error_code error);
  void report(std::unique_ptr<Stream> stream, std::error_code error);
  void take_back() noexcept;
  [[nodiscard]] std::error_code reason() const noexcept;

  Reactor& reactor_;
  ServiceLink link_;  // says whether the reactor still lives
  Network& network_;
  const ConnectOptions connect_;
  const Duration stagger_;
  CallbackOwner<Handlers> handlers_;
  std::vector<Endpoint> endpoints_;
  std::vector<Handle> attempts_;  // of as many endpoints, from the first
  std::size_t failed_ = 0;        // of the attempts
  std::error_code error_;         // of the first that failed
  bool is_complete_ = false;      // no_more() was called
  bool is_over_ = false;          // on_stream was called
  Timer next_;                    // armed: the attempt that began last is not to have company yet
  Timer limit_;                   // for max_wait
  Handle later_;                  // made by no_more() when all have failed already
};

}  // namespace detent
