// SPDX-License-Identifier: BSL-1.0
#include "calendar/random_cron.h"

#include <cctype>

#include "support/standard.h"

namespace detent::testing_support {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

enum class Kind { second, minute, hour, day, month, weekday };

struct Field {
  Kind kind;
  int least, most;
};
constexpr Field kSecond = {Kind::second, 0, 59};
constexpr Field kMinuteField = {Kind::minute, 0, 59};
constexpr Field kHourField = {Kind::hour, 0, 23};
constexpr Field kDayField = {Kind::day, 1, 31};
constexpr Field kMonth = {Kind::month, 1, 12};
constexpr Field kWeekday = {Kind::weekday, 0, 7};

std::string number(Random& random, int least, int most) {
  return std::to_string(least + below(random, most - least + 1));
}

// As a number or as a name, if there is one.
std::string spelled(Random& random, const Field& field, int value) {
  const bool by_name = one_in(random, 2);
  std::string text = std::to_string(value);
  if (by_name && field.kind == Kind::month) text = kMonths.at(static_cast<std::size_t>(value - 1));
  if (by_name && field.kind == Kind::weekday) {
    text = kWeekdays.at(static_cast<std::size_t>(value % 7));
  }
  if (one_in(random, 4)) {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string value(Random& random, const Field& field) {
  return spelled(random, field, field.least + below(random, field.most - field.least + 1));
}

std::string range(Random& random, const Field& field) {
  int from = field.least + below(random, field.most - field.least + 1);
  int to = field.least + below(random, field.most - field.least + 1);
  if (field.kind != Kind::weekday && from > to) std::swap(from, to);
  return spelled(random, field, from) + '-' + spelled(random, field, to);
}

std::string step(Random& random, const Field& field) {
  return '/' + number(random, 1, one_in(random, 3) ? field.most : 4);
}

std::string mark_of_day(Random& random) {
  switch (below(random, 4)) {
    case 0:
      return "L";
    case 1:
      return "L-" + number(random, 0, 30);
    case 2:
      return number(random, 1, 31) + 'W';
    default:
      return "LW";
  }
}

std::string mark_of_weekday(Random& random) {
  return value(random, kWeekday) + (one_in(random, 2) ? "L" : '#' + number(random, 1, 5));
}

std::string item(Random& random, const Field& field) {
  const bool has_marks = field.kind == Kind::day || field.kind == Kind::weekday;
  if (has_marks && one_in(random, 3)) {
    return field.kind == Kind::day ? mark_of_day(random) : mark_of_weekday(random);
  }
  switch (below(random, 6)) {
    case 0:
      return '*' + step(random, field);
    case 1:
      return range(random, field);
    case 2:
      return range(random, field) + step(random, field);
    case 3:
      return value(random, field) + step(random, field);
    default:
      return value(random, field);
  }
}

std::string text_of(Random& random, const Field& field) {
  const bool is_date = field.kind >= Kind::day;
  if (one_in(random, is_date ? 3 : 8)) {
    return is_date && field.kind != Kind::month && one_in(random, 3) ? "?" : "*";
  }
  std::string text = item(random, field);
  while (one_in(random, 4)) text += ',' + item(random, field);
  return text;
}

}  // namespace

std::uint64_t seed_from_environment() {
  const char* const text = std::getenv("DETENT_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

std::string random_expression(Random& random) {
  std::string text;
  if (one_in(random, 4)) text = text_of(random, kSecond) + ' ';
  for (const Field& field : {kMinuteField, kHourField, kDayField, kMonth}) {
    text += text_of(random, field) + ' ';
  }
  return text + text_of(random, kWeekday);
}

std::string damaged(std::string expression, Random& random) {
  constexpr std::string_view kCharacters = "0123456789*?,-/#LWlw @jsSx.\t+";
  const auto any = [&] {
    return kCharacters[static_cast<std::size_t>(
        below(random, static_cast<int>(kCharacters.size())))];
  };
  for (int left = 1 + below(random, 2); left > 0 && !expression.empty(); --left) {
    const auto place = static_cast<std::size_t>(below(random, static_cast<int>(expression.size())));
    switch (below(random, 3)) {
      case 0:
        expression.insert(place, 1, any());
        break;
      case 1:
        expression.erase(place, 1);
        break;
      default:
        expression[place] = any();
    }
  }
  return expression;
}

}  // namespace detent::testing_support
