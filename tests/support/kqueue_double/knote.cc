// SPDX-License-Identifier: BSL-1.0
#include "knote.h"

#include <algorithm>
#include <array>

#include "queue.h"

namespace kqueue_double {

Knote::Knote(Queue& queue, const struct kevent& change)
    : asked_fflags_(change.fflags), asked_data_(change.data), queue_(&queue), event_(change) {
  constexpr unsigned kKept = EV_ONESHOT | EV_CLEAR | EV_DISPATCH;
  event_.flags = static_cast<std::uint16_t>(change.flags & kKept);
  event_.fflags = 0;
  event_.data = 0;
}

int Knote::touch(const struct kevent& change) {
  asked_fflags_ = change.fflags;
  asked_data_ = change.data;
  return 0;
}

void Knote::clear() {
  event_.fflags = 0;
  event_.data = 0;
}

void Knote::set_flag(unsigned flag, bool on) noexcept {
  event_.flags = static_cast<std::uint16_t>(on ? event_.flags | flag : event_.flags & ~flag);
}

void Knote::activate() {
  if (!is_true()) return;
  active_ = true;
  if (!disabled_) enqueue();
}

void Knote::enable() {
  disabled_ = false;
  if (active_) enqueue();
}

void Knote::enqueue() {
  if (queued_) return;
  queued_ = true;
  KnoteList& list = queue_->queued();
  list.splice(list.end(), place_);
  queue_->wake();
}

void Knote::dequeue() {
  if (!queued_) return;
  queued_ = false;
  place_.splice(place_.end(), queue_->queued(), self_);
}

namespace {

struct Row {
  std::int16_t filter;
  std::unique_ptr<Knote> (*make)(Queue&, const struct kevent&);
};

constexpr std::array kFilters = {
    Row{EVFILT_READ, &make_descriptor_knote},   Row{EVFILT_WRITE, &make_descriptor_knote},
    Row{EVFILT_EXCEPT, &make_descriptor_knote}, Row{EVFILT_TIMER, &make_timer_knote},
    Row{EVFILT_USER, &make_user_knote},         Row{EVFILT_SIGNAL, &make_signal_knote},
    Row{EVFILT_PROC, &make_process_knote},      Row{EVFILT_VNODE, &make_vnode_knote},
};

const Row* row_of(std::int16_t filter) {
  const auto* const row = std::find_if(kFilters.begin(), kFilters.end(),
                                       [=](const Row& r) { return r.filter == filter; });
  return row == kFilters.end() ? nullptr : row;
}

}  // namespace

bool has_filter(std::int16_t filter) noexcept { return row_of(filter) != nullptr; }

bool is_of_descriptor(std::int16_t filter) noexcept {
  const Row* const row = row_of(filter);
  return row != nullptr && (row->make == &make_descriptor_knote || row->make == &make_vnode_knote);
}

std::unique_ptr<Knote> make_knote(Queue& queue, const struct kevent& change) {
  return row_of(change.filter)->make(queue, change);
}

}  // namespace kqueue_double
