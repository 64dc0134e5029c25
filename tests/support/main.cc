// SPDX-License-Identifier: BSL-1.0
// GoogleTest's main(), and an account of what the tests found on each poller. The account goes to
// the file that $DETENT_CONFORMANCE names, if any: a line for each test of a suite that runs on
// every poller, with its name, its parameter and the outcome, apart by tabs. A test of a suite with
// types goes through the pollers by itself, and has a line for each of them.
#include <fcntl.h>
#include <unistd.h>

#include "detent/poller.h"
#include "detent/unique_fd.h"
#include "support/conformance.h"
#include "support/standard.h"

namespace detent::testing_support {
namespace {

std::string& outcome_of_the_running_test() {
  static std::string outcome;
  return outcome;
}

class Account final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*info*/) override {
    outcome_of_the_running_test().clear();
  }

  void OnTestEnd(const testing::TestInfo& info) override {
    const char* const path = std::getenv("DETENT_CONFORMANCE");
    const std::string suite = info.test_suite_name();
    const std::string prefix = "OnEveryPoller/";
    if (path == nullptr || suite.rfind(prefix, 0) != 0) return;
    const std::string told = lines(suite.substr(prefix.size()), info);
    // One write, since tests run side by side.
    const UniqueFd file(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (::write(file.fd(), told.data(), told.size()) == -1) std::perror("DETENT_CONFORMANCE");
  }

  static std::string lines(const std::string& suite, const testing::TestInfo& info) {
    const std::string found = outcome(*info.result());
    const std::string name = info.name();
    const bool is_typed = info.type_param() != nullptr;
    const std::size_t slash = (is_typed ? suite : name).find('/');
    if (!is_typed) return line(suite, name.substr(0, slash), name.substr(slash + 1), found);
    std::string all;
    for (const std::string_view poller : poller_names()) {
      all += line(suite.substr(0, slash), name, std::string(poller) + '_' + suite.substr(slash + 1),
                  found);
    }
    return all;
  }

  static std::string line(const std::string& suite, const std::string& name,
                          const std::string& parameter, const std::string& found) {
    return suite + '.' + name + '\t' + parameter + '\t' + found + '\n';
  }

  static std::string outcome(const testing::TestResult& result) {
    if (result.Failed()) return "failed";
    // A fixture that says why its tests cannot run skips them after that.
    const std::string& said = outcome_of_the_running_test();
    if (!said.empty()) return said;
    return result.Skipped() ? "skipped: " + reason_to_skip(result) : "same";
  }

  static std::string reason_to_skip(const testing::TestResult& result) {
    std::string reason;
    for (int i = 0; i < result.total_part_count(); ++i) {
      const testing::TestPartResult& part = result.GetTestPartResult(i);
      if (part.skipped()) reason = part.message();
    }
    std::replace_if(
        reason.begin(), reason.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    return reason.substr(0, reason.find_last_not_of(' ') + 1);
  }
};

}  // namespace

void note_outcome(const std::string& outcome) {
  std::string& all = outcome_of_the_running_test();
  if (all.find(outcome) != std::string::npos) return;
  all += (all.empty() ? "" : "; ") + outcome;
}

}  // namespace detent::testing_support

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(
      new detent::testing_support::Account);  // which owns it
  return RUN_ALL_TESTS();
}
