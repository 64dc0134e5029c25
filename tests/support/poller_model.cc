// SPDX-License-Identifier: BSL-1.0
#include "support/poller_model.h"

#include <poll.h>

#include "support/descriptor_slots.h"
#include "support/errors.h"
#include "support/poller_oracle.h"
#include "support/readiness.h"
#include "support/standard.h"
#include "support/wait_into.h"

namespace detent::testing_support {
namespace {

constexpr std::size_t kLargeBatch = 64;
constexpr std::size_t kSights = 2 * std::size_t{kSlots};
constexpr short kAllBits = SHRT_MAX;

struct Mismatch {
  std::string what;
};

struct Registration {
  HandlerId id;
  Interest interest;
  File file;                  // what it is for; of no account to Binding::number
  Interest installed;         // what the kernel has
  bool changed = false;       // and not yet there
  bool half_applied = false;  // it may or may not have reached the kernel
  bool dropped = false;       // Binding::descriptor: its number was closed
  bool uncertain = false;     // which file it is for only the kernel knows
  bool fired = false;         // a one-shot
  short due = kAllBits;       // an edge: what must be reported
  short seen = 0;             // an edge: what poll(2) said last

  [[nodiscard]] bool silent() const { return fired || interest.empty(); }
  [[nodiscard]] bool is_edge() const { return interest.trigger == Trigger::edge; }
};

// What the wait under way may say of a registration.
struct Expectation {
  Range by_number = {};
  Range by_file = {};  // when that is no longer what the number means
  bool anything = false;
  bool invalid = false;
  bool silence = false;

  [[nodiscard]] bool allows(Ready ready, bool parts) const {
    if (ready.invalid) return invalid && ready == Ready{.invalid = true};
    if (parts && (by_number.holds_part(ready) || by_file.holds_part(ready))) return true;
    return anything || by_number.holds(ready) || by_file.holds(ready);
  }
};

// A registration that ended after its number had been closed; its file may be open elsewhere.
struct Ghost {
  unsigned slot;
  File file;  // null when the model cannot know
};

class Model {
 public:
  Model(Poller& poller, Coverage& coverage) : poller_(poller), coverage_(coverage) {}

  void apply(const Operation& operation) {
    if (perform(operation)) ++coverage_.operations[operation.act];
  }

 private:
  using Reports = std::array<std::optional<Ready>, kSlots>;

  bool perform(const Operation& operation);

  // Changes of the poller. False when they were rightly refused.
  bool add(unsigned slot, Interest interest);
  bool modify(unsigned slot, Interest interest);
  bool remove(unsigned slot);
  template <class Call>
  void must_be_refused(std::errc error, Call call);

  // Changes of the descriptors.
  bool touch(const Operation& operation);
  void note_close(unsigned slot);
  void note_edges();

  // Waits.
  bool wait(unsigned argument);
  Reports compare(std::size_t capacity);
  void begin_wait();
  void look(bool first);
  [[nodiscard]] bool is_full(const std::vector<Event>& events) const;
  [[nodiscard]] Reports reports_of(const std::vector<Event>& events) const;
  void check(const Reports& reports, bool complete) const;
  void finish_wait(const Reports& reports, bool applied);
  void note_report(Registration& registration, Ready ready) const;
  void end(unsigned slot);

  [[nodiscard]] bool means_its_number(unsigned slot) const;
  [[nodiscard]] bool is_haunted() const;
  [[nodiscard]] Expectation expect(unsigned slot) const;
  [[nodiscard]] Expectation expect_of_stale(unsigned slot) const;
  [[nodiscard]] Range range(unsigned slot, Sight sight) const;
  [[nodiscard]] std::string name_of(unsigned slot) const;
  [[nodiscard]] HandlerId fresh_id(unsigned slot) { return {slot + 1, ++last_generation_}; }

