// SPDX-License-Identifier: BSL-1.0
#include "calendar/naive_cron.h"

#include <cctype>

#include "support/standard.h"

namespace detent::testing_support {
namespace {

using Numbers = std::bitset<64>;
using Names = std::vector<std::string>;

const Names kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                       "jul", "aug", "sep", "oct", "nov", "dec"};
const Names kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

const std::map<std::string, std::string> kMacros = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"}};

struct Field {
  int least;
  int most;
  Names names = {};
  bool goes_round = false;  // the days of the week, where 7 is 0
};

[[noreturn]] void refuse(const std::string& text) { throw std::invalid_argument(text); }

// Also what is empty between two of them, and before the first and after the last.
std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == by) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

int number(const std::string& text, int least, int most) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > 9 || !std::all_of(text.begin(), text.end(), is_digit)) {
    refuse(text);
  }
  const int value = std::stoi(text);
  if (value < least || value > most) refuse(text);
  return value;
}

int value(const std::string& text, const Field& field) {
  const auto name = std::find(field.names.begin(), field.names.end(), text);
  if (name == field.names.end()) return number(text, field.least, field.most);
  return static_cast<int>(name - field.names.begin()) + field.least;
}

void read_item(const std::string& item, const Field& field, Numbers& numbers) {
  const std::vector<std::string> parts = split(item, '/');
  if (parts.size() > 2) refuse(item);
  const bool has_step = parts.size() == 2;
  const int step = has_step ? number(parts[1], 1, field.most) : 1;
  const int end = field.goes_round ? 6 : field.most;  // 7 is only another name of 0

  int from = field.least;
  int to = end;
  if (parts[0] != "*") {
    const std::vector<std::string> ends = split(parts[0], '-');
    if (ends.size() > 2) refuse(item);
    from = value(ends[0], field);
    to = ends.size() == 2 ? value(ends[1], field) : has_step ? std::max(from, end) : from;
    if (to < from && !field.goes_round) refuse(item);
    if (to < from) to += 7;
  }
  for (int n = from; n <= to; n += step) {
    numbers.set(static_cast<std::size_t>(field.goes_round ? n % 7 : n));
  }
}

Numbers read(const std::string& text, const Field& field) {
  Numbers numbers;
  for (const std::string& item : split(text, ',')) read_item(item, field, numbers);
  return numbers;
}

const Field kWeekdayField = {0, 7, kWeekdays, true};

bool is_any(const std::string& field) { return field == "*" || field == "?"; }

std::vector<std::string> fields_of(std::string expression) {
  for (char& c : expression) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::replace(expression.begin(), expression.end(), '\t', ' ');
  std::vector<std::string> fields = split(expression, ' ');
  std::erase(fields, "");
  return fields;
}

int days_in_month(const std::tm& t) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const int year = t.tm_year + 1900;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return t.tm_mon == 1 && leap ? 29 : kDays.at(static_cast<std::size_t>(t.tm_mon));
}

// The working day of that month which is next to the `day`-th; 0 if it has no such day.
int nearest_working_day(const std::tm& t, int day) {
  const int last = days_in_month(t);
  if (day > last) return 0;
  const int weekday = ((t.tm_wday + day - t.tm_mday) % 7 + 7) % 7;
  if (weekday == 6) return day == 1 ? 3 : day - 1;
  if (weekday == 0) return day == last ? day - 2 : day + 1;
  return day;
}

bool holds(const Numbers& numbers, int n) { return numbers.test(static_cast<std::size_t>(n)); }

}  // namespace

NaiveCron::NaiveCron(const std::string& expression) {
  std::vector<std::string> fields = fields_of(expression);
  if (fields.size() == 1 && kMacros.count(fields[0]) != 0) {
    fields = fields_of(kMacros.at(fields[0]));
  }
  if (fields.size() == 5) fields.insert(fields.begin(), "0");
  if (fields.size() != 6) refuse(expression);
  seconds_ = read(fields[0], {0, 59});
  minutes_ = read(fields[1], {0, 59});
  hours_ = read(fields[2], {0, 23});
  regular_ = fields[2].front() == '*';
  read_days(fields[3]);
  months_ = read(fields[4], {1, 12, kMonths});
  read_weekdays(fields[5]);
  if (!ever_names_a_date()) refuse(expression);
}

void NaiveCron::read_days(const std::string& field) {
  any_day_ = is_any(field);
  if (any_day_) return;
  for (const std::string& item : split(field, ',')) {
    if (item == "l") {
      days_before_last_.push_back(0);
    } else if (item == "lw") {
      last_working_day_ = true;
    } else if (item.starts_with("l-")) {
      days_before_last_.push_back(number(item.substr(2), 0, 30));
    } else if (item.ends_with("w")) {
      nearest_working_days_.push_back(number(item.substr(0, item.size() - 1), 1, 31));
    } else {
      read_item(item, {1, 31}, days_);
    }
  }
}

void NaiveCron::read_weekdays(const std::string& field) {
  any_weekday_ = is_any(field);
  if (any_weekday_) return;
  for (const std::string& item : split(field, ',')) {
    const std::size_t mark = item.find('#');
    if (mark != std::string::npos) {
      nth_weekdays_.emplace_back(value(item.substr(0, mark), kWeekdayField) % 7,
                                 number(item.substr(mark + 1), 1, 5));
    } else if (item.ends_with("l")) {
      last_weekdays_.push_back(value(item.substr(0, item.size() - 1), kWeekdayField) % 7);
    } else {
      read_item(item, kWeekdayField, weekdays_);
    }
  }
}

// Any 28 years without a century's end have all fourteen calendars.
bool NaiveCron::ever_names_a_date() const {
  constexpr std::time_t kDay = 24 * 60 * 60;
  std::tm t = {};
  t.tm_year = 100;
  t.tm_mday = 1;
  for (std::time_t day = ::timegm(&t); t.tm_year < 128; day += kDay) {
    ::gmtime_r(&day, &t);
    if (names_date(t)) return true;
  }
  return false;
}

bool NaiveCron::names_minute(const std::tm& shown) const {
  return holds(minutes_, shown.tm_min) && holds(hours_, shown.tm_hour) && names_date(shown);
}

bool NaiveCron::names_date(const std::tm& shown) const {
  if (!holds(months_, shown.tm_mon + 1)) return false;
  if (any_day_ && any_weekday_) return true;
  if (any_day_) return names_weekday(shown);
  if (any_weekday_) return names_day(shown);
  return names_day(shown) || names_weekday(shown);
}

bool NaiveCron::names_day(const std::tm& shown) const {
  const int day = shown.tm_mday;
  const int last = days_in_month(shown);
  if (holds(days_, day)) return true;
  for (const int before : days_before_last_) {
    if (day == last - before) return true;
  }
  for (const int near : nearest_working_days_) {
    if (day == nearest_working_day(shown, near)) return true;
  }
  return last_working_day_ && day == nearest_working_day(shown, last);
}

bool NaiveCron::names_weekday(const std::tm& shown) const {
  if (holds(weekdays_, shown.tm_wday)) return true;
  for (const int weekday : last_weekdays_) {
    if (weekday == shown.tm_wday && shown.tm_mday + 7 > days_in_month(shown)) return true;
  }
  for (const auto& [weekday, n] : nth_weekdays_) {
    if (weekday == shown.tm_wday && (shown.tm_mday - 1) / 7 + 1 == n) return true;
  }
  return false;
}

}  // namespace detent::testing_support
