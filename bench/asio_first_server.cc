// SPDX-License-Identifier: BSL-1.0
// What examples/first_server.cc does, with Boost.Asio. bench/facts compares how long the two take
// to compile, and what they do until their first wait.

// Boost 1.74 uses std::exchange without having included <utility>.
// clang-format off
#include <utility>
#include <boost/asio.hpp>
// clang-format on
#include <chrono>
#include <iostream>
#include <istream>
#include <memory>
#include <string>
#include <string_view>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {

class Report {
 public:
  explicit Report(asio::io_context& context) : timer_(context, 250ms) { wait(); }

 private:
  void wait() {
    timer_.async_wait([this](error_code error) {
      if (error) return;
      std::cout << "expired 1 times" << std::endl;
      timer_.expires_at(timer_.expiry() + 250ms);
      wait();
    });
  }

  asio::steady_timer timer_;
};

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::io_context& context, tcp::socket socket)
      : context_(context), socket_(std::move(socket)) {}

  void read() {
    asio::async_read_until(socket_, buffer_, '\n',
                           [this, self = shared_from_this()](error_code error, std::size_t) {
                             if (!error) on_line();
                           });
  }

 private:
  void on_line() {
    std::istream stream(&buffer_);
    std::string line;
    std::getline(stream, line);
    if (line.starts_with("stop")) return context_.stop();
    asio::async_write(socket_, asio::buffer(kAnswer),
                      [this, self = shared_from_this()](error_code error, std::size_t) {
                        if (!error) read();
                      });
  }

  static constexpr std::string_view kAnswer = "unknown command\n";

  asio::io_context& context_;
  tcp::socket socket_;
  asio::streambuf buffer_;
};

class Server {
 public:
  explicit Server(asio::io_context& context)
      : context_(context), acceptor_(context, {asio::ip::address_v4::loopback(), 1234}) {
    accept();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Client>(context_, std::move(socket))->read();
      accept();
    });
  }

  asio::io_context& context_;
  tcp::acceptor acceptor_;
};

}  // namespace

int main() {
  asio::io_context context;
  const Report report(context);
  const Server server(context);
  context.run();
}
