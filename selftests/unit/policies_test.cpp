// SPDX-License-Identifier: Apache-2.0
// From goals to groups and label sets in tables: what stands, what keeps its number, what
// goes, and that nothing half done is ever seen.
#include "userspace/transitd/policies.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/policy/yaml.h"
#include "userspace/proto/text.h"

namespace mizar {
namespace {

using namespace std::chrono_literals;

constexpr const char* kState = R"(
revision: 1
host: w1
hosts: [{name: w1, id: 1, address: 192.0.2.1}, {name: w2, id: 2, address: 192.0.2.2}]
vpcs: [{name: red, vni: 7, cidr: 10.0.0.0/16}, {name: blue, vni: 8, cidr: 10.0.0.0/16}]
networks: [{name: n, vpc: red, cidr: 10.0.1.0/24}, {name: n, vpc: blue, cidr: 10.0.1.0/24}]
endpoints:
  - {name: web, vpc: red, network: n, address: 10.0.1.5, host: w1, namespace: shop, labels: {app: web}}
  - {name: db, vpc: red, network: n, address: 10.0.1.6, host: w1, namespace: shop, labels: {app: db, hash: x1}}
  - {name: far, vpc: red, network: n, address: 10.0.1.7, host: w2}
  - {name: web, vpc: blue, network: n, address: 10.0.1.5, host: w1, namespace: shop, labels: {app: web}}
namespaces: [{vpc: red, name: shop, labels: {team: a}}]
label_sets:
  - {vpc: red, id: 11, namespace: shop, labels: {app: web}}
  - {vpc: red, id: 12, namespace: shop, labels: {app: db}}
)";

// Whom app=db lets in: app=`from`.
std::string db_policy(const std::string& from, const std::string& name = "db") {
  return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name +
         ", namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: " + from +
         "}}}]}]}}";
}

class PoliciesTest : public ::testing::Test {
 protected:
  static v1::GoalState state(const std::vector<std::string>& policies) {
    v1::GoalState s;
    EXPECT_TRUE(parse_text(kState, "test", s));
    for (const auto& text : policies) {
      std::vector<std::string> warnings;
      const auto parsed = policy::parse_policies(text, "p.yaml", warnings);
      EXPECT_TRUE(parsed) << parsed.error().what;
      for (const auto& p : parsed->policies) *s.add_policies() = policy::to_message("red", p);
    }
    return s;
  }
  // VPC red is crimson, with the same VNI.
  static v1::GoalState renamed(v1::GoalState s) {
    std::string text;
    EXPECT_TRUE(google::protobuf::TextFormat::PrintToString(s, &text));
    for (auto at = text.find("\"red\""); at != std::string::npos; at = text.find("\"red\"", at)) text.replace(at, 5, "\"crimson\"");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &s));
    return s;
  }
  static Goal goal(const v1::GoalState& s) {
    auto g = parse_goal(s);
    EXPECT_TRUE(g) << g.error().what;
    return *g;
  }
  void adopt(const Goal& g) {
    for (const auto& rc : {policies.check(g), policies.apply(g), policies.settle(g, now)}) EXPECT_TRUE(rc) << rc.error().what;
    standing = g;
  }
  Policies::Place place(const std::string& key) { return policies.place(standing.endpoints.at(key)); }
  bool known(std::uint32_t vni, std::uint32_t label) { return dp.policy_labels().get({MZ_POLICY_KNOWN(vni), label}).has_value(); }
  std::size_t rows() {
    return dp.policies().entries()->size() + dp.policy_labels().entries()->size() + dp.policy_blocks().entries()->size() +
           dp.policy_ports().entries()->size() + dp.policy_rules().entries()->size() + dp.policy_vectors().entries()->size();
  }
  // What the group says to a TCP flow from a label set.
  bool lets_in(const std::string& key, std::uint32_t label) {
    const auto* g = policies.group(standing.endpoints.at(key));
    return g == nullptr || policy::judge(*g, policy::kReceiver, {label, *Addr::parse("10.0.1.9"), *Addr::parse("10.0.1.6"), 6, 80}).allowed;
  }

  FakeDataplane dp;
  Policies policies{dp};
  Goal standing;
  const Policies::Clock::time_point now = Policies::Clock::now();
};

