// SPDX-License-Identifier: BSL-1.0
#include "support/poller_operations.h"

#include "support/standard.h"

namespace detent::testing_support {
namespace {

// The generator must make the same operations for every poller, so it looks at none. It keeps in
// mind what it did to a slot, to choose operations that find something to do. Where it errs (only
// some pollers notice at once that a number was closed) an operation does nothing, or is refused.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {
    for (unsigned slot = 0; slot < kSlots; ++slot) slots_[slot].source = first_source(slot);
  }

  Operation next() {
    const Act act = kActs[static_cast<std::size_t>(weights_(random_))];
    const unsigned slot = act == Act::wait ? 0 : suitable_slot(act);
    return {.act = act, .slot = slot, .argument = draw(act, slots_[slot])};
  }

 private:
  struct Sketch {
    bool registered = false;
    bool paused = false;
    bool open = true;
    Source source = Source::socket;
    bool duplicated = false;
    bool far_closed = false;
    bool near_has_data = false;
    bool far_has_data = false;
  };

  static constexpr std::array kTriggers = {0U, 0U, 1U, 2U};
  // Urgent data is for TCP alone, so both come often.
  static constexpr std::array kSources = {
      Source::socket, Source::pipe_reader, Source::pipe_writer, Source::tcp,
      Source::tcp,    Source::tcp,         Source::duplicate,   Source::neighbour};
  static constexpr std::array kWrittenByTcp = {Written::data, Written::until_full, Written::urgent,
                                               Written::urgent, Written::urgent};
  static constexpr std::array kWrittenByOthers = {Written::data, Written::until_full};

  template <class T, std::size_t N>
  T any_of(const std::array<T, N>& choices) {
    return choices[below(N)];
  }
  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }
  bool one_in(unsigned n) { return below(n) == 0; }

  static bool suits(Act act, const Sketch& slot) {
    switch (act) {
      case Act::add:
        return slot.open && !slot.registered;
      case Act::modify:
      case Act::remove:
        return slot.registered;
      case Act::pause:
        return slot.registered && !slot.paused;
      case Act::close:
        return slot.open;
      case Act::reopen:
        return !slot.open;
      case Act::duplicate:
        return slot.open && !slot.duplicated;
      case Act::drop:
        return slot.duplicated;
      case Act::write:
      case Act::shut_down:
        return (slot.open || slot.duplicated) && !slot.far_closed;
      case Act::drain:
        return (slot.open || slot.duplicated) && (slot.near_has_data || slot.far_has_data);
      case Act::wait:
        break;
    }
    return true;
  }

  unsigned suitable_slot(Act act) {
    const unsigned first = below(kSlots);
    for (unsigned i = 0; i < kSlots; ++i) {
      const unsigned slot = (first + i) % kSlots;
      if (suits(act, slots_[slot])) return slot;
    }
    return first;
  }

  // The argument; and what becomes of the slot.
  unsigned draw(Act act, Sketch& slot) {
    switch (act) {
      case Act::add:
        slot.registered = slot.registered || slot.open;
        [[fallthrough]];
      case Act::modify:
        slot.paused = false;
        return any_bits(slot) | (any_of(kTriggers) << 3U);
      case Act::pause:
        slot.paused = true;
        return 0;
      case Act::remove:
        slot.registered = false;
        return 0;
      case Act::close:
        slot.open = false;
        return 0;
      case Act::reopen:
        slot.open = true;
        slot.far_closed = slot.near_has_data = slot.far_has_data = false;
        slot.source = any_of(kSources);
        return static_cast<unsigned>(slot.source);
      case Act::duplicate:
        slot.duplicated = true;
        return 0;
      case Act::drop:
        slot.duplicated = false;
        return 0;
      case Act::write: {
        const Written what =
            slot.source == Source::tcp ? any_of(kWrittenByTcp) : any_of(kWrittenByOthers);
        (what == Written::until_full ? slot.far_has_data : slot.near_has_data) = true;
        return static_cast<unsigned>(what) | of_duplicate(slot);
      }
      case Act::drain: {
        const Side side = slot.near_has_data ? Side::near : Side::far;
        (side == Side::near ? slot.near_has_data : slot.far_has_data) = false;
        return static_cast<unsigned>(side) | of_duplicate(slot);
      }
      case Act::shut_down: {
        const unsigned how = below(5);
        slot.far_closed = how >= static_cast<unsigned>(Shutdown::far_closes);
        return how | of_duplicate(slot);
      }
      case Act::wait:
        break;
    }
    if (one_in(2)) return 0;
    return (1 + below(4)) | (one_in(2) ? kUntilAllWereHeard : 0);
  }

  unsigned any_bits(const Sketch& slot) {
    constexpr unsigned kPriority = 4;
    const unsigned bits = 1 + below(7);
    return slot.source == Source::tcp && one_in(2) ? bits | kPriority : bits;
  }
  unsigned of_duplicate(const Sketch& slot) {
    return slot.duplicated && one_in(3) ? kOfDuplicate : 0;
  }

  std::mt19937_64 random_;
  // In the order of kActs; about per cent.
  std::discrete_distribution<int> weights_{9, 9, 7, 7, 7, 8, 7, 7, 11, 13, 7, 17};
  std::array<Sketch, kSlots> slots_;
};

