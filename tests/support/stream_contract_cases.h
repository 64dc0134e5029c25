// SPDX-License-Identifier: BSL-1.0
/// \file
/// What holds for every kind of stream. Include it in one file of a test program, which names its
/// kinds by DETENT_STREAM_CONTRACT_OF.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "support/descriptor_table.h"
#include "support/stream_contract.h"

namespace detent::testing_support {

// ---- (a) no event from inside a call; the Recorder looks

TEST_P(StreamContract, N2_NoEventComesFromInsideOfACall) {
  write(*far_stream_, far_, "");
  far_.calling([&] { far_stream_->start(far_); });
  EXPECT_EQ(write_far("waiting").size, 7U);
  for (int i = 0; i < 5; ++i) reactor_.dispatch();  // it has arrived
  near_.calling([&] { near_stream_->start(near_); });
  near_.calling([&] { near_stream_->want_bytes(false); });
  near_.calling([&] { near_stream_->want_bytes(true); });
  fill(*near_stream_, near_);
  EXPECT_TRUE(run_until_heard(near_, 'r'));
  EXPECT_EQ(near_.bytes, "waiting");
  near_.calling([&] { near_stream_->finish(); });
  near_.calling([&] { near_stream_->close(); });
  near_.calling([&] { near_stream_->close(); });
  EXPECT_TRUE(run_until_heard(far_, 'e'));
}

TEST_P(StreamContract, N2_NothingIsReadBeforeTheStartAndNothingIsLost) {
  far_.calling([&] { far_stream_->start(far_); });
  EXPECT_EQ(write_far("early").size, 5U);
  rest();
  EXPECT_TRUE(costs_no_turns(reactor_));
  near_.calling([&] { near_stream_->start(near_); });
  EXPECT_TRUE(run_until([&] { return near_.bytes == "early"; }));
}

TEST_P(StreamContract, L2_OneThatWasNeverStartedMayBeClosedOrDestroyed) {
  for (const bool close : {true, false}) {
    make();
    far_.calling([&] { far_stream_->start(far_); });
    if (close) near_stream_->close();
    near_stream_.reset();
    EXPECT_TRUE(run_until([&] { return far_.count('e') + far_.count('x') == 1; }));
  }
}

// ---- writing

TEST_P(StreamContract, N2_PiecesArriveInOrderAndEmptyOnesAreNothing) {
  start();
  std::string all;
  std::array<std::string, 50> texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i % 3 != 0) texts[i] = std::to_string(i) + ',';
  }
  std::vector<Piece> pieces;
  for (const std::string& text : texts) {
    pieces.emplace_back(text);
    all += text;
  }
  EXPECT_EQ(near_.calling([&] { return near_stream_->write(pieces); }).size, all.size());
  EXPECT_EQ(near_.calling([&] { return near_stream_->write({}); }).size, 0U);
  EXPECT_EQ(write("").size, 0U);
  EXPECT_TRUE(run_until([&] { return far_.bytes == all; }));
  rest();
  EXPECT_EQ(near_.order, "") << "all was taken each time";
}

TEST_P(StreamContract, N2_OnRoomComesOnceAfterAWriteThatTookLessThanAll) {
  start();
  for (int times = 1; times <= 3; ++times) {
    far_.calling([&] { far_stream_->want_bytes(false); });
    const std::string sent = fill(*near_stream_, near_);
    rest();
    EXPECT_EQ(near_.count('r'), times - 1) << "there is no room";
    EXPECT_TRUE(costs_no_turns(reactor_));
    far_.bytes.clear();
    far_.calling([&] { far_stream_->want_bytes(true); });
    EXPECT_TRUE(run_until([&] { return far_.bytes.size() == sent.size(); }));
    EXPECT_TRUE(far_.bytes == sent);
    EXPECT_TRUE(run_until_heard(near_, 'r', times));
    rest();
    EXPECT_EQ(near_.count('r'), times);
  }
}

