// SPDX-License-Identifier: BSL-1.0
// EVFILT_USER. A change of one that exists allocates nothing: handlers trigger them.
#include <memory>

#include "knote.h"

namespace kqueue_double {
namespace {

class UserKnote final : public Knote {
 public:
  using Knote::Knote;

  int attach() override {
    triggered_ = (asked_fflags_ & NOTE_TRIGGER) != 0;
    flags_ = asked_fflags_ & NOTE_FFLAGSMASK;
    return 0;
  }

  int touch(const struct kevent& change) override {
    if ((change.fflags & NOTE_TRIGGER) != 0) triggered_ = true;
    const std::uint32_t operand = change.fflags & NOTE_FFLAGSMASK;
    switch (change.fflags & NOTE_FFCTRLMASK) {
      case NOTE_FFAND:
        flags_ &= operand;
        break;
      case NOTE_FFOR:
        flags_ |= operand;
        break;
      case NOTE_FFCOPY:
        flags_ = operand;
        break;
      default:
        break;
    }
    asked_data_ = change.data;
    if ((change.flags & EV_CLEAR) != 0) triggered_ = false;
    return 0;
  }

  bool is_true() override {
    event().fflags = flags_;
    event().data = asked_data_;
    return triggered_;
  }

  void clear() override {
    Knote::clear();
    triggered_ = false;
  }

 private:
  bool triggered_ = false;
  std::uint32_t flags_ = 0;
};

}  // namespace

std::unique_ptr<Knote> make_user_knote(Queue& queue, const struct kevent& change) {
  return std::make_unique<UserKnote>(queue, change);
}

}  // namespace kqueue_double
