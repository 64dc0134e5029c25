// SPDX-License-Identifier: BSL-1.0
/// \file
/// Pollers with a planted bug, to see that a test finds it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "detent/poller.h"

namespace detent::testing_support {

enum class Flaw : std::uint8_t {
  one_shots_stay_armed,
  modify_keeps_the_old_id,
  full_batch_loses_one,  ///< What would have been the next event never comes.
  writable_lost_when_readable,
  paused_ones_are_reported,
  removed_events_are_inherited  ///< By the next registration of the same number.
};
inline constexpr std::array kFlaws = {
    Flaw::one_shots_stay_armed,     Flaw::modify_keeps_the_old_id,
    Flaw::full_batch_loses_one,     Flaw::writable_lost_when_readable,
    Flaw::paused_ones_are_reported, Flaw::removed_events_are_inherited};

/// In CamelCase, for the name of a test.
[[nodiscard]] std::string_view name_of(Flaw flaw);

/// `sound`, with one flaw.
[[nodiscard]] std::unique_ptr<Poller> make_flawed(std::unique_ptr<Poller> sound, Flaw flaw);

}  // namespace detent::testing_support
