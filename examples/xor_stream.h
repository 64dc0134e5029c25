// SPDX-License-Identifier: BSL-1.0
// How to write a stream over another one: this one changes each byte on its way, as a cipher would.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <detent/stream.h>

class XorStream final : public detent::Stream, private detent::Stream::User {
 public:
  XorStream(std::unique_ptr<detent::Stream> inner, std::byte key)
      : inner_(std::move(inner)), key_(key) {}

  void start(detent::Stream::User& user) override {
    user_ = &user;
    inner_->start(*this);
  }
  void want_bytes(bool wanted) override { inner_->want_bytes(wanted); }
  // Takes no more than the inner stream, which tells of room again.
  detent::Written write(std::span<const detent::Piece> pieces,
                        std::span<const int> descriptors) noexcept override {
    changed_.clear();
    for (const detent::Piece& piece : pieces) change({piece.data, piece.size});
    const detent::Piece all{std::span<const std::byte>(changed_)};
    return inner_->write({&all, 1}, descriptors);
  }
  void finish() override { inner_->finish(); }
  void close(bool reset) noexcept override { inner_->close(reset); }
  [[nodiscard]] detent::Endpoint local() const override { return inner_->local(); }
  [[nodiscard]] detent::Endpoint peer() const override { return inner_->peer(); }
  [[nodiscard]] detent::Socket* socket() noexcept override { return inner_->socket(); }

 private:
  // In its event the user may write, which changes other bytes.
  void on_bytes(std::span<const std::byte> bytes, std::span<detent::UniqueFd> fds) override {
    changed_.clear();
    change(bytes);
    const std::vector<std::byte> arrived = std::exchange(changed_, {});
    user_->on_bytes(arrived, fds);
  }
  void on_room() override { user_->on_room(); }
  void on_end() override { user_->on_end(); }
  void on_error(std::error_code error) override { user_->on_error(error); }

  void change(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) changed_.push_back(byte ^ key_);
  }

  std::unique_ptr<detent::Stream> inner_;
  std::byte key_;
  detent::Stream::User* user_ = nullptr;
  std::vector<std::byte> changed_;
};
