// SPDX-License-Identifier: Apache-2.0
// transit-responder before it answers: who a client is, what it knows of the region, and how
// much it may ask.
#include <gtest/gtest.h>

#include "selftests/unit/local_world.h"
#include "selftests/unit/responder_world.h"
#include "userspace/responder/limits.h"
#include "userspace/responder/snapshot.h"
#include "userspace/responder/sockets.h"

namespace mizar::responder {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Snapshot> snapshot(const v1::GetLocalReply& r) {
  auto s = Snapshot::from(r);
  EXPECT_TRUE(s) << s.error().what;
  return s.value();
}

TEST(Local, TheSourceAddressIsTheSlot) {
  const struct {
    const char* ip;
    int slot;  // -1: no client
  } rows[] = {{"100.64.0.0", 0},         {"100.64.0.5", 5},          {"100.64.255.255", 65535},
              {"100.65.0.0", -1},        {"100.63.255.255", -1},     {"10.0.1.5", -1},
              {"fd4d:5a00::", 0},        {"fd4d:5a00::5", 5},        {"fd4d:5a00::ffff", 65535},
              {"fd4d:5a00::1:0", -1},    {"fd4d:5a00:0:0:1::5", -1}, {"fd4d:5aff::53", -1}};
  for (const auto& row : rows) {
    const auto slot = slot_of(addr(row.ip));
    EXPECT_EQ(slot ? static_cast<int>(*slot) : -1, row.slot) << row.ip;
  }
  for (const Family f : {Family::v4, Family::v6})
    EXPECT_EQ(slot_of(client_address(f, 0x1234)), 0x1234u);
  EXPECT_EQ(client_address(Family::v6, 0x1234).text(), "fd4d:5a00::1234");
  EXPECT_EQ(dhcp_server(Family::v4).text(), "169.254.169.252");
  EXPECT_EQ(dhcp_server(Family::v6).text(), "fd4d:5aff::547");
  EXPECT_EQ(dns_server(Family::v4).text(), "169.254.169.253");
  EXPECT_EQ(dns_server(Family::v6).text(), "fd4d:5aff::53");
  EXPECT_EQ(metadata_server(Family::v4).text(), "169.254.169.254");
  EXPECT_EQ(metadata_server(Family::v6).text(), "fd4d:5aff::a9fe:a9fe");
  EXPECT_EQ(prober_address(Family::v4).text(), "169.254.169.251");
  EXPECT_EQ(prober_address(Family::v6).text(), "fd4d:5aff::a9fe:a9fb");
}

TEST(Snapshot, ClientsByPortSlot) {
  const auto s = snapshot(local());
  ASSERT_EQ(s->size(), 2u);  // red/gone is no endpoint
  const Client* red = s->client(5);
  const Client* blue = s->client(6);
  ASSERT_TRUE(red && blue);
  EXPECT_EQ(red->vpc + "/" + red->name, "red/web");
  EXPECT_EQ(red->network, "front");
  EXPECT_EQ(red->address.text(), "10.0.1.5 fd00:1:0:1::5");
  EXPECT_EQ(red->cidr.text(), "10.0.1.0/24 fd00:1:0:1::/64");
  EXPECT_EQ(red->mac, default_mac(7, addr("10.0.1.5")));
  EXPECT_EQ(red->mtu, 1434u);
  EXPECT_EQ(red->user_data, "hello");
  EXPECT_EQ(red->services.dns, std::vector<Addr>{addr("192.0.2.9")});
  EXPECT_TRUE(red->services.dhcp);
  EXPECT_FALSE(blue->services.dhcp);
  EXPECT_EQ(s->client(7), nullptr);
}

TEST(Snapshot, NamesOfEachVpcAlone) {
  const auto s = snapshot(local());
  const Zone* red = s->zone(7);
  const Zone* blue = s->zone(8);
  EXPECT_EQ(red->domain(), "red.internal");
  EXPECT_EQ(blue->domain(), "corp.example");
  EXPECT_EQ(s->zone(9)->domain(), "");  // a..b.internal cannot be said
  EXPECT_EQ(s->zone(10), nullptr);
  const struct {
    const Zone* zone;
    const char *name, *addresses;  // nullptr: does not exist
  } rows[] = {{red, "web", "10.0.1.5 fd00:1:0:1::5"}, {red, "web.front", "10.0.1.5 fd00:1:0:1::5"},
              {red, "db", "10.0.9.2"},                {red, "far", "10.0.9.9"},
              {red, "db.front", "10.0.1.6"},          {red, "www", "10.0.9.1 fd00:1:0:9::1"},
              {red, "v..w", nullptr},                 {blue, "www", nullptr},
              {red, "far.back", "10.0.9.9"},          {red, "back", ""},
              {red, "front", "10.0.1.8"},             {red, "front.front", "10.0.1.8"},
              {red, "x..y", nullptr},                 {red, "x", nullptr},
              {red, "ns", "169.254.169.253 fd4d:5aff::53"},
              {blue, "web", "10.0.1.5"},              {blue, "db", nullptr},
              {blue, "far", nullptr},                 {blue, "far.back", nullptr},
              {blue, "front", ""}};
  for (const auto& row : rows) {
    const Addrs* a = row.zone->find(row.name);
    EXPECT_EQ(a != nullptr, row.addresses != nullptr) << row.name;
    if (a && row.addresses) {
      EXPECT_EQ(a->text(), row.addresses) << row.name;
    }
  }
  EXPECT_EQ(*red->find_reverse(addr("10.0.9.9")), "far.back");
  EXPECT_EQ(*red->find_reverse(addr("fd00:1:0:9::1")), "www");
  EXPECT_EQ(blue->find_reverse(addr("10.0.1.6")), nullptr);
}

// Backends of this host are probed by their port's slot; others' hosts are asked.
TEST(Snapshot, WhomToProbeAndWhomToAsk) {
  v1::GetLocalReply r = local();
  v1::GoalState more;
  const auto read = parse_text(R"(services:
  - {name: api, vpc: red, address: 10.0.9.4, address6: "fd00:1:0:9::4", ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     health: {protocol: http, interval_ms: 500},
     backends: [{name: web, address: 10.0.1.5, address6: "fd00:1:0:1::5", host: w1}, {name: db, address: 10.0.1.6, host: d1},
                {name: front, address: 10.0.1.8, host: w1}]}
  - {name: rare, vpc: red, address: 10.0.9.5, ports: [{protocol: tcp, port: 80}], health: {protocol: tcp, interval_ms: 30000},
     backends: [{name: db, address: 10.0.1.6, host: d1}]}
  - {name: api, vpc: blue, address: 10.0.9.4, ports: [{protocol: tcp, port: 81}], health: {protocol: tcp},
     backends: [{name: web, address: 10.0.1.5, host: w1}]}
)", "more", more);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_TRUE(snapshot(r)->health_targets().empty());
  r.mutable_state()->MergeFrom(more);
  const auto s = snapshot(r);
  std::vector<std::string> targets;
  for (const auto& t : s->health_targets())
    targets.push_back(t.key.service + " " + t.key.address.text() + " at " + (t.at ? t.at->text() : "none"));
  EXPECT_EQ(targets, (std::vector<std::string>{"blue/api 10.0.1.5 at 100.64.0.6:81", "red/api 10.0.1.5 at 100.64.0.5:8080",
                                               "red/api fd00:1:0:1::5 at [fd4d:5a00::5]:8080", "red/api 10.0.1.8 at none"}))
      << "front has no interface";
  EXPECT_EQ(s->health_asks(), std::vector<HealthAsk>({{"red/api", 7, "api", addr("192.0.2.2"), {addr("10.0.1.6")}, 500ms},
                                                           {"red/rare", 7, "rare", addr("192.0.2.2"), {addr("10.0.1.6")}, 1000ms}}));
  EXPECT_EQ(s->service(7, "api"), "red/api");
  EXPECT_EQ(s->service(7, "www"), std::nullopt) << "nobody asks how it is";
  EXPECT_TRUE(s->has_backend({"red/api", addr("10.0.1.8")}));
  EXPECT_FALSE(s->has_backend({"blue/api", addr("10.0.1.6")}));
}

TEST(Snapshot, WhoHoldsABucket) {
  v1::GetLocalReply r = local();
  auto* t = r.mutable_state()->mutable_vpcs(0)->mutable_dividers();
  for (unsigned b = 0; b < MZ_BUCKETS; b++) {
    t->add_primary(b == 0 ? 1 : b == 1 ? 0 : 2);
    t->add_backup(b == 3 ? 1 : 0);
  }
  const auto s = snapshot(r);
  EXPECT_TRUE(s->zone(7)->holders(0).self);
  EXPECT_TRUE(s->zone(7)->holders(1).self);  // nobody serves it: what is known here is all
  EXPECT_FALSE(s->zone(7)->holders(2).self);
  EXPECT_EQ(s->zone(7)->holders(2).others, std::vector<Addr>{addr("192.0.2.2")});
  EXPECT_TRUE(s->zone(7)->holders(3).self);
  EXPECT_TRUE(s->zone(8)->holders(2).self);  // no dividers at all
}

TEST(Snapshot, HostsOfTheRegionAreOtherHosts) {
  const auto s = snapshot(local());
  EXPECT_EQ(s->self().text(), "192.0.2.1");
  EXPECT_TRUE(s->is_host(addr("192.0.2.2")));
  EXPECT_TRUE(s->is_host(addr("2001:db8::2")));
  EXPECT_FALSE(s->is_host(addr("192.0.2.1")));
  EXPECT_FALSE(s->is_host(addr("192.0.2.3")));
}

TEST(Snapshot, ADaemonWithoutAGoalHasNoClients) {
  v1::GetLocalReply r;
  r.set_generation(1);
  EXPECT_EQ(snapshot(r)->size(), 0u);
  *r.mutable_state() = local().state();
  r.mutable_state()->set_host("w9");
  EXPECT_FALSE(Snapshot::from(r));
}

TEST(RateLimit, ABucketForEachClient) {
  RateLimit limit(10, 3);
  const auto start = RateLimit::Clock::now();
  const struct {
    int ms;
    std::uint32_t slot;
    bool passes;
  } rows[] = {{0, 1, true},    {0, 1, true},    {0, 1, true},   {0, 1, false}, {0, 2, true}, {50, 1, false},
              {150, 1, true},  {151, 1, false}, {900, 1, true}, {900, 1, true}, {900, 1, true}, {900, 1, false}};
  for (const auto& row : rows)
    EXPECT_EQ(limit.take(row.slot, start + std::chrono::milliseconds(row.ms)), row.passes) << row.ms;
  EXPECT_EQ(limit.size(), 2u);
  limit.expire(start + 950ms);
  EXPECT_EQ(limit.size(), 1u);  // the second was quiet
  limit.expire(start + 2s);
  EXPECT_EQ(limit.size(), 0u);
  RateLimit none(0, 1);
  for (int i = 0; i < 1000; i++) EXPECT_TRUE(none.take(1, start));
}

TEST(Target, Text) {
  const struct {
    const char *in, *out;  // nullptr: refused
  } rows[] = {{"192.0.2.1:53", "192.0.2.1:53"}, {"[2001:db8::1]:53", "[2001:db8::1]:53"},
              {"192.0.2.1", nullptr},           {"192.0.2.1:", nullptr},
              {"192.0.2.1:0", nullptr},         {"192.0.2.1:65536", nullptr},
              {"192.0.2.1:53x", nullptr},       {"2001:db8::1:53", nullptr},
              {"[192.0.2.1]:53", nullptr},      {"name:53", nullptr},
              {":53", nullptr}};
  for (const auto& row : rows) {
    const auto t = Target::parse(row.in);
    EXPECT_EQ(t ? t->text() : "", row.out ? row.out : "") << row.in;
    if (t) {
      EXPECT_EQ(SocketAddress(*t).target(), *t);
    }
  }
}

}  // namespace
}  // namespace mizar::responder
