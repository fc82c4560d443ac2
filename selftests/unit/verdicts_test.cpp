// SPDX-License-Identifier: Apache-2.0
// What the daemon makes of what it hears of backends: userspace/transitd/verdicts.h.
#include "userspace/transitd/verdicts.h"

#include <gtest/gtest.h>

#include <set>

#include "userspace/proto/text.h"

using namespace mizar;
using namespace std::chrono_literals;

namespace {

Goal goal_of(const std::string& backends, const std::string& health = "health: {protocol: http}") {
  v1::GoalState state;
  const auto read = parse_text(R"(
host: w1
hosts: [{name: w1, id: 1, address: 192.0.2.1}, {name: w2, id: 2, address: 192.0.2.2}]
vpcs: [{name: red, vni: 7, cidr: 198.18.0.0/16, cidr6: "fd00:a::/32"}]
services:
  - {name: web, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80}], )" + health + R"(,
     backends: [)" + backends + "]}\n", "test", state);
  EXPECT_TRUE(read) << read.error().what;
  auto g = parse_goal(state);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}
constexpr const char* kTwo = "{name: a, address: 198.18.1.1, host: w1}, {name: b, address: 198.18.1.2, host: w2}";

class VerdictsTest : public ::testing::Test {
 protected:
  std::vector<std::string> hear(const char* address, bool healthy, Trouble trouble = {}, const char* service = "red/web") {
    v1::ReportHealthRequest r;
    auto* v = r.add_verdicts();
    v->set_service(service);
    v->set_address(address);
    v->set_healthy(healthy);
    v->set_since_ms(5000);
    v->set_problem(static_cast<std::uint32_t>(trouble.what));
    v->set_detail(trouble.detail);
    verdicts.take(goal, r, now);
    return verdicts.news(goal, now);
  }
  // "+", "-", or "?" where nobody knows; by backend.
  std::string well() {
    std::string all;
    for (const auto& b : service().backends) {
      const auto w = verdicts.well(service(), b, Family::v4);
      all += !w ? '?' : *w ? '+' : '-';
    }
    return all;
  }
  const ServiceSpec& service() { return goal.services.at("red/web"); }

  Goal goal = goal_of(kTwo);
  std::set<std::uint32_t> down;
  Verdicts verdicts{[this](std::uint32_t host) { return down.contains(host); }};
  Verdicts::Clock::time_point now = Verdicts::Clock::now();
  using Lines = std::vector<std::string>;
};

TEST_F(VerdictsTest, ALineForEveryChangeAndNoOther) {
  EXPECT_EQ(well(), "??");
  EXPECT_EQ(hear("198.18.1.1", true), Lines{"service red/web: backend a (198.18.1.1) is healthy"});
  EXPECT_EQ(hear("198.18.1.1", true), Lines{});
  EXPECT_EQ(hear("198.18.1.2", false, {Problem::status, 503}),
            Lines{"service red/web: backend b (198.18.1.2) is unhealthy: HTTP status 503"});
  EXPECT_EQ(hear("198.18.1.2", false, {Problem::refused}), Lines{}) << "out is out";
  EXPECT_EQ(well(), "+-");
  const auto* v = verdicts.find(service(), *Addr::parse("198.18.1.2"));
  ASSERT_TRUE(v);
  EXPECT_EQ(v->trouble, (Trouble{Problem::status, 503}));
  EXPECT_EQ(now - v->since, 5s);
}

// One that comes and goes with every probe fills no log, and its last word is in it.
TEST_F(VerdictsTest, NoMoreThanALineAMinuteOfABackend) {
  EXPECT_EQ(hear("198.18.1.1", true).size(), 1u);
  for (int i = 0; i < 25; i++) {
    now += 1s;
    EXPECT_EQ(hear("198.18.1.1", false, {Problem::refused}), Lines{});
    now += 1s;
    EXPECT_EQ(hear("198.18.1.1", true), Lines{});
  }
  EXPECT_EQ(hear("198.18.1.2", true).size(), 1u) << "another one";
  now += 5s;
  EXPECT_EQ(hear("198.18.1.1", false, {Problem::silent}), Lines{});
  EXPECT_EQ(well(), "-+") << "what is not told holds all the same";
  now += 4s;
  EXPECT_EQ(verdicts.news(goal, now), Lines{}) << "59 s";
  now += 1s;
  EXPECT_EQ(verdicts.news(goal, now),
            Lines{"service red/web: backend a (198.18.1.1) is unhealthy: no answer in time (51 changes)"});
  EXPECT_EQ(verdicts.news(goal, now + 1h), Lines{});
  now += 1min;
  EXPECT_EQ(hear("198.18.1.1", true), Lines{"service red/web: backend a (198.18.1.1) is healthy"});
}

// What is said of a backend is a code; no process puts words into the log.
TEST_F(VerdictsTest, ProblemsAreCodes) {
  v1::ReportHealthRequest r;
  auto* v = r.add_verdicts();
  v->set_service("red/web");
  v->set_address("198.18.1.1");
  v->set_problem(0x10001);  // would be "connection refused", cut off
  v->set_detail(0x10000);
  EXPECT_TRUE(verdicts.take(goal, r, now));
  EXPECT_FALSE(verdicts.take(goal, r, now));
  EXPECT_EQ(verdicts.news(goal, now), Lines{"service red/web: backend a (198.18.1.1) is unhealthy: problem 255"});
  EXPECT_EQ(verdicts.find(service(), *Addr::parse("198.18.1.1"))->trouble.detail, 0xffff);
}

TEST_F(VerdictsTest, WhatIsNobodysIsNotKept) {
  EXPECT_EQ(hear("198.18.1.9", true), Lines{});
  EXPECT_EQ(hear("nonsense", true), Lines{});
  EXPECT_EQ(hear("198.18.1.1", true, {}, "red/none"), Lines{});
  goal = goal_of(kTwo, "sticky_seconds: 0");
  EXPECT_EQ(hear("198.18.1.1", true), Lines{}) << "health is not asked for";
  goal = goal_of(kTwo);
  EXPECT_EQ(well(), "??");
}

TEST_F(VerdictsTest, WhoComesBackIsAStranger) {
  hear("198.18.1.1", true);
  hear("198.18.1.2", true);
  verdicts.prune(goal_of("{name: a, address: 198.18.1.1, host: w1}"));
  EXPECT_EQ(well(), "+?");
  verdicts.prune(goal_of(kTwo, "sticky_seconds: 0"));
  EXPECT_EQ(well(), "??");
}

TEST_F(VerdictsTest, AHostThatIsDownCountsForNothingWhileAnotherIsWell) {
  down = {2};
  EXPECT_EQ(well(), "??") << "nobody is known to be well";
  hear("198.18.1.2", true);
  EXPECT_EQ(well(), "?+") << "better than nobody";
  hear("198.18.1.1", true);
  EXPECT_EQ(well(), "+-");
  down = {1, 2};
  EXPECT_EQ(well(), "++");
  down = {};
  EXPECT_EQ(well(), "++");
}

TEST_F(VerdictsTest, OneThatDrainsStandsInForNobody) {
  goal = goal_of("{name: a, address: 198.18.1.1, host: w1, weight: 0}, {name: b, address: 198.18.1.2, host: w2}");
  hear("198.18.1.1", true);
  hear("198.18.1.2", true);
  down = {2};
  EXPECT_EQ(well(), "++");
}

}  // namespace