TEST_F(PoliciesTest, EndpointsGetGroupAndNumber) {
  adopt(goal(state({db_policy("web")})));
  EXPECT_NE(place("red/db").group, 0u);
  EXPECT_TRUE(dp.policies().get(place("red/db").group));
  EXPECT_EQ(place("red/db").label, 12u);
  EXPECT_EQ(place("red/web").group, 0u) << "nothing is about it";
  EXPECT_EQ(policies.group(standing.endpoints.at("red/web")), nullptr);
  EXPECT_EQ(place("red/web").label, 11u);
  EXPECT_EQ(place("blue/web").group, 0u);
  EXPECT_EQ(place("blue/web").label, MZ_LABEL_UNKNOWN) << "a VPC without policy has no numbers";
  EXPECT_TRUE(known(7, 11) && known(7, 12));
  EXPECT_FALSE(known(8, 11));
  EXPECT_TRUE(lets_in("red/db", 11));
  EXPECT_FALSE(lets_in("red/db", 12));
  EXPECT_EQ(policies.used().at("policies"), dp.policies().entries()->size());
  EXPECT_EQ(policies.used().at("policy-rows"), dp.policy_labels().entries()->size());
  EXPECT_EQ(policies.used().at("policy-vectors"), dp.policy_vectors().entries()->size());
}

TEST_F(PoliciesTest, WithoutANumberNobodyKnowsIt) {
  v1::GoalState s = state({db_policy("web")});
  s.mutable_label_sets()->RemoveLast();
  adopt(goal(s));
  EXPECT_EQ(place("red/db").label, MZ_LABEL_UNKNOWN);
  EXPECT_NE(place("red/db").group, 0u) << "it is judged all the same";
  adopt(goal(state({db_policy("web")})));
  EXPECT_EQ(place("red/db").label, 12u);
  adopt(goal(s));
  EXPECT_EQ(place("red/db").label, MZ_LABEL_UNKNOWN) << "nor when it has lost it";
}

TEST_F(PoliciesTest, TheSameContentKeepsItsNumber) {
  adopt(goal(state({db_policy("web")})));
  const auto before = place("red/db").group;
  // Another policy, which is not about it.
  const std::string other = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: w, namespace: shop}, "
                            "spec: {podSelector: {matchLabels: {app: web}}}}";
  adopt(goal(state({db_policy("web"), other})));
  EXPECT_EQ(place("red/db").group, before);
  EXPECT_NE(place("red/web").group, 0u);
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_TRUE(dp.policies().get(before)) << "nor does it go with what it was in";
  adopt(goal(state({db_policy("lab")})));
  EXPECT_NE(place("red/db").group, before) << "it says something else";
}

TEST_F(PoliciesTest, TheOldGroupStandsUntilNoPacketAsksForIt) {
  adopt(goal(state({db_policy("web")})));
  const auto before = place("red/db").group;
  adopt(goal(state({db_policy("lab")})));
  EXPECT_TRUE(dp.policies().get(before));
  ASSERT_TRUE(policies.expire(now + 1s));
  EXPECT_TRUE(dp.policies().get(before));
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_FALSE(dp.policies().get(before));
  EXPECT_TRUE(dp.policies().get(place("red/db").group));
}

TEST_F(PoliciesTest, WithoutPoliciesNothingIsLeft) {
  adopt(goal(state({db_policy("web"), db_policy("lab", "more")})));
  EXPECT_GT(rows(), 0u);
  const std::uint32_t list = MZ_POLICY_LIST(place("red/db").group, MZ_POLICY_IN);
  const Goal none = goal(state({}));
  Goal no_vpc = none;
  no_vpc.policy.clear();
  ASSERT_TRUE(policies.settle(no_vpc, now));
  EXPECT_TRUE(known(7, 11)) << "not applied yet";
  ASSERT_TRUE(policies.apply(none));
  EXPECT_EQ(policies.place(none.endpoints.at("red/db")).group, 0u) << "before rows are written";
  EXPECT_NE(policies.rule(list, 0), nullptr) << "packets still meet it";
  adopt(none);
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_EQ(rows(), 0u);
  EXPECT_TRUE(policies.used().empty());
}

