// SPDX-License-Identifier: BSL-1.0
#include "support/poller_oracle.h"

#include <poll.h>

#include "support/printing.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

// What every poller tells of `mask`.
Ready at_least(short mask, Interest interest, Capabilities can) {
  const bool hung_up = (mask & POLLHUP) != 0;
  return {.readable = (mask & POLLIN) != 0 || (hung_up && (can.hangup || interest.readable)),
          .writable = (mask & POLLOUT) != 0,
          .priority = (mask & POLLPRI) != 0,
          .read_closed = can.read_closed && (mask & POLLRDHUP) != 0,
          .hangup = can.hangup && hung_up,
          .error = can.hangup && (mask & POLLERR) != 0};
}

// The most that may be told: without `hangup`, ends and errors show in either direction.
Ready at_most(short mask, Interest interest, Capabilities can) {
  Ready ready = at_least(mask, interest, can);
  if (!can.hangup && (mask & (POLLHUP | POLLERR)) != 0) {
    ready.readable = interest.readable;
    ready.writable = interest.writable;
    ready.read_closed = can.read_closed && interest.readable;
  }
  return ready;
}

bool covers(Ready all, Ready part) {
  return all.readable >= part.readable && all.writable >= part.writable &&
         all.priority >= part.priority && all.read_closed >= part.read_closed &&
         all.hangup >= part.hangup && all.error >= part.error && all.invalid >= part.invalid;
}

}  // namespace

short poll_mask(Interest interest) {
  int mask = 0;
  if (interest.readable) mask |= POLLIN | POLLRDHUP;
  if (interest.writable) mask |= POLLOUT;
  if (interest.priority) mask |= POLLPRI;
  return static_cast<short>(mask);
}

bool Range::holds_part(Ready reported) const {
  return reported != Ready{} && covers(may, reported);
}

bool Range::holds(Ready reported) const { return holds_part(reported) && covers(reported, must); }

Range range_of(Sight sight, short due, Interest interest, Capabilities can) {
  const auto demanded = static_cast<short>(sight.always & due);
  Range range = {.must = at_least(demanded, interest, can),
                 .may = at_most(sight.ever, interest, can)};
  const bool error_shows = (demanded & POLLERR) != 0 && (interest.readable || interest.writable);
  range.required = range.must != Ready{} || error_shows;
  return range;
}

short told_by(Ready reported, Capabilities can) {
  int mask = 0;
  if (reported.readable) mask |= POLLIN;
  if (reported.writable) mask |= POLLOUT;
  if (reported.priority) mask |= POLLPRI;
  if (reported.read_closed) mask |= POLLRDHUP;
  if (reported.hangup) mask |= POLLHUP;
  if (reported.error) mask |= POLLERR;
  if (!can.hangup && (reported.readable || reported.writable)) mask |= POLLHUP | POLLERR;
  return static_cast<short>(mask);
}

Interest supported(Interest interest, Capabilities can) {
  if (interest.trigger == Trigger::edge && !can.edge) interest.trigger = Trigger::level;
  if (interest.priority && !can.priority) {
    interest.priority = false;
    if (interest.empty()) interest.readable = true;
  }
  return interest;
}

std::string to_text(Ready ready) {
  std::ostringstream text;
  PrintTo(ready, &text);
  return text.str();
}

}  // namespace detent::testing_support
