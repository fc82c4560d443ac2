// SPDX-License-Identifier: Apache-2.0
// From goals to groups in tables: what stands, what goes, and that nothing half done is ever seen.
#include "selftests/unit/policies_fixture.h"

namespace mizar {
namespace {

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

}  // namespace
}  // namespace mizar
