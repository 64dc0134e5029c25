// SPDX-License-Identifier: BSL-1.0
// A foreign library on our loop: libcurl's multi interface, driven as a user would drive it, talks
// to an HTTP server made of our own listener and connections on the same loop.
#include <curl/curl.h>

#include <charconv>
#include <list>

#include "detent/connection.h"
#include "detent/listener.h"
#include "detent/reactor.h"
#include "detent/timer_service.h"
#include "support/descriptor_table.h"
#include "support/net_fixtures.h"
#include "support/standard.h"

namespace detent {
namespace {

using namespace testing_support;

// ---- the adapter

class CurlDriver {
 public:
  using OnDone = Callback<void(CURLcode)>;

  explicit CurlDriver(TimerService& timers)
      : timers_(timers),
        multi_(curl_multi_init()),
        timeout_(timers.make([this] { act(CURL_SOCKET_TIMEOUT, 0); }, "curl")) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlDriver::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlDriver::on_timeout);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  CurlDriver(const CurlDriver&) = delete;
  CurlDriver& operator=(const CurlDriver&) = delete;
  ~CurlDriver() {
    while (!transfers_.empty()) remove(transfers_.begin()->first);
    curl_multi_cleanup(multi_);
  }

  // Begins a transfer; `easy` stays the caller's and must live until it is done or removed.
  void add(CURL* easy, OnDone on_done) {
    transfers_[easy] = std::move(on_done);
    curl_multi_add_handle(multi_, easy);
  }
  void remove(CURL* easy) {
    curl_multi_remove_handle(multi_, easy);
    transfers_.erase(easy);
  }
  [[nodiscard]] std::size_t watches() const { return watches_.size(); }

 private:
  // Called by libcurl, which is C: nothing may be thrown through it.
  static int on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* user, void* /*mine*/) {
    auto& self = *static_cast<CurlDriver*>(user);
    if (what == CURL_POLL_REMOVE) return self.watches_.erase(fd) == 1 ? 0 : -1;
    const Interest interest = {.readable = (what & CURL_POLL_IN) != 0,
                               .writable = (what & CURL_POLL_OUT) != 0};
    try {
      Watch& watch = self.watches_[fd];
      if (watch) {
        watch.set_interest(interest);
      } else {
        watch = self.timers_.reactor().watch(
            fd, interest, [&self, fd](Ready ready) { self.act(fd, to_curl(ready)); }, "curl");
      }
    } catch (const std::exception&) {
      return -1;
    }
    return 0;
  }
  static int to_curl(Ready ready) {
    return (ready.readable ? CURL_CSELECT_IN : 0) | (ready.writable ? CURL_CSELECT_OUT : 0) |
           (ready.error || ready.hangup ? CURL_CSELECT_ERR : 0);
  }

  static int on_timeout(CURLM* /*multi*/, long delay_ms, void* user) {
    auto& self = *static_cast<CurlDriver*>(user);
    if (delay_ms < 0) {
      self.timeout_.disarm();
    } else {
      self.timeout_.rearm(std::chrono::milliseconds(delay_ms));
    }
    return 0;
  }

  void act(curl_socket_t fd, int what) {
    int running = 0;
    curl_multi_socket_action(multi_, fd, what, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      CURL* const easy = message->easy_handle;
      const CURLcode result = message->data.result;
      OnDone on_done = std::move(transfers_.at(easy));
      remove(easy);
      on_done(result);
    }
  }

  TimerService& timers_;
  CURLM* multi_;
  std::map<curl_socket_t, Watch> watches_;
  std::map<CURL*, OnDone> transfers_;
  Timer timeout_;
};

// ---- the server

// As much of HTTP/1.1 as the tests need: GET /N gives N bytes, PUT / gives back what was sent,
// /silence is not answered, and /half is sent half of what it was promised.
class HttpServer {
 public:
  explicit HttpServer(TimerService& timers)
      : timers_(timers),
        listener_(timers, Endpoint::parse("127.0.0.1:0"), [this](Socket socket, const Endpoint&) {
          Client& client = clients_.emplace_back(*this, std::move(socket));
          client.place = std::prev(clients_.end());
        }) {}