TEST_F(PoliciesTest, ALabelSetMoreJoinsTheGroupsThatStand) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  const auto group = place("red/db").group;
  auto* set = s.add_label_sets();
  ASSERT_TRUE(parse_text("{vpc: red, id: 13, namespace: shop, labels: {app: web}, ports: []}", "t", *set));
  adopt(goal(s));
  EXPECT_EQ(place("red/db").group, group);
  EXPECT_TRUE(known(7, 13));
  EXPECT_TRUE(dp.policy_labels().get({MZ_POLICY_LIST(group, MZ_POLICY_IN), 13}));
  EXPECT_TRUE(lets_in("red/db", 13));
  s.mutable_label_sets()->RemoveLast();
  adopt(goal(s));
  EXPECT_FALSE(known(7, 13));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(group, MZ_POLICY_IN), 13}));
}

// Thousands of sets come and go under one policy: the tables end as they began.
TEST_F(PoliciesTest, LabelSetsThatComeAndGoLeaveNothing) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  const std::size_t before = rows();
  for (std::uint32_t i = 0; i < 300; i++) {
    auto* set = s.add_label_sets();
    set->set_vpc("red"), set->set_id(100 + i), set->set_namespace_("shop");
    (*set->mutable_labels())["app"] = i % 2 ? "web" : "other";
    adopt(goal(s));
    s.mutable_label_sets()->RemoveLast();
    adopt(goal(s));
  }
  EXPECT_EQ(rows(), before);
}

TEST_F(PoliciesTest, ANumberIsNotGivenToAnotherSet) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  (*s.mutable_label_sets(0)->mutable_labels())["app"] = "lab";
  const auto rc = policies.check(goal(s));
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::failed_precondition);
  EXPECT_NE(rc.error().what.find("label set 11"), std::string::npos) << rc.error().what;
}

// As SetLabels does it, when a set is forgotten and its number used again at once: rows of
// the old one still stand.
TEST_F(PoliciesTest, ANumberGivenUpAMomentAgoIsNobodysYet) {
  adopt(goal(state({db_policy("web")})));
  const policy::LabelSet web{.ns = "shop", .pod_labels = {{"app", "web"}}}, lab{.ns = "shop", .pod_labels = {{"app", "lab"}}};
  ASSERT_TRUE(policies.add_set("red", 13, web));
  EXPECT_TRUE(lets_in("red/db", 13));
  const auto rc = policies.add_set("red", 13, lab);
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::failed_precondition);
  ASSERT_TRUE(policies.add_set("red", 13, web)) << "it may come back as it was";
  ASSERT_TRUE(policies.settle(standing, now));
  EXPECT_FALSE(known(7, 13));
  ASSERT_TRUE(policies.add_set("red", 13, lab));
  EXPECT_TRUE(known(7, 13));
  EXPECT_FALSE(lets_in("red/db", 13));
}

// One group has got its row, the next has no room: the number is free for another set.
TEST_F(PoliciesTest, ASetThatDoesNotFitLeavesNoRow) {
  const std::string also = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {podSelector: "
                           "{matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}";
  adopt(goal(state({db_policy("web"), also})));
  const std::size_t before = rows();
  const policy::LabelSet web{.ns = "shop", .pod_labels = {{"app", "web"}}}, lab{.ns = "shop", .pod_labels = {{"app", "lab"}}};
  dp.policy_labels().fail_next = 2;
  ASSERT_FALSE(policies.add_set("red", 13, web));
  EXPECT_EQ(rows(), before);
  ASSERT_TRUE(policies.add_set("red", 13, lab));
  EXPECT_FALSE(lets_in("red/db", 13) || lets_in("red/web", 13));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(place("red/db").group, MZ_POLICY_IN), 13}));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(place("red/web").group, MZ_POLICY_IN), 13}));
}

