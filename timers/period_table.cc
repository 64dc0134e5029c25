// SPDX-License-Identifier: BSL-1.0
#include "period_table.h"

#include <stdexcept>
#include <string>

namespace detent {
namespace {

[[noreturn]] void fail_about(const char* call, const char* what, Duration value) {
  throw std::invalid_argument(std::string(call) + ": the " + what + " is " +
                              std::to_string(value.count()) + " ns");
}

}  // namespace

Duration checked_period(Duration period, const char* call) {
  if (period <= Duration::zero()) fail_about(call, "period", period);
  return period;
}

Duration checked_slack(Duration slack, const char* call) {
  if (slack < Duration::zero()) fail_about(call, "slack", slack);
  return slack;
}

PeriodTable::Number PeriodTable::add(Period period) {
  if (period.slack > Duration::zero()) had_uncommon_ = true;
  period.length_in_tick = period.length;
  if (free_.empty()) {
    periods_.push_back(period);
    free_.reserve(periods_.capacity());
    return static_cast<Number>(periods_.size());
  }
  const Number number = free_.back();
  free_.pop_back();
  at(number) = period;
  return number;
}

}  // namespace detent
