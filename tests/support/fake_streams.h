// SPDX-License-Identifier: BSL-1.0
/// \file
/// Streams that behave as the network, or an encryption layer, does on a bad day.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>

#include "detent/handle.h"
#include "detent/reactor.h"
#include "detent/stream.h"

namespace detent::testing_support {

/// Another stream, but for what is overridden.
class StreamBut : public Stream, protected Stream::User {
 public:
  StreamBut(Reactor& reactor, std::unique_ptr<Stream> inner)
      : reactor_(reactor), inner_(std::move(inner)) {}

  void start(Stream::User& user) override {
    user_ = &user;
    inner_->start(*this);
  }
  void want_bytes(bool wanted) override { inner_->want_bytes(wanted); }
  Written write(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept override {
    return inner_->write(pieces, descriptors);
  }
  void finish() override { inner_->finish(); }
  void close(bool reset) noexcept override {
    user_ = nullptr;
    later_.cancel();
    inner_->close(reset);
  }
  [[nodiscard]] Endpoint local() const override { return inner_->local(); }
  [[nodiscard]] Endpoint peer() const override { return inner_->peer(); }
  [[nodiscard]] Socket* socket() noexcept override { return inner_->socket(); }

 protected:
  void on_bytes(std::span<const std::byte> bytes, std::span<UniqueFd> descriptors) override {
    user_->on_bytes(bytes, descriptors);
  }
  void on_room() override { user_->on_room(); }
  void on_end() override { user_->on_end(); }
  void on_error(std::error_code error) override { user_->on_error(error); }

  /// Writes at most so many bytes of them. If it took these, but there were more, on_room comes in
  /// the next turn.
  Written write_some(std::span<const Piece> pieces, std::size_t at_most) noexcept {
    std::size_t left = at_most;
    std::size_t asked = 0;
    std::string bytes;
    for (const Piece& piece : pieces) {
      asked += piece.size;
      const std::size_t size = std::min(left, piece.size);
      bytes.append(reinterpret_cast<const char*>(piece.data), size);
      left -= size;
    }
    const Piece some(bytes);
    const Written written = bytes.empty() ? Written() : inner_->write({&some, 1}, {});
    if (!written.error && written.size == bytes.size() && bytes.size() < asked) owe_room();
    return written;
  }
  void owe_room() {
    later_ = reactor_.next_turn([this] { user_->on_room(); });
  }

  Reactor& reactor_;
  std::unique_ptr<Stream> inner_;
  Stream::User* user_ = nullptr;
  Handle later_;
};

/// Its writes follow a script: each entry says how many bytes that call may move, or with which
/// error it answers. At the end of the script, and for everything else, it is the other stream.
class ScriptedStream final : public StreamBut {
 public:
  struct Step {
    std::size_t at_most = 0;
    std::error_code error = {};  // instead
  };

  ScriptedStream(Reactor& reactor, std::unique_ptr<Stream> inner, std::deque<Step> writes)
      : StreamBut(reactor, std::move(inner)), writes_(std::move(writes)) {}

  Written write(std::span<const Piece> pieces, std::span<const int> descriptors) noexcept override {
    if (writes_.empty()) return inner_->write(pieces, descriptors);
    const Step step = writes_.front();
    writes_.pop_front();
    if (step.error) return {.error = step.error};
    return write_some(pieces, step.at_most);
  }

 private:
  std::deque<Step> writes_;
};

/// Takes a few bytes at a time, or none although there is room, and gives what arrived later and in
/// other pieces, at random. It keeps the contract of a stream.
class MoodyStream final : public StreamBut {
 public:
  MoodyStream(Reactor& reactor, std::unique_ptr<Stream> inner, std::uint64_t seed)
      : StreamBut(reactor, std::move(inner)), random_(seed) {}

  void want_bytes(bool wanted) override {
    wanted_ = wanted;
    inner_->want_bytes(wanted);
    if (wanted) give_later();
  }
  Written write(std::span<const Piece> pieces, std::span<const int>) noexcept override {
    return write_some(pieces, dice(4) == 0 ? 0 : dice(2000) + 1);
  }
  void close(bool reset) noexcept override {
    giving_.cancel();
    StreamBut::close(reset);
  }

 private:
  void on_bytes(std::span<const std::byte> bytes, std::span<UniqueFd>) override {
    held_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    give_later();
  }
  void on_end() override {
    ended_ = true;
    give_later();
  }
  void on_error(std::error_code error) override {
    error_ = error;
    give_later();
  }
  void give_later() {
    giving_ = reactor_.next_turn([this] { give(); });
  }
  void give() {
    if (!wanted_ && !error_) return;
    if (!held_.empty() && wanted_) {
      const std::string piece = held_.substr(0, dice(500) + 1);
      held_.erase(0, piece.size());
      give_later();  // first: the user may close it, or throw
      return user_->on_bytes(std::as_bytes(std::span(piece)), {});
    }
    if (!held_.empty()) return;
    if (wanted_ && std::exchange(ended_, false)) {
      if (error_) give_later();
      return user_->on_end();
    }
    if (error_) user_->on_error(std::exchange(error_, {}));
  }
  std::size_t dice(std::size_t sides) { return random_() % sides; }

  std::mt19937_64 random_;
  std::string held_;
  bool wanted_ = true;
  bool ended_ = false;
  std::error_code error_;
  Handle giving_;
};

}  // namespace detent::testing_support