TEST_F(PoliciesTest, ASetWithTwoNumbersKeepsTheOtherWhenOneGoes) {
  adopt(goal(state({db_policy("web")})));
  const policy::LabelSet web{.ns = "shop", .pod_labels = {{"app", "web"}}};
  ASSERT_TRUE(policies.add_set("red", 21, web));
  EXPECT_EQ(place("red/web").label, 21u) << "the newer one";
  ASSERT_TRUE(policies.add_set("red", 11, web));
  EXPECT_EQ(place("red/web").label, 21u) << "the other is not new";
  ASSERT_TRUE(policies.settle(standing, now));
  EXPECT_EQ(place("red/web").label, 11u);
}

TEST_F(PoliciesTest, GroupsGoAFewAtATime) {
  adopt(goal(state({db_policy("one", "p1")})));
  const std::size_t before = rows(), groups = policies.used().at("policies");
  adopt(goal(state({db_policy("two", "p2")})));
  adopt(goal(state({db_policy("three", "p3")})));
  auto more = policies.expire(now + 3600s, 1);
  ASSERT_TRUE(more);
  EXPECT_TRUE(*more);
  EXPECT_GT(rows(), before);
  more = policies.expire(now + 3600s, 1);
  ASSERT_TRUE(more);
  EXPECT_FALSE(*more);
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(policies.used().at("policies"), groups);
}

// Of a host whose groups said nothing there are no other rows.
TEST_F(PoliciesTest, LabelSetsAnEarlierRunKnewAreForgotten) {
  ASSERT_TRUE(dp.policy_labels().put({MZ_POLICY_KNOWN(7), 99}, 1));
  ASSERT_TRUE(policies.recover());
  adopt(goal(state({db_policy("web")})));
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_FALSE(known(7, 99));
  EXPECT_TRUE(known(7, 11) && known(7, 12));
}

// A new policy mentions another key: label sets are others, and both kinds of numbers are
// known until rows have the new ones.
TEST_F(PoliciesTest, NumbersOfBeforeAreKnownUntilRowsHaveNewOnes) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  s = state({db_policy("web"), "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: h, namespace: shop}, "
                               "spec: {podSelector: {matchLabels: {hash: x1}}}}"});
  s.clear_label_sets();
  for (const char* text : {"{vpc: red, id: 21, namespace: shop, labels: {app: web}}", "{vpc: red, id: 22, namespace: shop, labels: {app: db, hash: x1}}"})
    ASSERT_TRUE(parse_text(text, "t", *s.add_label_sets()));
  const Goal next = goal(s);
  ASSERT_TRUE(policies.check(next));
  ASSERT_TRUE(policies.apply(next));
  EXPECT_TRUE(known(7, 11) && known(7, 12) && known(7, 21) && known(7, 22));
  standing = next;
  EXPECT_TRUE(lets_in("red/db", 11)) << "by what is known of it";
  EXPECT_TRUE(lets_in("red/db", 21));
  ASSERT_TRUE(policies.settle(next, now));
  EXPECT_FALSE(known(7, 11) || known(7, 12));
  EXPECT_TRUE(known(7, 21) && known(7, 22));
}

// Whichever write fails: a set that is known has its rows in the groups that judge.
TEST_F(PoliciesTest, NoSetIsKnownBeforeTheGroupsInForceHaveItsRows) {
  const Goal before = goal(state({db_policy("web")}));
  v1::GoalState s = state({db_policy("web"), db_policy("lab", "more")});
  for (const char* text : {"{vpc: red, id: 31, namespace: shop, labels: {app: web, v: a}}",
                           "{vpc: red, id: 32, namespace: shop, labels: {app: web, v: b}}"})
    ASSERT_TRUE(parse_text(text, "t", *s.add_label_sets()));
  const Goal next = goal(s);
  int failures = 0;
  for (bool more = true; more; failures++) {
    adopt(before);
    const auto group = place("red/db").group;
    ASSERT_TRUE(policies.check(next));
    dp.policy_labels().fail_next = failures + 1;
    more = !policies.apply(next);
    dp.policy_labels().fail_next = 0;
    for (const std::uint32_t set : {31u, 32u})
      EXPECT_TRUE(!known(7, set) || dp.policy_labels().get({MZ_POLICY_LIST(group, MZ_POLICY_IN), set})) << set << ", write " << failures + 1;
  }
  EXPECT_GE(failures, 7) << "two sets: known, in the old group and in the new";
}

