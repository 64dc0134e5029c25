// SPDX-License-Identifier: BSL-1.0
/// \file
/// A network namespace of a test's own, and the network interfaces there.
///
///     OwnNetwork network;
///     if (!network) GTEST_SKIP() << OwnNetwork::kNotAllowed;
///     Links links = network.inside([&] { return Links(reactor); });
///     network.add("br0");
#pragma once

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "detent/links.h"
#include "detent/unique_fd.h"

namespace detent::testing_support {

/// A question of rtnetlink(7) about one link.
class LinkRequest {
 public:
  LinkRequest(int type, int flags, ifinfomsg link = {}) {
    header_.nlmsg_type = static_cast<std::uint16_t>(type);
    header_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    put(&link, sizeof link);
  }
  LinkRequest& add(int type, const void* data, std::size_t size) {
    const rtattr header = {.rta_len = static_cast<unsigned short>(sizeof(rtattr) + size),
                           .rta_type = static_cast<unsigned short>(type)};
    put(&header, sizeof header);
    put(data, size);
    return *this;
  }
  LinkRequest& add(int type, const std::string& text) {
    return add(type, text.c_str(), text.size() + 1);
  }
  LinkRequest& add(int type, int number) { return add(type, &number, sizeof number); }
  /// An attribute with what `fill` puts.
  template <class Fill>
  LinkRequest& nest(int type, Fill fill) {
    const std::size_t begin = bytes_.size();
    add(type, nullptr, 0);
    fill(*this);
    const auto size = static_cast<unsigned short>(bytes_.size() - begin);
    std::memcpy(&bytes_[begin + offsetof(rtattr, rta_len)], &size, sizeof size);
    return *this;
  }
  void put(const void* data, std::size_t size) {
    if (size > 0) bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
  }
  /// 0, or the errno of the kernel's answer.
  [[nodiscard]] int send(int socket) {
    header_.nlmsg_len = static_cast<std::uint32_t>(sizeof header_ + bytes_.size());
    std::string message(reinterpret_cast<const char*>(&header_), sizeof header_);
    message += bytes_;
    if (::send(socket, message.data(), message.size(), 0) == -1) return errno;
    struct {
      nlmsghdr header;
      nlmsgerr error;
    } answer = {};
    if (::recv(socket, &answer, sizeof answer, 0) == -1) return errno;
    return -answer.error.error;
  }

 private:
  nlmsghdr header_ = {};
  std::string bytes_;
};

/// Has a loopback device that is down, and nothing else. Ends with this object and the sockets that
/// were made there.
class OwnNetwork {
 public:
  static constexpr const char* kNotAllowed =
      "a network of one's own takes rights: be root, or run the tests with unshare -rn";

  OwnNetwork() : outside_(of_this_thread()) {
    if (::unshare(CLONE_NEWNET) == -1) return;
    inside_ = of_this_thread();
    control_ = UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    requests_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    enter(outside_);
  }

  /// False where the kernel does not allow it.
  explicit operator bool() const noexcept { return static_cast<bool>(inside_); }

  /// Calls `function` while this thread is there.
  template <class F>
  decltype(auto) inside(F&& function) const {
    struct Visit {
      explicit Visit(const OwnNetwork& network) : outside(network.outside_) {
        enter(network.inside_);
      }
      ~Visit() { enter(outside); }
      const UniqueFd& outside;
    } const visit(*this);
    return std::forward<F>(function)();
  }

