// SPDX-License-Identifier: BSL-1.0
#include "links/link_table.h"

#include <algorithm>
#include <utility>

namespace detent {
namespace {

using Kind = LinkChange::Kind;

// In an order in which each state makes sense: nothing runs that is down.
void tell_difference(const Link& before, const Link& now, std::vector<LinkChange>& changes) {
  const auto tell_if = [&](bool happened, Kind kind) {
    if (happened) changes.push_back({kind, now});
  };
  tell_if(now.name != before.name, Kind::renamed);
  tell_if(before.running && !now.running, Kind::not_running);
  tell_if(before.up && !now.up, Kind::down);
  tell_if(!before.up && now.up, Kind::up);
  tell_if(!before.running && now.running, Kind::running);
}

// As links come and go: neither up nor running.
Link at_rest(const Link& link) { return {.index = link.index, .name = link.name}; }

}  // namespace

void LinkTable::begin_answer() noexcept {
  ++answer_;
  gone_.clear();
  in_answer_ = true;
}

void LinkTable::take(const LinkNews& news, std::vector<LinkChange>& changes) {
  const int index = news.link.index;
  if (is_outdated(news)) return;
  if (!news.exists) return remove(index, changes);
  const auto known = links_.find(index);
  if (known == links_.end()) return add(news.link, changes);
  const Link before = std::exchange(known->second.link, news.link);
  if (news.link.name.empty()) known->second.link.name = before.name;
  known->second.answer = answer_;
  tell_difference(before, known->second.link, changes);
}

void LinkTable::add(const Link& link, std::vector<LinkChange>& changes) {
  if (link.name.empty()) return;
  links_.emplace(link.index, Known{link, answer_});
  changes.push_back({Kind::came, link});
  tell_difference(at_rest(link), link, changes);
}

// The kernel looks at a link, and only later appends the answer to what waits to be read. News of a
// change after that look may be ahead of the answer. So news win, if they were read after the
// question was sent: where the answer is newer than they are, more news follow.
bool LinkTable::is_outdated(const LinkNews& news) const noexcept {
  if (!news.is_answer) return false;
  const auto known = links_.find(news.link.index);
  if (known != links_.end()) return known->second.answer == answer_;
  return std::ranges::find(gone_, news.link.index) != gone_.end();
}

void LinkTable::remove(int index, std::vector<LinkChange>& changes) {
  if (in_answer_) gone_.push_back(index);
  const auto known = links_.find(index);
  if (known != links_.end()) remove(known, changes);
}

LinkTable::Map::iterator LinkTable::remove(Map::iterator known, std::vector<LinkChange>& changes) {
  const Link now = at_rest(known->second.link);
  tell_difference(known->second.link, now, changes);
  changes.push_back({Kind::went, now});
  return links_.erase(known);
}

void LinkTable::end_answer(std::vector<LinkChange>& changes) {
  in_answer_ = false;
  for (auto known = links_.begin(); known != links_.end();) {
    known = known->second.answer == answer_ ? std::next(known) : remove(known, changes);
  }
}

std::vector<Link> LinkTable::list() const {
  std::vector<Link> all;
  all.reserve(links_.size());
  for (const auto& [index, known] : links_) all.push_back(known.link);
  return all;
}

const Link* LinkTable::find(std::string_view name) const noexcept {
  for (const auto& [index, known] : links_) {
    if (known.link.name == name) return &known.link;
  }
  return nullptr;
}

}  // namespace detent
