// SPDX-License-Identifier: BSL-1.0
// kqueue(2). What the code below minds:
//  - Reading and writing are two filters, so two registrations and two events for a descriptor;
//    here they are put together.
//  - EV_ADD of what is there changes little and tells nobody, and the systems differ in what: so a
//    filter that has to change is taken out and put in again.
//  - Closing a descriptor drops its filters in silence, even while a duplicate lives.
//  - A change that fails takes a place among the events, and the call then does nothing else.
//  - macOS refuses to watch the writing end of a pipe that nobody reads any more. That is writable,
//    as a write fails at once. While it is wanted as a level, each wait asks anew, in a call of its
//    own, so that the others are heard as well.
//  - A wait that a signal ends has applied its changes.
#include "kqueue.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "batch.h"
#include "descriptor_book.h"
#include "pollers.h"
#include "sys.h"
#include "wait_time.h"

namespace detent {
namespace {

using Change = struct kevent;

// What a filter is installed with.
using Flags = unsigned;
constexpr Flags kAbsent = 0;
constexpr Flags kFired = EV_DISABLE;  // there, and silent: kqueue(2), EV_DISPATCH

Flags to_flags(Trigger trigger) {
  constexpr Flags kPresent = EV_ADD | EV_ENABLE;
  switch (trigger) {
    case Trigger::edge:
      return kPresent | EV_CLEAR;
    case Trigger::one_shot:
      return kPresent | EV_DISPATCH;
    case Trigger::level:
      break;
  }
  return kPresent;
}

// An error shows as readable or writable, and the call that follows tells it: only some come with
// EV_EOF and their number. EV_EOF of the writing filter says no more than that a write would fail.
Ready to_ready(const Change& event) {
  const bool reading = event.filter == EVFILT_READ;
  return {.readable = reading,
          .writable = !reading,
          .read_closed = reading && (event.flags & EV_EOF) != 0};
}

void merge(Ready& ready, const Ready& more) {
  ready.readable |= more.readable;
  ready.writable |= more.writable;
  ready.read_closed |= more.read_closed;
  ready.invalid |= more.invalid;
}

class KqueuePoller final : public Poller {
 public:
  KqueuePoller() { changes_.reserve(64); }
  void add(int fd, Interest interest, HandlerId id) override;
  void modify(int fd, Interest interest, HandlerId id) override;
  void remove(int fd) override;
  std::span<Event> wait(std::span<Event> room, std::optional<Duration> max_wait) override {
    return fill_batch(room, [&](Batch& batch) { fill(batch, max_wait); });
  }

  [[nodiscard]] Capabilities capabilities() const noexcept override {
    return {.edge = true, .read_closed = true, .native_handle = true, .file_identity = true};
  }
  [[nodiscard]] std::string_view name() const noexcept override { return "kqueue"; }
  [[nodiscard]] int native_handle() override { return kqueue_.fd(); }

 private:
  struct Entry : BookEntry {
    Interest interest = {};
    Flags reading = kAbsent;    // as installed
    Flags writing = kAbsent;    // as installed
    bool fired = false;         // as a one-shot: silent until modified
    bool renewed = false;       // an edge that is to be reported anew
    std::uint64_t told_in = 0;  // the last wait that reported it,
    std::size_t place = 0;      // and where in its batch
  };
  // What the kernel does not report again, for a wait to tell.
  struct Finding {
    int fd;
    std::uint32_t serial;
    Ready ready;
  };

  // Null for a registration that has gone.
  Entry* find(const Change& change) noexcept {
    Entry* entry = book_.find(static_cast<int>(change.ident));
    return entry != nullptr && entry->serial == sys::mark_of(change) ? entry : nullptr;
  }
  void end(int fd, Entry& entry);
  void note_changes(int fd, Entry& entry, Interest wanted);
  bool note_change(int fd, const Entry& entry, int filter, Flags& installed, bool wanted);
  void note_check(int fd, const Entry& entry, int filter, Flags installed);
  void push(int fd, const Entry& entry, int filter, Flags flags) {
    changes_.push_back(sys::make_change(fd, filter, flags, 0, 0, entry.serial));
  }
  int apply_changes();
  bool note_failure(const Change& failed);
  void fill(Batch& batch, std::optional<Duration> max_wait);
  void wait_in_kernel(Batch& batch, std::optional<Duration> max_wait);
  void report(const Change& native, Batch& batch);
  void report_findings(Batch& batch);
  void tell(Entry& entry, Ready ready, Batch& batch);