  // ---- links, by name; each throws std::system_error
  /// Adds one of a kind that this kernel has.
  void add(const std::string& name) {
    for (const char* kind : {"dummy", "ifb", "bridge"}) {
      if (try_to_add(kind, name) == 0) return;
    }
    throw std::system_error(EOPNOTSUPP, std::system_category(), "no kind of link");
  }
  /// 0, or an errno.
  [[nodiscard]] int try_to_add(const std::string& kind, const std::string& name) {
    return creation(name)
        .nest(IFLA_LINKINFO, [&](LinkRequest& info) { info.add(IFLA_INFO_KIND, kind); })
        .send(control_.fd());
  }
  /// Two that are connected.
  [[nodiscard]] int try_to_add_pair(const std::string& name, const std::string& peer) {
    const auto peers = [&](LinkRequest& data) {
      const ifinfomsg none = {};
      data.put(&none, sizeof none);
      data.add(IFLA_IFNAME, peer);
    };
    return creation(name)
        .nest(IFLA_LINKINFO,
              [&](LinkRequest& info) {
                info.add(IFLA_INFO_KIND, "veth");
                info.nest(IFLA_INFO_DATA,
                          [&](LinkRequest& data) { data.nest(VETH_INFO_PEER, peers); });
              })
        .send(control_.fd());
  }
  void remove(const std::string& name) {
    check(LinkRequest(RTM_DELLINK, 0).add(IFLA_IFNAME, name), "RTM_DELLINK");
  }
  /// No request to rtnetlink: it is the cheapest change.
  void set_up(const std::string& name, bool up) {
    ifreq request = named(name);
    ioctl(SIOCGIFFLAGS, request);
    request.ifr_flags =
        static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    ioctl(SIOCSIFFLAGS, request);
  }
  /// It has to be down.
  void rename(const std::string& name, const std::string& new_name) {
    ifreq request = named(name);
    std::ranges::copy(new_name, request.ifr_newname);
    ioctl(SIOCSIFNAME, request);
  }
  void set_mtu(const std::string& name, int mtu) {
    check(LinkRequest(RTM_NEWLINK, 0).add(IFLA_IFNAME, name).add(IFLA_MTU, mtu), "IFLA_MTU");
  }
  /// Makes it a part of the bridge; of none, if that is empty.
  void set_bridge(const std::string& name, const std::string& bridge) {
    const int index = bridge.empty() ? 0 : index_of(bridge);
    check(LinkRequest(RTM_NEWLINK, 0).add(IFLA_IFNAME, name).add(IFLA_MASTER, index),
          "IFLA_MASTER");
  }
  [[nodiscard]] int index_of(const std::string& name) const {
    ifreq request = named(name);
    ioctl(SIOCGIFINDEX, request);
    return request.ifr_ifindex;
  }
  /// All that there are, by index, as netdevice(7) tells.
  [[nodiscard]] std::vector<detent::Link> links() const {
    return inside([&] {
      std::vector<detent::Link> all;
      struct if_nameindex* const found = ::if_nameindex();
      for (struct if_nameindex* each = found; each->if_index != 0; ++each) {
        ifreq request = named(each->if_name);
        ioctl(SIOCGIFFLAGS, request);
        all.push_back(
            {.index = static_cast<int>(each->if_index),
             .name = each->if_name,
             .up = (request.ifr_flags & IFF_UP) != 0,
             .running = (request.ifr_flags & IFF_RUNNING) != 0 && has_carrier(each->if_name)});
      }
      ::if_freenameindex(found);
      std::ranges::sort(all, {}, &detent::Link::index);
      return all;
    });
  }

 private:
  static UniqueFd of_this_thread() {
    return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  // Nothing else that this process does is right if this fails.
  static void enter(const UniqueFd& network) {
    if (::setns(network.fd(), CLONE_NEWNET) == -1) std::abort();
  }
  static LinkRequest creation(const std::string& name) {
    LinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.add(IFLA_IFNAME, name);
    return request;
  }
  static ifreq named(const std::string& name) {
    ifreq request = {};
    std::ranges::copy(name, request.ifr_name);
    return request;
  }
  // True where the driver does not say.
  [[nodiscard]] bool has_carrier(const std::string& name) const {
    ifreq request = named(name);
    ethtool_value value = {.cmd = ETHTOOL_GLINK, .data = 1};
    request.ifr_data = reinterpret_cast<char*>(&value);
    return ::ioctl(requests_.fd(), SIOCETHTOOL, &request) == -1 || value.data != 0;
  }
  void ioctl(unsigned long what, ifreq& request) const {
    if (::ioctl(requests_.fd(), what, &request) == -1) {
      throw std::system_error(errno, std::system_category(), request.ifr_name);
    }
  }
  void check(LinkRequest& request, const char* what) const {
    const int error = request.send(control_.fd());
    if (error != 0) throw std::system_error(error, std::system_category(), what);
  }

  UniqueFd outside_;
  UniqueFd inside_;
  UniqueFd control_;
  UniqueFd requests_;
};

}  // namespace detent::testing_support
