// SPDX-License-Identifier: BSL-1.0
/// \file
/// Callbacks by number. While a callback runs, it may remove itself or any other.
/// One file, since it is a template, and no other file should know how it works.
///
///     detent::HandlerTable<void(int)> table;
///     detent::HandlerId id = table.add([&](int) { table.remove(id); });
///     table.call(id, 7);
///
/// Entries never move, so a callable runs in place. Removing one makes its number stale and
/// destroys the callable at once. A callable that is running is destroyed when it returns or
/// throws. It may even destroy the table.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "detent/callback.h"
#include "detent/handler_id.h"
#include "detent/name.h"

namespace detent {

/// For a table that keeps only callbacks.
struct NoData {};

/// `Data` is what the service keeps beside each callback. Use it from one thread at a time.
/// Allocates a chunk of entries when it grows, never when it calls or removes.
template <class Signature, class Data = NoData>
class HandlerTable {
 public:
  /// One registration. Its address is stable for as long as the table lives.
  class Entry {
   public:
    [[nodiscard]] Name name() const noexcept { return {text_, file_, line_}; }
    [[nodiscard]] HandlerId id() const noexcept { return {slot_, generation_}; }

   private:
    friend class HandlerTable;
    Callback<Signature> callback_;
    const char* text_ = "";  // the parts of a Name, in an order without padding
    const char* file_ = "";
    int line_ = 0;
    std::uint32_t generation_ = 0;  // odd while registered
    std::uint32_t slot_ = 0;

   public:
    Data data = {};
  };

  HandlerTable() = default;
  HandlerTable(const HandlerTable&) = delete;
  HandlerTable& operator=(const HandlerTable&) = delete;

  /// Destroys all callables. One that is running is destroyed when it returns or throws, since its
  /// call takes over the memory.
  ~HandlerTable() {
    clear();
    for (OpenFrame* frame = running_; frame != nullptr; frame = frame->outer) {
      frame->table = nullptr;
      frame->ended = true;
      if (frame->outer == nullptr) std::construct_at(&frame->chunks, std::move(chunks_));
    }
  }

  /// Makes a callback of `function` in its entry and returns its number. Throws what constructing
  /// the callback throws.
  template <class F>
  [[gnu::always_inline]] HandlerId add(F&& function, const Name& name = {}, Data data = {}) {
    Entry& entry = take_free();
    try {
      // The old callback is empty, so it needs no destructor.
      std::construct_at(&entry.callback_, std::forward<F>(function));
    } catch (...) {
      retire(entry);
      throw;
    }
    entry.text_ = name.text;
    entry.file_ = name.file;
    entry.line_ = name.line;
    entry.data = std::move(data);
    const HandlerId id = {entry.slot_, entry.generation_ + 1};
    entry.generation_ = id.generation;
    ++size_;
    return id;
  }

  /// Ends all registrations and destroys the callables, one after another. One that is running is
  /// destroyed when it returns or throws. For a service that is being destroyed: its other members
  /// still live, and the captures must not add callbacks.
  void clear() noexcept {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      if (at(slot).generation_ % 2 != 0) remove(at(slot));
    }
  }

  /// The entry of `id`, or null when its registration has ended.
  [[nodiscard]] Entry* find(HandlerId id) noexcept {
    if (id.slot >= slots_) return nullptr;
    Entry& found = at(id.slot);
    const bool registered = id.generation % 2 != 0 && found.generation_ == id.generation;
    return registered ? &found : nullptr;
  }
  [[nodiscard]] const Entry* find(HandlerId id) const noexcept {
    return const_cast<HandlerTable*>(this)->find(id);
  }

  /// The entry in a slot that is in use, for a caller that keeps only slot numbers.
  [[nodiscard]] Entry& at(std::uint32_t slot) noexcept {
    return (*chunks_[slot / kChunkSize].entries)[slot % kChunkSize];
  }

