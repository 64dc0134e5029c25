// SPDX-License-Identifier: BSL-1.0
// Each enters its contestants. CMake chooses which of them are linked; see contestants.cc.in.
#pragma once

#include <vector>

#include "peers/contestant.h"

namespace bench {

void enter_raw_epoll(std::vector<Contestant>& all);
void enter_detent(std::vector<Contestant>& all);
void enter_libev(std::vector<Contestant>& all);
void enter_libuv(std::vector<Contestant>& all);
void enter_libevent(std::vector<Contestant>& all);
void enter_asio(std::vector<Contestant>& all);
void enter_sd_event(std::vector<Contestant>& all);

}  // namespace bench
