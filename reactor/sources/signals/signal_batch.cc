// SPDX-License-Identifier: BSL-1.0
#include "signals/signal_batch.h"

namespace detent {

void SignalBatch::take(SignalInbox& inbox, std::size_t watches) {
  sort(inbox.queue());
  for (int signal = 1; signal <= kHighestSignal; ++signal) {
    Part& part = part_of(signal);
    part.count = part.size + inbox.take_lost(signal);
  }
  watches_ = watches;
  watch_ = 0;
  signal_ = 1;
  skip_absent_signals();
}

// Goes through the queue twice: counts each signal, then puts each sender into its place. So the
// senders of one signal keep their order, and no memory is needed.
void SignalBatch::sort(SignalQueue& queue) {
  parts_ = {};
  const std::size_t size = queue.size();
  for (std::size_t i = 0; i < size; ++i) ++part_of(queue.at(i).signal).size;
  std::size_t begin = 0;
  for (Part& part : parts_) {
    part.begin = begin;
    begin += part.size;
    part.size = 0;
  }
  for (std::size_t i = 0; i < size; ++i) {
    Part& part = part_of(queue.at(i).signal);
    senders_[part.begin + part.size++] = queue.at(i).sender;
  }
  queue.pop(size);
}

void SignalBatch::skip_absent_signals() noexcept {
  while (!is_done() && (watches_ == 0 || part_of(signal_).count == 0)) ++signal_;
}

CaughtSignal SignalBatch::next() const noexcept {
  const Part& part = parts_[static_cast<std::size_t>(signal_)];
  return {.signal = signal_,
          .count = part.count,
          .senders = std::span(senders_).subspan(part.begin, part.size)};
}

void SignalBatch::advance() noexcept {
  if (++watch_ < watches_) return;
  watch_ = 0;
  ++signal_;
  skip_absent_signals();
}

}  // namespace detent
