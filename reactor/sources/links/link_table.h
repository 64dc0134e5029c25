// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. The links that are known, and what news of the kernel changes about them.
///
///     table.begin_answer();                     // before the question is sent
///     table.take(news, changes);                // for all that is read from then on, in order
///     table.end_answer(changes);                // if the answer was whole and nothing was lost
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "links/link_news.h"

namespace detent {

/// Each function appends to `changes` what differs from what was known.
class LinkTable {
 public:
  void begin_answer() noexcept;
  void take(const LinkNews& news, std::vector<LinkChange>& changes);
  /// What the answer did not name has gone.
  void end_answer(std::vector<LinkChange>& changes);

  [[nodiscard]] std::vector<Link> list() const;
  [[nodiscard]] const Link* find(std::string_view name) const noexcept;

 private:
  struct Known {
    Link link;
    std::uint64_t answer;  // the last one during which news of it came
  };
  using Map = std::map<int, Known>;

  void add(const Link& link, std::vector<LinkChange>& changes);
  void remove(int index, std::vector<LinkChange>& changes);
  Map::iterator remove(Map::iterator known, std::vector<LinkChange>& changes);
  [[nodiscard]] bool is_outdated(const LinkNews& news) const noexcept;

  Map links_;
  std::uint64_t answer_ = 0;
  std::vector<int> gone_;  // during the answer
  bool in_answer_ = false;
};

}  // namespace detent
