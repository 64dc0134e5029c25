// SPDX-License-Identifier: BSL-1.0
#include "links/link_feed.h"

#include <cerrno>

#include "sys.h"

namespace detent {
namespace {

// For a network that changes all the time while it is listed.
constexpr std::uint64_t kMostFirstTries = 100;

}  // namespace

Links::Feed::Feed(int receive_buffer) : socket_(receive_buffer) {
  std::vector<LinkChange> all_came;
  while (read(all_came)) {
    if (questions_ + losses_ > kMostFirstTries) sys::fail("Links: the list of links", ENOBUFS);
  }
  losses_ = 0;
}

bool Links::Feed::read(std::vector<LinkChange>& changes) {
  socket_.read(reading_);
  if (!reading_.is_empty) {
    for (const LinkNews& news : reading_.news) table_.take(news, changes);
    if (reading_.is_lossy) ++losses_;
    if (question_.take_reading(reading_)) table_.end_answer(changes);
    return true;
  }
  if (question_.is_settled()) return false;
  ask();
  return true;
}

void Links::Feed::ask_if_all_is_read() {
  if (!question_.is_settled() && socket_.is_empty()) ask();
}

void Links::Feed::ask() {
  socket_.ask();
  ++questions_;
  if (question_.note_question_sent()) table_.begin_answer();
}

}  // namespace detent