  Poller& poller_;
  Coverage& coverage_;
  const Capabilities can_ = poller_.capabilities();
  const Binding binding_ = binding_of(poller_);
  DescriptorSlots slots_;
  std::array<std::optional<Registration>, kSlots> registrations_;
  std::vector<Ghost> ghosts_;
  bool ghost_seen_ = false;  // so the next wait is rid of all of them
  bool rebuilt_ = false;     // in the wait under way
  std::uint32_t last_generation_ = 0;

  // What poll(2) says of the numbers, and then of the files that are no longer under theirs.
  std::array<pollfd, kSights> polled_ = {};
  std::array<Sight, kSights> sights_ = {};
  std::array<Expectation, kSlots> expected_;
};

bool Model::perform(const Operation& operation) {
  const unsigned slot = operation.slot;
  switch (operation.act) {
    case Act::add:
      return add(slot, to_interest(operation.argument));
    case Act::modify:
      return modify(slot, to_interest(operation.argument));
    case Act::pause:
      return modify(slot, {});
    case Act::remove:
      return remove(slot);
    case Act::wait:
      return wait(operation.argument);
    default:
      return touch(operation);
  }
}

// --- Changes of the poller

template <class Call>
void Model::must_be_refused(std::errc error, Call call) {
  ++coverage_.refusals;
  const std::error_code got = error_of(call);
  if (got == error) return;
  throw Mismatch{"the error was " + (got ? got.message() : "none") + " and not " +
                 std::make_error_code(error).message()};
}

bool Model::add(unsigned slot, Interest interest) {
  const auto add_as = [&](Interest wanted) {
    poller_.add(DescriptorSlots::number(slot), wanted, fresh_id(slot));
  };
  const Interest wanted = std::exchange(interest, supported(interest, can_));
  std::optional<Registration>& registration = registrations_[slot];
  if (registration) {
    must_be_refused(std::errc::file_exists, [&] { add_as(interest); });
    return false;
  }
  if (slots_.file(slot) == nullptr) {
    must_be_refused(std::errc::bad_file_descriptor, [&] { add_as(interest); });
    return false;
  }
  if (wanted != interest) must_be_refused(std::errc::not_supported, [&] { add_as(wanted); });
  add_as(interest);
  registration = Registration{.id = {slot + 1, last_generation_},
                              .interest = interest,
                              .file = slots_.file(slot),
                              .installed = interest,
                              .changed = binding_ != Binding::file};
  // The same file under the same number: the kernel takes it for the registration that it has.
  std::erase_if(ghosts_, [&](const Ghost& ghost) {
    return ghost.slot == slot && ghost.file == registration->file;
  });
  ++coverage_.registrations[interest.trigger];
  note_edges();
  return true;
}

bool Model::modify(unsigned slot, Interest interest) {
  const auto modify_to = [&](Interest wanted) {
    poller_.modify(DescriptorSlots::number(slot), wanted, fresh_id(slot));
  };
  const Interest wanted = std::exchange(interest, supported(interest, can_));
  if (!registrations_[slot]) {
    must_be_refused(std::errc::no_such_file_or_directory, [&] { modify_to(interest); });
    return false;
  }
  if (wanted != interest) must_be_refused(std::errc::not_supported, [&] { modify_to(wanted); });
  modify_to(interest);
  Registration& registration = *registrations_[slot];
  const bool stale = !means_its_number(slot);
  registration.id = {slot + 1, last_generation_};
  registration.interest = interest;
  registration.changed = true;
  registration.fired = false;
  registration.due = kAllBits;
  if (stale && binding_ != Binding::file) registration.uncertain = true;
  ++coverage_.registrations[interest.trigger];
  return true;
}

bool Model::remove(unsigned slot) {
  const auto remove_it = [&] { poller_.remove(DescriptorSlots::number(slot)); };
  if (!registrations_[slot]) {
    must_be_refused(std::errc::no_such_file_or_directory, remove_it);
    return false;
  }
  remove_it();
  end(slot);
  return true;
}

void Model::end(unsigned slot) {
  if (binding_ == Binding::file && !means_its_number(slot)) {
    const Registration& registration = *registrations_[slot];
    ghosts_.push_back({slot, registration.uncertain ? nullptr : registration.file});
  }
  registrations_[slot].reset();
}

// --- Changes of the descriptors

bool Model::touch(const Operation& operation) {
  if (operation.act == Act::close) note_close(operation.slot);
  const Effect effect = slots_.apply(operation);
  if (effect.arrived != nullptr) {
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      const bool for_it = registrations_[slot] && slots_.file(slot) == effect.arrived;
      if (for_it && means_its_number(slot)) registrations_[slot]->due |= POLLIN;
    }
  }
  if (effect.any) note_edges();
  return effect.any;
}

void Model::note_close(unsigned slot) {
  if (!registrations_[slot] || slots_.file(slot) == nullptr) return;
  Registration& registration = *registrations_[slot];
  if (binding_ == Binding::descriptor) registration.dropped = true;
  const bool half_way =
      binding_ == Binding::file ? registration.half_applied : registration.changed;
  if (half_way || binding_ == Binding::kept_file) registration.uncertain = true;
}

// A bit that was not there is due.
void Model::note_edges() {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (!registrations_[slot] || !registrations_[slot]->is_edge()) continue;
    if (!means_its_number(slot)) continue;
    Registration& registration = *registrations_[slot];
    const auto now = static_cast<short>(
        poll_one(DescriptorSlots::number(slot), poll_mask(registration.interest)));
    registration.due |= static_cast<short>(now & ~registration.seen);
    registration.seen = now;
  }
}