  [[nodiscard]] std::string url(std::string_view path) const {
    return "http://" + listener_.endpoint().to_string() + "/" + std::string(path);
  }
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] std::uint64_t accepted() const { return listener_.counters().accepted; }

 private:
  struct Client {
    Client(HttpServer& server, Socket socket)
        : connection(
              server.timers_, make_stream(server.timers_.reactor(), std::move(socket)),
              {.on_data = [this](Connection&, std::string_view bytes) { on_data(bytes); },
               .on_closed = [this, &server](Connection&,
                                            std::error_code) { server.clients_.erase(place); }}) {}

    void on_data(std::string_view bytes) {
      input.append(bytes);
      for (;;) {
        const std::size_t end = input.find("\r\n\r\n");
        if (end == std::string::npos) return;
        const std::size_t body = number_after("Content-Length: ", end);
        if (input.size() < end + 4 + body) return;
        answer(end, body);
        input.erase(0, end + 4 + body);
      }
    }
    std::size_t number_after(std::string_view field, std::size_t limit) const {
      const std::size_t at = input.find(field);
      std::size_t number = 0;
      if (at > limit) return 0;
      std::from_chars(input.data() + at + field.size(), input.data() + limit, number);
      return number;
    }
    void answer(std::size_t end, std::size_t body) {
      if (input.starts_with("GET /silence")) return;
      std::string content = input.starts_with("PUT") ? input.substr(end + 4, body)
                                                     : numbered_bytes(number_after("GET /", end));
      std::size_t promised = content.size();
      if (input.starts_with("GET /half")) {
        content = numbered_bytes(10'000);
        promised = 2 * content.size();
      }
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(promised) +
                       "\r\n\r\n");
      connection.write(content);
    }

    std::string input;
    std::list<Client>::iterator place;
    Connection connection;
  };

  TimerService& timers_;
  std::list<Client> clients_;
  Listener listener_;
};

// ---- a transfer

class Transfer {
 public:
  explicit Transfer(const std::string& url) : easy_(curl_easy_init()) {
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROXY, "");
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() { curl_easy_cleanup(easy_); }

  void set_timeout(std::chrono::milliseconds length) {
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(length.count()));
  }
  void upload(std::string content) {
    to_send_ = std::move(content);
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(to_send_.size()));
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::on_upload);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);  // our server never says 100
  }
  [[nodiscard]] CURL* easy() const { return easy_; }

  std::string body;
  bool done = false;
  CURLcode result = CURLE_OK;

 private:
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* user) {
    static_cast<Transfer*>(user)->body.append(bytes, size * count);
    return size * count;
  }
  static std::size_t on_upload(char* room, std::size_t size, std::size_t count, void* user) {
    auto& self = *static_cast<Transfer*>(user);
    const std::size_t sent = self.to_send_.copy(room, size * count, self.sent_);
    self.sent_ += sent;
    return sent;
  }

  CURL* easy_;
  std::string to_send_;
  std::size_t sent_ = 0;
};

class CurlOnEveryPoller : public NetOnEveryPoller {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(curl_global_init(CURL_GLOBAL_ALL), CURLE_OK); }
  static void TearDownTestSuite() { curl_global_cleanup(); }

  Transfer& start(const std::string& url, CurlDriver::OnDone on_done = {}) {
    Transfer& transfer = add(url);
    begin(transfer, std::move(on_done));
    return transfer;
  }
  Transfer& add(const std::string& url) {
    return *transfers_.emplace_back(std::make_unique<Transfer>(url));
  }
  void begin(Transfer& transfer, CurlDriver::OnDone on_done = {}) {
    driver_->add(transfer.easy(), [&transfer, on_done = std::move(on_done)](CURLcode code) mutable {
      transfer.done = true;
      transfer.result = code;
      if (on_done) on_done(code);
    });
  }
  [[nodiscard]] bool run_until_all_are_done() {
    return run_until([&] {
      return std::all_of(transfers_.begin(), transfers_.end(),
                         [](const auto& transfer) { return transfer->done; });
    });
  }

  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::unique_ptr<HttpServer> server_ = std::make_unique<HttpServer>(timers_);
  std::unique_ptr<CurlDriver> driver_ = std::make_unique<CurlDriver>(timers_);
};
DETENT_ON_EVERY_POLLER(CurlOnEveryPoller);

