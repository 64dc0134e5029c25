// SPDX-License-Identifier: BSL-1.0
/// \file
/// Private. Finds the files of time zones. A name may be untrusted input. So it must not lead out
/// of the data's folder, nor to a file that blocks, acts or never ends.
#pragma once

#include <string>
#include <string_view>

namespace detent {

/// Whether a name has the form of an IANA name: parts of letters, digits, `+`, `-` and `_`, joined
/// by `/`.
[[nodiscard]] bool is_zone_name(std::string_view name) noexcept;

/// The path of the file that `name` means, in the folder $TZDIR, or else /usr/share/zoneinfo. Empty
/// when there is no regular file that holds a zone. Follows links, since the owner of the folder
/// made them.
[[nodiscard]] std::string zone_file(std::string_view name);

}  // namespace detent
