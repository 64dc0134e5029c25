// SPDX-License-Identifier: BSL-1.0
/// \file
/// Callbacks that are all called in the order in which they were added, such as hooks.
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

  /// For an owner that is going: the handles become inert, then the callbacks go.
  void clear() noexcept {
    link_.cut();
    table_.clear();
  }

  [[nodiscard]] Handle add(Callback<Signature> callback, Name name = {}) {
    order_.push_back(table_.add(std::move(callback), name));
    return {link_, order_.back()};
  }

  /// Calls `visit(call)` for each callback that was there when this began and has not been
  /// cancelled meanwhile; `call(...)` calls it. Not from inside one of the callbacks.
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