// --- Waits

bool Model::wait(unsigned argument) {
  const unsigned small = argument % kUntilAllWereHeard;
  const std::size_t capacity = small == 0 ? kLargeBatch : small;
  Reports reports = compare(capacity);
  if ((argument & kUntilAllWereHeard) == 0) return true;

  std::array<bool, kSlots> waiting = {};
  const auto still_waiting = [&](unsigned slot) {
    return registrations_[slot] && !reports[slot] && !expected_[slot].silence;
  };
  for (unsigned slot = 0; slot < kSlots; ++slot) waiting[slot] = still_waiting(slot);
  std::size_t left = 2 * (kSlots / capacity + 1);
  while (std::ranges::find(waiting, true) != waiting.end()) {
    reports = compare(capacity);
    if (ghost_seen_) ++left;
    if (--left == 0) {
      const auto who = std::ranges::find(waiting, true) - waiting.begin();
      throw Mismatch{"somebody starves: " + name_of(static_cast<unsigned>(who))};
    }
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      waiting[slot] = waiting[slot] && still_waiting(slot);
    }
  }
  return true;
}

Model::Reports Model::compare(std::size_t capacity) {
  std::vector<Event> events;
  events.reserve(capacity);
  begin_wait();
  look(true);
  wait_into(events, poller_, Duration::zero());
  look(false);

  ++coverage_.comparisons;
  if (!events.empty()) ++coverage_.not_empty;
  for (const Event& event : events) coverage_.count(event.ready);

  if (events.size() > capacity) throw Mismatch{"more events than were asked for"};
  const bool complete = !is_full(events);
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    expected_[slot] = registrations_[slot] ? expect(slot) : Expectation{};
  }
  Reports reports = reports_of(events);
  check(reports, complete);
  // epoll's come one by one, before it waits, as long as there is room for one that fails.
  const auto is_news = [](const Event& event) { return !event.ready.invalid; };
  const bool applied =
      complete || binding_ != Binding::file || std::ranges::any_of(events, is_news);
  finish_wait(reports, applied);
  ghost_seen_ = std::ranges::count(events, HandlerId{}, &Event::id) > 0;
  if (ghost_seen_ && !is_haunted()) throw Mismatch{"an event for nobody"};
  if (ghost_seen_) ++coverage_.events_for_nobody;
  return reports;
}

