// SPDX-License-Identifier: BSL-1.0
// docs/pollers.md says of each poller what its capabilities say, and where it is to be had.
#include <fstream>

#include "detent/poller.h"
#include "support/poller_fixtures.h"
#include "support/standard.h"

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

// The column of a poller in the first table whose head begins like that.
std::map<std::string, std::string> column_of(std::string_view poller, std::string_view head) {
  std::ifstream page(DETENT_DOCS_DIR "/pollers.md");
  std::map<std::string, std::string> column;
  std::size_t place = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(head)) {
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

// The row of a poller in the table of systems; empty when there is none.
std::vector<std::string> row_of(std::string_view poller) {
  std::ifstream page(DETENT_DOCS_DIR "/pollers.md");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| `" + std::string(poller) + "` |")) return cells_of(line);
  }
  return {};
}

class PollersPage : public testing::TestWithParam<std::string_view> {};

DETENT_ON_EVERY_POLLER(PollersPage);

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
  EXPECT_EQ(column_of(GetParam(), "| | epoll | io_uring | kqueue |"), expected);
}

TEST_P(PollersPage, S8_NamesTheSystemsThatHaveIt) {
  const bool on_linux = poller_names().front() == "epoll";
  const std::vector<std::string> row = row_of(GetParam());
  ASSERT_EQ(row.size(), 3U) << "its name, the systems, the kernel's call";
  const std::string& systems = row[1];
  EXPECT_TRUE(systems == "all" || systems.starts_with(on_linux ? "Linux" : "BSDandmacOS"))
      << systems;
  const bool is_default = GetParam() == poller_names().front();
  EXPECT_EQ(systems.ends_with(",thedefaultthere"), is_default);
}

TEST_P(PollersPage, S10_HasTheMeasuredCostOfAWaitForManyDescriptorsAndForHighNumbers) {
  if (GetParam() == "kqueue") GTEST_SKIP() << "measured on no BSD or macOS";
  std::map<std::string, std::string> costs = column_of(GetParam(), "| | epoll | io_uring | poll |");
  costs.erase("---");
  ASSERT_EQ(costs.size(), 5U);
  for (const char* load : {"onereadyamong10", "onereadyamong1000", "onealone,number1000"}) {
    EXPECT_GT(std::strtod(costs[load].c_str(), nullptr), 0) << load;
  }
}

}  // namespace
}  // namespace detent
