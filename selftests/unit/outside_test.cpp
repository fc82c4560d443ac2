// SPDX-License-Identifier: Apache-2.0
// Who gets which outside ports: control/model/outside.h.
#include "control/model/outside.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <set>

using namespace centaurus;
using mizar::Addr;
using mizar::Code;
using mizar::Prefix;

namespace {

Addr addr(const std::string& text) { return *Addr::parse(text); }

// `n` endpoints behind a gateway with a pool.
Region region_of(int n, const char* pool = "198.51.100.0/29", std::uint32_t ports = 1024) {
  Region r;
  r.vpcs.push_back({"red", 7, {*Prefix::parse("10.0.0.0/16"), {}}});
  for (int i = 0; i < n; i++) {
    Endpoint e;
    e.name = fmt::format("e{}", i);
    e.vpc = "red";
    e.address.v4 = Addr::v4(0x0a000005 + static_cast<std::uint32_t>(i));
    r.endpoints.push_back(e);
  }
  r.gateways.push_back({"out", "red", {}, {}, {*Prefix::parse(pool)}, ports, {}, {}});
  return r;
}

std::map<std::string, Lease> by_name(const Leases& all) {
  std::map<std::string, Lease> out;
  for (const Lease& l : all) EXPECT_TRUE(out.emplace(l.endpoint, l).second);
  return out;
}
bool same(const Lease& a, const Lease& b) { return a.outside == b.outside && a.ports == b.ports; }

// No two of them share a port, and all are the gateway's to give.
void expect_sound(const Region& r, const Leases& leases) {
  std::set<std::pair<Addr, std::uint16_t>> taken;
  for (const Lease& l : leases) {
    EXPECT_TRUE(r.gateways[0].pools[0].contains(l.outside)) << l.outside.text();
    EXPECT_EQ(l.ports.size(), r.gateways[0].ports_per_endpoint);
    EXPECT_EQ(l.ports.first % l.ports.size(), 0u);
    EXPECT_GE(l.ports.first, 1024);
    EXPECT_TRUE(taken.emplace(l.outside, l.ports.first).second);
  }
}

TEST(Outside, EveryEndpointGetsPortsOfItsOwn) {
  for (const std::uint32_t ports : {64u, 1024u, 2048u, 32768u}) {
    const auto r = region_of(ports == 32768 ? 8 : 200, "198.51.100.0/29", ports);
    const auto leases = lease_ports(r, {});
    ASSERT_TRUE(leases) << leases.error().what;
    EXPECT_EQ(leases->size(), r.endpoints.size());
    expect_sound(r, *leases);
  }
}

// 8 addresses of 63 ranges.
TEST(Outside, TheLastRangeIsGivenAndNotOneMore) {
  const auto full = lease_ports(region_of(8 * 63), {});
  ASSERT_TRUE(full) << full.error().what;
  EXPECT_EQ(full->size(), 504u);
  const auto more = lease_ports(region_of(8 * 63 + 1), {});
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Code::resource_exhausted);
  EXPECT_EQ(more.error().what,
            "gateway red/out: pools: 505 endpoints want 1024 IPv4 ports each, there are 504 such ranges; add a block, "
            "or lower ports_per_endpoint");
}

TEST(Outside, WhatIsLeasedStays) {
  const auto r = region_of(300);
  const auto first = by_name(*lease_ports(r, {}));
  auto grown = region_of(450);
  grown.endpoints.erase(grown.endpoints.begin() + 5, grown.endpoints.begin() + 20);
  Leases before;
  for (const auto& [name, l] : first) before.push_back(l);
  const auto next = lease_ports(grown, before);
  ASSERT_TRUE(next) << next.error().what;
  expect_sound(grown, *next);
  const auto now = by_name(*next);
  EXPECT_EQ(now.size(), 435u);
  for (const auto& [name, l] : now)
    EXPECT_TRUE(!first.contains(name) || same(l, first.at(name))) << name;
}

