// SPDX-License-Identifier: BSL-1.0
// docs/pollers.md says of each poller what its capabilities say.
#include <gtest/gtest.h>

#include <climits>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "detent/poller.h"

namespace detent {
namespace {

// The cells between the bars of a line of a table, without blanks and back-quotes.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line.substr(line.find('|') + 1));
  for (std::string cell; std::getline(rest, cell, '|');) {
    std::erase_if(cell, [](char c) { return c == ' ' || c == '`'; });
    cells.push_back(cell);
  }
  return cells;
}

// The column of a poller in the table whose head names them all.
std::map<std::string, std::string> column_of(std::string_view poller) {
  std::ifstream page(DETENT_DOCS_DIR "/pollers.md");
  std::map<std::string, std::string> column;
  std::size_t place = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| | epoll | io_uring |")) {
      const std::vector<std::string> names = cells_of(line);
      while (place < names.size() && names[place] != poller) ++place;
    } else if (place != 0 && !line.starts_with('|')) {
      break;
    } else if (place != 0) {
      const std::vector<std::string> cells = cells_of(line);
      column[cells.at(0)] = cells.at(place);
    }
  }
  return column;
}

class PollersPage : public testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(OnEveryPoller, PollersPage, testing::ValuesIn(poller_names()),
                         [](const auto& param) { return std::string(param.param); });

TEST_P(PollersPage, SaysWhatThePollersCapabilitiesSay) {
  const Capabilities can = make_poller(GetParam())->capabilities();
  const auto answer = [](bool is_so) { return std::string(is_so ? "yes" : "no"); };
  const std::map<std::string, std::string> expected = {
      {"---", "---"},
      {"edge", answer(can.edge)},
      {"priority", answer(can.priority)},
      {"read_closed", answer(can.read_closed)},
      {"hangup", answer(can.hangup)},
      {"native_handle", answer(can.native_handle)},
      {"file_identity", answer(can.file_identity)},
      {"descriptor_limit", can.descriptor_limit == INT_MAX ? "none" : "FD_SETSIZE"}};
  EXPECT_EQ(column_of(GetParam()), expected);
}

}  // namespace
}  // namespace detent
