// SPDX-License-Identifier: BSL-1.0
/// \file
/// The kinds of stream of which the contract of stream.h is tested, and what its tests need.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "detent/reactor.h"
#include "detent/stream.h"
#include "support/net_fixtures.h"
#include "support/standard.h"

namespace detent::testing_support {

/// Two streams of a kind that are connected.
struct StreamPair {
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;
};

/// A kind of stream joins the suite by one of these.
struct StreamKind {
  const char* name;
  StreamPair (*make)(Reactor&);
  bool has_reset = false;           ///< close(true) is an error for the peer.
  bool passes_descriptors = false;  ///< As many as its kind was made for, at least 2.
};

/// Gets the events of a stream and records them.
class Recorder : public Stream::User {
 public:
  std::string bytes;
  std::string order;  ///< b(ytes), r(oom), e(nd), x (error), one letter an event.
  std::error_code error;
  std::vector<UniqueFd> descriptors;
  bool keeps_descriptors = true;
  /// Runs in each event, after it was recorded.
  std::function<void(char)> then;
  bool in_call = false;  ///< Of a function of the stream.

  [[nodiscard]] auto count(char what) const { return std::count(order.begin(), order.end(), what); }
  /// Calls a function of the stream, in which no event may come: rule (a).
  template <class Function>
  decltype(auto) calling(Function function) {
    in_call = true;
    struct Leave {
      bool& flag;
      ~Leave() { flag = false; }
    } const leave = {in_call};
    return function();
  }

  void on_bytes(std::span<const std::byte> arrived, std::span<UniqueFd> with) override {
    EXPECT_FALSE(arrived.empty());
    bytes.append(reinterpret_cast<const char*>(arrived.data()), arrived.size());
    if (keeps_descriptors) std::move(with.begin(), with.end(), std::back_inserter(descriptors));
    heard('b');
  }
  void on_room() override { heard('r'); }
  void on_end() override { heard('e'); }
  void on_error(std::error_code reason) override {
    error = reason;
    heard('x');
  }

 private:
  void heard(char event) {
    EXPECT_FALSE(in_call) << event << " came from inside of a call";
    EXPECT_EQ(count('x'), 0) << event << " came after on_error";
    EXPECT_TRUE(count('e') == 0 || event == 'r' || event == 'x') << event << " came after on_end";
    order += event;
    if (then) then(event);
  }
};

class StreamContract
    : public testing::TestWithParam<std::tuple<std::string_view, const StreamKind*>> {
 protected:
  StreamContract() : kind_(*std::get<1>(GetParam())) { make(); }

  void make() {
    near_ = Recorder();
    far_ = Recorder();
    StreamPair pair = kind_.make(reactor_);
    near_stream_ = std::move(pair.near);
    far_stream_ = std::move(pair.far);
  }
  void start() {
    near_.calling([&] { near_stream_->start(near_); });
    far_.calling([&] { far_stream_->start(far_); });
  }
  Written write(Stream& stream, Recorder& user, std::string_view bytes,
                std::span<const int> descriptors = {}) {
    const Piece piece(bytes);
    return user.calling([&] { return stream.write({&piece, 1}, descriptors); });
  }
  Written write(std::string_view bytes) { return write(*near_stream_, near_, bytes); }
  Written write_far(std::string_view bytes) { return write(*far_stream_, far_, bytes); }
  /// Writes until a write takes less than all; returns what was taken.
  std::string fill(Stream& stream, Recorder& user) {
    static const std::string kBytes = numbered_bytes(65'521);  // a length that nothing else has
    std::string sent;
    for (;;) {
      const Written written = write(stream, user, kBytes);
      EXPECT_FALSE(written.error) << written.error.message();
      sent.append(kBytes, 0, written.size);
      if (written.size < kBytes.size()) return sent;
    }
  }
  /// What an owner does that goes in an event, or outside of one: rule (d).
  void drop(std::unique_ptr<Stream>& stream, bool reset = false) {
    stream->close(reset);
    reactor_.retire(std::move(stream));
  }
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    return testing_support::run_until(reactor_, std::move(done));
  }
  [[nodiscard]] bool run_until_heard(const Recorder& user, char what, int times = 1) {
    return run_until([&] { return user.count(what) >= times; });
  }
  /// Turns so often that what is due has come. Not a time: loopback may take a moment.
  void rest() { EXPECT_TRUE(comes_to_rest(reactor_, 200)); }

  const StreamKind& kind_;
  Reactor reactor_{on_poller(std::get<0>(GetParam()))};
  Recorder near_, far_;
  std::unique_ptr<Stream> near_stream_, far_stream_;
};

/// Runs the suite for kinds, given as pointers, on every poller.
#define DETENT_STREAM_CONTRACT_OF(prefix, ...)                                                     \
  INSTANTIATE_TEST_SUITE_P(                                                                        \
      prefix, StreamContract,                                                                      \
      testing::Combine(testing::ValuesIn(::detent::poller_names()), testing::Values(__VA_ARGS__)), \
      [](const auto& of) {                                                                         \
        return std::string(std::get<0>(of.param)) + '_' + std::get<1>(of.param)->name;             \
      })

}  // namespace detent::testing_support