void Model::begin_wait() {
  for (const Ghost& ghost : ghosts_) {
    // The kernel still has the file under this number: it cannot tell two registrations apart.
    const bool ambiguous = ghost.file == nullptr || slots_.file(ghost.slot) == ghost.file;
    if (registrations_[ghost.slot] && ambiguous) registrations_[ghost.slot]->uncertain = true;
  }
  rebuilt_ = std::exchange(ghost_seen_, false);
  if (rebuilt_) ghosts_.clear();
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (binding_ != Binding::file || !registrations_[slot]) continue;
    Registration& registration = *registrations_[slot];
    if (rebuilt_ && registration.fired) registration.installed = {};
    // What is out of the kernel's sight goes back to whatever its number means (L6).
    const bool goes_back = registration.installed.empty() && !registration.silent();
    if (!goes_back || registration.uncertain || registration.file == slots_.file(slot)) continue;
    registration.file = slots_.file(slot);
    registration.uncertain = registration.half_applied;
  }
}

// Asks poll(2).
void Model::look(bool first) {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    pollfd& number = polled_[slot];
    pollfd& file = polled_[kSlots + slot];
    number.fd = file.fd = -1;
    const std::optional<Registration>& registration = registrations_[slot];
    if (!registration || registration->silent()) continue;
    if (slots_.file(slot) != nullptr) number.fd = DescriptorSlots::number(slot);
    if (!means_its_number(slot)) file.fd = slots_.any_number_of(registration->file);
    number.events = file.events = poll_mask(registration->interest);
  }
  ::poll(polled_.data(), polled_.size(), 0);
  for (std::size_t i = 0; i < polled_.size(); ++i) {
    const short now = polled_[i].revents;
    if (first) sights_[i] = {.ever = 0, .always = now};
    sights_[i].ever |= now;
    sights_[i].always &= now;
  }
  // Linux tells nobody of an end to one's own writing; BSD says that a write would not block.
  for (unsigned slot = 0; slot < kSlots && !can_.hangup; ++slot) {
    if (polled_[slot].fd == -1 || !slots_.file(slot)->near_writes_ended) continue;
    sights_[slot].ever |= static_cast<short>(polled_[slot].events & POLLOUT);
  }
  if (first) note_edges();
}

// kqueue's has room for the two directions of a descriptor one by one, and a call that hears of a
// failure looks no further.
bool Model::is_full(const std::vector<Event>& events) const {
  std::size_t places = events.size();
  for (const auto& [id, ready] : events) {
    if (binding_ != Binding::descriptor) break;
    if (ready.readable && ready.writable) ++places;
    if (ready.invalid) return true;
  }
  return places >= events.capacity();
}

Model::Reports Model::reports_of(const std::vector<Event>& events) const {
  Reports reports;
  for (const Event& event : events) {
    if (event.id == HandlerId{}) {
      if (event.ready != Ready{}) throw Mismatch{"news for nobody"};
      continue;
    }
    const unsigned slot = event.id.slot - 1;
    if (slot >= kSlots || !registrations_[slot] || registrations_[slot]->id != event.id) {
      throw Mismatch{"an event for {" + std::to_string(event.id.slot) + "," +
                     std::to_string(event.id.generation) + "}, which is registered no more"};
    }
    if (reports[slot]) throw Mismatch{"two events for " + name_of(slot)};
    reports[slot] = event.ready;
  }
  return reports;
}

void Model::check(const Reports& reports, bool complete) const {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (!registrations_[slot]) continue;
    const Expectation& expected = expected_[slot];
    const std::optional<Ready>& ready = reports[slot];
    const bool parts = !complete && binding_ == Binding::descriptor;
    if (ready ? expected.allows(*ready, parts) : expected.silence || !complete) continue;
    std::string what = name_of(slot) + ": reported " + (ready ? to_text(*ready) : "nothing");
    if (expected.silence) what += "; nothing would be right";
    if (expected.invalid) what += "; { invalid } would be right";
    for (const Range& range : {expected.by_number, expected.by_file}) {
      if (range.may == Ready{}) continue;
      what += "; poll(2) says " + to_text(range.may);
      if (range.may != range.must) what += ", of which is due " + to_text(range.must);
    }
    throw Mismatch{what};
  }
}

