// SPDX-License-Identifier: BSL-1.0
// The same random operations on every poller, each ready set compared with poll(2)'s. What
// is demanded is written in support/poller_model.h. A new poller is tested without a change here;
// if rule L6 has a kind of its own for it, binding_of() must know.
//
// $DETENT_SEED replaces the seed, $DETENT_MODEL_OPERATIONS the number of operations. The default
// seed is fixed, so that a change can be told from bad luck; a run that sets the number of
// operations, as ./dev test --soak does, takes a random one.
#include "support/poller_model.h"

#include <numeric>
#include <span>

#include "detent/poller.h"
#include "support/flawed_poller.h"
#include "support/model_search.h"
#include "support/poller_fixtures.h"
#include "support/poller_operations.h"
#include "support/shrinking.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

std::optional<std::uint64_t> from_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

constexpr std::uint64_t kDefaultSeed = 1;

// Every poller gets the same one.
std::uint64_t first_seed() {
  static const bool soak = from_environment("DETENT_MODEL_OPERATIONS").has_value();
  static const std::uint64_t chosen = soak ? std::random_device()() : kDefaultSeed;
  return from_environment("DETENT_SEED").value_or(chosen);
}

std::size_t operations_to_do() {
  return from_environment("DETENT_MODEL_OPERATIONS").value_or(250'000);
}

class PollerModel : public testing::TestWithParam<std::string_view> {
 protected:
  static void expect_share(std::size_t part, std::size_t whole, std::size_t per_cent,
                           std::string_view what) {
    EXPECT_GE(part * 100, whole * per_cent) << what << ": " << part << " of " << whole;
  }
};

DETENT_ON_EVERY_POLLER(PollerModel);

TEST_P(PollerModel, D2_EveryReadySetIsWhatPollSaysAfterRandomOperations) {
  const std::uint64_t seed = first_seed();
  SCOPED_TRACE("DETENT_SEED=" + std::to_string(seed));
  Coverage coverage;
  const std::optional<Finding> finding =
      find_failure([] { return make_poller(GetParam()); }, seed, operations_to_do(), coverage);
  std::cout << GetParam() << ": " << coverage.to_text() << "DETENT_SEED=" << seed << std::endl;
  if (finding) FAIL() << GetParam() << ": " << finding->to_text();

  EXPECT_GE(coverage.all_operations(), 200'000U);
  for (const Act act : kActs) {
    expect_share(coverage.operations[act], coverage.all_operations(), 5, name_of(act));
  }
  expect_share(coverage.not_empty, coverage.comparisons, 30, "waits that found something");

  const Capabilities can = make_poller(GetParam())->capabilities();
  const std::size_t all_triggers = coverage.registrations[Trigger::level] +
                                   coverage.registrations[Trigger::edge] +
                                   coverage.registrations[Trigger::one_shot];
  expect_share(coverage.registrations[Trigger::one_shot], all_triggers, 5, "one-shots");
  if (can.edge) expect_share(coverage.registrations[Trigger::edge], all_triggers, 5, "edges");

  std::vector<std::string_view> bits = {"readable", "writable", "invalid"};
  if (can.priority) bits.emplace_back("priority");
  if (can.read_closed) bits.emplace_back("read_closed");
  if (can.hangup) bits.insert(bits.end(), {"hangup", "error"});
  for (const std::string_view bit : bits) EXPECT_GE(coverage.bits[bit], 1000U) << bit;
}

// --- Planted bugs: a one-shot that stays armed, an event under the id from before modify, an event
// lost behind a full batch, no writable with readable, a paused descriptor that is reported, and a
// removed one's event that the number's next owner gets.

class PollerModelWithFlaw : public testing::TestWithParam<Flaw> {};

INSTANTIATE_TEST_SUITE_P(OfEveryKind, PollerModelWithFlaw, testing::ValuesIn(kFlaws),
                         [](const auto& param) { return std::string(name_of(param.param)); });

TEST_P(PollerModelWithFlaw, IsFoundOnEveryPollerAndShrunkToAFewOperations) {
  constexpr std::size_t kFew = 10;
  for (const std::string_view name : poller_names()) {
    SCOPED_TRACE(name);
    const auto make = [name] { return make_flawed(make_poller(name), GetParam()); };
    Coverage coverage;
    const std::optional<Finding> finding = find_failure(make, kDefaultSeed, 200'000, coverage);
    ASSERT_TRUE(finding);
    EXPECT_LE(finding->operations.size(), kFew) << finding->to_text();
    Coverage again;
    EXPECT_TRUE(run_operations(*make(), finding->operations, again)) << "not to be repeated";
    EXPECT_FALSE(run_operations(*make_poller(name), finding->operations, again))
        << "the sound one fails as well: " << finding->to_text();
  }
}

// --- What a failure shows

TEST(PollerModelFinding, CanBeReadAndPastedIntoATest) {
  const Finding finding = {
      .seed = 7,
      .what = "it fails",
      .operations = {
          {Act::add, 1, 17}, {Act::reopen, 2, 1}, {Act::write, 1, 8}, {Act::wait, 0, 9}}};
  EXPECT_EQ(finding.to_text(),
            "DETENT_SEED=7 finds this, shrunk to 4 operations:\n"
            "  add slot 1: readable one_shot\n"
            "  reopen slot 2: a TCP pair\n"
            "  write slot 1: data for it, of its duplicate\n"
            "  wait, 1 at a time, until all were heard\n"
            "after which it fails\n"
            "to be repeated: {{Act::add, 1, 17}, {Act::reopen, 2, 1}, {Act::write, 1, 8}, "
            "{Act::wait, 0, 9}}\n");
}

TEST(Shrinking, LeavesOutWhatIsNotNeeded) {
  std::vector<int> sequence(1000);
  std::iota(sequence.begin(), sequence.end(), 0);
  const auto fails = [](std::span<const int> rest) {
    bool has_3 = false;
    for (const int i : rest) {
      if (i == 3) has_3 = true;
      if (i == 700 && has_3) return true;
    }
    return false;
  };
  EXPECT_EQ(shrink(sequence, fails), (std::vector<int>{3, 700}));
}

TEST(RandomOperations, AreTheSameForTheSameSeed) {
  const auto code_of = [](std::uint64_t seed) {
    std::string code;
    for (const Operation& operation : random_operations(seed, 100)) {
      code += to_code(operation);
    }
    return code;
  };
  EXPECT_EQ(code_of(1), code_of(1));
  EXPECT_NE(code_of(1), code_of(2));
}

}  // namespace
}  // namespace detent
