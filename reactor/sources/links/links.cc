// SPDX-License-Identifier: BSL-1.0
#include "detent/links.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "detent/drop.h"
#include "links/link_feed.h"

namespace detent {
namespace {

const LinksOptions& checked(const LinksOptions& options) {
  if (options.messages_per_turn == 0) {
    throw std::invalid_argument("Links: LinksOptions::messages_per_turn is 0");
  }
  if (options.receive_buffer < 0) {
    throw std::invalid_argument("Links: LinksOptions::receive_buffer is " +
                                std::to_string(options.receive_buffer));
  }
  return options;
}

}  // namespace

// ---- making and ending

Links::Links(Reactor& reactor, const LinksOptions& options)
    : Service(reactor, "Links"),
      reactor_(reactor),
      messages_per_turn_(checked(options).messages_per_turn),
      feed_(std::make_unique<Feed>(options.receive_buffer)),
      watch_(reactor.watch_source(
          feed_->fd(), [this](Ready ready) { return serve(ready); }, "links")) {}

Links::~Links() {
  close("~Links");
  watch_.cancel();
  callbacks_.clear();
}

// ---- what a program asks

Handle Links::watch(Callback<void(const LinkChange&)> on_change, Name name) {
  constexpr const char* kCall = "Links::watch";
  if (!on_change) throw std::invalid_argument(std::string(kCall) + ": the callback is empty");
  if (refuses(kCall)) {
    drop_any(std::move(on_change));
    return {};
  }
  const Data data = {.place = next_place_++, .next_change = next_change_ + (found_.size() - told_)};
  order_.push_back({data.place, {}});
  try {
    order_.back().id = callbacks_.add(std::move(on_change), name, data);
  } catch (...) {
    order_.pop_back();
    throw;
  }
  return {link(), order_.back().id};
}

std::vector<Link> Links::list() const {
  affinity().check("Links::list");
  return feed_->table().list();
}

std::optional<Link> Links::find(std::string_view name) const {
  affinity().check("Links::find");
  const Link* const found = feed_->table().find(name);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

void Links::cancel(HandlerId id) noexcept {
  Table::Entry* entry = callbacks_.find(id);
  if (entry == nullptr) return;
  order_.erase(behind(entry->data.place) - 1);
  callbacks_.recycle();
  callbacks_.remove(*entry);  // the last use of *this: the captures may own it
}

bool Links::active(HandlerId id) const noexcept { return callbacks_.find(id) != nullptr; }

std::vector<Links::Place>::iterator Links::behind(std::uint64_t place) noexcept {
  return std::ranges::upper_bound(order_, place, {}, &Place::place);
}

// ---- telling

// Reads a message only when all changes of the last one are told. A callback may destroy this
// object, or throw: then the next turn goes on.
std::size_t Links::serve(Ready ready) {
  std::size_t called = 0;
  if (!tell_found(called)) return called;
  for (std::size_t messages = 0; messages < messages_per_turn_; ++messages) {
    const bool has_more = feed_->read(found_);
    counters_.losses = feed_->losses();
    counters_.changes += found_.size();
    if (!tell_found(called)) return called;
    if (!has_more) break;
  }
  feed_->ask_if_all_is_read();
  // An error alone, when the kernel has no memory for a message, would silence the watch (D4).
  if (!ready.readable) watch_.resume();
  return called;
}

// False when a callback destroyed this object.
bool Links::tell_found(std::size_t& called) {
  for (; told_ < found_.size(); ++told_, ++next_change_) {
    const LinkChange change = found_[told_];  // outlives this object, too
    if (!tell(change, called)) return false;
  }
  found_.clear();
  told_ = 0;
  return true;
}

// A callback may add watches, which are not told, and cancel others.
bool Links::tell(const LinkChange& change, std::size_t& called) {
  std::uint64_t place = 0;
  for (auto next = order_.begin(); next != order_.end(); next = behind(place)) {
    place = next->place;
    Table::Entry& entry = *callbacks_.find(next->id);
    if (entry.data.next_change > next_change_) continue;
    entry.data.next_change = next_change_ + 1;
    ++called;
    if (!call(entry, change)) return false;
  }
  return true;
}

bool Links::call(Table::Entry& entry, const LinkChange& change) {
  return reactor_.observed([&] { return Observer::Call{.name = entry.name()}; },
                           [&] { return callbacks_.call_and_survive(entry, change); });
}

}  // namespace detent
