// SPDX-License-Identifier: BSL-1.0
// What Links promises as every source does: order, budget, exceptions, threads, forks, costs.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "detent/links.h"
#include "detent/observer.h"
#include "detent/reactor.h"
#include "links/link_socket.h"
#include "support/allocations.h"
#include "support/at_the_end.h"
#include "support/conformance.h"
#include "support/connected_pair.h"
#include "support/descriptor_table.h"
#include "support/errors.h"
#include "support/failing_calls.h"
#include "support/kernel_double.h"
#include "support/link_fixtures.h"
#include "support/link_texts.h"
#include "support/own_links.h"
#include "support/processes.h"
#include "support/reactor_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;
using Kind = LinkChange::Kind;

class LinksContractOnEveryPoller : public OnOwnNetwork {
 protected:
  using OnOwnNetwork::record;
  // The watch writes who was told what.
  Handle record(Links& links, const std::string& name) {
    return links.watch([this, name](const LinkChange& change) {
      trace_.push_back(name + ": " + text_of(change));
    });
  }
  Texts trace() { return std::exchange(trace_, {}); }

  Texts trace_;
};

// ---- telling

TEST_P(LinksContractOnEveryPoller, K11_AllAreToldOfAChangeBeforeTheNextInTheOrderOfTheirCalls) {
  const auto links = make();
  const Handle first = record(*links, "1");
  Handle second = record(*links, "2");
  const Handle third = record(*links, "3");
  second.cancel();
  const Handle fourth = record(*links, "4");
  const Handle fifth = record(*links, "5");  // perhaps in the place of the second
  network_.set_up("lo", kUp);
  EXPECT_EQ(turn(), 8U);
  EXPECT_EQ(trace(), (Texts{"1: up lo", "3: up lo", "4: up lo", "5: up lo", "1: running lo",
                            "3: running lo", "4: running lo", "5: running lo"}));
}

TEST_P(LinksContractOnEveryPoller, K11_ANewWatchIsToldOfWhatTheListDoesNotHave) {
  const auto links = make();
  Handle second;
  const Handle first = links->watch([&](const LinkChange& change) {
    if (change.kind != Kind::up) return;
    EXPECT_TRUE(links->find("lo")->running);
    second = record(*links, "new");
  });
  network_.set_up("lo", kUp);
  turn();
  EXPECT_EQ(trace(), Texts{}) << "the link ran already when the watch was made";
  network_.set_up("lo", !kUp);
  turn();
  EXPECT_EQ(trace(), (Texts{"new: not_running lo", "new: down lo"}));
}

TEST_P(LinksContractOnEveryPoller, O6_AThrowLosesNoChangeAndTellsNoneTwice) {
  const auto links = make();
  int throws = 2;
  const Handle before = record(*links, "before");
  const Handle thrower = links->watch([&](const LinkChange& change) {
    trace_.push_back("thrower: " + text_of(change));
    if (throws-- > 0) throw std::runtime_error("oops");
  });
  const Handle after = record(*links, "after");
  network_.set_up("lo", kUp);
  EXPECT_THROW(turn(), std::runtime_error);
  const Handle late = record(*links, "late");
  EXPECT_THROW(turn(), std::runtime_error);
  EXPECT_EQ(turn(), 1U);
  EXPECT_EQ(turn(), 0U);
  EXPECT_EQ(trace(), (Texts{"before: up lo", "thrower: up lo", "after: up lo", "before: running lo",
                            "thrower: running lo", "after: running lo"}));
}

TEST_P(LinksContractOnEveryPoller, O6_AThrowDuringTheRecoveryFromALossLosesNothing) {
  network_.add("eth0");
  const auto links = make({.messages_per_turn = 1, .receive_buffer = 1});
  bool throws = false;
  const Handle thrower = links->watch([&](const LinkChange& change) {
    changes_.push_back(change);
    throws = !throws;
    if (throws) throw std::runtime_error("oops");
  });
  for (int i = 0; i < 51; ++i) network_.set_up("lo", i % 2 == 0);
  network_.set_up("eth0", kUp);
  for (int i = 0; i < 100; ++i) {
    try {
      turn();
    } catch (const std::runtime_error&) {
    }
  }
  EXPECT_EQ(links->list(), network_.links());
  EXPECT_EQ(changes_.size(), links->counters().changes);
  EXPECT_EQ(std::ranges::count(texts_of(changes_), "up eth0"), 1);
}

TEST_P(LinksContractOnEveryPoller, O2_ATurnReadsAsManyMessagesAsTheOptionSays) {
  const auto links = make({.messages_per_turn = 2});
  const Handle watch = record(*links);
  for (const bool up : {true, false, true, false, true}) network_.set_up("lo", up);
  EXPECT_EQ(turn(), 4U);
  EXPECT_EQ(turn(), 4U);
  EXPECT_EQ(turn(), 2U);
  EXPECT_EQ(turn(), 0U);
}

