// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Which files are the data of time zones. A name may come from a stranger, so that it
/// must neither lead out of the data's folder, nor to a file that blocks, acts or never ends.
#pragma once

#include <string>
#include <string_view>

namespace detent {

/// Whether a name has the form of those in the IANA data: parts of letters, digits, `+`, `-` and
/// `_`, with a `/` between two of them.
[[nodiscard]] bool is_zone_name(std::string_view name) noexcept;

/// The path of the file that `name` means; $TZDIR is its folder, or else /usr/share/zoneinfo. Empty
/// when there is no regular file that holds a zone. Links are followed: who owns the folder made
/// them.
[[nodiscard]] std::string zone_file(std::string_view name);

}  // namespace detent
