// SPDX-License-Identifier: Apache-2.0
// From goals to label sets in tables: who has which number, from when on, and until when.
#include "selftests/unit/policies_fixture.h"

namespace mizar {
namespace {

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

TEST_F(PoliciesTest, LabelSetsAreToldByName) {
  adopt(goal(state({db_policy("web")})));
  EXPECT_EQ(policies.label_text("red", 0), "") << "not of this VPC";
  EXPECT_EQ(policies.label_text("red", 11), "ns(shop) pod(app=web)");
  EXPECT_EQ(policies.label_text("red", 99), "unknown (99)");
  EXPECT_EQ(policies.label_text("red", MZ_LABEL_UNKNOWN), "unknown");
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

// Of one VNI numbers mean what they mean; those of another are others.
TEST_F(PoliciesTest, AVpcWithAnotherVniNumbersAnew) {
  v1::GoalState s = state({db_policy("web")});
  adopt(goal(s));
  s.mutable_vpcs(0)->set_vni(70);
  (*s.mutable_label_sets(0)->mutable_labels())["app"] = "lab";
  adopt(goal(s));
  EXPECT_FALSE(lets_in("red/db", 11));
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
