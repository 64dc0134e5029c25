// SPDX-License-Identifier: BSL-1.0
/// \file
/// Callbacks by number, where a callback may remove itself, or any other, while it runs.
///
///     detent::HandlerTable<void(int)> table;
///     detent::HandlerId id = table.add([&](int) { table.remove(id); });
///     table.call(id, 7);
///
/// This file alone knows how that is done. Entries never move, so a callable runs in place.
/// Removing one makes its number stale at once; the callable itself is destroyed at once too,
/// unless it is running: then when it returns or throws. Even the table may be destroyed then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "detent/callback.h"
#include "detent/handler_id.h"
#include "detent/name.h"

namespace detent {

/// Nothing kept beside a callback.
struct NoData {};

/// `Data` is whatever the service keeps beside each callback. Not tied to a thread, but for one
/// thread at a time. Allocates a chunk of entries when it grows, never when it calls or removes.
template <class Signature, class Data = NoData>
class HandlerTable {
  static constexpr std::uint32_t kNone = UINT32_MAX;

 public:
  /// One registration. Its address is stable for as long as the table lives.
  class Entry {
   public:
    [[nodiscard]] Name name() const noexcept { return {text_, file_, line_}; }
    [[nodiscard]] HandlerId id() const noexcept { return {link_, generation_}; }

   private:
    friend class HandlerTable;
    Callback<Signature> callback_;
    const char* text_ = "";  // a Name, laid out so that no padding is lost
    const char* file_ = "";
    int line_ = 0;
    std::uint32_t generation_ = 0;  // odd while registered
    std::uint32_t link_ = kNone;    // its own slot; once removed, the next one in its list

   public:
    Data data = {};
  };

  HandlerTable() = default;
  HandlerTable(const HandlerTable&) = delete;
  HandlerTable& operator=(const HandlerTable&) = delete;

  /// Destroys all callables. One that is running is destroyed when it returns or throws: its call
  /// inherits the memory.
  ~HandlerTable() {
    for (std::uint32_t slot = 0; slot < used_; ++slot) {
      if (frame_of(at(slot)) == nullptr) at(slot).callback_ = nullptr;
    }
    for (Frame* frame = running_; frame != nullptr; frame = frame->outer) {
      frame->table = nullptr;
      if (frame->outer == nullptr) frame->chunks = std::move(chunks_);
    }
  }

  /// Stores a callback and returns its number.
  HandlerId add(Callback<Signature> callback, Name name = {}, Data data = {}) {
    Entry& entry = take_free();
    entry.callback_ = std::move(callback);
    entry.text_ = name.text;
    entry.file_ = name.file;
    entry.line_ = name.line;
    entry.data = std::move(data);
    ++entry.generation_;
    ++size_;
    return entry.id();
  }

  /// The entry of `id`, or null when its registration has ended.
  [[nodiscard]] Entry* find(HandlerId id) noexcept {
    const bool possible = id.slot < used_ && id.generation % 2 != 0;
    if (!possible) return nullptr;
    Entry& found = at(id.slot);
    return found.generation_ == id.generation ? &found : nullptr;
  }
  [[nodiscard]] const Entry* find(HandlerId id) const noexcept {
    return const_cast<HandlerTable*>(this)->find(id);
  }

  /// The entry in a slot that is in use, for users who keep slot numbers alone.
  [[nodiscard]] Entry& at(std::uint32_t slot) noexcept {
    return (*chunks_[slot / kChunkSize])[slot % kChunkSize];
  }

  /// Ends the registration. False when it had ended before. `id.slot` is not handed out again
  /// before `recycle`, so that a number in flight can be told from its successor by the slot too.
  bool remove(HandlerId id) noexcept {
    Entry* entry = find(id);
    if (entry == nullptr) return false;
    ++entry->generation_;
    --size_;
    if (Frame* frame = frame_of(*entry)) {
      frame->cancelled = true;
    } else {
      end(*entry);
    }
    return true;
  }

  /// Calls the entry's callback in place; what it returns or throws passes through.
  template <class... Args>
  decltype(auto) call(Entry& entry, Args&&... args) {
    const Frame frame(*this, entry);
    return entry.callback_(std::forward<Args>(args)...);
  }
  /// The same by number. False when `id` is stale.
  template <class... Args>
  bool call(HandlerId id, Args&&... args) {
    Entry* entry = find(id);
    if (entry == nullptr) return false;
    call(*entry, std::forward<Args>(args)...);
    return true;
  }

  /// Makes the slots of removed registrations reusable; called once no number is in flight.
  void recycle() noexcept {
    if (retired_.first == kNone) return;
    at(retired_.last).link_ = free_;
    free_ = std::exchange(retired_.first, kNone);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint32_t kChunkSize = 64;
  using Chunk = std::array<Entry, kChunkSize>;
  using Chunks = std::vector<std::unique_ptr<Chunk>>;

  // A call in progress. It settles what its callback did to its own registration or to the table.
  struct Frame {
    Frame(HandlerTable& owner, Entry& called)
        : table(&owner), entry(called), outer(std::exchange(owner.running_, this)) {}
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame() {
      if (table == nullptr) return;  // `chunks`, if this is the outermost call, ends the callable
      table->running_ = outer;
      if (cancelled) table->end(entry);
    }

    HandlerTable* table;
    Entry& entry;
    Frame* outer;
    bool cancelled = false;
    Chunks chunks;
  };

  // The outermost call of the entry, or null. Calls rarely nest: the list is rarely longer than
  // one.
  Frame* frame_of(const Entry& entry) const noexcept {
    Frame* outermost = nullptr;
    for (Frame* frame = running_; frame != nullptr; frame = frame->outer) {
      if (&frame->entry == &entry) outermost = frame;
    }
    return outermost;
  }

  Entry& take_free() {
    if (free_ != kNone) {
      Entry& entry = at(free_);
      free_ = std::exchange(entry.link_, free_);
      return entry;
    }
    if (used_ == chunks_.size() * kChunkSize) chunks_.push_back(std::make_unique<Chunk>());
    Entry& entry = at(used_);
    entry.link_ = used_++;
    return entry;
  }

  // Queues the slot for reuse and destroys the callable; that comes last, since destroying the
  // captures may call anything, this table's functions and destructor included.
  void end(Entry& entry) noexcept {
    const std::uint32_t slot = std::exchange(entry.link_, kNone);
    if (retired_.first == kNone) {
      retired_.first = slot;
    } else {
      at(retired_.last).link_ = slot;
    }
    retired_.last = slot;
    Callback<Signature> doomed = std::move(entry.callback_);
  }

  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  Chunks chunks_;
  Frame* running_ = nullptr;
  std::size_t size_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t free_ = kNone;
  List retired_;
};

}  // namespace detent