  sys::Kqueue kqueue_;
  DescriptorBook<Entry> book_;
  std::vector<Change> changes_;  // not yet applied
  std::vector<Change> native_;
  std::vector<Finding> findings_;
  bool asks_again_ = false;  // one of the next changes has failed before
  std::uint64_t waits_ = 0;
};

void KqueuePoller::add(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::add", fd};
  check_supported(call, interest, *this);
  book_.add(fd, id, [&](Entry& entry) {
    check_waitable(call);
    entry.interest = interest;
    note_changes(fd, entry, interest);
    const int error = apply_changes();  // at once, so that the caller hears it
    if (error == 0) return;
    note_changes(fd, entry, {});
    apply_changes();
    call.fail(error, "kevent");
  });
}

void KqueuePoller::modify(int fd, Interest interest, HandlerId id) {
  const PollerCall call = {"Poller::modify", fd};
  Entry& entry = book_.at(call);
  check_supported(call, interest, *this);
  entry.id = id;
  entry.interest = interest;
  entry.fired = false;
  entry.renewed = interest.trigger == Trigger::edge;
  book_.note_change(fd, entry);
}

void KqueuePoller::remove(int fd) { end(fd, book_.at({"Poller::remove", fd})); }

// One of its two filters may be there when the other failed.
void KqueuePoller::end(int fd, Entry& entry) {
  entry.fired = false;
  note_changes(fd, entry, {});
  apply_changes();  // fails when the number was closed; then the kernel has forgotten it
  book_.remove(entry);
}

void KqueuePoller::note_changes(int fd, Entry& entry, Interest wanted) {
  const bool reading = note_change(fd, entry, EVFILT_READ, entry.reading, wanted.readable);
  const bool writing = note_change(fd, entry, EVFILT_WRITE, entry.writing, wanted.writable);
  if (writing && !reading) note_check(fd, entry, EVFILT_READ, entry.reading);
  if (reading && !writing) note_check(fd, entry, EVFILT_WRITE, entry.writing);
  entry.renewed = false;
}

// False when there is nothing to change.
bool KqueuePoller::note_change(int fd, const Entry& entry, int filter, Flags& installed,
                               bool wanted) {
  const Flags flags = wanted ? to_flags(entry.interest.trigger) : kAbsent;
  const bool silent_by_itself = entry.fired && installed == kFired;
  if (silent_by_itself || (installed == flags && !entry.renewed)) return false;
  if (installed != kAbsent) push(fd, entry, filter, EV_DELETE);
  if (flags != kAbsent) push(fd, entry, filter, flags);
  installed = flags;
  return true;
}

// When a descriptor was closed and its number reused, the new file would take a new filter. That
// the other one is not there any more tells.
void KqueuePoller::note_check(int fd, const Entry& entry, int filter, Flags installed) {
  if (installed == kAbsent) return;
  push(fd, entry, filter, installed == kFired ? EV_DISABLE : EV_ENABLE);
}

// In a call of their own. The error of one that failed, or 0.
int KqueuePoller::apply_changes() {
  if (changes_.empty()) return 0;
  sys::apply(kqueue_.fd(), changes_);
  int error = 0;
  for (const Change& receipt : changes_) {
    if (receipt.data != 0 && !note_failure(receipt)) error = static_cast<int>(receipt.data);
  }
  changes_.clear();
  return error;
}

// True when it is no error.
bool KqueuePoller::note_failure(const Change& failed) {
  const auto fd = static_cast<int>(failed.ident);
  Entry* entry = find(failed);
  if (entry == nullptr) return false;
  const bool broken_pipe = failed.filter == EVFILT_WRITE && failed.data == EPIPE;
  if (broken_pipe) entry->writing = kAbsent;
  const Ready ready = broken_pipe ? Ready{.writable = true} : Ready{.invalid = true};
  findings_.push_back({fd, entry->serial, ready});
  return broken_pipe;
}

void KqueuePoller::fill(Batch& batch, std::optional<Duration> max_wait) {
  ++waits_;
  while (book_.has_changes()) {
    const int fd = book_.take_change();
    Entry* entry = book_.find(fd);
    if (entry != nullptr) note_changes(fd, *entry, entry->fired ? Interest{} : entry->interest);
  }
  // They ride with the wait where there is room for their failures, and none is certain.
  const bool fails = std::exchange(asks_again_, false);
  if (fails || changes_.size() + findings_.size() > batch.room()) apply_changes();
  report_findings(batch);
  if (!batch.empty() || !findings_.empty()) max_wait = Duration::zero();
  wait_in_kernel(batch, max_wait);
}

void KqueuePoller::wait_in_kernel(Batch& batch, std::optional<Duration> max_wait) {
  const std::size_t room = batch.room();
  if (room == 0) return;
  if (native_.size() < room) native_.resize(room);
  wait_in_full("Poller::wait: kevent", max_wait, [&](std::optional<Duration> left) {
    const int count = sys::kevents(kqueue_.fd(), changes_, std::span(native_).first(room), left);
    changes_.clear();  // applied, by a wait that a signal ended too
    for (int i = 0; i < count; ++i) {
      const Change& native = native_[static_cast<std::size_t>(i)];
      if ((native.flags & EV_ERROR) != 0) {
        note_failure(native);
      } else {
        report(native, batch);
      }
    }
    if (count > 0) report_findings(batch);
    return count == -1 ? -1 : static_cast<int>(batch.size());
  });
}

void KqueuePoller::report(const Change& native, Batch& batch) {
  Entry* entry = find(native);
  if (entry == nullptr) return;
  // The other half of a one-shot, which came later than the shot.
  if (entry->fired && entry->told_in != waits_) return;
  if (entry->interest.trigger == Trigger::one_shot) {
    (native.filter == EVFILT_READ ? entry->reading : entry->writing) = kFired;
    entry->fired = true;
    book_.note_change(static_cast<int>(native.ident), *entry);  // silences the other half
  }
  tell(*entry, to_ready(native), batch);
}

void KqueuePoller::report_findings(Batch& batch) {
  while (!findings_.empty() && !batch.full()) {
    const auto [fd, serial, ready] = findings_.back();
    findings_.pop_back();
    Entry* entry = book_.find(fd);
    if (entry == nullptr || entry->serial != serial) continue;
    tell(*entry, ready, batch);
    if (ready.invalid) {
      end(fd, *entry);
    } else if (entry->interest.trigger == Trigger::level) {
      book_.note_change(fd, *entry);
      asks_again_ = true;
    }
  }
}

void KqueuePoller::tell(Entry& entry, Ready ready, Batch& batch) {
  if (entry.told_in == waits_) return merge(batch[entry.place].ready, ready);
  entry.told_in = waits_;
  entry.place = batch.size();
  batch.push({.id = entry.id, .ready = ready});
}

}  // namespace

std::unique_ptr<Poller> make_kqueue_poller() { return std::make_unique<KqueuePoller>(); }

}  // namespace detent
