// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace bench {

/// The bytes that malloc has given out.
double allocated();

}  // namespace bench