  /// Fetches the entry's memory ahead of its use, for a caller that knows the slot long before.
  void prefetch(std::uint32_t slot) noexcept {
    const Entry& entry = at(slot);
    __builtin_prefetch(&entry);
    __builtin_prefetch(&entry.data);
  }

  /// Calls visit(entry) for each registration, in the order of slots. `visit` must not add or
  /// remove any.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      if (at(slot).generation_ % 2 != 0) visit(at(slot));
    }
  }

  /// Ends the registration. False when it had ended before. The slot stays unused until `recycle`,
  /// so no new number has the slot of one in flight.
  bool remove(HandlerId id) noexcept {
    Entry* entry = find(id);
    if (entry == nullptr) return false;
    remove(*entry);
    return true;
  }
  /// The same for an entry, which must be registered.
  void remove(Entry& entry) noexcept {
    ++entry.generation_;
    --size_;
    if (OpenFrame* frame = frame_of(entry)) [[unlikely]] {
      frame->ended = true;
    } else {
      end(entry);
    }
  }

  /// Calls the entry's callback in place. Returns what it returns and throws what it throws.
  template <class... Args>
  [[gnu::always_inline]] decltype(auto) call(Entry& entry, Args&&... args) {
    const Frame frame(*this, entry);
    return invoke(entry, std::forward<Args>(args)...);
  }
  /// The same for a caller that uses the table afterwards. False when the callback, or destroying
  /// its captures, destroyed the table.
  template <class... Args>
  [[nodiscard, gnu::always_inline]] bool call_and_survive(Entry& entry, Args&&... args) {
    OpenFrame frame(*this, entry);
    try {
      entry.callback_(std::forward<Args>(args)...);
    } catch (...) {
      last_thrower = entry.name();
      frame.leave();
      throw;
    }
    return frame.leave();
  }
  /// The same, and ends the registration when the callback returns or throws.
  template <class... Args>
  void call_last(Entry& entry, Args&&... args) {
    struct Remove {
      HandlerTable& table;
      HandlerId id;
      ~Remove() { table.remove(id); }
    } const afterwards = {*this, entry.id()};
    call(entry, std::forward<Args>(args)...);
  }
  /// The same by number. False when `id` is stale.
  template <class... Args>
  bool call(HandlerId id, Args&&... args) {
    Entry* entry = find(id);
    if (entry == nullptr) return false;
    call(*entry, std::forward<Args>(args)...);
    return true;
  }

  /// Makes the slots of removed registrations reusable. Call it once no number is in flight.
  void recycle() noexcept {
    for (std::uint32_t i = with_retired_; i != kNone; i = chunks_[i].next_with_retired) {
      Chunk& chunk = chunks_[i];
      chunk.free |= std::exchange(chunk.retired, 0);
      if (chunk.is_listed || &chunk == current_) continue;
      chunk.is_listed = true;
      chunk.next_with_free = std::exchange(with_free_, &chunk);
    }
    with_retired_ = kNone;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint32_t kChunkSize = 64;

  static constexpr std::uint32_t kNone = UINT32_MAX;

  using Entries = std::array<Entry, kChunkSize>;
  // Places registrations that are made one after another side by side where possible. It uses up
  // one chunk before the next, and prefers the chunk behind it if that has a free entry.
  struct Chunk {
    std::unique_ptr<Entries> entries;
    std::uint64_t free = ~std::uint64_t{0};  // a bit for each entry
    std::uint64_t retired = 0;               // no longer registered, and not yet free
    Chunk* next_with_free = nullptr;
    std::uint32_t next_with_retired = kNone;
    bool is_listed = false;  // in the list of chunks that have, or had, a free entry
  };
  using Chunks = std::vector<Chunk>;

  // A call in progress, until leave(). If its callback ended its own registration or the table,
  // leave() does what had to wait.
  struct OpenFrame {
    OpenFrame(HandlerTable& owner, Entry& called) noexcept
        : table(&owner), entry(called), outer(std::exchange(owner.running_, this)) {}
    OpenFrame(const OpenFrame&) = delete;
    OpenFrame& operator=(const OpenFrame&) = delete;
    // NOLINTNEXTLINE(modernize-use-equals-default): the union has a member, which settle() ends
    ~OpenFrame() {}

    // Whether the table still exists.
    bool leave() noexcept {
      if (ended) [[unlikely]]
        return settle();
      table->running_ = outer;
      return true;
    }
    // Not inline: it would cost every call the registers that it needs. Destroying the captures may
    // destroy the table, whose destructor then finds this frame.
    [[gnu::noinline]] bool settle() noexcept {
      if (table != nullptr) table->end(entry);
      if (table != nullptr) {
        table->running_ = outer;
        return true;
      }
      if (outer == nullptr) std::destroy_at(&chunks);
      return false;
    }

    HandlerTable* table;
    Entry& entry;
    OpenFrame* outer;
    bool ended = false;  // the registration was cancelled, or the table destroyed
    union {
      Chunks chunks;  // exists only when the table is gone, and in the outermost call
    };
  };
  struct Frame : OpenFrame {
    using OpenFrame::OpenFrame;
    ~Frame() { this->leave(); }
  };

  // Only within a frame, which keeps the entry's memory alive.
  template <class... Args>
  [[gnu::always_inline]] static decltype(auto) invoke(Entry& entry, Args&&... args) {
    try {
      return entry.callback_(std::forward<Args>(args)...);
    } catch (...) {
      last_thrower = entry.name();
      throw;
    }
  }

  // The outermost call of the entry, or null. Calls rarely nest, so the list rarely has two frames.
  OpenFrame* frame_of(const Entry& entry) const noexcept {
    OpenFrame* outermost = nullptr;
    for (OpenFrame* frame = running_; frame != nullptr; frame = frame->outer) {
      if (&frame->entry == &entry) outermost = frame;
    }
    return outermost;
  }

  Entry& take_free() {
    if (current_ == nullptr || current_->free == 0) [[unlikely]]
      current_ = next_chunk();
    Chunk& chunk = *current_;
    Entry& entry = (*chunk.entries)[static_cast<std::size_t>(std::countr_zero(chunk.free))];
    chunk.free &= chunk.free - 1;
    return entry;
  }

  [[gnu::noinline]] Chunk* next_chunk() {
    if (current_ != nullptr) {
      Chunk* const behind = current_ + 1;
      if (behind != chunks_.data() + chunks_.size() && behind->free != 0) return behind;
    }
    while (with_free_ != nullptr) {
      Chunk* const listed = std::exchange(with_free_, with_free_->next_with_free);
      listed->is_listed = false;
      if (listed->free != 0) return listed;
    }
    Chunk& added =
        chunks_.emplace_back(Chunk{.entries = std::make_unique_for_overwrite<Entries>()});
    for (Entry& entry : *added.entries) entry.slot_ = slots_++;
    return &added;
  }

  void retire(const Entry& entry) noexcept {
    const std::uint32_t index = entry.slot_ / kChunkSize;
    Chunk& chunk = chunks_[index];
    if (chunk.retired == 0) chunk.next_with_retired = std::exchange(with_retired_, index);
    chunk.retired |= std::uint64_t{1} << entry.slot_ % kChunkSize;
  }

  // Retires the slot, then destroys the callable. That comes last: destroying the captures may call
  // any function of this table, or its destructor.
  void end(Entry& entry) noexcept {
    retire(entry);
    Callback<Signature> doomed = std::move(entry.callback_);
  }

  Chunks chunks_;
  OpenFrame* running_ = nullptr;
  std::size_t size_ = 0;
  std::uint32_t slots_ = 0;  // in all chunks
  // Pointers into chunks_, which grows only when no chunk has a free entry.
  Chunk* current_ = nullptr;
  Chunk* with_free_ = nullptr;
  std::uint32_t with_retired_ = kNone;
};

}  // namespace detent