TEST_P(LinksContractOnEveryPoller, O4_ChangesThatNobodyWatchesAreNoCallbacks) {
  const auto links = make();
  network_.set_up("lo", kUp);
  EXPECT_EQ(turn(), 0U);
  EXPECT_TRUE(links->find("lo")->up);
  EXPECT_EQ(links->counters().changes, 2U);
  EXPECT_LT(turns_in(std::chrono::milliseconds(5)), kFewTurns);
}

TEST_P(LinksContractOnEveryPoller, M5_AnObserverHearsTheNamesOfTheWatches) {
  struct Names final : Observer {
    void before(const Call& call) noexcept override { names.emplace_back(call.name.text); }
    void after(const Call& call) noexcept override { names.emplace_back(call.name.text); }
    void turn(Duration /*waited*/, Duration /*worked*/) noexcept override {}
    Texts names;
  } heard;
  const auto links = make();
  const auto ignore = [](const LinkChange&) {};
  const Handle first = links->watch(ignore, "routes");
  const Handle second = links->watch(ignore, "addresses");
  network_.add("eth0");
  const Handle observing = reactor_.observe(heard);
  turn();
  EXPECT_EQ(heard.names, (Texts{"routes", "routes", "addresses", "addresses"}));
}

TEST_P(LinksContractOnEveryPoller, AChangeAllocatesNothing) {
  const auto links = make();
  int calls = 0;
  const Handle first = links->watch([&](const LinkChange&) { ++calls; });
  const Handle second = links->watch([&](const LinkChange&) { ++calls; });
  std::size_t allocated = 0;
  for (int i = 0; i < 40; ++i) {
    network_.set_up("lo", i % 2 == 0);
    const std::size_t now = allocations_in([&] { turn(); });
    if (i >= 4) allocated += now;
  }
  EXPECT_EQ(allocated, 0U);
  EXPECT_EQ(calls, 160);
}

TEST_P(LinksContractOnEveryPoller, L1_WatchesThatComeAndGoUseTheSameMemory) {
  const auto links = make();
  const auto come_and_go = [&] {
    for (int i = 0; i < 1'000; ++i) Handle(links->watch([](const LinkChange&) {})).cancel();
  };
  come_and_go();
  EXPECT_EQ(allocations_in(come_and_go), 0U);
}

TEST_P(LinksContractOnEveryPoller, L7_TheLoopMayRunWhileItGoesAndTellsNobody) {
  auto links = make();
  int ends = 0;
  const Handle first = links->watch([end = at_the_end([&] {
                                       ++ends;
                                       network_.set_up("lo", kUp);
                                       EXPECT_EQ(turn(), 0U);
                                     })](const LinkChange&) {});
  const Handle second = record(*links, "second");
  links.reset();
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(trace(), Texts{});
}

// ---- the socket

// The one descriptor that has been opened.
int only(const std::set<int>& opened) {
  EXPECT_EQ(opened.size(), 1U);
  return *opened.begin();
}

TEST_P(LinksContractOnEveryPoller, O8_ItHasOneDescriptorThatIsClosedOnExecAndGoesWithIt) {
  const DescriptorsBefore before;
  auto links = make();
  EXPECT_TRUE(is_close_on_exec(only(before.opened_since())));
  links.reset();
  EXPECT_EQ(before.opened_since(), std::set<int>{});
}

TEST_P(LinksContractOnEveryPoller, O8_AForkedChildLeavesItsParentsAlone) {
  auto links = make();
  const Handle watch = record(*links);
  EXPECT_TRUE(holds_in_a_forked_child([&] {
    EXPECT_THROW(static_cast<void>(record(*links)), std::logic_error);
    EXPECT_THROW(static_cast<void>(links->list()), std::logic_error);
    EXPECT_THROW(static_cast<void>(links->find("lo")), std::logic_error);
    EXPECT_THROW(Links{reactor_}, std::logic_error);
    links.reset();
  }));
  network_.set_up("lo", kUp);
  turn();
  EXPECT_EQ(told(), (Texts{"up lo", "running lo"}));
}

TEST_P(LinksContractOnEveryPoller, O7_ItBelongsToItsThread) {
  const auto links = make();
  std::thread([&] {
    EXPECT_THROW(static_cast<void>(record(*links)), std::logic_error);
    EXPECT_THROW(static_cast<void>(links->list()), std::logic_error);
    EXPECT_THROW(static_cast<void>(links->find("lo")), std::logic_error);
  }).join();
}

TEST_P(LinksContractOnEveryPoller, K11_MessagesOfOtherProgramsAreIgnored) {
  const DescriptorsBefore before;
  const auto links = make();
  const Handle watch = record(*links);
  sockaddr_nl address = {};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  checked(::getsockname(only(before.opened_since()), generic, &size), "getsockname");
  address.nl_groups = 0;
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } lie = {};
  lie.header.nlmsg_len = sizeof lie;
  lie.header.nlmsg_type = RTM_DELLINK;
  lie.link.ifi_index = 1;
  const UniqueFd other = network_.inside(
      [] { return UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)); });
  checked(static_cast<int>(::sendto(other.fd(), &lie, sizeof lie, 0, generic, size)), "sendto");
  const std::string large(50'000, 'x');
  checked(static_cast<int>(::sendto(other.fd(), large.data(), large.size(), 0, generic, size)),
          "sendto");
  turn();
  EXPECT_EQ(told(), Texts{});
  EXPECT_EQ(links->list().size(), 1U);
  EXPECT_EQ(links->counters().losses, 0U);
}

