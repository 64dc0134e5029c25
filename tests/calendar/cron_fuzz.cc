// SPDX-License-Identifier: BSL-1.0
// For libFuzzer: the first bytes choose an instant, a zone and the rules, the rest is an
// expression. Whatever comes, it is refused with a position inside it, or its next runs are later
// and later.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "detent/cron.h"

namespace {

constexpr std::size_t kChoices = sizeof(std::int64_t) + 2;
constexpr std::array<const char*, 8> kZones = {
    "UTC",    "Europe/Berlin",       "America/Sao_Paulo", "Africa/Cairo",
    "+05:30", "Australia/Lord_Howe", "Pacific/Apia",      "America/New_York"};

void require(bool holds) {
  if (!holds) std::abort();
}

void check_runs(const detent::Cron& cron, detent::WallTime from) {
  for (int i = 0; i < 4; ++i) {
    const auto next = cron.next(from);
    if (!next) return;
    require(*next > from);
    require(cron.next(*next - detent::Duration(1)) == next);
    from = *next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view expression = input.substr(0, input.find('\n'));
  const std::string_view rest = input.substr(std::min(input.size(), expression.size() + 1));
  std::array<std::uint8_t, kChoices> choices = {};
  std::memcpy(choices.data(), rest.data(), std::min(rest.size(), choices.size()));
  std::int64_t since_epoch = 0;
  std::memcpy(&since_epoch, choices.data(), sizeof since_epoch);
  const std::uint8_t rules = choices[kChoices - 1];
  try {
    const detent::Cron cron(
        expression, {.zone = detent::TimeZone(kZones.at(choices[kChoices - 2] % kZones.size())),
                     .gap = static_cast<detent::Gap>(rules % 2),
                     .overlap = static_cast<detent::Overlap>(rules / 2 % 3)});
    check_runs(cron, detent::WallTime(detent::Duration(since_epoch)));
  } catch (const detent::CronError& error) {
    require(error.position() <= expression.size());
  }
  return 0;
}
