// SPDX-License-Identifier: BSL-1.0
/// \file
/// Tells of network interfaces ("links") that come, go, up and down. Linux only.
/// `find_package(detent COMPONENTS sources)`, `detent::sources`.
///
///     detent::Links links(reactor);
///     for (const detent::Link& link : links.list()) std::puts(link.name.c_str());
///     const detent::Handle watch = links.watch([](const detent::LinkChange& change) {
///       if (change.kind == detent::LinkChange::Kind::running) std::puts(change.link.name.c_str());
///     });
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detent/callback.h"
#include "detent/handle.h"
#include "detent/handler_table.h"
#include "detent/name.h"
#include "detent/reactor.h"
#include "detent/service.h"
#include "detent/watch.h"

namespace detent {

/// A network interface.
struct Link {
  int index = 0;          ///< Stays the same when the name changes: if_indextoname(3).
  std::string name = {};  ///< At most 15 bytes.
  bool up = false;        ///< Switched on (IFF_UP).
  bool running = false;   ///< Able to carry data, as with a cable: IFF_RUNNING and IFF_LOWER_UP.
  friend bool operator==(const Link&, const Link&) = default;
};

/// One thing that is different now. Each kind is told by itself: a link that comes running is told
/// as came, up, running; a running one that goes as not_running, down, went.
struct LinkChange {
  enum class Kind { came, went, renamed, up, down, running, not_running };
  Kind kind;
  Link link;  ///< After all that changed in the same moment.
};

struct LinksOptions {
  /// How many messages of the kernel one turn reads; the rest in the next. At least 1. A message
  /// tells of one link or, when the kernel lists all links, of a few dozen.
  std::size_t messages_per_turn = 64;
  /// Bytes of messages that the kernel may keep for this object; 0: the system's choice, for about
  /// a hundred changes. The system may choose less than asked for (SO_RCVBUF, socket(7)). When the
  /// room is used up, the kernel drops messages: see Counters.
  int receive_buffer = 0;
};

/// Knows the links of the network namespace in which its maker's thread was. Belongs to its
/// reactor's thread. Its callbacks may destroy it.
///
/// The kernel drops messages when the loop is too slow for them. Then this object asks for all
/// links anew and tells the difference. So for each link the states told are states that it had, in
/// their order, and the last one is always told. What came and went between two of them may be left
/// out.
class Links final : private Service {
 public:
  struct Counters {
    std::uint64_t changes = 0;  ///< Found, whether or not anyone watches.
    std::uint64_t losses = 0;   ///< How often messages were lost, and the links asked for anew.
  };

  /// Asks for the links that exist. Throws std::system_error: not_supported where there is no
  /// rtnetlink(7), no_buffer_space when `receive_buffer` is too small for that, or when
  /// the links change each time while they are listed. Throws
  /// std::invalid_argument for `messages_per_turn` of 0 and a negative `receive_buffer`.
  explicit Links(Reactor& reactor, const LinksOptions& options = {});
  ~Links() override;

  /// Calls `on_change` for each change that is found from now on. All watches are told of a change
  /// before any is told of the next, in the order of these calls. If a callback throws, the others
  /// are told in the next turn. Of the links that exist already, list() tells.
  [[nodiscard]] Handle watch(Callback<void(const LinkChange&)> on_change, Name name = {});

  /// The links that exist, by index, as far as this object has read. A new watch is told of exactly
  /// what changes after that.
  [[nodiscard]] std::vector<Link> list() const;
  /// The one of that name.
  [[nodiscard]] std::optional<Link> find(std::string_view name) const;
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  class Feed;
  struct Data {
    std::uint64_t place;        // in the order of watches
    std::uint64_t next_change;  // the number of the first change not told yet
  };
  struct Place {
    std::uint64_t place;
    HandlerId id;
  };
  using Table = HandlerTable<void(const LinkChange&), Data>;

  void cancel(HandlerId id) noexcept override;
  [[nodiscard]] bool active(HandlerId id) const noexcept override;
  [[nodiscard]] std::vector<Place>::iterator behind(std::uint64_t place) noexcept;

  std::size_t serve(Ready ready);
  [[nodiscard]] bool tell_found(std::size_t& called);
  [[nodiscard]] bool tell(const LinkChange& change, std::size_t& called);
  [[nodiscard]] bool call(Table::Entry& entry, const LinkChange& change);

  Reactor& reactor_;
  const std::size_t messages_per_turn_;
  std::unique_ptr<Feed> feed_;
  Counters counters_;
  std::vector<LinkChange> found_;  // of one message; some may be told already
  std::size_t told_ = 0;           // of them
  std::uint64_t next_change_ = 0;  // the number of found_[told_]
  Table callbacks_;
  std::vector<Place> order_;
  std::uint64_t next_place_ = 1;
  Watch watch_;
};

}  // namespace detent
