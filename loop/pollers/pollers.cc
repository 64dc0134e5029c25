// SPDX-License-Identifier: BSL-1.0
#include "pollers.h"

#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "environment.h"
#include "sys.h"

namespace detent {
namespace {

std::string_view wanted_name(std::string_view name) {
  if (!name.empty()) return name;
  const char* const users = environment("DETENT_POLLER");
  if (users != nullptr && *users != '\0') return users;
  return platform_pollers().front().name;
}

[[noreturn]] void fail_for(std::string_view name, const std::string& why) {
  std::string message = "make_poller: \"" + std::string(name) + "\" " + why + "; there is";
  for (const std::string_view there : poller_names()) message.append(" ").append(there);
  throw std::invalid_argument(message);
}

}  // namespace

std::vector<std::string_view> poller_names() {
  std::vector<std::string_view> names;
  for (const PollerRow& row : platform_pollers()) {
    if (row.absence().empty()) names.push_back(row.name);
  }
  return names;
}

std::unique_ptr<Poller> make_poller(std::string_view name) {
  const std::string_view wanted = wanted_name(name);
  for (const PollerRow& row : platform_pollers()) {
    if (row.name != wanted) continue;
    const std::string absence = row.absence();
    if (!absence.empty()) fail_for(wanted, "is not there: " + absence);
    return row.make();
  }
  fail_for(wanted, "is no poller's name");
}

void PollerCall::fail(int code, std::string_view detail) const {
  std::string what = std::string(name) + '(' + std::to_string(fd) + ')';
  if (!detail.empty()) what.append(": ").append(detail);
  throw std::system_error(code, std::system_category(), what);
}

void check_waitable(const PollerCall& call) {
  struct stat status = {};
  if (::fstat(call.fd, &status) == -1) call.fail(errno);
  if (S_ISREG(status.st_mode)) call.fail(EPERM, "a regular file; detent::Files tells of changes");
  if (S_ISDIR(status.st_mode)) call.fail(EPERM, "a directory; detent::Files tells of changes");
}

void check_supported(const PollerCall& call, Interest interest, const Poller& poller) {
  const std::string name(poller.name());
  const Capabilities can = poller.capabilities();
  if (interest.trigger == Trigger::edge && !can.edge) call.fail(ENOTSUP, name + " has no edges");
  if (interest.priority && !can.priority) call.fail(ENOTSUP, name + " has no priority");
}

void refuse_native_handle(const Poller& poller) {
  const std::string what = "Poller::native_handle: " + std::string(poller.name()) + " has none";
  throw std::system_error(ENOTSUP, std::system_category(), what);
}

short to_poll_mask(Interest interest) noexcept {
  short mask = 0;
  // For a writer alone, POLLRDHUP would come at every wait while the peer still reads.
  if (interest.readable) mask |= POLLIN | sys::kPollReadClosed;
  if (interest.writable) mask |= POLLOUT;
  if (interest.priority) mask |= POLLPRI;
  return mask;
}

Ready from_poll_mask(short mask) noexcept {
  return {.readable = (mask & (POLLIN | POLLHUP)) != 0,
          .writable = (mask & POLLOUT) != 0,
          .priority = (mask & POLLPRI) != 0,
          .read_closed = (mask & sys::kPollReadClosed) != 0,
          .hangup = (mask & POLLHUP) != 0,
          .error = (mask & POLLERR) != 0,
          .invalid = (mask & POLLNVAL) != 0};
}

}  // namespace detent
