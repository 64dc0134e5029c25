// SPDX-License-Identifier: BSL-1.0
#include "detent/framing.h"

#include "support/standard.h"

namespace detent {
namespace {

using namespace std::string_literals;
using Lines = std::vector<std::string>;

constexpr std::size_t kRoomy = 1000;

void take_all(LineParser& parser, Lines& lines) {
  while (const auto line = parser.next()) lines.emplace_back(*line);
}

struct Outcome {
  Lines lines;
  bool too_long = false;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// The lines of a whole stream that arrives in these pieces.
Outcome parse(const std::vector<std::string_view>& pieces, std::size_t max_length) {
  LineParser parser(max_length);
  Outcome outcome;
  for (const std::string_view piece : pieces) {
    parser.append(piece);
    take_all(parser, outcome.lines);
  }
  while (const auto line = parser.finish()) outcome.lines.emplace_back(*line);
  outcome.too_long = parser.too_long();
  return outcome;
}

// The same by the plainest means, for comparison.
Outcome model(std::string_view stream, std::size_t max_length) {
  Outcome outcome;
  while (!stream.empty()) {
    const std::size_t end = stream.find('\n');
    std::string_view line = stream.substr(0, end);
    if (end != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > max_length) {
      outcome.too_long = true;
      break;
    }
    outcome.lines.emplace_back(line);
    stream.remove_prefix(end == std::string_view::npos ? stream.size() : end + 1);
  }
  return outcome;
}

TEST(LineParser, GivesLinesWithoutTheirEnds) {
  EXPECT_EQ(parse({"one\ntwo\r\n\n\r\nfive\n"}, kRoomy).lines,
            (Lines{"one", "two", "", "", "five"}));
}

TEST(LineParser, KeepsEveryByteThatEndsNoLine) {
  EXPECT_EQ(parse({"a\rb\n\r\r\n\0\xff\xc3\x28\n"s}, kRoomy).lines,
            (Lines{"a\rb", "\r", "\0\xff\xc3\x28"s}));
}

TEST(LineParser, N5_EverySplitGivesTheLinesOfTheUnsplitStream) {
  const std::string stream = "one\r\n\r\n\n\rtwo\r\r\nth\0ree\xff\nstop\n12345678\r\nlast\r"s;
  for (const std::size_t max_length : {std::size_t{8}, std::size_t{7}, kRoomy}) {
    const Outcome whole = model(stream, max_length);
    EXPECT_EQ(parse({stream}, max_length), whole);
    for (std::size_t i = 0; i <= stream.size(); ++i) {
      for (std::size_t j = i; j <= stream.size(); ++j) {
        const std::string_view view = stream;
        EXPECT_EQ(parse({view.substr(0, i), view.substr(i, j - i), view.substr(j)}, max_length),
                  whole)
            << "split at " << i << " and " << j;
      }
    }
  }
}

TEST(LineParser, N5_RandomSplitsOfRandomStreamsGiveTheSameLines) {
  const unsigned int seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 5'000 && !HasFailure(); ++round) {
    std::string stream(random() % 60, '\0');
    for (char& byte : stream) byte = "\n\r\nab\0\xff\r"[random() % 8];
    const std::size_t max_length = random() % 8 + 1;

    std::vector<std::string_view> pieces;
    for (std::string_view rest = stream; !rest.empty();) {
      pieces.push_back(rest.substr(0, random() % 8));
      rest.remove_prefix(pieces.back().size());
    }
    EXPECT_EQ(parse(pieces, max_length), model(stream, max_length))
        << testing::PrintToString(stream) << " at most " << max_length;
  }
}

TEST(LineParser, N5_TheMaximumIsExactAndDoesNotCountTheLinesEnd) {
  for (const char* end : {"\n", "\r\n"}) {
    for (const std::size_t length : {4U, 5U}) {
      const std::string line(length, 'x');
      EXPECT_EQ(parse({line + end}, 5), (Outcome{{line}, false})) << length;
    }
    EXPECT_EQ(parse({std::string(6, 'x') + end}, 5), (Outcome{{}, true}));
  }
}

TEST(LineParser, N5_AnEndlessLineIsTooLongBeforeItEnds) {
  LineParser parser(5);
  parser.append("12345");
  EXPECT_FALSE(parser.next());
  EXPECT_FALSE(parser.too_long());
  parser.append("6");
  EXPECT_FALSE(parser.next());
  EXPECT_TRUE(parser.too_long());
}

TEST(LineParser, N5_ACarriageReturnAfterTheMaximumIsJudgedByWhatFollows) {
  for (const char* next : {"\n", "x", "\r"}) {
    LineParser parser(5);
    parser.append("12345\r");
    EXPECT_FALSE(parser.next());
    EXPECT_FALSE(parser.too_long());
    EXPECT_EQ(parser.partial(), "12345");
    parser.append(next);
    EXPECT_EQ(parser.next(),
              next == "\n"s ? std::optional<std::string_view>("12345") : std::nullopt);
    EXPECT_EQ(parser.too_long(), next != "\n"s);
  }
  EXPECT_EQ(parse({"12345\r"}, 5), (Outcome{{}, true}));
}

TEST(LineParser, N5_LinesBeforeTheOneThatIsTooLongAreGivenOutAndNoneAfterIt) {
  LineParser parser(3);
  parser.append("a\nb\nlong\nc\n");
  EXPECT_EQ(parser.next(), "a");
  EXPECT_FALSE(parser.too_long());
  EXPECT_EQ(parser.next(), "b");
  EXPECT_FALSE(parser.next());
  EXPECT_TRUE(parser.too_long());
  parser.append("d\n");
  EXPECT_FALSE(parser.next());
  EXPECT_FALSE(parser.finish());
  EXPECT_EQ(parser.partial(), "lon");
}

TEST(LineParser, WithoutAMaximumItCannotBeMade) {
  EXPECT_THROW(LineParser(0), std::invalid_argument);
  EXPECT_EQ(LineParser(1).max_length(), 1U);
  EXPECT_EQ(parse({"any\nlength"}, std::string::npos), (Outcome{{"any", "length"}, false}));
}

TEST(LineParser, ShowsTheUnfinishedLineSoFar) {
  LineParser parser(kRoomy);
  EXPECT_EQ(parser.partial(), "");
  parser.append("one\nst");
  EXPECT_EQ(parser.partial(), "");  // not looked at yet
  EXPECT_EQ(parser.next(), "one");
  EXPECT_EQ(parser.partial(), "");
  EXPECT_FALSE(parser.next());
  EXPECT_EQ(parser.partial(), "st");
  parser.append("op\r");
  EXPECT_FALSE(parser.next());
  EXPECT_EQ(parser.partial(), "stop\r");
  parser.append("\n");
  EXPECT_EQ(parser.next(), "stop");
  EXPECT_EQ(parser.partial(), "");
}

TEST(LineParser, GivesTheLastLineWithoutAnEndOnce) {
  LineParser parser(kRoomy);
  parser.append("one\ntwo\nlast");
  EXPECT_EQ(parser.finish(), "one");
  EXPECT_EQ(parser.finish(), "two");
  EXPECT_EQ(parser.finish(), "last");
  EXPECT_FALSE(parser.finish());

  EXPECT_EQ(parse({"one\n"}, kRoomy).lines, Lines{"one"});
  EXPECT_EQ(parse({}, kRoomy).lines, Lines{});
}

TEST(LineParser, StartsAnewWhenCleared) {
  LineParser parser(3);
  parser.append("a\ntoo long");
  EXPECT_EQ(parser.next(), "a");
  EXPECT_FALSE(parser.next());
  EXPECT_TRUE(parser.too_long());
  parser.clear();
  EXPECT_FALSE(parser.too_long());
  EXPECT_EQ(parser.partial(), "");
  parser.append("b\n");
  EXPECT_EQ(parser.next(), "b");
}

TEST(LineParser, AViewIsValidUntilTheNextCall) {
  LineParser parser(kRoomy);
  parser.append("first\nsecond\n");
  const auto first = parser.next();
  EXPECT_EQ(first, "first");
  EXPECT_EQ(parser.partial(), "");
  EXPECT_FALSE(parser.too_long());
  EXPECT_EQ(first, "first");
}

// A buffer that allocated or grew would move sooner or later, and one that kept what was taken
// would have the unfinished line further behind.
TEST(LineParser, KeepsItsBufferAndInItOnlyTheUnfinishedLine) {
  LineParser parser(kRoomy);
  const char* buffer = nullptr;
  for (int round = 0; round < 1'000; ++round) {
    parser.append("tail\n" + std::string(900, 'x') + "\nhead" + std::string(300, 'y'));
    const auto first = parser.next();
    ASSERT_TRUE(first);
    if (round < 2) buffer = first->data();  // the second has a head to carry
    ASSERT_EQ(first->data(), buffer);
    ASSERT_TRUE(parser.next());
    ASSERT_FALSE(parser.next());
    ASSERT_EQ(parser.partial().data(), buffer);
    ASSERT_EQ(parser.partial().size(), 304U);
  }
}

// No time is measured here: at four million bytes the alternative, which looks at a line from its
// start again for each byte, would take the test's whole allowance many times over.
TEST(LineParser, N2_GivesBackItsMemoryAbove64KiBWhenLittleIsLeft) {
  for (const std::string rest : {"", "the beginning of a line"}) {
    LineParser parser(kRoomy);
    std::string burst;
    while (burst.size() < 400'000) burst += "a line of some length\n";
    parser.append(burst + rest);
    EXPECT_GE(parser.capacity(), 400'000U);
    Lines lines;
    take_all(parser, lines);
    EXPECT_LT(parser.capacity(), 100U);
    EXPECT_EQ(parser.partial(), rest);
    parser.append("\n");
    EXPECT_EQ(parser.next(), rest);
  }
}

TEST(LineParser, N2_GivesBackTheMemoryOfALongLineThatWasDropped) {
  LineParser parser(200'000);
  parser.append(std::string(150'000, 'x'));
  EXPECT_FALSE(parser.next());
  EXPECT_GE(parser.capacity(), 150'000U);
  parser.clear();
  EXPECT_LT(parser.capacity(), 100U);
}

TEST(LineParser, ALongLineByteByByteTakesLinearTime) {
  constexpr std::size_t kLength = 4'000'000;
  LineParser parser(kLength);
  for (std::size_t i = 0; i < kLength; ++i) {
    parser.append("x");
    if (parser.next()) FAIL() << "a line before its end";
  }
  parser.append("\n");
  const auto line = parser.next();
  ASSERT_TRUE(line);
  EXPECT_EQ(line->size(), kLength);
}

// Likewise: moving all that is left for each line taken would be 3 * 10^13 bytes.
TEST(LineParser, TakingLinesFromALongQueueTakesLinearTime) {
  constexpr int kLines = 4'000'000;
  LineParser parser(kRoomy);
  std::string queue;
  for (int i = 0; i < kLines; ++i) queue += "x\n";
  parser.append(queue);
  int wrong = 0;
  for (int i = 0; i < kLines; ++i) {
    if (parser.next() != "x") ++wrong;
    parser.append("y\n");
  }
  for (int i = 0; i < kLines; ++i) {
    if (parser.next() != "y") ++wrong;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_FALSE(parser.next());
}

}  // namespace
}  // namespace detent
