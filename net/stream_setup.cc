// SPDX-License-Identifier: BSL-1.0
#include "stream_setup.h"

#include <fcntl.h>

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "at_limit.h"
#include "detent/limit_reached.h"
#include "detent/socket.h"
#include "setup_error.h"
#include "socket_message.h"

namespace detent {
namespace {

// The limit, if a refusal to watch a descriptor is due to one; no error otherwise.
std::error_code limit_in(std::error_code error) {
  // Above Capabilities::descriptor_limit.
  if (error == std::errc::invalid_argument) {
    return std::make_error_code(std::errc::too_many_files_open);
  }
  return is_at_limit(error) ? error : std::error_code();
}

}  // namespace

void check(const StreamOptions& options) {
  if (options.bytes_per_turn == 0) {
    throw std::invalid_argument("make_stream: StreamOptions::bytes_per_turn is 0");
  }
  if (options.descriptors_per_read > kMostDescriptors) {
    throw std::invalid_argument("make_stream: StreamOptions::descriptors_per_read is " +
                                std::to_string(options.descriptors_per_read));
  }
}

void fail_making_stream(const Name& name, const std::system_error& error) {
  if (const std::error_code limit = limit_in(error.code())) {
    throw LimitReached(limit, setup_text("make_stream", "", name, error));
  }
  fail_setting_up("make_stream", "", name, error);
}

std::unique_ptr<Stream> try_make_stream(Reactor& reactor, Socket&& socket,
                                        const StreamOptions& options, const Name& name,
                                        std::error_code& error) {
  try {
    return make_stream(reactor, std::move(socket), options, name);
  } catch (const std::system_error& failure) {
    error = failure.code();
  } catch (const std::bad_alloc&) {
    error = std::make_error_code(std::errc::not_enough_memory);
  }
  return nullptr;
}

std::error_code limit_or(std::error_code error) {
  const std::error_code limit = limit_in(error);
  return limit ? limit : error;
}

std::error_code why_unwatched(int fd) noexcept {
  const bool is_closed = ::fcntl(fd, F_GETFD) == -1;
  return std::make_error_code(is_closed ? std::errc::bad_file_descriptor
                                        : std::errc::not_enough_memory);
}

std::size_t total_size(std::span<const Piece> pieces) noexcept {
  std::size_t size = 0;
  for (const Piece& piece : pieces) size += piece.size;
  return size;
}

}  // namespace detent