void Model::finish_wait(const Reports& reports, bool applied) {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (!registrations_[slot]) continue;
    Registration& registration = *registrations_[slot];
    if (reports[slot] && reports[slot]->invalid) {
      end(slot);
      continue;
    }
    if (applied) {
      if (!registration.fired) registration.installed = registration.interest;
      registration.changed = registration.half_applied = false;
    } else {
      registration.half_applied = registration.half_applied || registration.changed || rebuilt_;
      if (registration.half_applied && !means_its_number(slot)) registration.uncertain = true;
    }
    if (reports[slot]) note_report(registration, *reports[slot]);
  }
}

void Model::note_report(Registration& registration, Ready ready) const {
  registration.fired = registration.interest.trigger == Trigger::one_shot;
  const short told = told_by(ready, can_);
  registration.due &= static_cast<short>(~told);
  registration.seen |= told;
}

// --- What to expect

// Whether what is open under the number, if anything, is what the registration is for.
bool Model::means_its_number(unsigned slot) const {
  const Registration& registration = *registrations_[slot];
  if (slots_.file(slot) == nullptr) return false;
  if (binding_ == Binding::number) return true;
  return registration.file == slots_.file(slot) && !registration.dropped && !registration.uncertain;
}

bool Model::is_haunted() const {
  return std::ranges::any_of(ghosts_, [this](const Ghost& ghost) {
    return ghost.file == nullptr || slots_.any_number_of(ghost.file) != -1;
  });
}

Range Model::range(unsigned slot, Sight sight) const {
  const Registration& registration = *registrations_[slot];
  if (registration.silent()) return {};
  const short due = registration.is_edge() ? registration.due : kAllBits;
  return range_of(sight, due, registration.interest, can_);
}

Expectation Model::expect(unsigned slot) const {
  const bool silent = registrations_[slot]->silent();
  if (means_its_number(slot)) {
    const Range by_number = range(slot, sights_[slot]);
    return {.by_number = by_number, .silence = !by_number.required};
  }
  if (binding_ == Binding::number) return {.invalid = true, .silence = silent};
  return expect_of_stale(slot);
}

Expectation Model::expect_of_stale(unsigned slot) const {
  const Registration& registration = *registrations_[slot];
  const bool closed = slots_.file(slot) == nullptr;
  const bool differs = registration.interest != registration.installed && !registration.fired;
  Expectation expected = {.invalid = true};
  // The next operation ends it, where it takes a call of the kernel that says so.
  switch (binding_) {
    case Binding::file:
      expected.silence =
          registration.uncertain || !differs || (!closed && registration.installed.empty());
      break;
    case Binding::descriptor:
      expected.silence = !differs || !closed || registration.interest.empty();
      break;
    case Binding::number:
    case Binding::kept_file:
      expected.silence = true;
      break;
  }
  if (registration.silent()) return expected;
  if (binding_ == Binding::file && !differs) {
    expected.by_file = range(slot, sights_[kSlots + slot]);
  }
  expected.anything = registration.uncertain;
  return expected;
}

std::string Model::name_of(unsigned slot) const {
  const Registration& registration = *registrations_[slot];
  return "slot " + std::to_string(slot) + " (" + to_text(registration.interest) + ")";
}

}  // namespace

Binding binding_of(const Poller& poller) {
  if (poller.name() == "epoll") return Binding::file;
  if (poller.name() == "io_uring") return Binding::kept_file;
  return poller.capabilities().file_identity ? Binding::descriptor : Binding::number;
}

std::optional<Failure> run_operations(Poller& poller, std::span<const Operation> operations,
                                      Coverage& coverage) {
  Model model(poller, coverage);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    try {
      model.apply(operations[i]);
    } catch (const Mismatch& mismatch) {
      return Failure{i, mismatch.what};
    } catch (const std::system_error& error) {
      return Failure{i, std::string("thrown: ") + error.what()};
    }
  }
  return std::nullopt;
}

}  // namespace detent::testing_support
