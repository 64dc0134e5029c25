// SPDX-License-Identifier: BSL-1.0
// docs/calendar.md describes what is parsed here.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "cron_fields.h"
#include "detent/cron.h"
#include "shown.h"

namespace detent {
namespace {

struct Unit {
  const char* name;
  int least;
  int most;
  std::span<const std::string_view> names;  // of the numbers from `least` on
};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};
constexpr Unit kSecond = {"a second", 0, 59, {}};
constexpr Unit kMinute = {"a minute", 0, 59, {}};
constexpr Unit kHour = {"an hour", 0, 23, {}};
constexpr Unit kDay = {"a day of the month", 1, 31, {}};
constexpr Unit kMonth = {"a month", 1, 12, kMonths};
constexpr Unit kWeekday = {"a day of the week", 0, 7, kWeekdays};  // 0 and 7 are Sunday

struct Macro {
  std::string_view name;
  std::string_view means;
};
constexpr std::array<Macro, 7> kMacros = {{{"@yearly", "0 0 1 1 *"},
                                           {"@annually", "0 0 1 1 *"},
                                           {"@monthly", "0 0 1 * *"},
                                           {"@weekly", "0 0 * * 0"},
                                           {"@daily", "0 0 * * *"},
                                           {"@midnight", "0 0 * * *"},
                                           {"@hourly", "0 * * * *"}}};

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

// One field of an expression, read from left to right.
class FieldParser {
 public:
  FieldParser(std::string_view expression, std::size_t begin, std::size_t end, const Unit& unit)
      : expression_(expression), place_(begin), end_(end), unit_(unit) {}

  [[noreturn]] void fail(const std::string& expected) const {
    throw CronError(expression_, place_, expected);
  }

  [[nodiscard]] bool at_end() const { return place_ == end_; }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : lower(expression_[place_]); }
  bool take(char c) {
    if (peek() != c) return false;
    ++place_;
    return true;
  }

  // A number in digits, from `least` to `most`.
  int digits(int least, int most, const std::string& what) {
    const std::size_t begin = place_;
    int number = 0;
    while (is_digit(peek()) && number <= 1000) number = number * 10 + (expression_[place_++] - '0');
    if (place_ != begin && number >= least && number <= most) return number;
    place_ = begin;
    fail(what + " from " + std::to_string(least) + " to " + std::to_string(most));
  }

  // A number of this field's unit, in digits or by name.
  int value() {
    for (std::size_t i = 0; i < unit_.names.size(); ++i) {
      if (take_word(unit_.names[i])) return unit_.least + static_cast<int>(i);
    }
    const std::string names = unit_.names.empty() ? "" : " or a name";
    return digits(unit_.least, unit_.most, unit_.name + names);
  }

  int step() { return digits(1, unit_.most, "a step"); }

  // Items with commas between them.
  template <class Item>
  void list(Item item) {
    do item();
    while (take(','));
    if (!at_end()) fail("a comma, or the end of this field");
  }

  // `*`, `*/n`, `a`, `a-b`, `a/n`, `a-b/n`. `first`: the value `a`, if the caller has read it.
  NumberSet numbers(std::optional<int> first = std::nullopt) {
    const int top = &unit_ == &kWeekday ? 6 : unit_.most;
    int from = unit_.least;
    int to = top;
    if (first || !take('*')) {
      from = first ? *first : value();
      to = from;
      if (take('-')) {
        to = range_end(from);
      } else if (peek() == '/') {
        to = std::max(from, top);
      }
    }
    const int step_length = take('/') ? step() : 1;
    return set_of(from, to, step_length);
  }

 private:
  bool take_word(std::string_view word) {
    if (end_ - place_ < word.size()) return false;
    const std::string_view here = expression_.substr(place_, word.size());
    const bool same = std::equal(word.begin(), word.end(), here.begin(),
                                 [](char w, char h) { return w == lower(h); });
    if (same) place_ += word.size();
    return same;
  }

  // Only a range of weekdays may wrap around: fri-mon.
  int range_end(int from) {
    const std::size_t begin = place_;
    const int to = value();
    if (to >= from) return to;
    if (&unit_ == &kWeekday) return to + 7;
    place_ = begin;
    fail("an end that is not before the range's beginning");
  }

  [[nodiscard]] NumberSet set_of(int from, int to, int step_length) const {
    NumberSet set = 0;
    for (int n = from; n <= to; n += step_length) set |= bit(&unit_ == &kWeekday ? n % 7 : n);
    return set;
  }