TEST_P(StreamContract, N2_BothDirectionsMoveMegabytesByOnRoom) {
  const std::string bytes = numbered_bytes(1'500'000);
  struct Sender {
    std::size_t sent = 0;
  } of_near, of_far;
  const auto send = [&](Stream& stream, Recorder& user, Sender& sender) {
    user.in_call = false;
    while (sender.sent < bytes.size()) {
      const auto rest = std::string_view(bytes).substr(sender.sent, 100'000);
      const Written written = write(stream, user, rest);
      ASSERT_FALSE(written.error) << written.error.message();
      sender.sent += written.size;
      if (written.size < rest.size()) return;
    }
  };
  near_.then = [&](char event) {
    if (event == 'r') send(*near_stream_, near_, of_near);
  };
  far_.then = [&](char event) {
    if (event == 'r') send(*far_stream_, far_, of_far);
  };
  start();
  send(*near_stream_, near_, of_near);
  send(*far_stream_, far_, of_far);
  EXPECT_TRUE(run_until(
      [&] { return near_.bytes.size() == bytes.size() && far_.bytes.size() == bytes.size(); }));
  EXPECT_TRUE(near_.bytes == bytes && far_.bytes == bytes);
}

TEST_P(StreamContract, N3_AWriteToAPeerThatIsGoneIsAnErrorNoSignalAndReadingGoesOnToItsEnd) {
  start();
  near_.calling([&] { near_stream_->want_bytes(false); });
  EXPECT_EQ(write_far("last words").size, 10U);
  far_stream_->close();
  std::error_code error;
  EXPECT_TRUE(run_until([&] {
    error = write("are you there?").error;
    return static_cast<bool>(error);
  }));
  EXPECT_TRUE(write("and now?").error);
  EXPECT_EQ(near_.count('x'), 0) << "what had arrived comes first";
  near_.calling([&] { near_stream_->want_bytes(true); });
  EXPECT_TRUE(run_until([&] { return near_.count('e') + near_.count('x') == 1; }));
  EXPECT_EQ(near_.bytes, "last words");
}

// ---- reading

TEST_P(StreamContract, N2_UnwantedBytesAndTheEndWaitAndCostNoTurns) {
  start();
  near_.calling([&] { near_stream_->want_bytes(false); });
  EXPECT_EQ(write_far("bytes").size, 5U);
  far_.calling([&] { far_stream_->finish(); });
  rest();
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(near_.order, "");
  near_.calling([&] { near_stream_->want_bytes(true); });
  EXPECT_TRUE(run_until_heard(near_, 'e'));
  EXPECT_EQ(near_.bytes, "bytes");
}

TEST_P(StreamContract, N2_WhatWantsNoBytesHoldsItsPeerBack) {
  start();
  near_.calling([&] { near_stream_->want_bytes(false); });
  const std::string sent = fill(*far_stream_, far_);
  rest();
  EXPECT_EQ(near_.bytes, "");
  EXPECT_LT(write_far(std::string(1'000'000, 'x')).size, 1'000'000U);
}

TEST_P(StreamContract, N2_WantingNoMoreInsideOfOnBytesHoldsFromThereOn) {
  near_.then = [&](char event) {
    if (event == 'b') near_.calling([&] { near_stream_->want_bytes(false); });
  };
  start();
  const std::string sent = fill(*far_stream_, far_);
  for (int pieces = 1; near_.bytes.size() < sent.size(); ++pieces) {
    ASSERT_TRUE(run_until_heard(near_, 'b', pieces));
    for (int i = 0; i < 3; ++i) reactor_.dispatch();
    ASSERT_EQ(near_.count('b'), pieces);
    near_.calling([&] { near_stream_->want_bytes(true); });
  }
  EXPECT_TRUE(near_.bytes == sent);
}

// ---- (b) the ends

TEST_P(StreamContract, N3_OnEndComesOnceAfterAllBytesAndWritingGoesOn) {
  start();
  const std::string sent = fill(*near_stream_, near_);
  near_.calling([&] { near_stream_->finish(); });
  near_.calling([&] { near_stream_->finish(); });
  EXPECT_TRUE(run_until_heard(far_, 'e'));
  EXPECT_TRUE(far_.bytes == sent);
  rest();
  EXPECT_TRUE(costs_no_turns(reactor_));
  EXPECT_EQ(far_.count('e'), 1);
  EXPECT_EQ(near_.count('e'), 0);
  EXPECT_EQ(write_far("answer").size, 6U);
  far_.calling([&] { far_stream_->finish(); });
  EXPECT_TRUE(run_until_heard(near_, 'e'));
  EXPECT_EQ(near_.bytes, "answer");
  EXPECT_EQ(near_.count('x') + far_.count('x'), 0);
}

TEST_P(StreamContract, N3_ACloseIsAnEndForThePeerAfterWhatWasWritten) {
  start();
  EXPECT_EQ(write("last words").size, 10U);
  near_stream_->close();
  EXPECT_TRUE(run_until_heard(far_, 'e'));
  EXPECT_EQ(far_.bytes, "last words");
  rest();
  EXPECT_EQ(near_.order, "") << "an event after close()";
}

TEST_P(StreamContract, N3_AResetIsAnErrorOnceAndLast) {
  start();
  EXPECT_EQ(write("last words").size, 10U);
  EXPECT_TRUE(run_until([&] { return far_.bytes == "last words"; }));
  near_stream_->close(true);
  EXPECT_TRUE(run_until([&] { return far_.count('x') + far_.count('e') == 1; }));
  EXPECT_EQ(far_.count('x'), kind_.has_reset ? 1 : 0);
  EXPECT_TRUE(kind_.has_reset ? far_.error == std::errc::connection_reset : !far_.error);
  EXPECT_TRUE(!kind_.has_reset || write_far("anybody there?").error);
  rest();
  EXPECT_TRUE(costs_no_turns(reactor_));
}

TEST_P(StreamContract, N3_AResetWhileNobodyWantsBytesCostsNoTurnsAndIsToldLater) {
  start();
  near_.calling([&] { near_stream_->want_bytes(false); });
  far_stream_->close(true);
  rest();
  EXPECT_TRUE(costs_no_turns(reactor_));
  near_.calling([&] { near_stream_->want_bytes(true); });
  EXPECT_TRUE(run_until([&] { return near_.count('x') + near_.count('e') == 1; }));
}

// ---- (c) what throws

TEST_P(StreamContract, O6_WhatAnEventGotBeforeItThrewIsDeliveredAndTheRestComes) {
  for (const char thrower : {'b', 'r', 'e', 'x'}) {
    SCOPED_TRACE(thrower);
    if (thrower == 'x' && !kind_.has_reset) continue;
    make();
    int thrown = 0;
    near_.then = [&](char event) {
      if (event == thrower && thrown++ == 0) throw std::runtime_error("from an event");
    };
    start();
    const std::string sent = fill(*near_stream_, near_);
    EXPECT_EQ(write_far("some bytes").size, 10U);
    int exceptions = 0;
    const auto run_until_it_is = [&](auto done) {
      for (;;) {
        try {
          return run_until(done);
        } catch (const std::runtime_error&) {
          ++exceptions;
        }
      }
    };
    EXPECT_TRUE(run_until_it_is([&] { return near_.count('r') == 1 && near_.count('b') >= 1; }));
    EXPECT_EQ(write_far(", and more").size, 10U);
    EXPECT_TRUE(run_until_it_is([&] { return near_.bytes == "some bytes, and more"; }));
    EXPECT_TRUE(run_until_it_is([&] { return far_.bytes.size() == sent.size(); }));
    far_stream_->close(thrower == 'x');
    EXPECT_TRUE(run_until_it_is([&] { return near_.count('e') + near_.count('x') == 1; }));
    rest();
    EXPECT_EQ(near_.bytes, "some bytes, and more");
    EXPECT_EQ(exceptions, 1);
    EXPECT_EQ(near_.count('r'), 1);
  }
}

// ---- (d) owners go

TEST_P(StreamContract, L2_AnOwnerMayCloseItAndGoInEachEvent) {
  for (const char last : {'b', 'r', 'e', 'x'}) {
    SCOPED_TRACE(last);
    if (last == 'x' && !kind_.has_reset) continue;
    make();
    near_.then = [&](char event) {
      if (event == last) drop(near_stream_);
    };
    start();
    fill(*near_stream_, near_);
    EXPECT_EQ(write_far("some bytes").size, 10U);
    if (last == 'e') far_.calling([&] { far_stream_->finish(); });
    if (last == 'x') {
      EXPECT_TRUE(run_until_heard(near_, 'r'));
      EXPECT_TRUE(run_until_heard(near_, 'b'));
      far_stream_->close(true);
    }
    EXPECT_TRUE(run_until([&] { return near_stream_ == nullptr; }));
    rest();
    EXPECT_EQ(near_.order.back(), last) << "an event after close()";
  }
}

TEST_P(StreamContract, L2_AnOwnerMayGoInAnEventThatThenThrows) {
  near_.then = [&](char) {
    drop(near_stream_);
    throw std::runtime_error("from an event");
  };
  start();
  EXPECT_EQ(write_far("some bytes").size, 10U);
  EXPECT_THROW(static_cast<void>(run_until([] { return false; })), std::runtime_error);
  rest();
  EXPECT_EQ(near_.order, "b");
}

TEST_P(StreamContract, T27_NothingStaysOpenAfterTheEnd) {
  near_stream_.reset();
  far_stream_.reset();
  const DescriptorsBefore before;
  for (int i = 0; i < 4; ++i) {
    make();
    start();
    fill(*near_stream_, near_);
    if (i % 2 == 0) near_stream_->close(i == 2);
    near_stream_.reset();
    far_stream_.reset();
    rest();
  }
  EXPECT_TRUE(before.opened_since().empty());
}

// ---- (e) descriptors

TEST_P(StreamContract, N8_DescriptorsArriveWithTheirBytesAndAreCloseOnExec) {
  start();
  const SocketPair pipe = make_pipe();
  const std::array fds = {pipe.far.fd()};
  const Written written = write(*near_stream_, near_, "with", fds);
  if (!kind_.passes_descriptors) {
    EXPECT_EQ(written.error, std::errc::operation_not_supported);
    return;
  }
  EXPECT_EQ(written.size, 4U);
  EXPECT_TRUE(run_until([&] { return far_.bytes == "with"; }));
  ASSERT_EQ(far_.descriptors.size(), 1U);
  EXPECT_TRUE(is_close_on_exec(far_.descriptors[0].fd()));
  put(far_.descriptors[0].fd(), "through it");
  EXPECT_EQ(take(pipe.near.fd()), "through it");
}

TEST_P(StreamContract, N8_DescriptorsThatNobodyTakesOrForWhichThereIsNoRoomAreClosed) {
  if (!kind_.passes_descriptors) GTEST_SKIP() << "this kind passes no descriptors";
  far_.keeps_descriptors = false;
  start();
  const DescriptorsBefore before;
  {
    const SocketPair pipe = make_pipe();
    const std::vector<int> two(2, pipe.far.fd());
    const std::vector<int> many(200, pipe.far.fd());
    EXPECT_EQ(write(*near_stream_, near_, "two", two).size, 3U);
    EXPECT_EQ(write(*near_stream_, near_, "many", many).size, 4U);
  }
  EXPECT_TRUE(run_until([&] { return far_.bytes == "twomany"; }));
  rest();
  EXPECT_TRUE(before.opened_since().empty());
}

TEST_P(StreamContract, N8_DescriptorsAreBorrowedUntilTheirFirstByteIsTaken) {
  if (!kind_.passes_descriptors) GTEST_SKIP() << "this kind passes no descriptors";
  start();
  far_.calling([&] { far_stream_->want_bytes(false); });
  const std::string sent = fill(*near_stream_, near_);
  const SocketPair pipe = make_pipe();
  const std::array fds = {pipe.far.fd()};
  EXPECT_EQ(write(*near_stream_, near_, "!", fds).size, 0U);
  near_.then = [&](char) { EXPECT_EQ(write(*near_stream_, near_, "!", fds).size, 1U); };
  far_.calling([&] { far_stream_->want_bytes(true); });
  EXPECT_TRUE(run_until([&] { return far_.bytes.size() == sent.size() + 1; }));
  EXPECT_EQ(far_.descriptors.size(), 1U);
}

// ---- addresses

TEST_P(StreamContract, N3_AddressesOfAClosedStreamAreUnnamedAndNoException) {
  start();
  static_cast<void>(near_stream_->local());
  static_cast<void>(near_stream_->peer());
  near_stream_->close();
  EXPECT_EQ(near_stream_->local(), Endpoint());
  EXPECT_EQ(near_stream_->peer(), Endpoint());
  EXPECT_EQ(near_stream_->socket(), nullptr);
}

}  // namespace detent::testing_support
