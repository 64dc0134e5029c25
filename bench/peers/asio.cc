// SPDX-License-Identifier: BSL-1.0
// Boost 1.74 uses std::exchange without having included <utility>.
// clang-format off
#include <utility>
#include <boost/asio.hpp>
// clang-format on
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "peers/contestant.h"
#include "peers/peers.h"
#include "support/check.h"

namespace bench {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class Asio {
 public:
  static constexpr std::size_t kMostTimers = 1'000'000;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  // The hint: one thread runs it.
  explicit Asio(const std::string& /*name*/) : context_(1), work_(context_.get_executor()) {}

  template <class F>
  class ByteReader {
   public:
    ByteReader(Asio& peer, int fd, F on_byte) : stream_(peer.context_, fd), on_byte_(on_byte) {
      read();
    }
    ~ByteReader() { stream_.release(); }
    ByteReader(const ByteReader&) = delete;
    ByteReader& operator=(const ByteReader&) = delete;

   private:
    void read() {
      stream_.async_read_some(asio::buffer(&byte_, 1), [this](error_code error, std::size_t size) {
        if (error == asio::error::operation_aborted) return;
        require(!error && size == 1, "Asio read no byte");
        on_byte_();
        read();
      });
    }

    asio::posix::stream_descriptor stream_;
    char byte_ = 0;
    F on_byte_;
  };

  template <class F>
  class Timer {
   public:
    Timer(Asio& peer, std::chrono::microseconds delay, F f) : timer_(peer.context_), f_(f) {
      rearm(delay);
    }
    void rearm(std::chrono::microseconds delay) {
      timer_.expires_after(delay);
      timer_.async_wait([this](error_code error) {
        if (!error) f_();
      });
    }
    void cancel() { timer_.cancel(); }

   private:
    asio::steady_timer timer_;
    F f_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(Asio& peer, std::chrono::microseconds period, F f)
        : timer_(peer.context_, period), period_(period), f_(f) {
      wait();
    }

   private:
    void wait() {
      timer_.async_wait([this](error_code error) {
        if (error) return;
        timer_.expires_at(timer_.expiry() + period_);
        wait();
        f_(1);
      });
    }

    asio::steady_timer timer_;
    std::chrono::microseconds period_;
    F f_;
  };

  class Inbox {
   public:
    explicit Inbox(Asio& peer) : context_(peer.context_) {}
    template <class F>
    void post(F f) {
      asio::post(context_, f);
    }

   private:
    asio::io_context& context_;
  };

  class EchoServer {
   public:
    explicit EchoServer(Asio& peer)
        : acceptor_(peer.context_, {asio::ip::address_v4::loopback(), 0}) {
      accept();
    }
    [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

   private:
    // Lives as long as one of its operations does.
    struct Client : std::enable_shared_from_this<Client> {
      explicit Client(asio::ip::tcp::socket accepted) : socket(std::move(accepted)) {
        socket.set_option(asio::ip::tcp::no_delay(true));
      }
      void read() {
        socket.async_read_some(asio::buffer(buffer), [this, self = shared_from_this()](
                                                         error_code error, std::size_t size) {
          if (!error) write(size);
        });
      }
      void write(std::size_t size) {
        asio::async_write(socket, asio::buffer(buffer.data(), size),
                          [this, self = shared_from_this()](error_code error, std::size_t) {
                            if (!error) read();
                          });
      }

      asio::ip::tcp::socket socket;
      std::vector<char> buffer = std::vector<char>(std::size_t{64} * 1024);
    };

    void accept() {
      acceptor_.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
        if (!error) std::make_shared<Client>(std::move(socket))->read();
        accept();
      });
    }

    asio::ip::tcp::acceptor acceptor_;
  };

  class DatagramServer {
   public:
    explicit DatagramServer(Asio& peer)
        : socket_(peer.context_, {asio::ip::address_v4::loopback(), 0}) {
      socket_.non_blocking(true);
      receive();
    }
    [[nodiscard]] std::uint16_t port() const { return socket_.local_endpoint().port(); }

   private:
    void receive() {
      socket_.async_receive_from(
          asio::buffer(bytes_), from_, [this](error_code error, std::size_t size) {
            require(!error, "Asio received no datagram");
            require(socket_.send_to(asio::buffer(bytes_, size), from_) == size,
                    "a datagram was not sent");
            receive();
          });
    }

    asio::ip::udp::socket socket_;
    asio::ip::udp::endpoint from_;
    std::array<char, 2048> bytes_{};
  };

  void run() {
    context_.restart();
    context_.run();
  }
  void stop() { context_.stop(); }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
};

}  // namespace

void enter_asio(std::vector<Contestant>& all) { all.push_back(contestant<Asio>("asio")); }

}  // namespace bench
