// SPDX-License-Identifier: Apache-2.0
// What the tests of userspace/net share: two namespaces to join by a veth pair,
// in namespaces of the process's own, and the values of either family.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "selftests/unit/own_namespaces.h"
#include "userspace/net/monitor.h"
#include "userspace/net/netlink.h"
#include "userspace/net/netns.h"

namespace mizar::net {

using namespace test;

inline Addr ip(const char* text) { return must(Addr::parse(text)); }

// Probes for IPv6 neighbours leave from the link-local address, which is not
// usable for a second or two while the kernel looks for duplicates.
inline Result<> no_duplicate_detection() {
  UniqueFd f(::open("/proc/sys/net/ipv6/conf/default/accept_dad", O_WRONLY | O_CLOEXEC));
  if (::write(f.get(), "0", 1) != 1) return fail_errno(Code::internal, errno, "accept_dad");
  return {};
}

// Reads the monitor until `found` likes a batch; false after five seconds.
inline bool wait_for(Monitor& m, const std::function<bool(const Monitor::Changes&)>& found) {
  using std::chrono::steady_clock;
  const auto limit = steady_clock::now() + std::chrono::seconds(5);
  for (;;) {
    if (found(must(m.read()))) return true;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(limit - steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd p{.fd = m.fd(), .events = POLLIN, .revents = 0};
    // `found` may look at something that changes without an event.
    constexpr std::chrono::milliseconds kLookAgain{50};
    (void)::poll(&p, 1, static_cast<int>(std::min(left, kLookAgain).count()));
  }
}

inline constexpr MacBytes kInnerMac = {0x02, 0, 0, 0, 0, 0x02};
inline constexpr MacBytes kOtherMac = {0x02, 0, 0, 0, 0, 0x33};

// A veth pair from the namespace "left" to the namespace "right".
class NetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static int run = 0;
    suffix_ = fmt::format("{}-{}", ::getpid(), ++run);
    left_.emplace(make_ns("left" + suffix_, no_duplicate_detection));
    right_.emplace(make_ns("right" + suffix_, no_duplicate_detection));
    l_.emplace(must(Netlink::open_in(*left_)));
    r_.emplace(must(Netlink::open_in(*right_)));
    home_ = must(NetnsRef::current()).inode();
  }
  void TearDown() override {
    EXPECT_EQ(must(NetnsRef::current()).inode(), home_) << "the test thread moved";
    EXPECT_TRUE(must(must(Netlink::open()).links()).size() == 1) << "something leaked out";
    remove_ns("left" + suffix_);
    remove_ns("right" + suffix_);
  }

  VethSpec spec() {
    VethSpec s;
    s.host_name = "h0";
    s.ns = &*right_;
    s.inner_name = "eth0";
    s.inner_mac = kInnerMac;
    s.mtu = 1450;
    return s;
  }
  // Both ends up, an address each.
  void connect(const char* left_ip, const char* right_ip, unsigned len) {
    host_ = must(l_->add_veth(spec()));
    inner_ = must(r_->link("eth0")).index;
    ASSERT_OK(l_->add_address(host_, Prefix{ip(left_ip), len}));
    ASSERT_OK(r_->add_address(inner_, Prefix{ip(right_ip), len}));
    ASSERT_OK(l_->set_link(host_, {.up = true}));
    ASSERT_OK(r_->set_link(inner_, {.up = true}));
    EXPECT_TRUE(must(l_->link(host_)).running);
    EXPECT_TRUE(must(r_->link(inner_)).running);
    EXPECT_TRUE(wait_for_address(*left_, *l_, ip(left_ip)));
    EXPECT_TRUE(wait_for_address(*right_, *r_, ip(right_ip)));
  }
  // An IPv6 address takes effect on a worker of the kernel.
  static bool wait_for_address(const NetnsRef& ns, Netlink& nl, const Addr& a) {
    Monitor m = must(Monitor::open_in(ns));
    return wait_for(m, [&](const Monitor::Changes&) {
      auto hop = nl.route_to(a);
      return hop && hop->local;
    });
  }

  std::string suffix_;
  std::optional<NetnsRef> left_, right_;
  std::optional<Netlink> l_, r_;
  unsigned host_ = 0, inner_ = 0;
  std::uint64_t home_ = 0;
};

// Addresses of a family, for what has to hold in either.
struct Family {
  const char *left, *right, *far, *far_net, *nowhere, *source;
  unsigned len, far_len;
};
inline constexpr Family kV4 = {
    "192.0.2.1", "192.0.2.2", "198.51.100.9", "198.51.100.0", "203.0.113.77", "192.0.2.7", 24, 24};
inline constexpr Family kV6 = {"2001:db8:1::1",
                               "2001:db8:1::2",
                               "2001:db8:2::9",
                               "2001:db8:2::",
                               "2001:db8:3::77",
                               "2001:db8:1::7",
                               64,
                               48};

class FamilyTest : public NetTest, public ::testing::WithParamInterface<Family> {};
// For INSTANTIATE_TEST_SUITE_P, which a program without such a test must not have.
inline const auto kFamilies = ::testing::Values(kV4, kV6);
inline std::string family_name(const ::testing::TestParamInfo<Family>& i) {
  return i.index == 0 ? "v4" : "v6";
}

}  // namespace mizar::net
