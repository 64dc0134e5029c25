// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Functions that run once, in the order of add(), unless their handle cancels them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "turn_queue.h"

namespace detent {

/// One thread.
class Functions final : private HandleOwner {
 public:
  using Entry = HandlerTable<void()>::Entry;

  Functions() : link_(*this) {}
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;
  ~Functions() { clear(); }

  /// `function` does not run before the turn `earliest`.
  [[nodiscard]] Handle add(Callback<void()>&& function, const Name& name,
                           std::uint64_t earliest = 0) {
    const HandlerId id = table_.add(std::move(function), name);
    Handle handle(link_, id);
    order_.push({id, earliest});
    return handle;
  }
  /// The first turn in which the first function may run.
  [[nodiscard]] std::uint64_t earliest() const noexcept { return order_.front().earliest; }

  /// Calls use(entry) for at most `most` of the functions that are here now and not cancelled.
  /// `use` has to call call(entry).
  template <class Use>
  void run(std::size_t most, Use&& use) {
    table_.recycle();
    order_.run(most, [&](const Place& place) {
      if (Entry* entry = table_.find(place.id)) use(*entry);
    });
  }
  void call(Entry& entry) { table_.call_last(entry); }

  /// For an owner that is being destroyed: makes the handles inert, then destroys the functions.
  void clear() noexcept {
    link_.cut();
    order_.clear();
    table_.clear();
  }
  /// Cancelled functions count until their turn comes.
  [[nodiscard]] bool empty() const noexcept { return order_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

 private:
  struct Place {
    HandlerId id;
    std::uint64_t earliest;
  };

  void cancel(HandlerId id) noexcept override { table_.remove(id); }
  [[nodiscard]] bool active(HandlerId id) const noexcept override {
    return table_.find(id) != nullptr;
  }

  HandlerTable<void()> table_;
  TurnQueue<Place> order_;
  ServiceLink link_;
};

}  // namespace detent
