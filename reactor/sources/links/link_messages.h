// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private, for linux/. Reads messages of rtnetlink(7) about links.
#pragma once

#include <cstddef>
#include <span>

#include "links/link_news.h"

namespace detent {

/// Adds to `reading` what the messages of one datagram say. Skips what is not about links, and what
/// does not fit in its length: the kernel sends no such message, so asking again would not help.
void parse_link_messages(std::span<const std::byte> datagram, LinkReading& reading);

}  // namespace detent
