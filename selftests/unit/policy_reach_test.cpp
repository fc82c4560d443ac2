// SPDX-License-Identifier: Apache-2.0
// Questions about policies without a kernel: who may begin what, and what an update changes.
#include "userspace/policy/reach.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "userspace/policy/yaml.h"

namespace mizar::policy {
namespace {

World world(const std::string& yaml) {
  World w;
  if (!yaml.empty()) {
    std::vector<std::string> warnings;
    auto parsed = parse_policies(yaml, "p.yaml", warnings);
    EXPECT_TRUE(parsed) << parsed.error().what;
    w.policies = std::move(parsed->policies);
  }
  w.namespaces = {{"shop", {{"team", "a"}}}, {"lab", {{"team", "b"}}}};
  w.inside = {*Prefix::parse("10.0.0.0/16"), *Prefix::parse("fd00::/48")};
  const auto pod = [&w](const char* ns, const char* name, const char* app, int n) {
    w.pods.push_back({ns, name, {{"app", app}}, {}, {*Addr::parse(fmt::format("10.0.0.{}", n)), *Addr::parse(fmt::format("fd00::{}", n))}});
  };
  pod("shop", "web-1", "web", 1);
  pod("shop", "web-2", "web", 2);
  pod("shop", "db-1", "db", 3);
  pod("lab", "probe", "probe", 4);
  return w;
}

constexpr const char* kDb = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}
)";

std::vector<std::string> lines(const World& was, const World& is) {
  const auto changes = differences(was, is);
  EXPECT_TRUE(changes);
  std::vector<std::string> out;
  for (const Change& c : *changes) {
    std::string ports;
    for (const PortRange& r : c.ports) ports += " " + text(r);
    out.push_back(fmt::format("{} {} -> {}:{} by {}", c.opens ? "opens" : "closes", c.from, c.to, ports, c.by));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> lines(const std::string& before, const std::string& after) { return lines(world(before), world(after)); }

// Of lines(), those between the two.
std::vector<std::string> between(const std::vector<std::string>& all, const std::string& from, const std::string& to) {
  std::vector<std::string> out;
  for (const auto& line : all)
    if (line.find(fmt::format(" {} -> {}:", from, to)) != std::string::npos) out.push_back(line);
  return out;
}

TEST(Reach, AQuestionIsAnsweredWithItsRule) {
  const World w = world(kDb);
  Reach reach(w);
  const auto ask = [&](std::size_t from, std::size_t to, std::uint16_t port) {
    const auto j = reach.judge({&w.pods[from], *w.pods[from].address.v4}, {&w.pods[to], *w.pods[to].address.v4}, IPPROTO_TCP, port);
    return (j->allowed ? "+ " : "- ") + (j->decider() ? j->decider()->name->text() : "nothing");
  };
  EXPECT_EQ(ask(0, 2, 5432), "+ network policy shop/db rule ingress[0]");
  EXPECT_EQ(ask(0, 2, 5433), "- network isolated by shop/db");
  EXPECT_EQ(ask(3, 2, 5432), "- network isolated by shop/db");
  EXPECT_EQ(ask(2, 0, 80), "+ nothing");
  EXPECT_EQ(ask(2, 2, 80), "+ nothing") << "to itself";
  const auto outside = reach.judge({nullptr, *Addr::parse("192.0.2.1")}, {&w.pods[2], *w.pods[2].address.v4}, IPPROTO_TCP, 5432);
  EXPECT_FALSE(outside->allowed);
  EXPECT_TRUE(reach.judge({&w.pods[2], *w.pods[2].address.v4}, {nullptr, *Addr::parse("192.0.2.1")}, IPPROTO_TCP, 1)->allowed);
}

TEST(Reach, ADifferenceNamesWhoIsAlikeOnce) {
  EXPECT_EQ(lines("", ""), std::vector<std::string>());
  EXPECT_EQ(lines(kDb, kDb), std::vector<std::string>());
  const std::vector<std::string> want = {
      "closes lab/probe -> shop/db-1: sctp tcp udp icmp icmpv6 by network isolated by shop/db",
      "closes outside (IPv4) -> shop/db-1: sctp tcp udp icmp by network isolated by shop/db",
      "closes outside (IPv6) -> shop/db-1: sctp tcp udp icmpv6 by network isolated by shop/db",
      "closes shop/web-1 and 1 more -> shop/db-1: tcp/1-5431 tcp/5433-65535 udp sctp icmp icmpv6 by network isolated by shop/db"};
  auto got = lines("", kDb);
  const auto words = [](std::vector<std::string>& all) {  // protocols in any order
    for (auto& line : all) {
      const auto colon = line.find(": "), by = line.find(" by ");
      std::vector<std::string> ports;
      std::istringstream in(line.substr(colon + 1, by - colon - 1));
      for (std::string p; in >> p;) ports.push_back(p);
      std::sort(ports.begin(), ports.end());
      line = line.substr(0, colon + 1) + fmt::format(" {}", fmt::join(ports, " ")) + line.substr(by);
    }
  };
  auto sorted = want;
  words(got), words(sorted);
  EXPECT_EQ(got, sorted);
}

TEST(Reach, ADifferenceKnowsWhatOpens) {
  const std::string wider = std::string(kDb) + R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}, {from: [{podSelector: {}}]}]}
)";
  const auto got = lines(kDb, wider);
  EXPECT_TRUE(std::any_of(got.begin(), got.end(), [](const auto& l) { return l.starts_with("opens shop/web-1 and 1 more -> shop/db-1:"); }))
      << fmt::format("{}", fmt::join(got, "\n"));
  EXPECT_TRUE(std::any_of(got.begin(), got.end(), [](const auto& l) { return l.starts_with("opens outside (198.51.100.0/24) -> shop/db-1:"); }));
  EXPECT_TRUE(std::any_of(got.begin(), got.end(), [](const auto& l) { return l.starts_with("closes lab/probe -> shop/web-1 and 1 more:"); }));
  EXPECT_FALSE(std::any_of(got.begin(), got.end(), [](const auto& l) { return l.find("shop/web-1 and 1 more -> shop/web-1 and 1 more") != std::string::npos; }));
}

