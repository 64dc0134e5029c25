// SPDX-License-Identifier: BSL-1.0
#include "detent/connector.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "detent/net_error.h"
#include "stream_setup.h"

namespace detent {
namespace {

const ConnectorOptions& checked(const ConnectorOptions& options) {
  if (options.stagger < Duration::zero())
    throw std::invalid_argument("Connector: ConnectorOptions::stagger is negative");
  if (options.max_wait <= Duration::zero())
    throw std::invalid_argument("Connector: ConnectorOptions::max_wait is not positive");
  check(options.stream);
  return options;
}

Network::OnStream checked(Network::OnStream on_stream) {
  if (!on_stream) throw std::invalid_argument("Connector: on_stream is empty");
  return on_stream;
}

}  // namespace

Connector::Connector(TimerService& timers, OnStream on_stream, Name name)
    : Connector(timers, {}, std::move(on_stream), name) {}

Connector::Connector(TimerService& timers, const ConnectorOptions& options, OnStream on_stream,
                     Name name)
    : reactor_(timers.reactor()),
      link_(reactor_.link()),
      network_(options.network != nullptr ? *options.network : kernel_network()),
      connect_{.stream = checked(options).stream},
      stagger_(options.stagger),
      handlers_(std::in_place, checked(std::move(on_stream)), name),
      next_(timers.make(
          [this] {
            if (attempts_.size() < endpoints_.size()) begin_next();
          },
          name)) {
  if (options.max_wait == Duration::max()) return;
  limit_ = timers.after(
      options.max_wait, [this] { report(nullptr, NetError::connect_timed_out); }, name);
}

Connector::~Connector() {
  take_back();
  handlers_.end();
}

// False when it is over, or its loop is.
bool Connector::usable(const char* call) const {
  return link_.check(call) && !is_over_ && !handlers_.has_ended();
}

void Connector::add(const Endpoint& endpoint) { add({&endpoint, 1}); }

void Connector::add(std::span<const Endpoint> endpoints) {
  if (!usable("Connector::add")) return;
  if (is_complete_) throw std::logic_error("Connector::add: after no_more");
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.family() == Endpoint::Family::unnamed)
      throw std::invalid_argument("Connector::add: an endpoint is unnamed");
  }
  endpoints_.insert(endpoints_.end(), endpoints.begin(), endpoints.end());
  if (attempts_.size() < endpoints_.size() && !next_.active()) begin_next();
}

void Connector::no_more() {
  if (!usable("Connector::no_more") || std::exchange(is_complete_, true)) return;
  if (failed_ < endpoints_.size()) return;
  later_ = reactor_.next_turn([this] { report(nullptr, reason()); }, Call(handlers_)->name);
}

// Arms the timer first: if the network throws, the timer tries this endpoint again.
void Connector::begin_next() {
  next_.rearm(stagger_);
  const std::size_t number = attempts_.size();
  attempts_.push_back(network_.connect(
      reactor_, endpoints_[number], connect_,
      [this, number](std::unique_ptr<Stream> stream, std::error_code error) {
        on_attempt(number, std::move(stream), error);
      },
      Call(handlers_)->name));
}

void Connector::on_attempt(std::size_t number, std::unique_ptr<Stream> stream,
                           std::error_code error) {
  if (error) return on_failure(number, error);
  report_in_event(std::move(stream), {});
}

void Connector::on_failure(std::size_t number, std::error_code error) {
  if (failed_++ == 0) error_ = error;
  if (is_complete_ && failed_ == endpoints_.size()) return report_in_event(nullptr, reason());
  if (number + 1 < attempts_.size()) return;  // a later one has company already
  next_.disarm();
  if (attempts_.size() < endpoints_.size()) begin_next();
}

std::error_code Connector::reason() const noexcept {
  return failed_ > 0 ? error_ : std::make_error_code(std::errc::destination_address_required);
}

// The event of an attempt is no callback; that of the user in it is.
void Connector::report_in_event(std::unique_ptr<Stream> stream, std::error_code error) {
  Reactor& reactor = reactor_;
  const Name name = Call(handlers_)->name;
  reactor.observed([&name] { return Observer::Call{.name = name}; },
                   [&] { report(std::move(stream), error); });
  reactor.add_callbacks(1);
}

// The user may destroy this object.
void Connector::report(std::unique_ptr<Stream> stream, std::error_code error) {
  is_over_ = true;
  take_back();
  const Call call(handlers_);
  call->on_stream(std::move(stream), error);
}

void Connector::take_back() noexcept {
  next_.cancel();
  limit_.cancel();
  later_.cancel();
  attempts_.clear();
}

}  // namespace detent
