// SPDX-License-Identifier: Apache-2.0
// A daemon with real links and namespaces, and a data plane that forwards nothing.
#pragma once

#include <gtest/gtest.h>

#include <fstream>

#include "selftests/unit/own_namespaces.h"
#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"
#include "userspace/transitd/daemon.h"

namespace mizar::test {

inline Addr addr(const char* text) { return Addr::parse(text).value(); }

// One host, its peers; a test adds what it needs.
inline constexpr const char* kState = R"(
revision: 1
host: w1
hosts:
  - {name: w1, id: 1, address: 192.0.2.1, address6: "2001:db8::1"}
  - {name: w2, id: 2, address: 192.0.2.2, address6: "2001:db8::2"}
vpcs:
  - {name: red, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00::/48"}
networks:
  - {name: n, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:0:0:1::/64"}
endpoints:
  - {name: a, vpc: red, network: n, address: 10.0.1.5, address6: "fd00:0:0:1::5", host: w1,
     netns: {name: a}}
)";

// kState with one piece of text replaced.
inline std::string state_with(const std::string& old, const std::string& by) {
  std::string s = kState;
  const auto at = s.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return s.replace(at, old.size(), by);
}

class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_ns("wire");
    make_ns("a");
    const auto wire = must(net::NetnsRef::open("wire"));
    here_.emplace(must(net::Netlink::open()));
    uplink_ = link("up0", wire);
    address("up0", "192.0.2.1/24");
    address("up0", "2001:db8::1/64");
    loop_ = must(EventLoop::create());
    store_ = make_memory_store();
    start({});
  }
  void TearDown() override {
    daemon_.reset();
    for (const auto& l : must(here_->links()))
      if (l.kind == "veth") (void)here_->delete_link(l.index);
    for (const auto* ns : {"wire", "a"}) remove_ns(ns);
  }

  void start(DaemonOptions options) {
    daemon_.reset();
    dp_.loads = 0;  // a new process has loaded nothing
    daemon_ = must(Daemon::start(*loop_, dp_, *store_, std::move(options)));
  }
  unsigned link(const char* name, const net::NetnsRef& other_end) {
    net::VethSpec s;
    s.host_name = name;
    s.ns = &other_end;
    s.inner_name = name;
    s.host_up = true;
    const unsigned index = must(here_->add_veth(s));
    auto there = must(net::Netlink::open_in(other_end));
    EXPECT_OK(there.set_link(must(there.link(name)).index, {.up = true}));
    return index;
  }
  void address(const char* name, const char* text) {
    const std::string_view s(text);
    const auto slash = s.find('/');
    EXPECT_OK(here_->add_address(must(here_->link(name)).index,
                                 Prefix{must(Addr::parse(s.substr(0, slash))),
                                        static_cast<unsigned>(std::stoul(std::string(s.substr(slash + 1))))}));
  }
  Result<v1::ApplyReply> apply(const std::string& text) {
    v1::ApplyRequest r;
    EXPECT_OK(parse_text(text, "test", *r.mutable_state()));
    return daemon_->apply(r);
  }
  v1::EndpointStatus endpoint(const std::string& name) {
    const auto all = daemon_->endpoints();
    for (const auto& e : all.endpoints())
      if (e.endpoint().name() == name) return e;
    ADD_FAILURE() << name;
    return {};
  }
  net::Netlink inside(const char* ns) { return must(net::Netlink::open_in(must(net::NetnsRef::open(ns)))); }
  bool has_address(const char* ns, const char* ip) {
    auto nl = inside(ns);
    const auto way = nl.route_to(addr(ip));
    return way && way->local;
  }
  Result<v1::EndpointStatus> add(const std::string& text) {
    v1::AddEndpointRequest r;
    EXPECT_OK(parse_text(text, "test", r));
    return daemon_->add_endpoint(r);
  }
  // What the daemon does by itself, until `done`; once in a test.
  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    bool met = false;
    EXPECT_OK(loop_->every(std::chrono::milliseconds(5), [&] {
      met = done();
      if (met || std::chrono::steady_clock::now() > end) loop_->stop();
    }));
    loop_->run();
    return met;
  }
  static void disable_ipv6(const char* ns, bool off) {
    EXPECT_OK(net::run_in(must(net::NetnsRef::open(ns)), [off]() -> Result<> {
      std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << off;
      return {};
    }));
  }

  std::optional<net::Netlink> here_;
  unsigned uplink_ = 0;
  FakeDataplane dp_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace mizar::test
