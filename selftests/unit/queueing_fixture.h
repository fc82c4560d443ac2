// SPDX-License-Identifier: Apache-2.0
// What the tests of queueing.h stand on: a quiet link, packets with a priority and a time,
// and tc as a witness.
#pragma once

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>

#include "selftests/unit/net_fixture.h"
#include "userspace/net/queueing.h"

namespace mizar::net {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

inline constexpr std::uint64_t kMbit = 1000 * 1000, kGbit = 1000 * kMbit;
inline constexpr Queueing kTrees[] = {Queueing::fq_bands, Queueing::mqprio_fq, Queueing::prio_fq,
                                      Queueing::htb};
inline constexpr std::uint16_t kPort = 4000;
inline constexpr std::size_t kPayload = 1000;  // bytes
inline constexpr int kPlenty = 64 << 20;       // bytes of a socket's buffer
inline constexpr unsigned kQueues = 7;

// What the kernel has, asked once.
inline const QueueingSupport& support() {
  static const QueueingSupport s = must(probe_queueing());
  return s;
}

inline bool supported(Queueing kind) {
  const auto& s = support();
  return kind == Queueing::fq_bands    ? s.fq_bands
         : kind == Queueing::mqprio_fq ? s.fq && s.mqprio
         : kind == Queueing::prio_fq   ? s.fq && s.prio
                                       : s.htb;
}

inline QueueingSpec spec_of(Queueing kind, std::uint64_t rate = kGbit) {
  QueueingSpec s;
  s.kind = kind;
  if (kind == Queueing::htb) s.rate = rate;
  return s;
}

// No packets but the test's own: IPv6 would send some by itself.
inline Result<> no_ipv6() {
  UniqueFd f(::open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC));
  if (::write(f.get(), "1", 1) != 1) return fail_errno(Code::internal, errno, "disable_ipv6");
  return {};
}

template <class T>
void option(int fd, int name, T value) {
  ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value), 0) << std::strerror(errno);
}

// A link with seven tx queues from "left" to "right", quiet.
class QueueingTest : public NetTest {
 protected:
  void SetUp() override {
    NetTest::SetUp();
    ASSERT_OK(run_in(*left_, no_ipv6));
    ASSERT_OK(run_in(*right_, no_ipv6));
    VethSpec s = spec();
    s.queues = kQueues;
    i_ = must(l_->add_veth(s));
    const unsigned inner = must(r_->link("eth0")).index;
    ASSERT_OK(l_->add_address(i_, Prefix{ip("192.0.2.1"), 24}));
    ASSERT_OK(r_->add_address(inner, Prefix{ip("192.0.2.2"), 24}));
    ASSERT_OK(l_->set_link(i_, {.up = true}));
    ASSERT_OK(r_->set_link(inner, {.up = true}));
    ASSERT_OK(l_->set_neighbour(i_, ip("192.0.2.2"), kInnerMac, true));
    out_ = sender();
    ASSERT_OK(run_in(*right_, [&]() -> Result<> {
      in_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      return {};
    }));
    option(in_.get(), SO_RCVBUFFORCE, kPlenty);
    ASSERT_EQ(::bind(in_.get(), reinterpret_cast<const sockaddr*>(&to_), sizeof to_), 0);
  }

  // A socket in "left": a flow of its own.
  UniqueFd sender() {
    UniqueFd fd;
    EXPECT_OK(run_in(*left_, [&]() -> Result<> {
      fd.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      return {};
    }));
    option(fd.get(), SO_SNDBUFFORCE, kPlenty);
    option(fd.get(), SO_TXTIME, sock_txtime{.clockid = CLOCK_MONOTONIC, .flags = 0});
    return fd;
  }