TEST_P(CurlOnEveryPoller, FiftyDownloadsOfDifferentSizesArriveSideBySide) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < 50; ++i) sizes.push_back(i * i * 800);  // up to 2 MB
  for (const std::size_t size : sizes) start(server_->url(std::to_string(size)));
  EXPECT_TRUE(run_until_all_are_done());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(transfers_[i]->result, CURLE_OK);
    EXPECT_TRUE(transfers_[i]->body == numbered_bytes(sizes[i])) << sizes[i];
  }
  EXPECT_GT(server_->accepted(), 1U);
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_EQ(driver_->watches(), 0U) << "libcurl does not watch idle connections";
}

TEST_P(CurlOnEveryPoller, AnUploadArrivesWholeAndSoDoesItsEcho) {
  const std::string body = numbered_bytes(3'000'000);
  Transfer& transfer = add(server_->url(""));
  transfer.upload(body);
  begin(transfer);
  EXPECT_TRUE(run_until_all_are_done());
  EXPECT_EQ(transfer.result, CURLE_OK);
  EXPECT_TRUE(transfer.body == body);
}

TEST_P(CurlOnEveryPoller, ATransferThatIsNotAnsweredTimesOut) {
  Transfer& silent = add(server_->url("silence"));
  silent.set_timeout(std::chrono::milliseconds(30));
  begin(silent);
  Transfer& other = start(server_->url("1000"));
  EXPECT_TRUE(run_until_all_are_done());
  EXPECT_EQ(silent.result, CURLE_OPERATION_TIMEDOUT);
  EXPECT_EQ(other.result, CURLE_OK);
}

TEST_P(CurlOnEveryPoller, ARefusedPortIsReported) {
  std::string url;
  {
    const HttpServer gone(timers_);
    url = gone.url("1");
  }
  Transfer& refused = start(url);
  EXPECT_TRUE(run_until_all_are_done());
  EXPECT_EQ(refused.result, CURLE_COULDNT_CONNECT);
  EXPECT_EQ(driver_->watches(), 0U);
}

TEST_P(CurlOnEveryPoller, ACallbackMayAddTheNextTransfer) {
  int finished = 0;
  Callback<void()> next;
  next = [&] {
    start(server_->url(std::to_string(finished * 1000)), [&](CURLcode) {
      if (++finished < 20) next();
    });
  };
  next();
  EXPECT_TRUE(run_until([&] { return finished == 20; }));
  for (std::size_t i = 0; i < transfers_.size(); ++i) {
    EXPECT_EQ(transfers_[i]->body.size(), i * 1000);
  }
  EXPECT_EQ(server_->accepted(), 1U) << "libcurl keeps and uses its connection";
}

TEST_P(CurlOnEveryPoller, ACallbackMayRemoveTransfersInFlight) {
  std::vector<Transfer*> silent;
  for (int i = 0; i < 10; ++i) silent.push_back(&start(server_->url("silence")));
  start(server_->url("500000"), [&](CURLcode) {
    for (Transfer* transfer : silent) driver_->remove(transfer->easy());
  });
  EXPECT_TRUE(run_until([&] { return transfers_.back()->done; }));
  EXPECT_TRUE(run_until([&] { return server_->clients() <= 1; })) << "those were closed";
  for (const Transfer* transfer : silent) EXPECT_FALSE(transfer->done);
  EXPECT_EQ(driver_->watches(), 0U);
  EXPECT_TRUE(comes_to_rest(reactor_));
}

TEST_P(CurlOnEveryPoller, TheDriverMayGoWithTransfersInFlightAndLeavesNothing) {
  const DescriptorsBefore before;
  {
    Transfer silent(server_->url("silence"));
    Transfer download(server_->url("half"));
    CurlDriver driver(timers_);
    for (const Transfer* transfer : {&silent, &download}) {
      driver.add(transfer->easy(), [](CURLcode) { ADD_FAILURE() << "called after its end"; });
    }
    EXPECT_TRUE(run_until([&] { return download.body.size() > 1000; }));
    EXPECT_GT(driver.watches(), 0U);
  }
  EXPECT_TRUE(run_until([&] { return server_->clients() == 0; }));
  EXPECT_TRUE(comes_to_rest(reactor_));
  EXPECT_TRUE(before.opened_since().empty());
}

}  // namespace
}  // namespace detent
