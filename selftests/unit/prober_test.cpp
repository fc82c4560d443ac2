// SPDX-License-Identifier: Apache-2.0
// Liveness probes over both families, against sockets that answer as a hop does.
#include "userspace/transitd/prober.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>

#include "bpf/abi/wire.h"
#include "selftests/unit/own_namespaces.h"
#include "userspace/net/netlink.h"
#include "userspace/transitd/control_packet.h"

namespace mizar {
namespace {

using namespace test;
using namespace std::chrono_literals;

Addr addr(const char* text) { return Addr::parse(text).value(); }

// Stands for a hop: a socket at its address. It answers when told to.
class Hop {
 public:
  explicit Hop(const char* ip) {
    const Addr a = addr(ip);
    fd_.reset(socket(a.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in in4{};
    in4.sin_family = AF_INET;
    in4.sin_port = htons(MZ_GENEVE_PORT);
    in4.sin_addr.s_addr = htonl(a.v4_value());
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(MZ_GENEVE_PORT);
    std::memcpy(&in6.sin6_addr, a.bytes().data(), 16);
    EXPECT_EQ(a.is_v4() ? bind(fd_.get(), reinterpret_cast<sockaddr*>(&in4), sizeof in4)
                        : bind(fd_.get(), reinterpret_cast<sockaddr*>(&in6), sizeof in6), 0)
        << ip << ": " << std::strerror(errno);
  }
  // The next datagram, within a limit; sent back if `answer`.
  std::vector<std::uint8_t> take(bool answer) {
    pollfd p{fd_.get(), POLLIN, 0};
    if (poll(&p, 1, 5000) != 1) return {};
    std::vector<std::uint8_t> bytes(512);
    sockaddr_storage from{};
    socklen_t len = sizeof from;
    const auto n = recvfrom(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &len);
    bytes.resize(n < 0 ? 0 : static_cast<size_t>(n));
    if (answer)
      sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), len);
    return bytes;
  }

 private:
  UniqueFd fd_;
};

class ProberTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto nl = must(net::Netlink::open());
    const auto lo = must(nl.link("lo")).index;
    EXPECT_OK(nl.set_link(lo, {.up = true}));
    for (const char* ip : {"2001:db8::1", "2001:db8::2"})
      EXPECT_OK(nl.add_address(lo, Prefix{addr(ip), 128}));
    for (const char* ip : {"192.0.2.1", "192.0.2.2"}) EXPECT_OK(nl.add_address(lo, Prefix{addr(ip), 32}));
    // A worker of the kernel puts IPv6 addresses into effect.
    const auto limit = std::chrono::steady_clock::now() + 5s;
    while (std::chrono::steady_clock::now() < limit && !must(nl.route_to(addr("2001:db8::1"))).local) {
    }
  }
  void start(const Addrs& self) {
    prober_ = must(Prober::start(1, self, [this](std::uint32_t host, bool down) {
      const std::lock_guard lock(mutex_);
      changes_.emplace_back(host, down);
      changed_.notify_all();
    }));
  }
  bool wait_for(std::uint32_t host, bool down) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 5s, [&] {
      return std::find(changes_.begin(), changes_.end(), std::pair(host, down)) != changes_.end();
    });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::uint32_t, bool>> changes_;
  std::unique_ptr<Prober> prober_;
};

TEST_F(ProberTest, BothFamiliesAtOnce) {
  Hop four("192.0.2.2"), six("2001:db8::2");
  start({addr("192.0.2.1"), addr("2001:db8::1")});
  prober_->set_targets({{2, addr("192.0.2.2")}, {3, addr("2001:db8::2")}}, {{2, true}, {3, true}});
  EXPECT_EQ(four.take(true), probe_packet(1));
  EXPECT_EQ(six.take(true), probe_packet(1));
  EXPECT_TRUE(wait_for(2, false)) << "an answer brings it back";
  EXPECT_TRUE(wait_for(3, false));
  EXPECT_TRUE(wait_for(3, true)) << "silence takes it down";
  EXPECT_TRUE(wait_for(2, true));
}

TEST_F(ProberTest, OneFamilyAlone) {
  Hop six("2001:db8::2");
  start({{}, addr("2001:db8::1")});
  prober_->set_targets({{3, addr("2001:db8::2")}}, {{3, true}});
  EXPECT_EQ(six.take(true), probe_packet(1));
  EXPECT_TRUE(wait_for(3, false));
}

TEST_F(ProberTest, ControlPacketsGoByTheHostsFamily) {
  Hop four("192.0.2.2"), six("2001:db8::2");
  start({addr("192.0.2.1"), addr("2001:db8::1")});
  const auto hint = hint_packet(1, 7, addr("fd00::5"), addr("fd00::6"), 1);
  prober_->send(addr("2001:db8::2"), hint);
  EXPECT_EQ(six.take(false), hint);
  prober_->send(addr("192.0.2.2"), hint);
  EXPECT_EQ(four.take(false), hint);
}

TEST_F(ProberTest, AnAddressThatIsNotHereIsAnError) {
  const auto p = Prober::start(1, {addr("192.0.2.1"), addr("2001:db8::9")}, [](auto, auto) {});
  ASSERT_FALSE(p);
  EXPECT_EQ(p.error().code, Code::failed_precondition);
  EXPECT_EQ(p.error().what, "address 2001:db8::9: not on this host, cannot probe from it: "
                            "Cannot assign requested address");
}

}  // namespace
}  // namespace mizar
