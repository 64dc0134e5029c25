// SPDX-License-Identifier: BSL-1.0
/// \file
/// Calls all its callbacks in the order in which they were added, as hooks need.
///
///     detent::HandlerList<void(int)> list;
///     detent::Handle first = list.add([&](int n) { sum += n; });
///     list.for_each([](auto& call) { call(7); });
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"

namespace detent {

/// One thread. The callbacks may add to the list and cancel any of it, themselves included.
template <class Signature>
class HandlerList final : private HandleOwner {
 public:
  HandlerList() : link_(*this) {}
  HandlerList(const HandlerList&) = delete;
  HandlerList& operator=(const HandlerList&) = delete;
  ~HandlerList() { clear(); }

  /// For an owner that is being destroyed: makes the handles inert, then destroys the callbacks.
  void clear() noexcept {
    link_.cut();
    table_.clear();
  }

  [[nodiscard]] Handle add(Callback<Signature> callback, Name name = {}) {
    order_.push_back(table_.add(std::move(callback), name));
    return {link_, order_.back()};
  }

  /// Calls `visit(call)` for each callback, in which `call(...)` calls it. Skips the callbacks that
  /// are added or cancelled meanwhile. Do not call it from inside one of the callbacks.
  template <class Visit>
  void for_each(Visit&& visit) {
    if (!order_.empty()) visit_all(visit);
  }

 private:
  template <class Visit>
  void visit_all(Visit& visit) {
    std::erase_if(order_, [this](HandlerId id) { return table_.find(id) == nullptr; });
    table_.recycle();
    const std::size_t count = order_.size();
    for (std::size_t i = 0; i < count; ++i) {
      auto* entry = table_.find(order_[i]);
      if (entry == nullptr) continue;
      auto call = [this, entry]<class... Args>(Args&&... args) -> decltype(auto) {
        return table_.call(*entry, std::forward<Args>(args)...);
      };
      visit(call);
    }
  }

  void cancel(HandlerId id) noexcept override { table_.remove(id); }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return table_.find(id) != nullptr;
  }

  HandlerTable<Signature> table_;
  std::vector<HandlerId> order_;
  ServiceLink link_;
};

}  // namespace detent
