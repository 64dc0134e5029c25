// SPDX-License-Identifier: BSL-1.0
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "peers/byte_reader.h"
#include "peers/contestant.h"
#include "peers/peers.h"
#include "support/check.h"
#include "support/loopback.h"
#include "workloads/inbox.h"

namespace bench {

namespace {

// The library has nothing finer; rounded up, as no timer of ours may be early.
std::uint64_t milliseconds(std::chrono::microseconds delay) {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(delay).count());
}

// Its memory must last until the loop has seen the end of it.
template <class Handle>
void close(Handle& handle) {
  auto* const base = reinterpret_cast<uv_handle_t*>(&handle);
  uv_loop_t* const loop = base->loop;
  uv_close(base, nullptr);
  uv_run(loop, UV_RUN_NOWAIT);
}

template <class Handle>
int fd_of(const Handle& handle) {
  uv_os_fd_t fd = -1;
  require(uv_fileno(reinterpret_cast<const uv_handle_t*>(&handle), &fd) == 0, "uv_fileno failed");
  return fd;
}

class Libuv {
 public:
  static constexpr std::size_t kMostTimers = 1'000'000;
  static constexpr std::size_t kMostDue = SIZE_MAX;

  explicit Libuv(const std::string& /*name*/) {
    require(uv_loop_init(&loop_) == 0, "uv_loop_init failed");
  }
  ~Libuv() { require(uv_loop_close(&loop_) == 0, "uv_loop_close: something is left open"); }
  Libuv(const Libuv&) = delete;
  Libuv& operator=(const Libuv&) = delete;

  template <class F>
  class Readable {
   public:
    Readable(Libuv& peer, int fd, F f) : f_(f) {
      require(uv_poll_init(&peer.loop_, &poll_, fd) == 0, "uv_poll_init failed");
      poll_.data = this;
      uv_poll_start(&poll_, UV_READABLE, on_ready);
    }
    ~Readable() { close(poll_); }
    Readable(const Readable&) = delete;
    Readable& operator=(const Readable&) = delete;

   private:
    static void on_ready(uv_poll_t* poll, int, int) { static_cast<Readable*>(poll->data)->f_(); }

    uv_poll_t poll_;
    F f_;
  };
  template <class F>
  using ByteReader = ReadableByteReader<Libuv, Readable, F>;

  template <class F>
  class Timer {
   public:
    Timer(Libuv& peer, std::chrono::microseconds delay, F f) : f_(f) {
      uv_timer_init(&peer.loop_, &timer_);
      timer_.data = this;
      rearm(delay);
    }
    ~Timer() { close(timer_); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void rearm(std::chrono::microseconds delay) {
      uv_timer_start(&timer_, on_expiry, milliseconds(delay), 0);
    }
    void cancel() { uv_timer_stop(&timer_); }

   private:
    static void on_expiry(uv_timer_t* timer) { static_cast<Timer*>(timer->data)->f_(); }

    uv_timer_t timer_;
    F f_;
  };

  template <class F>
  class Periodic {
   public:
    Periodic(Libuv& peer, std::chrono::microseconds period, F f) : f_(f) {
      uv_timer_init(&peer.loop_, &timer_);
      timer_.data = this;
      uv_update_time(&peer.loop_);
      uv_timer_start(&timer_, on_tick, milliseconds(period), milliseconds(period));
    }
    ~Periodic() { close(timer_); }
    Periodic(const Periodic&) = delete;
    Periodic& operator=(const Periodic&) = delete;

   private:
    static void on_tick(uv_timer_t* timer) { static_cast<Periodic*>(timer->data)->f_(1); }

    uv_timer_t timer_;
    F f_;
  };

  class Inbox {
   public:
    explicit Inbox(Libuv& peer) {
      require(uv_async_init(&peer.loop_, &wake_, on_wake) == 0, "uv_async_init failed");
      wake_.data = this;
    }
    ~Inbox() { close(wake_); }
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    template <class F>
    void post(F f) {
      if (list_.put(f)) uv_async_send(&wake_);
    }

   private:
    static void on_wake(uv_async_t* wake) { static_cast<Inbox*>(wake->data)->list_.run_all(); }

    LockedList list_;
    uv_async_t wake_;
  };