// Without what was kept most are given alike, in whatever order they stand.
TEST(Outside, ALostFileMovesFew) {
  const auto first = by_name(*lease_ports(region_of(100), {}));
  auto r = region_of(101);
  std::reverse(r.endpoints.begin(), r.endpoints.end());
  int moved = 0;
  for (const auto& [name, l] : by_name(*lease_ports(r, {})))
    moved += first.contains(name) && !same(l, first.at(name));
  EXPECT_LE(moved, 3);
}

TEST(Outside, ALeaseThatIsNotSoundIsGivenAnew) {
  auto r = region_of(3);
  r.gateways[0].floating = {{addr("198.51.100.7"), "e2"}};
  const Leases before = {
      {"red", "e0", addr("203.0.113.1"), {1024, 2047}},   // not ours
      {"red", "e1", addr("198.51.100.7"), {1024, 2047}},  // floating now
      {"red", "gone", addr("198.51.100.1"), {1024, 2047}},
  };
  const auto leases = lease_ports(r, before);
  ASSERT_TRUE(leases);
  expect_sound(r, *leases);
  ASSERT_EQ(leases->size(), 2u);  // e2 has its own
  for (const Lease& l : *leases) EXPECT_NE(l.outside, addr("198.51.100.7"));
  for (const mizar::PortRange range : {mizar::PortRange{0, 1023}, {1024, 1535}, {1536, 2559}}) {
    const auto again = lease_ports(r, {{"red", "e0", addr("198.51.100.1"), range}});
    ASSERT_TRUE(again);
    expect_sound(r, *again);
  }
  // Two of one range: the first by name keeps it.
  const auto twice = by_name(*lease_ports(r, {{"red", "e1", addr("198.51.100.1"), {2048, 3071}},
                                              {"red", "e0", addr("198.51.100.1"), {2048, 3071}}}));
  EXPECT_EQ(twice.at("e0").ports.first, 2048);
  EXPECT_FALSE(same(twice.at("e0"), twice.at("e1")));
}

// Of 63 ranges of one address one is spoilt by its outside port, and for the endpoint
// it leads to one by that.
TEST(Outside, AForwardedPortIsInNobodysRange) {
  auto r = region_of(61, "198.51.100.1/32");
  r.gateways[0].forwards = {{IPPROTO_TCP, addr("198.51.100.1"), 8080, "e7", "", 9000}};
  const auto leases = lease_ports(r, {});
  ASSERT_TRUE(leases) << leases.error().what;
  for (const auto& [name, l] : by_name(*leases)) {
    EXPECT_FALSE(l.ports.contains(8080)) << name;
    EXPECT_FALSE(name == "e7" && l.ports.contains(9000));
  }
  const auto kept = by_name(*lease_ports(r, {{"red", "e7", addr("198.51.100.1"), {8192, 9215}}}));
  EXPECT_NE(kept.at("e7").ports.first, 8192);
}

TEST(Outside, FamiliesHavePoolsOfTheirOwn) {
  auto r = region_of(3);
  r.endpoints[0].address.v6 = addr("fd00::5");
  r.endpoints[1].address.v6 = addr("fd00::6");
  r.gateways[0].floating = {{addr("2001:db8::1"), "e1"}};
  EXPECT_EQ(lease_ports(r, {})->size(), 3u);
  r.gateways[0].pools.push_back(*Prefix::parse("2001:db8::/126"));
  const auto leases = lease_ports(r, {});
  ASSERT_TRUE(leases);
  ASSERT_EQ(leases->size(), 4u);
  EXPECT_EQ((*leases)[3].endpoint, "e0");
  EXPECT_EQ((*leases)[3].outside.family(), mizar::Family::v6);
}

TEST(Outside, AnotherVpcsEndpointsAreNotAsked) {
  auto r = region_of(3);
  r.endpoints[1].vpc = "blue";
  EXPECT_EQ(lease_ports(r, {})->size(), 2u);
}

}  // namespace