TEST_P(LinksContractOnEveryPoller, K11_AMessageThatDoesNotFitMakesRoomAndIsALoss) {
  LinkSocket socket = network_.inside([] { return LinkSocket(0, 100); });
  LinkReading reading;
  std::size_t losses = 0;
  std::size_t links = 0;
  while (losses < 10 && links == 0) {
    socket.ask();
    do {
      socket.read(reading);
      losses += reading.is_lossy ? 1U : 0U;
      links += reading.news.size();
    } while (!reading.ends_answer && !reading.is_empty);
  }
  EXPECT_EQ(links, 1U);
  EXPECT_GE(losses, 1U);
}

// ---- setting up

class LinksMakingOnEveryPoller : public ReactorOnEveryPoller {};

TEST_P(LinksMakingOnEveryPoller, K11_TheLinksAreThereOrTheSystemDoesNotSupportThem) {
  if (kKernelIsADouble) {
    EXPECT_UNSUPPORTED(Links(reactor_));
  } else {
    const Links links(reactor_);
    EXPECT_TRUE(links.find("lo"));
  }
}

TEST_P(LinksMakingOnEveryPoller, K11_OptionsThatMeanNothingAreRefused) {
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { const Links links(reactor_, {.messages_per_turn = 0}); }),
            "Links: LinksOptions::messages_per_turn is 0");
  EXPECT_EQ(message_of<std::invalid_argument>(
                [&] { const Links links(reactor_, {.receive_buffer = -7}); }),
            "Links: LinksOptions::receive_buffer is -7");
}

TEST_P(LinksContractOnEveryPoller, K11_AnEmptyCallbackIsRefused) {
  const auto links = make();
  EXPECT_EQ(message_of<std::invalid_argument>([&] { static_cast<void>(links->watch(nullptr)); }),
            "Links::watch: the callback is empty");
}

TEST_P(LinksContractOnEveryPoller, K11_AnErrorOfTheSystemNamesItsCall) {
  const DescriptorsLeft limit(0);
  EXPECT_TRUE(message_of<std::system_error>([&] {
                const Links links(reactor_);
              }).starts_with("Links: socket(NETLINK_ROUTE): "));
}

TEST_P(LinksContractOnEveryPoller, K11_AListThatCannotBeHadIsAnErrorAndNoEndlessTry) {
  EXPECT_TRUE(holds_in_a_forked_child([] {
    Reactor reactor(on_poller(GetParam()));
    if (!let_call_fail(SYS_recvmsg, ENOBUFS)) return;
    EXPECT_EQ(error_of([&] { const Links links(reactor); }), std::errc::no_buffer_space);
  }));
}

TEST_P(LinksContractOnEveryPoller, K11_AnErrorOfTheSystemInATurnLeavesRun) {
  EXPECT_TRUE(holds_in_a_forked_child([this] {
    Reactor reactor(on_poller(GetParam()));
    const auto links = network_.inside([&] { return std::make_unique<Links>(reactor); });
    network_.set_up("lo", kUp);
    if (!let_call_fail(SYS_recvmsg, ENOMEM)) return;
    EXPECT_EQ(error_of([&] { reactor.dispatch(); }), std::errc::not_enough_memory);
    EXPECT_EQ(error_of([&] { reactor.dispatch(); }), std::errc::not_enough_memory);
  }));
}

DETENT_ON_EVERY_POLLER(LinksContractOnEveryPoller);
DETENT_ON_EVERY_POLLER(LinksMakingOnEveryPoller);

// ---- with a poller that says what a test wants

class LinksSimulated : public SimulatedReactor {};

TEST_F(LinksSimulated, D4_AnErrorAloneDoesNotSilenceIt) {
  if (kKernelIsADouble) GTEST_SKIP() << "there is no rtnetlink beside a kqueue";
  OwnNetwork network;
  if (!network) GTEST_SKIP() << OwnNetwork::kNotAllowed;
  const DescriptorsBefore before;
  const auto links = network.inside([&] { return std::make_unique<Links>(*reactor_); });
  const int fd = only(before.opened_since());
  clock_.set_ready(fd, {.error = true});
  turn();
  clock_.set_ready(fd, {.readable = true});
  network.set_up("lo", kUp);
  turn();
  EXPECT_TRUE(links->find("lo")->up);
}

}  // namespace
}  // namespace detent
