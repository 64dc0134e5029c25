// SPDX-License-Identifier: BSL-1.0
/// \file
/// What a cron expression means, said once more in the simplest way: Cron is checked against it,
/// and neither knows the other. It is about what a clock shows, not about instants.
#pragma once

#include <bitset>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

namespace detent::testing_support {

class NaiveCron {
 public:
  /// std::invalid_argument for what is no expression, or names no day of any year.
  explicit NaiveCron(const std::string& expression);

  [[nodiscard]] bool is_regular() const { return regular_; }
  [[nodiscard]] bool names_date(const std::tm& shown) const;
  /// The date and, but for the second, the time.
  [[nodiscard]] bool names_minute(const std::tm& shown) const;
  [[nodiscard]] bool names_second(int second) const {
    return seconds_.test(static_cast<std::size_t>(second));
  }
  [[nodiscard]] bool names(const std::tm& shown) const {
    return names_second(shown.tm_sec) && names_minute(shown);
  }

 private:
  using Numbers = std::bitset<64>;

  void read_days(const std::string& field);
  void read_weekdays(const std::string& field);
  [[nodiscard]] bool ever_names_a_date() const;
  [[nodiscard]] bool names_day(const std::tm& shown) const;
  [[nodiscard]] bool names_weekday(const std::tm& shown) const;

  bool regular_ = false;
  Numbers seconds_, minutes_, hours_, months_;
  bool any_day_ = false;
  bool any_weekday_ = false;
  Numbers days_, weekdays_;
  std::vector<int> days_before_last_;              // L, L-3
  std::vector<int> nearest_working_days_;          // 15W
  bool last_working_day_ = false;                  // LW
  std::vector<int> last_weekdays_;                 // 5L
  std::vector<std::pair<int, int>> nth_weekdays_;  // 5#2
};

}  // namespace detent::testing_support