// The first policy of a VPC cannot be put: packets are as unknown as they were.
TEST_F(PoliciesTest, AFailedFirstPolicyMakesNoSetKnown) {
  const Goal next = goal(state({db_policy("web")}));
  for (int n = 1;; n++) {
    ASSERT_TRUE(policies.check(next));
    dp.policy_labels().fail_next = n;
    const bool done = policies.apply(next).has_value();
    dp.policy_labels().fail_next = 0;
    if (done) break;
    EXPECT_EQ(rows(), 0u) << "write " << n;
  }
  EXPECT_TRUE(known(7, 11) && known(7, 12));
}

TEST_F(PoliciesTest, AVpcWithAnotherVniLeavesNothingUnderTheOld) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  const std::size_t before = rows();
  s.mutable_vpcs(0)->set_vni(70);
  const Goal next = goal(s);
  ASSERT_TRUE(policies.check(next));
  ASSERT_TRUE(policies.apply(next));
  EXPECT_TRUE(known(7, 11) && known(70, 11)) << "until rows of endpoints say so";
  adopt(next);
  EXPECT_FALSE(known(7, 11) || known(7, 12));
  EXPECT_TRUE(known(70, 11) && known(70, 12));
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_EQ(rows(), before);
}

TEST_F(PoliciesTest, AVpcWithAnotherNameKeepsItsSetsKnown) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  s = renamed(s);
  adopt(goal(s));
  EXPECT_TRUE(known(7, 11) && known(7, 12));
  EXPECT_NE(place("crimson/db").group, 0u);
}

TEST_F(PoliciesTest, ANamespacesLabelsMoveItsEndpointsAndNoPolicy) {
  v1::GoalState s = state({"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: {podSelector: "
                           "{matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}}"});
  s.clear_label_sets();
  for (const char* text : {"{vpc: red, id: 1, namespace: shop, namespace_labels: {team: a}, labels: {app: web}}",
                           "{vpc: red, id: 2, namespace: shop, namespace_labels: {team: b}, labels: {app: web}}"})
    ASSERT_TRUE(parse_text(text, "t", *s.add_label_sets()));
  adopt(goal(s));
  EXPECT_EQ(place("red/web").label, 1u);
  (*s.mutable_namespaces(0)->mutable_labels())["team"] = "b";
  adopt(goal(s));
  EXPECT_EQ(place("red/web").label, 2u);
  EXPECT_TRUE(lets_in("red/db", 2));
  EXPECT_FALSE(lets_in("red/db", 1));
  (*s.mutable_namespaces(0)->mutable_labels())["team"] = "a";
  const auto used = policies.in_use(goal(s)).at("red");
  EXPECT_TRUE(used.contains({.ns = "shop", .ns_labels = {{"team", "a"}}, .pod_labels = {{"app", "web"}}})) << "by the goal, not by what stands";
  EXPECT_EQ(used.size(), 2u) << "of this host's endpoints";
  adopt(goal(s));
  EXPECT_EQ(place("red/web").label, 1u);
}

TEST_F(PoliciesTest, AnEndpointWithOtherLabelsIsInAnotherGroup) {
  Goal g = goal(state({db_policy("web")}));
  adopt(g);
  auto& web = g.endpoints.at("red/web");
  web.labels.labels["app"] = "db";
  EXPECT_EQ(policies.place(web).group, place("red/db").group) << "who stands already";
  web.labels.labels["app"] = "lab";
  EXPECT_EQ(policies.place(web).group, MZ_POLICY_MAX) << "closed until it stands";
  ASSERT_TRUE(policies.ensure(web));
  EXPECT_EQ(policies.place(web).group, 0u);
  EXPECT_EQ(policies.place(web).label, MZ_LABEL_UNKNOWN);
}