  std::string_view expression_;
  std::size_t place_;
  std::size_t end_;
  const Unit& unit_;
};

void parse_days(FieldParser& field, CronFields& fields) {
  field.list([&] {
    SpecialDays& special = fields.special;
    if (field.take('l')) {
      if (field.take('w')) {
        special.last_working_day = true;
      } else {
        special.before_last |= bit(field.take('-') ? field.digits(0, 30, "a number of days") : 0);
      }
      return;
    }
    if (!is_digit(field.peek())) {
      fields.days |= field.numbers();
      return;
    }
    const int day = field.value();
    if (field.take('w')) {
      special.near |= bit(day);
    } else {
      fields.days |= field.numbers(day);
    }
  });
}

void parse_weekdays(FieldParser& field, CronFields& fields) {
  field.list([&] {
    SpecialDays& special = fields.special;
    if (field.peek() == '*') {
      fields.weekdays |= field.numbers();
      return;
    }
    const int weekday = field.value();
    if (field.take('l')) {
      special.last_weekdays |= bit(weekday % 7);
    } else if (field.take('#')) {
      special.nth_weekdays |=
          bit(weekday % 7 + 7 * field.digits(1, 5, "which of the month's, a number"));
    } else {
      fields.weekdays |= field.numbers(weekday);
    }
  });
}

struct Word {
  std::size_t begin;
  std::size_t end;
};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < text.size();) {
    if (is_blank(text[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && !is_blank(text[i])) ++i;
    words.push_back({begin, i});
  }
  return words;
}

NumberSet parse_numbers(std::string_view expression, const Word& word, const Unit& unit) {
  FieldParser field(expression, word.begin, word.end, unit);
  NumberSet set = 0;
  field.list([&] { set |= field.numbers(); });
  return set;
}

CronFields parse_fields(std::string_view expression) {
  const std::vector<Word> words = words_of(expression);
  if (words.size() < 5) {
    throw CronError(
        expression, expression.size(),
        "five fields (minute, hour, day, month, weekday), or six with the second first");
  }
  if (words.size() > 6) throw CronError(expression, words[6].begin, "the end, after six fields");

  CronFields fields;
  const Word* word = words.data();
  if (words.size() == 6) fields.seconds = parse_numbers(expression, *word++, kSecond);
  fields.minutes = parse_numbers(expression, *word++, kMinute);
  fields.regular = expression[word->begin] == '*';
  fields.hours = parse_numbers(expression, *word++, kHour);

  const Word& days = *word++;
  const auto text_of = [&](const Word& w) { return expression.substr(w.begin, w.end - w.begin); };
  const auto says_nothing = [&](const Word& w) { return text_of(w) == "*" || text_of(w) == "?"; };
  fields.any_day = says_nothing(days);
  FieldParser day_field(expression, days.begin, days.end, kDay);
  if (!fields.any_day) parse_days(day_field, fields);

  fields.months = parse_numbers(expression, *word++, kMonth);

  fields.any_weekday = says_nothing(*word);
  FieldParser weekday_field(expression, word->begin, word->end, kWeekday);
  if (!fields.any_weekday) parse_weekdays(weekday_field, fields);

  if (!fields.find(0)) throw CronError(expression, days.begin, "a day that its months have");
  return fields;
}

}  // namespace

CronError::CronError(std::string_view expression, std::size_t position, const std::string& expected)
    : std::invalid_argument("Cron: " + shown(expression) + ", at position " +
                            std::to_string(position) + ": expected " + expected),
      position_(position) {}

CronFields parse_cron(std::string_view expression) {
  std::string_view meaning = expression;
  const std::vector<Word> words = words_of(expression);
  if (!words.empty() && expression[words[0].begin] == '@') {
    std::string name(expression.substr(words[0].begin, words[0].end - words[0].begin));
    std::transform(name.begin(), name.end(), name.begin(), lower);
    const auto* const macro = std::find_if(kMacros.begin(), kMacros.end(),
                                           [&](const Macro& m) { return m.name == name; });
    if (macro == kMacros.end()) {
      throw CronError(expression, words[0].begin,
                      "@yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly");
    }
    if (words.size() > 1) throw CronError(expression, words[1].begin, "the end, after " + name);
    meaning = macro->means;
  }
  CronFields fields = parse_fields(meaning);
  fields.expression = expression;
  return fields;
}

}  // namespace detent