  // On its own streams, as its users do.
  class EchoServer {
   public:
    explicit EchoServer(Libuv& peer) : buffer_(kBuffer) {
      uv_tcp_init(&peer.loop_, &listening_);
      listening_.data = this;
      sockaddr_in address{};
      uv_ip4_addr("127.0.0.1", 0, &address);
      require(uv_tcp_bind(&listening_, reinterpret_cast<sockaddr*>(&address), 0) == 0 &&
                  uv_listen(stream(&listening_), 4096, on_connection) == 0,
              "libuv cannot listen");
    }
    ~EchoServer() { close(listening_); }
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_of(fd_of(listening_)); }

   private:
    static constexpr std::size_t kBuffer = std::size_t{64} * 1024;

    // What could not be sent at once.
    struct Rest {
      uv_write_t request;
      std::vector<char> bytes;
    };

    static uv_stream_t* stream(uv_tcp_t* tcp) { return reinterpret_cast<uv_stream_t*>(tcp); }

    static void on_connection(uv_stream_t* listening, int) {
      auto* const client = new uv_tcp_t;
      uv_tcp_init(listening->loop, client);
      client->data = listening->data;
      require(uv_accept(listening, stream(client)) == 0, "uv_accept failed");
      uv_tcp_nodelay(client, 1);
      uv_read_start(
          stream(client),
          [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
            auto& server = *static_cast<EchoServer*>(handle->data);
            *buffer = uv_buf_init(server.buffer_.data(), kBuffer);
          },
          on_read);
    }

    static void on_read(uv_stream_t* client, ssize_t size, const uv_buf_t* buffer) {
      if (size < 0) {
        uv_close(reinterpret_cast<uv_handle_t*>(client),
                 [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
        return;
      }
      uv_buf_t bytes = uv_buf_init(buffer->base, static_cast<unsigned>(size));
      const int sent = std::max(uv_try_write(client, &bytes, 1), 0);
      if (sent < size) write_later(client, {buffer->base + sent, buffer->base + size});
    }

    static void write_later(uv_stream_t* client, std::vector<char> bytes) {
      auto* const rest = new Rest{{}, std::move(bytes)};
      rest->request.data = rest;
      uv_buf_t buffer = uv_buf_init(rest->bytes.data(), static_cast<unsigned>(rest->bytes.size()));
      uv_write(&rest->request, client, &buffer, 1,
               [](uv_write_t* request, int) { delete static_cast<Rest*>(request->data); });
    }

    uv_tcp_t listening_;
    std::vector<char> buffer_;
  };

  class DatagramServer {
   public:
    explicit DatagramServer(Libuv& peer) {
      uv_udp_init(&peer.loop_, &udp_);
      udp_.data = this;
      sockaddr_in address{};
      uv_ip4_addr("127.0.0.1", 0, &address);
      require(uv_udp_bind(&udp_, reinterpret_cast<sockaddr*>(&address), 0) == 0 &&
                  uv_udp_recv_start(
                      &udp_,
                      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
                        auto& server = *static_cast<DatagramServer*>(handle->data);
                        *buffer = uv_buf_init(server.bytes_, sizeof server.bytes_);
                      },
                      on_receive) == 0,
              "libuv cannot receive datagrams");
    }
    ~DatagramServer() { close(udp_); }
    DatagramServer(const DatagramServer&) = delete;
    DatagramServer& operator=(const DatagramServer&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_of(fd_of(udp_)); }

   private:
    static void on_receive(uv_udp_t* udp, ssize_t size, const uv_buf_t* buffer,
                           const sockaddr* from, unsigned) {
      if (from == nullptr) return;  // there is nothing more for now
      const uv_buf_t bytes = uv_buf_init(buffer->base, static_cast<unsigned>(size));
      require(uv_udp_try_send(udp, &bytes, 1, from) == size, "a datagram was not sent");
    }

    uv_udp_t udp_;
    char bytes_[2048];
  };

  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void stop() { uv_stop(&loop_); }

 private:
  uv_loop_t loop_;
};

}  // namespace

void enter_libuv(std::vector<Contestant>& all) { all.push_back(contestant<Libuv>("libuv")); }

}  // namespace bench