TEST_F(PoliciesTest, WhatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  adopt(goal(state({db_policy("web")})));
  const std::size_t before = rows();
  const auto group = place("red/db").group;
  v1::GoalState s = state({});
  for (int i = 0; i < 5000; i++) {
    std::vector<std::string> warnings;
    auto p = policy::parse_policies(db_policy(fmt::format("a{}", i), fmt::format("p{}", i)), "p.yaml", warnings);
    ASSERT_TRUE(p);
    p->policies[0].ingress_rules[0].ports = {{policy::Port{6, static_cast<std::uint16_t>(i + 1), static_cast<std::uint16_t>(i + 1), {}}}};
    *s.add_policies() = policy::to_message("red", p->policies[0]);
  }
  const auto rc = policies.check(goal(s));
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_NE(rc.error().what.find("vpc red: endpoints with"), std::string::npos) << rc.error().what;
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(place("red/db").group, group);
}

// A table refuses in the middle: the old groups judge on, and nothing of the new is left.
TEST_F(PoliciesTest, AFailureInTheMiddleLeavesWhatStood) {
  adopt(goal(state({db_policy("web")})));
  const std::size_t before = rows();
  const auto group = place("red/db").group;
  const Goal next = goal(state({db_policy("lab")}));
  ASSERT_TRUE(policies.check(next));
  dp.policy_rules().fail_next = 1;
  EXPECT_FALSE(policies.apply(next));
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(place("red/db").group, group);
  EXPECT_TRUE(lets_in("red/db", 11));
  adopt(next);  // tried again, it goes
  EXPECT_FALSE(lets_in("red/db", 11));
}

// A daemon that comes back: rows of endpoints name groups of the one before, which judge
// until its own stand, and are gone a while later.
TEST_F(PoliciesTest, GroupsOfAnEarlierRunJudgeUntilNewOnesStand) {
  adopt(goal(state({db_policy("web")})));
  const auto old = place("red/db").group;
  Policies later(dp);
  ASSERT_TRUE(later.recover());
  const Goal g = goal(state({db_policy("web")}));
  ASSERT_TRUE(later.check(g));
  ASSERT_TRUE(later.apply(g));
  const auto fresh = later.place(g.endpoints.at("red/db")).group;
  EXPECT_NE(fresh, old);
  EXPECT_TRUE(dp.policies().get(old) && dp.policies().get(fresh));
  ASSERT_TRUE(later.settle(g, now));
  ASSERT_TRUE(later.expire(now));
  EXPECT_TRUE(dp.policies().get(old));
  ASSERT_TRUE(later.settle(g, now + 3600s)) << "which puts nothing off";
  ASSERT_TRUE(later.expire(now + 3600s));
  EXPECT_FALSE(dp.policies().get(old));
  EXPECT_TRUE(known(7, 11));
}

TEST_F(PoliciesTest, HitsOutliveTheirGroup) {
  adopt(goal(state({db_policy("web")})));
  const std::uint32_t list = MZ_POLICY_LIST(place("red/db").group, MZ_POLICY_IN);
  const auto hit = [&](std::uint32_t rule, std::uint64_t n) {
    auto row = *dp.policy_rules().get({list, rule});
    row.hits = n;
    ASSERT_TRUE(dp.policy_rules().put({list, rule}, row));
  };
  hit(0, 5), hit(1, 3);
  const auto allowed = [&] {
    std::uint64_t n = 0;
    for (const auto& h : policies.all_hits("red"))
      if (h.name.text() == "network policy shop/db rule ingress[0]") n += h.hits;
    return n;
  };
  EXPECT_EQ(allowed(), 5u);
  const auto* r = policies.rule(list, 0);
  ASSERT_NE(r, nullptr);
  EXPECT_EQ(r->name->text(), "network policy shop/db rule ingress[0]");
  EXPECT_EQ(policies.rule(list, dp.policies().get(list >> 2)->list[MZ_POLICY_IN].rules), nullptr) << "one behind the last";
  adopt(goal(state({db_policy("web"), db_policy("lab", "more")})));
  EXPECT_NE(policies.rule(list, 0), nullptr) << "packets still meet it";
  EXPECT_EQ(allowed(), 5u);
  EXPECT_TRUE(policies.all_hits("blue").empty());
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_EQ(allowed(), 5u);
  EXPECT_EQ(policies.rule(list, 0), nullptr) << "the group is gone";
}

