// SPDX-License-Identifier: BSL-1.0
// W3. Whether periodic timers come when they should: all that was due and when it came.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "support/check.h"
#include "support/cpu.h"

namespace bench {

struct Punctuality {
  std::vector<double> late_us;  // each expiry, against start + n * period
  double missed = 0;            // that were due and did not come
  double drift_us = 0;          // by how much the worst timer is later at the end
  double cpu_us_per_fire = 0;
};

/// One timer for each period of 1, 2, 3 ... milliseconds.
template <class Peer>
class PeriodicOf {
 public:
  PeriodicOf(const std::string& name, std::size_t timers, Nanoseconds time) : peer_(name) {
    for (std::size_t i = 0; i < timers; ++i) {
      const std::chrono::milliseconds period(i + 1);
      Record& record = records_.emplace_back();
      record.period = period;
      record.due = static_cast<std::size_t>(time / record.period);
      record.late.reserve(record.due);
      record.start = elapsed();
      timers_.emplace_back(peer_, period, OnTick{this, &record});
    }
    end_ = elapsed() + time + kGrace;
    const Nanoseconds before = thread_cpu();
    peer_.run();
    cpu_ = thread_cpu() - before;
  }

  [[nodiscard]] Punctuality result() const {
    Punctuality all;
    for (const Record& record : records_) {
      all.late_us.insert(all.late_us.end(), record.late.begin(), record.late.end());
      all.missed += static_cast<double>(record.due - record.late.size());
      all.drift_us = std::max(all.drift_us, record.drift());
    }
    all.cpu_us_per_fire = cpu_.count() / 1000 / static_cast<double>(all.late_us.size());
    return all;
  }

 private:
  // What came this much after the end of the time was not missed.
  static constexpr std::chrono::milliseconds kGrace{2};

  struct Record {
    Nanoseconds start{};
    Nanoseconds period{};
    std::size_t due = 0;
    std::vector<double> late = {};

    // What it was at best in the last quarter and in the first: load makes timers late as well, but
    // not every time.
    [[nodiscard]] double drift() const {
      const auto quarter = static_cast<std::ptrdiff_t>(late.size() / 4);
      if (quarter < 10) return 0;
      return std::max(0.0, *std::min_element(late.end() - quarter, late.end()) -
                               *std::min_element(late.begin(), late.begin() + quarter));
    }
  };
  struct OnTick {
    PeriodicOf* run;
    Record* record;
    void operator()(std::uint64_t expirations) { run->on_tick(*record, expirations); }
  };

  void on_tick(Record& record, std::uint64_t expirations) {
    const Nanoseconds now = elapsed();
    for (; expirations > 0 && record.late.size() < record.due; --expirations) {
      const auto number = static_cast<double>(record.late.size() + 1);
      record.late.push_back((now - record.start - number * record.period).count() / 1000);
    }
    if (now >= end_) peer_.stop();
  }

  Nanoseconds end_{};
  Nanoseconds cpu_{};
  std::deque<Record> records_;
  Peer peer_;
  std::deque<typename Peer::template Periodic<OnTick>> timers_;
};

template <class Peer>
Punctuality measure_periodic(const std::string& name, std::size_t timers, Nanoseconds time) {
  return PeriodicOf<Peer>(name, timers, time).result();
}

}  // namespace bench