constexpr const char* kOut = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}], ports: [{port: 53, endPort: 65534}]}]
)";

TEST(Reach, WhoSendsToTheOutsideIsJudgedByItsOwn) {
  const World w = world(kOut);
  Reach reach(w);
  const auto ask = [&](const char* to) {
    return reach.judge({&w.pods[0], *w.pods[0].address.v4}, {nullptr, *Addr::parse(to)}, IPPROTO_TCP, 53)->allowed;
  };
  EXPECT_TRUE(ask("198.51.100.1"));
  EXPECT_FALSE(ask("198.51.100.129"));
  EXPECT_FALSE(ask("192.0.2.1"));
}

TEST(Reach, TheOutsideIsInTheBlocksOfPolicies) {
  const auto got = lines("", kOut);
  const std::string web = "shop/web-1 and 1 more", by = " by network isolated by shop/out";
  const auto to = [&](const std::string& whom) { return fmt::format("{}", fmt::join(between(got, web, whom), "\n")); };
  EXPECT_EQ(to("outside (198.51.100.0/24)"),
            "closes " + web + " -> outside (198.51.100.0/24): tcp/1-52 tcp/65535 udp sctp icmp" + by);
  EXPECT_EQ(to("outside (198.51.100.128/25)"), "closes " + web + " -> outside (198.51.100.128/25): tcp udp sctp icmp" + by);
  // What is the VPC's in one of the worlds is not outside.
  World was = world(""), is = world(kOut);
  was.inside.push_back(*Prefix::parse("198.51.100.0/24"));
  for (const auto& line : lines(was, is)) EXPECT_EQ(line.find("198.51.100."), std::string::npos) << line;
}

TEST(Reach, PortsWithNamesAreThoseOfTheirPods) {
  const std::string named = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: sql}]}]}
)";
  World was = world(""), is = world(named);
  for (World* w : {&was, &is}) w->pods[2].ports = {{"sql", {IPPROTO_TCP, 5432}}};
  const auto got = between(lines(was, is), "lab/probe", "shop/db-1");
  ASSERT_EQ(got.size(), 1u);
  EXPECT_NE(got[0].find(" tcp/1-5431 tcp/5433-65535 "), std::string::npos) << got[0];
}

// By the same name in both; who is in one of them alone is nobody's difference.
TEST(Reach, PodsOfTheTwoWorldsAreTwins) {
  World is = world(kDb);
  is.pods.erase(is.pods.begin());
  EXPECT_EQ(between(lines(world(""), is), "shop/web-2", "shop/db-1").size(), 1u);
  is = world(kDb);
  is.pods[1].labels["app"] = "other";
  EXPECT_EQ(lines(world(kDb), is), std::vector<std::string>{"closes shop/web-2 -> shop/db-1: tcp/5432 by network isolated by shop/db"});
}

TEST(Reach, WhoHasOtherAddressesIsNotAlike) {
  World was = world(""), is = world(kDb);
  for (World* w : {&was, &is}) w->pods[1].address.v6.reset();
  EXPECT_EQ(between(lines(was, is), "shop/web-2", "shop/db-1").size(), 1u);
  const std::string block = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: "fd00::1/128"}}]}]}
)";
  EXPECT_EQ(between(lines("", block), "shop/web-2", "shop/db-1").size(), 1u);
}

TEST(Reach, ThoseThatAreAlikeAskEachOther) {
  const std::string closed = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}}
)";
  const auto got = lines("", closed);
  EXPECT_EQ(between(got, "shop/web-1 and 1 more", "shop/web-1 and 1 more").size(), 1u);
  EXPECT_TRUE(between(got, "shop/db-1", "shop/db-1").empty());
}

}  // namespace
}  // namespace mizar::policy