TEST_F(PoliciesTest, LabelSetsAreToldByName) {
  adopt(goal(state({db_policy("web")})));
  EXPECT_EQ(policies.label_text("red", 0), "") << "not of this VPC";
  EXPECT_EQ(policies.label_text("red", 11), "ns(shop) pod(app=web)");
  EXPECT_EQ(policies.label_text("red", 99), "unknown (99)");
  EXPECT_EQ(policies.label_text("red", MZ_LABEL_UNKNOWN), "unknown");
}

// A group that was nobody's, and is somebody's again before its time: rows name it.
TEST_F(PoliciesTest, AGroupThatIsNobodysGoesAWhileLater) {
  adopt(goal(state({db_policy("web")})));
  const auto group = place("red/db").group;
  Goal other = standing;
  other.endpoints.at("red/db").labels.labels["app"] = "lab";
  const auto away = [&](Policies::Clock::time_point at) {
    EXPECT_TRUE(policies.ensure(other.endpoints.at("red/db")));
    EXPECT_TRUE(policies.settle(other, at));
  };
  away(now);
  ASSERT_TRUE(policies.ensure(standing.endpoints.at("red/db")));
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_TRUE(dp.policies().get(group)) << "before it is settled, too";
  away(now);
  ASSERT_TRUE(policies.settle(standing, now + 1s));
  ASSERT_TRUE(policies.expire(now + 3600s));
  EXPECT_TRUE(dp.policies().get(group));
  away(now + 3600s);
  ASSERT_TRUE(policies.expire(now + 3601s));
  EXPECT_TRUE(dp.policies().get(group)) << "packets may still ask for it";
  ASSERT_TRUE(policies.settle(other, now + 3603s)) << "which puts nothing off";
  auto more = policies.expire(now + 3603s, 0);
  ASSERT_TRUE(more);
  EXPECT_TRUE(*more);
  EXPECT_TRUE(dp.policies().get(group)) << "a few at a time";
  ASSERT_TRUE(policies.expire(now + 3603s));
  EXPECT_FALSE(dp.policies().get(group));
}

// Sets come and go between two groups: the second is compiled with those that stand.
TEST_F(PoliciesTest, AGroupOfLaterHasTheSetsThatStand) {
  Goal g = goal(state({db_policy("web")}));
  auto& db = g.endpoints.at("red/db");
  db.labels.labels["app"] = "lab";
  adopt(g);
  db.labels.labels["app"] = "db";
  const policy::LabelSet web{.ns = "shop", .pod_labels = {{"app", "web"}}};
  ASSERT_TRUE(policies.add_set("red", 13, web));
  ASSERT_TRUE(policies.add_set("red", 14, web));
  g.policy.at("red").sets.emplace(13, web);
  ASSERT_TRUE(policies.settle(g, now));
  standing = g;
  ASSERT_TRUE(policies.ensure(db));
  EXPECT_TRUE(lets_in("red/db", 13));
  EXPECT_FALSE(dp.policy_labels().get({MZ_POLICY_LIST(place("red/db").group, MZ_POLICY_IN), 14})) << "it is gone";
}

// Dry runs are checked and not applied: what they prepared is no other goal's.
TEST_F(PoliciesTest, WhatWasOnlyCheckedIsNoOtherGoals) {
  const v1::GoalState s = state({db_policy("web")});
  v1::GoalState other = s;
  other.mutable_vpcs(0)->set_vni(70);
  ASSERT_TRUE(policies.check(goal(other)));
  ASSERT_TRUE(policies.apply(goal(s)));
  EXPECT_TRUE(known(7, 11));
  EXPECT_FALSE(known(70, 11));
  Policies second(dp);
  other = s;
  ASSERT_TRUE(parse_text("{vpc: red, id: 13, namespace: shop, labels: {app: web}}", "t", *other.add_label_sets()));
  ASSERT_TRUE(second.check(goal(other)));
  ASSERT_TRUE(second.apply(goal(s)));
  EXPECT_EQ(second.place(goal(s).endpoints.at("red/web")).label, 11u) << "13 is nobody's";
}

