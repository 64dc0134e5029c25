// SPDX-License-Identifier: BSL-1.0
/// \file
/// Transports that behave as the network, or an encryption layer, does on a bad day.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <utility>

#include "detent/socket.h"
#include "support/readiness.h"

namespace detent::testing_support {

/// A socket, but for what is overridden.
class SocketBut : public Transport {
 public:
  explicit SocketBut(Socket socket) : socket_(std::move(socket)) {}

  IoResult read(std::span<std::byte> bytes) noexcept override { return socket_.read(bytes); }
  IoResult write(std::span<const std::byte> bytes) noexcept override {
    return socket_.write(bytes);
  }
  IoResult shutdown_write() noexcept override { return socket_.shutdown_write(); }
  [[nodiscard]] int fd() const noexcept override { return socket_.fd(); }

 protected:
  Socket socket_;
};

/// A socket whose writes follow a script: each entry says how many bytes that call may move, or,
/// as an IoResult with an error or a block, what it answers without moving any. At the end of the
/// script, and for everything else, it is the socket.
class ScriptedTransport final : public SocketBut {
 public:
  struct Step {
    std::size_t at_most = 0;
    IoResult answer = {};  // with an error or a block: instead
  };

  ScriptedTransport(Socket socket, std::deque<Step> writes)
      : SocketBut(std::move(socket)), writes_(std::move(writes)) {}

  IoResult write(std::span<const std::byte> bytes) noexcept override {
    if (writes_.empty()) return socket_.write(bytes);
    const Step step = writes_.front();
    writes_.pop_front();
    if (step.answer.error || step.answer.blocked != Blocked::no) return step.answer;
    return socket_.write(bytes.first(std::min(bytes.size(), step.at_most)));
  }

 private:
  std::deque<Step> writes_;
};

/// A socket whose calls move a few bytes, block although they need not, and wait for the other
/// direction, at random. It keeps the contract: what it waits for does come. While one direction
/// waits for the other, that one does not move either, so that what is waited for stays announced.
class MoodyTransport final : public SocketBut {
 public:
  MoodyTransport(Socket socket, std::uint64_t seed) : SocketBut(std::move(socket)), random_(seed) {}

  IoResult read(std::span<std::byte> bytes) noexcept override {
    if (write_first_) return {.blocked = Blocked::until_readable};
    if (!is_readable(fd())) return {.blocked = Blocked::until_readable};
    const bool asked_again = std::exchange(read_first_, false);
    switch (asked_again ? 2 : dice(6)) {
      case 0:
        return {.blocked = Blocked::until_readable};
      case 1:
        if ((poll_one(fd(), POLLOUT) & POLLOUT) == 0) return {.blocked = Blocked::until_readable};
        read_first_ = true;
        return {.blocked = Blocked::until_writable};
      case 2:
        return socket_.read(bytes);
      default:
        return socket_.read(bytes.first(std::min(bytes.size(), dice(500) + 1)));
    }
  }
  IoResult write(std::span<const std::byte> bytes) noexcept override {
    if (const Blocked blocked = maybe_block(); blocked != Blocked::no) return {.blocked = blocked};
    return socket_.write(bytes.first(std::min(bytes.size(), dice(2000) + 1)));
  }
  IoResult shutdown_write() noexcept override {
    if (const Blocked blocked = maybe_block(); blocked != Blocked::no) return {.blocked = blocked};
    return socket_.shutdown_write();
  }

 private:
  std::size_t dice(std::size_t sides) { return random_() % sides; }

  Blocked maybe_block() {
    if (read_first_) return Blocked::until_writable;
    if (std::exchange(write_first_, false)) return Blocked::no;
    const std::size_t mood = dice(6);
    if (mood == 0) return Blocked::until_writable;
    if (mood != 1 || !is_readable(fd())) return Blocked::no;
    write_first_ = true;
    return Blocked::until_readable;
  }

  std::mt19937_64 random_;
  bool write_first_ = false;  // a write waits until it is readable
  bool read_first_ = false;   // a read waits until it is writable
};

/// Holds bytes that its descriptor does not announce, as one that decrypts does: the descriptor
/// becomes readable once, whereupon `held` bytes can be read.
class HoardingTransport final : public SocketBut {
 public:
  HoardingTransport(Socket socket, std::size_t held) : SocketBut(std::move(socket)), held_(held) {}

  IoResult read(std::span<std::byte> bytes) noexcept override {
    if (!unlocked_) {
      const IoResult result = socket_.read(bytes.first(1));
      if (result.size != 1) return result;
      unlocked_ = true;
    }
    if (held_ == 0) return socket_.read(bytes);
    const std::size_t size = std::min(held_, bytes.size());
    std::fill_n(bytes.begin(), size, std::byte{'h'});
    held_ -= size;
    return {.size = size};
  }

 private:
  std::size_t held_;
  bool unlocked_ = false;
};

}  // namespace detent::testing_support
