// SPDX-License-Identifier: BSL-1.0
/// \file
/// A loop on each poller, and the links of a network namespace of the test's own.
#pragma once

#include "detent/links.h"
#include "detent/reactor.h"
#include "support/child_program.h"
#include "support/kernel_double.h"
#include "support/link_texts.h"
#include "support/own_links.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

inline constexpr LinksOptions kSmallBuffer = {.receive_buffer = 1};  // the kernel has a minimum
inline constexpr bool kUp = true;

/// A contract test of Links, which has a network for itself.
class OnOwnNetwork : public ReactorOnEveryPoller {
 protected:
  void SetUp() override {
    if (kKernelIsADouble) GTEST_SKIP() << "there is no rtnetlink beside a kqueue";
    if (!network_) GTEST_SKIP() << OwnNetwork::kNotAllowed;
  }

  std::unique_ptr<Links> make(const LinksOptions& options = {}) {
    return network_.inside([&] { return std::make_unique<Links>(reactor_, options); });
  }
  Handle record(Links& links) {
    return links.watch([this](const LinkChange& change) { changes_.push_back(change); });
  }
  // What has been told since the last call.
  Texts told() {
    Texts texts = texts_of(changes_);
    changes_.clear();
    return texts;
  }
  // Turns until none calls back.
  void take_turns() {
    while (turn() > 0) {
    }
  }
  // For what the kernel does by itself, a moment later.
  void run_until_told(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::ranges::count(texts_of(changes_), text) == 0) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << text;
      reactor_.run_once(std::chrono::milliseconds(10));
    }
  }

  OwnNetwork network_;
  std::vector<LinkChange> changes_;
};

}  // namespace detent::testing_support