  // `count` datagrams with a priority, to leave after `delay`.
  void send(std::uint32_t priority, int count, milliseconds delay = milliseconds(0)) {
    send_from(out_, priority, count, delay);
  }
  void send_from(const UniqueFd& from, std::uint32_t priority, int count, milliseconds delay) {
    option(from.get(), SO_PRIORITY, priority);
    std::array<char, kPayload> body{};
    std::memcpy(body.data(), &priority, sizeof priority);
    iovec v{.iov_base = body.data(), .iov_len = body.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint64_t))] = {};
    msghdr m{};
    m.msg_name = &to_;
    m.msg_namelen = sizeof to_;
    m.msg_iov = &v;
    m.msg_iovlen = 1;
    if (delay.count() != 0) {
      m.msg_control = control;
      m.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&m);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_TXTIME;
      c->cmsg_len = CMSG_LEN(sizeof(std::uint64_t));
      const std::uint64_t at = static_cast<std::uint64_t>(
          (steady_clock::now() + delay).time_since_epoch() / std::chrono::nanoseconds(1));
      std::memcpy(CMSG_DATA(c), &at, sizeof at);
    }
    for (int k = 0; k < count; k++)
      ASSERT_EQ(::sendmsg(from.get(), &m, 0), static_cast<ssize_t>(kPayload))
          << std::strerror(errno);
  }

  // As `ethtool -L h0 tx COUNT`.
  void use_queues(unsigned count) {
    ethtool_channels c{};
    c.cmd = ETHTOOL_SCHANNELS;
    c.rx_count = kQueues;
    c.tx_count = count;
    ifreq req{};
    std::strcpy(req.ifr_name, "h0");
    req.ifr_data = reinterpret_cast<char*>(&c);
    ASSERT_EQ(::ioctl(out_.get(), SIOCETHTOOL, &req), 0) << std::strerror(errno);
  }

  // Datagrams that came, `wanted` or what came within ten seconds; came_ has how many of each
  // priority.
  int receive(int wanted) {
    const auto limit = steady_clock::now() + std::chrono::seconds(10);
    std::array<char, 2 * kPayload> body;
    int got = 0;
    while (got < wanted && steady_clock::now() < limit) {
      pollfd p{.fd = in_.get(), .events = POLLIN, .revents = 0};
      (void)::poll(&p, 1, 100);
      for (std::uint32_t priority; got < wanted && ::recv(in_.get(), body.data(), body.size(), 0) > 0; got++) {
        std::memcpy(&priority, body.data(), sizeof priority);
        came_[priority]++;
      }
    }
    return got;
  }

  // What tc says of the link, in the namespace of its own.
  std::string tc(const std::string& command) {
    std::string out;
    EXPECT_OK(run_in(*left_, [&]() -> Result<> {
      const std::unique_ptr<std::FILE, int (*)(std::FILE*)> p(
          ::popen(("tc " + command + " 2>&1").c_str(), "r"), ::pclose);
      std::array<char, 4096> part;
      while (const auto n = std::fread(part.data(), 1, part.size(), p.get()))
        out.append(part.data(), n);
      return {};
    }));
    return out;
  }

  QueueingState state() { return must(queueing(*l_, i_)); }
  void set(const QueueingSpec& s) { ASSERT_OK(set_queueing(*l_, i_, s, false)); }

  unsigned i_ = 0;
  UniqueFd out_, in_;
  std::map<std::uint32_t, int> came_;
  sockaddr_in to_{.sin_family = AF_INET,
                  .sin_port = htons(kPort),
                  .sin_addr = {.s_addr = htonl(0xc0000202)},
                  .sin_zero = {}};
};

// One tree each.
class TreeTest : public QueueingTest, public ::testing::WithParamInterface<Queueing> {
 protected:
  void SetUp() override {
    if (GetParam() == Queueing::htb) {
      ASSERT_TRUE(supported(Queueing::htb)) << "every kernel of ours has HTB";
    } else if (!support().fq) {
      skipped_ = true;
      GTEST_SKIP() << "the kernel has no fq: htb stands in";
    } else if (!supported(GetParam())) {
      skipped_ = true;
      GTEST_SKIP() << "the kernel has no " << name_of(GetParam());
    }
    QueueingTest::SetUp();
  }
  void TearDown() override {
    if (!skipped_) QueueingTest::TearDown();
  }
  bool skipped_ = false;
};
class FqTreeTest : public TreeTest {};

inline std::string kind_of(const ::testing::TestParamInfo<Queueing>& i) {
  std::string name = name_of(i.param);
  std::ranges::replace(name, '-', '_');
  return name;
}

inline bool contains(const std::string& all, const std::string& part) {
  return all.find(part) != std::string::npos;
}

inline std::size_t times(const std::string& all, const std::string& part) {
  std::size_t n = 0;
  for (auto at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) n++;
  return n;
}

}  // namespace mizar::net
