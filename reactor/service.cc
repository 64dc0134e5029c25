// SPDX-License-Identifier: BSL-1.0
#include "detent/service.h"

#include <stdexcept>
#include <string>

#include "reactor_state.h"

namespace detent {

Service::Service(Reactor& reactor, const char* type) : link_(*this), reactor_(&reactor) {
  Reactor::State& state = *reactor.state_;
  state.affinity.check(type);
  if (state.is_closing) throw std::logic_error(std::string(type) + ": the reactor is going");
  place_ = &state.services;
  next_ = state.services;
  if (next_ != nullptr) next_->place_ = &next_;
  state.services = this;
}

Service::~Service() {
  link_.cut();
  leave();
}

void Service::close(const char* call) noexcept {
  affinity().check_or_terminate(call);
  link_.cut();
  is_closing_ = true;
}

bool Service::is_going(const char* call) const {
  if (!is_closing_) static_cast<void>(reactor(call));
  return true;
}

void Service::fail_gone(const char* call) {
  throw std::logic_error(std::string(call) + ": the reactor is gone");
}

void Service::leave() noexcept {
  if (reactor_ == nullptr) return;
  reactor_ = nullptr;
  *place_ = next_;
  if (next_ != nullptr) next_->place_ = place_;
}

}  // namespace detent