// ... nor is there room for another because there was for it.
TEST_F(PoliciesTest, RoomIsCountedToTheRow) {
  v1::GoalState s = state({db_policy("web")});
  for (const char* v : {"a", "b", "c"})
    ASSERT_TRUE(parse_text(fmt::format("{{vpc: red, id: 3{}, namespace: shop, labels: {{app: web, v: {}}}}}", v[0] - 'a', v), "t", *s.add_label_sets()));
  adopt(goal(s));
  const auto check = [](const TableSizes& sizes, const std::vector<Goal>& goals) {
    FakeDataplane small(sizes);
    Policies there(small);
    for (std::size_t i = 0; i + 1 < goals.size(); i++) EXPECT_TRUE(there.check(goals[i]));
    const auto rc = there.check(goals.back());
    return rc ? "" : rc.error().what.substr(0, rc.error().what.find(" are needed"));
  };
  TableSizes sizes;
  sizes.policy_rows = static_cast<std::uint32_t>(policies.used().at("policy-rows"));
  sizes.policies = 1;
  EXPECT_EQ(check(sizes, {goal(s)}), "") << "who is judged by nothing needs no group";
  sizes.policy_rows--;
  EXPECT_EQ(check(sizes, {goal(s)}), fmt::format("policy: {} rows of mz_policy_labels", sizes.policy_rows + 1));
  sizes = {};
  sizes.policies = 0;
  v1::GoalState nobody = s;
  (*nobody.mutable_endpoints(1)->mutable_labels())["app"] = "lab";
  EXPECT_EQ(check(sizes, {goal(nobody), goal(s)}), "policy: 1 rows of mz_policies");
  s = state({});
  ASSERT_TRUE(parse_text("{vpc: red, name: top, tier: ADMIN, namespaces: {all: [{key: team, values: [b]}]}, pods: {}, ingress_rules: [{verdict: DENY}]}",
                         "t", *s.add_policies()));
  nobody = s;
  (*s.mutable_namespaces(0)->mutable_labels())["team"] = "b";
  EXPECT_EQ(check(sizes, {goal(nobody), goal(s)}), "policy: 1 rows of mz_policies");
}

// Of one VNI numbers mean what they mean; those of another are others.
TEST_F(PoliciesTest, AVpcWithAnotherVniNumbersAnew) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  s.mutable_vpcs(0)->set_vni(70);
  (*s.mutable_label_sets(0)->mutable_labels())["app"] = "lab";
  adopt(goal(s));
  EXPECT_FALSE(lets_in("red/db", 11));
}

// What rules say of blocks depends on which of them are the VPC's.
TEST_F(PoliciesTest, AVpcThatGrowsIsCompiledAnew) {
  v1::GoalState s = state({"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: w, namespace: shop}, spec: {podSelector: "
                           "{matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}}"});
  const auto reaches = [this] {
    const auto* g = policies.group(standing.endpoints.at("red/db"));
    return g != nullptr && policy::judge(*g, policy::kReceiver, {11, *Addr::parse("10.0.1.5"), *Addr::parse("10.1.0.6"), 6, 80}).allowed;
  };
  adopt(goal(s));
  EXPECT_FALSE(reaches());
  s.mutable_vpcs(0)->set_cidr("10.0.0.0/15");
  adopt(goal(s));
  EXPECT_TRUE(reaches());
}

// As after a plan that could not be made true.
TEST_F(PoliciesTest, APolicyThatComesBackAtOnceWasNeverGone) {
  const Goal g = goal(state({db_policy("web")}));
  adopt(g);
  const auto group = place("red/db").group;
  ASSERT_TRUE(policies.apply(goal(state({}))));
  adopt(g);
  EXPECT_EQ(place("red/db").group, group);
  EXPECT_TRUE(known(7, 11) && known(7, 12));
}

// Its new name cannot be put: under the old one packets are as known as they were.
TEST_F(PoliciesTest, AFailedNewNameForgetsNoSet) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  s = renamed(s);
  ASSERT_TRUE(parse_text("{vpc: crimson, id: 13, namespace: shop, labels: {app: lab}}", "t", *s.add_label_sets()));
  ASSERT_TRUE(policies.check(goal(s)));
  dp.policy_labels().fail_next = 2;  // after its group's row: 13
  ASSERT_FALSE(policies.apply(goal(s)));
  EXPECT_FALSE(known(7, 13));
  EXPECT_TRUE(known(7, 11) && known(7, 12));
}

}  // namespace
}  // namespace mizar