template <std::size_t N>
const char* text_at(const std::array<const char*, N>& texts, unsigned index) {
  return texts[index % N];
}

constexpr std::array kActNames = {"add",       "modify", "pause", "remove", "close",     "reopen",
                                  "duplicate", "drop",   "write", "drain",  "shut_down", "wait"};
constexpr std::array kSourceTexts = {"a socket pair",       "a TCP pair",
                                     "a pipe's reader",     "a pipe's writer",
                                     "its duplicate again", "the next slot's file"};
constexpr std::array kWrittenTexts = {"data for it", "from it until it is full",
                                      "urgent data for it"};
constexpr std::array kSideTexts = {"its end", "the far end"};
constexpr std::array kShutdownTexts = {"the far end writes no more", "it writes no more",
                                       "it reads no more", "the far end closes",
                                       "the far end resets"};

}  // namespace

Source first_source(unsigned slot) {
  constexpr std::array kKinds = {Source::socket, Source::tcp, Source::pipe_reader, Source::tcp,
                                 Source::pipe_writer};
  return kKinds[slot % kKinds.size()];
}

Interest to_interest(unsigned argument) {
  constexpr std::array kTriggers = {Trigger::level, Trigger::edge, Trigger::one_shot};
  return {.readable = (argument & 1U) != 0,
          .writable = (argument & 2U) != 0,
          .priority = (argument & 4U) != 0,
          .trigger = kTriggers[(argument >> 3U) % kTriggers.size()]};
}

std::vector<Operation> random_operations(std::uint64_t seed, std::size_t count) {
  Generator generator(seed);
  std::vector<Operation> operations;
  operations.reserve(count);
  while (operations.size() < count) operations.push_back(generator.next());
  return operations;
}

const char* name_of(Act act) { return kActNames[static_cast<std::size_t>(act)]; }

std::string to_text(Interest interest) {
  std::string text;
  if (interest.readable) text += " readable";
  if (interest.writable) text += " writable";
  if (interest.priority) text += " priority";
  if (text.empty()) text = " paused";
  if (interest.trigger == Trigger::edge) text += " edge";
  if (interest.trigger == Trigger::one_shot) text += " one_shot";
  return text.substr(1);
}

std::string to_text(const Operation& operation) {
  const unsigned argument = operation.argument;
  const std::string name = name_of(operation.act);
  if (operation.act == Act::wait) {
    const std::string capacity = std::to_string(argument % kUntilAllWereHeard);
    return name + (capacity == "0" ? "" : ", " + capacity + " at a time") +
           ((argument & kUntilAllWereHeard) != 0 ? ", until all were heard" : "");
  }
  std::string text = name + " slot " + std::to_string(operation.slot);
  const unsigned choice = argument % kOfDuplicate;
  const std::string whose = (argument & kOfDuplicate) != 0 ? ", of its duplicate" : "";
  switch (operation.act) {
    case Act::add:
    case Act::modify:
      return text + ": " + to_text(to_interest(argument));
    case Act::reopen:
      return text + ": " + text_at(kSourceTexts, choice);
    case Act::write:
      return text + ": " + text_at(kWrittenTexts, choice) + whose;
    case Act::drain:
      return text + ": " + text_at(kSideTexts, choice) + whose;
    case Act::shut_down:
      return text + ": " + text_at(kShutdownTexts, choice) + whose;
    default:
      return text;
  }
}

std::string to_code(const Operation& operation) {
  return std::string("{Act::") + name_of(operation.act) + ", " + std::to_string(operation.slot) +
         ", " + std::to_string(operation.argument) + "}";
}

}  // namespace detent::testing_support
