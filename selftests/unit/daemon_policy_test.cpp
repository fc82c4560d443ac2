// SPDX-License-Identifier: Apache-2.0
// Policy as the daemon keeps it: by plan and without one, through restarts and failures.
#include <arpa/inet.h>

#include "selftests/unit/daemon_world.h"
#include "userspace/policy/yaml.h"

namespace mizar {
namespace {

using namespace test;

constexpr const char* kNoOneToDb = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, "
                                   "spec: {podSelector: {matchLabels: {app: db}}}}";
constexpr const char* kWebToDb = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: "
                                 "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}}";

class DaemonPolicyTest : public DaemonTest {
 protected:
  // kState with labels of its endpoint, policies and label sets.
  static v1::GoalState planned(const std::vector<const char*>& policies, std::uint64_t revision = 1) {
    v1::GoalState s;
    EXPECT_OK(parse_text(state_with("netns: {name: a}", "netns: {name: a}, namespace: shop, labels: {app: db}"), "test", s));
    s.set_revision(revision);
    for (const auto& p : parse(policies).policies) *s.add_policies() = policy::to_message("red", p);
    EXPECT_OK(parse_text("{vpc: red, id: 5, namespace: shop, labels: {app: db}}", "t", *s.add_label_sets()));
    EXPECT_OK(parse_text("{vpc: red, id: 6, namespace: shop, labels: {app: web}}", "t", *s.add_label_sets()));
    return s;
  }
  static policy::Parsed parse(const std::vector<const char*>& texts) {
    policy::Parsed all;
    for (const char* text : texts) {
      std::vector<std::string> warnings;
      const auto one = must(policy::parse_policies(text, "p.yaml", warnings));
      all.policies.insert(all.policies.end(), one.policies.begin(), one.policies.end());
      all.namespaces.insert(all.namespaces.end(), one.namespaces.begin(), one.namespaces.end());
    }
    return all;
  }
  Result<v1::ApplyReply> apply_state(const v1::GoalState& s) {
    v1::ApplyRequest r;
    *r.mutable_state() = s;
    return daemon_->apply(r);
  }
  Result<v1::ApplyReply> put(const std::vector<const char*>& policies, bool replace = false, bool dry_run = false, const char* vpc = "red") {
    v1::ApplyPoliciesRequest r;
    r.set_vpc(vpc);
    r.set_replace(replace);
    r.set_dry_run(dry_run);
    const auto parsed = parse(policies);
    for (const auto& p : parsed.policies) *r.add_policies() = policy::to_message("red", p);
    for (const auto& n : parsed.namespaces) *r.add_namespaces() = policy::to_message("red", n);
    return daemon_->apply_policies(r);
  }
  Result<v1::SetLabelsReply> label(const std::string& endpoints, const std::string& sets = "[]", const std::string& forget = "[]") {
    v1::SetLabelsRequest r;
    EXPECT_OK(parse_text("{endpoints: " + endpoints + ", sets: " + sets + ", forget: " + forget + "}", "t", r));
    return daemon_->set_labels(r);
  }
  std::size_t sets() { return daemon_->goal().policy.at("red").sets.size(); }
  void standalone() {
    DaemonOptions o;
    o.uplink = "up0";
    start(o);
    ASSERT_OK(add("{name: a, netns: a, vpc: red, vni: 7, cidr: 10.0.1.0/24, address: 10.0.1.5, namespace: shop, labels: {app: db}}"));
  }
  mz_port port(const std::string& name = "a") { return *dp_.ports().get(endpoint(name).ifindex() % MZ_PORTS); }
  mz_endpoint row() { return *dp_.endpoints().get(endpoint_key(7, addr("10.0.1.5"))); }
  bool known(std::uint32_t label) { return dp_.policy_labels().get({MZ_POLICY_KNOWN(7), label}).has_value(); }
  v1::PolicyExplanation explanation() {
    v1::ExplainPolicyRequest r;
    r.set_endpoint("red/a");
    return must(daemon_->explain_policy(r));
  }
  std::string explained() {
    const auto e = explanation();
    std::string out = e.label_set();
    for (const auto& list : e.lists())
      for (const auto& rule : list.rules()) out += fmt::format("; {} {} {}: {}", rule.tier(), rule.policy(), rule.rule(), rule.verdict());
    return out;
  }
};

TEST_F(DaemonPolicyTest, AnEndpointsRowsNameItsGroupAndItsNumber) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  EXPECT_EQ(port().label, 5u);
  EXPECT_NE(port().policy, 0u);
  EXPECT_EQ(row().policy, port().policy);
  EXPECT_TRUE(dp_.policies().get(port().policy));
  EXPECT_TRUE(known(5) && known(6));
  EXPECT_EQ(explained(), "ns(shop) pod(app=db); network shop/db ingress[0]: allow; network  isolated by shop/db: deny; default  allow: allow");
}

TEST_F(DaemonPolicyTest, APlanThatDoesNotFitChangesNothing) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const auto before = port();
  v1::GoalState s = planned({}, 2);
  (*s.mutable_label_sets(0)->mutable_labels())["app"] = "web";  // 5 was another set
  s.mutable_label_sets(1)->set_id(9);
  *s.add_policies() = policy::to_message("red", parse({kNoOneToDb}).policies[0]);
  EXPECT_EQ(code(apply_state(s)), Code::failed_precondition);
  EXPECT_TRUE(same_bytes(before, port()));
  dp_.policy_rules().fail_next = 1;
  EXPECT_FALSE(apply_state(planned({kNoOneToDb}, 2)));
  EXPECT_EQ(port().policy, before.policy);
  EXPECT_EQ(must(daemon_->apply_policies([] {
                   v1::ApplyPoliciesRequest r;
                   r.set_vpc("red"), r.set_dry_run(true);
                   return r;
                 }())).added(), 0u);
  EXPECT_EQ(daemon_->goal().revision, 1u);
  ASSERT_OK(apply_state(planned({kNoOneToDb}, 2)));
  EXPECT_NE(port().policy, before.policy);
}

TEST_F(DaemonPolicyTest, WithoutFlowsThereIsNoPolicy) {
  DaemonOptions o;
  o.no_flows = true;
  start(o);
  ASSERT_OK(apply(kState));  // loads the programs
  const auto rc = apply_state(planned({kWebToDb}, 2));
  EXPECT_EQ(code(rc), Code::failed_precondition);
  EXPECT_NE(rc.error().what.find("policy red/shop/db: needs flows"), std::string::npos) << rc.error().what;
  EXPECT_EQ(code(put({kWebToDb}, false, true)), Code::failed_precondition) << "a dry run says so, too";
}

TEST_F(DaemonPolicyTest, AHostWithoutAPlanNumbersItself) {
  standalone();
  EXPECT_EQ(port().policy, 0u);
  EXPECT_EQ(port().label, MZ_LABEL_UNKNOWN);
  const auto reply = must(put({kNoOneToDb}));
  EXPECT_EQ(reply.added(), 1u);
  EXPECT_NE(port().label, MZ_LABEL_UNKNOWN);
  EXPECT_TRUE(known(port().label));
  const auto group = port().policy;
  EXPECT_NE(group, 0u);
  EXPECT_EQ(code(label("[]", "[{vpc: red, id: 5, labels: {app: x}}]")), Code::failed_precondition);
  EXPECT_EQ(code(label("[]", "[]", "[{vpc: red, id: 5}]")), Code::failed_precondition);
  EXPECT_EQ(must(put({kNoOneToDb})).changed(), 0u);
  EXPECT_EQ(port().policy, group) << "nothing is another";
  EXPECT_EQ(must(put({kWebToDb})).changed(), 1u);
  EXPECT_NE(port().policy, group);
  EXPECT_EQ(must(put({}, true, true)).removed(), 1u);
  EXPECT_NE(port().policy, 0u) << "that was a question";
  EXPECT_EQ(must(put({}, true)).removed(), 1u);
  EXPECT_EQ(port().policy, 0u);
  EXPECT_EQ(code(put({}, true, false, "no")), Code::not_found);
}

TEST_F(DaemonPolicyTest, PoliciesOfOneVpcAreNotAnothers) {
  standalone();
  ASSERT_OK(add("{name: n, netns: a, interface: eth1, vpc: blue, vni: 8, cidr: 10.0.2.0/24, namespace: shop, labels: {app: db}}"));
  constexpr const char* kLab = "{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {x: y}}}";
  EXPECT_EQ(must(put({kWebToDb, kLab})).added(), 2u);
  EXPECT_EQ(must(put({kNoOneToDb, kLab}, false, false, "blue")).added(), 2u);
  EXPECT_NE(daemon_->goal().policy.at("red").policies, daemon_->goal().policy.at("blue").policies);
  v1::GetPolicyHitsRequest r;
  r.set_vpc("blue");
  const auto hits = must(daemon_->policy_hits(r));
  EXPECT_NE(hits.rules_size(), 0);
  for (const auto& hit : hits.rules()) EXPECT_EQ(hit.vpc(), "blue");
  EXPECT_EQ(must(put({}, true, false, "blue")).removed(), 2u);
  EXPECT_EQ(daemon_->state().policies_size(), 1);
  EXPECT_EQ(daemon_->state().namespaces_size(), 1);
  EXPECT_NE(port().policy, 0u);
  EXPECT_EQ(port("n").policy, 0u);
}

TEST_F(DaemonPolicyTest, NumbersAndLabelsOutliveTheDaemon) {
  standalone();
  ASSERT_OK(put({kWebToDb}));
  const auto db = port().label;
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]"));
  const auto web = port().label;
  EXPECT_NE(web, db);
  EXPECT_TRUE(known(web));
  EXPECT_EQ(port().policy, 0u) << "the policy is not about it";
  DaemonOptions o;
  o.uplink = "up0";
  start(o);
  EXPECT_EQ(port().label, web);
  EXPECT_EQ(port().policy, 0u);
  EXPECT_EQ(endpoint("a").endpoint().labels().at("app"), "web");
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: db}}]"));
  EXPECT_EQ(port().label, db);
  // By what is stored: a number that no hash would give.
  daemon_.reset();
  v1::StoredLabels stored;
  ASSERT_TRUE(stored.ParseFromString(*must(store_->get("labels"))));
  ASSERT_EQ(stored.sets_size(), 1);
  stored.mutable_sets(0)->set_id(1234);
  ASSERT_OK(store_->put("labels", stored.SerializeAsString()));
  start(o);
  EXPECT_EQ(port().label, 1234u);
}

// Flows remember groups by number, and outlive the daemon.
TEST_F(DaemonPolicyTest, GroupsOfTheNextDaemonHaveOtherNumbers) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  std::uint32_t last = port().policy;
  EXPECT_EQ(last, 1u);
  for (const char* next : {"second", "third"}) {
    start({});
    EXPECT_GT(port().policy, last + (1u << 14)) << next << ": more than the one before may have given out";
    last = port().policy;
  }
}

TEST_F(DaemonPolicyTest, AGroupThatIsNobodysGoesByItself) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const auto group = port().policy;
  const auto generation = daemon_->local(0).generation();
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]"));
  EXPECT_TRUE(daemon_->local(generation).has_state()) << "who answers for it looks again";
  EXPECT_TRUE(dp_.policies().get(group));
  EXPECT_TRUE(until([&] { return !dp_.policies().get(group); }));
}

TEST_F(DaemonPolicyTest, LabelsChangeWithoutAPlanUntilTheNextOne) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const auto before = port();
  EXPECT_EQ(must(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]")).changed(), 1u);
  EXPECT_EQ(port().label, 6u);
  EXPECT_EQ(port().policy, 0u);
  EXPECT_EQ(row().policy, 0u);
  EXPECT_EQ(must(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]")).changed(), 0u);
  start({});
  EXPECT_EQ(port().label, 6u) << "kept";
  ASSERT_OK(apply_state(planned({kWebToDb}, 2)));
  EXPECT_EQ(port().label, before.label) << "the plan's";
}

TEST_F(DaemonPolicyTest, ASetOfNoPlanIsToldAndForgotten) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: lab}}]"));
  EXPECT_EQ(port().label, MZ_LABEL_UNKNOWN);
  EXPECT_NE(endpoint("a").problem().find("has no number"), std::string::npos) << endpoint("a").problem();
  EXPECT_EQ(explanation().label(), 0u);
  EXPECT_TRUE(endpoint("a").ready());
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: lab}}]", "[{vpc: red, id: 77, namespace: shop, labels: {app: lab}}]"));
  EXPECT_EQ(port().label, 77u);
  EXPECT_TRUE(known(77));
  EXPECT_EQ(endpoint("a").problem(), "");
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: db}}]", "[]", "[{vpc: red, id: 77}]"));
  EXPECT_EQ(port().label, 5u);
  EXPECT_TRUE(until([this] { return !known(77); }));
  EXPECT_EQ(daemon_->state().label_sets_size(), 2) << "nor is it stored";
}

TEST_F(DaemonPolicyTest, SetsOfThePlanAreForgottenByAPlan) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  ASSERT_OK(label("[]", "[]", "[{vpc: red, id: 6}, {vpc: red, id: 99}]"));
  EXPECT_EQ(sets(), 2u);
  ASSERT_OK(label("[]", "[{vpc: red, id: 6, namespace: shop, labels: {app: web}}]"));
  EXPECT_EQ(daemon_->state().label_sets_size(), 2) << "the plan has it";
  constexpr const char* k77 = "[{vpc: red, id: 77, namespace: shop, labels: {app: lab}}]";
  ASSERT_OK(label("[]", k77));
  ASSERT_OK(label("[]", k77, "[{vpc: red, id: 77}]"));
  EXPECT_EQ(sets(), 3u) << "told and forgotten at once, it stays";
}

TEST_F(DaemonPolicyTest, LabelsThatAreNotSoundChangeNothing) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const auto before = port();
  EXPECT_EQ(code(label("[{endpoint: red/a, labels: {app: 'w b'}}]")), Code::invalid_argument);
  EXPECT_EQ(code(label("[{endpoint: red/b}]")), Code::not_found);
  EXPECT_EQ(code(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}, {endpoint: red/b}]")), Code::not_found);
  EXPECT_EQ(code(label("[]", "[{vpc: red, id: 5, labels: {app: x}}]")), Code::failed_precondition);
  EXPECT_EQ(code(label("[]", "[{vpc: red, id: 0, labels: {app: x}}]")), Code::invalid_argument);
  EXPECT_EQ(code(label("[]", "[{vpc: red, id: 4294967295, labels: {app: x}}]")), Code::invalid_argument);
  EXPECT_EQ(code(label("[]", "[{vpc: no, id: 9}]")), Code::not_found);
  EXPECT_EQ(code(label("[{endpoint: red/a, labels: {app: x}}, {endpoint: red/a}]")), Code::invalid_argument) << "which of the two";
  dp_.ports().fail_next = 1;
  EXPECT_FALSE(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]"));
  EXPECT_EQ(port().label, before.label);
  EXPECT_EQ(row().policy, before.policy);
  EXPECT_EQ(endpoint("a").endpoint().labels().at("app"), "db");
  start({});
  EXPECT_EQ(port().label, before.label) << "nor is it stored";
  v1::GoalState s = planned({}, 2);
  EXPECT_OK(parse_text("{name: far, vpc: red, network: n, address: 10.0.1.9, host: w2}", "t", *s.add_endpoints()));
  ASSERT_OK(apply_state(s));
  EXPECT_EQ(code(label("[]", "[{vpc: red, id: 5, labels: {app: x}}]")), Code::failed_precondition) << "without policies, too";
  EXPECT_EQ(code(label("[{endpoint: red/far, labels: {app: x}}]")), Code::not_found) << "it is another host's";
  v1::ExplainPolicyRequest r;
  r.set_endpoint("red/far");
  EXPECT_EQ(code(daemon_->explain_policy(r)), Code::not_found);
}

// A store whose disk is full.
class FullStore final : public Store {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(const std::string& key) override { return inner_->get(key); }
  Result<> put(const std::string& key, const std::string& value) override {
    if (full) return fail(Code::resource_exhausted, "store: {}: no space left", key);
    return inner_->put(key, value);
  }
  bool full = false;

 private:
  std::unique_ptr<Store> inner_ = make_memory_store();
};

// In force before it was stored: told as failed, it is out of force again, and so are those
// that waited with it, the first of whom has what was before.
TEST_F(DaemonPolicyTest, LabelsThatCannotBeStoredAreTakenBack) {
  daemon_.reset();
  auto owned = std::make_unique<FullStore>();
  FullStore& store = *owned;
  store_ = std::move(owned);
  start({});
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const auto before = port();
  const auto state = daemon_->state().SerializeAsString();
  store.full = true;
  std::vector<std::optional<Code>> told;
  const auto ask = [&](const char* text) {
    v1::SetLabelsRequest r;
    EXPECT_OK(parse_text(text, "t", r));
    daemon_->set_labels(r, [&told](const Result<v1::SetLabelsReply>& reply) { told.push_back(code(reply)); });
  };
  ask("{endpoints: [{endpoint: red/a, namespace: shop, labels: {app: web}}]}");
  ask("{endpoints: [{endpoint: red/a, namespace: shop, labels: {app: lab}}], sets: [{vpc: red, id: 77, namespace: shop, labels: {app: lab}}]}");
  EXPECT_EQ(port().label, 77u) << "in force at once";
  EXPECT_TRUE(told.empty()) << "and not told before it is stored";
  EXPECT_TRUE(until([&] { return told.size() == 2; }));
  EXPECT_EQ(told, (std::vector<std::optional<Code>>(2, Code::resource_exhausted)));
  EXPECT_TRUE(same_bytes(before, port()));
  EXPECT_EQ(row().policy, before.policy);
  EXPECT_FALSE(known(77));
  EXPECT_EQ(daemon_->state().SerializeAsString(), state);
  store.full = false;
  ASSERT_OK(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]", "[{vpc: red, id: 77, namespace: shop, labels: {app: lab}}]"));
  EXPECT_EQ(port().label, 6u);
  store.full = true;
  EXPECT_EQ(code(label("[]", "[]", "[{vpc: red, id: 77}]")), Code::resource_exhausted);
  EXPECT_TRUE(known(77)) << "not forgotten";
  EXPECT_EQ(sets(), 3u);
}

TEST_F(DaemonPolicyTest, NumbersThatCannotBeStoredAreTakenBack) {
  daemon_.reset();
  auto owned = std::make_unique<FullStore>();
  FullStore& store = *owned;
  store_ = std::move(owned);
  standalone();
  ASSERT_OK(put({kWebToDb}));
  const auto before = port();
  const auto state = daemon_->state().SerializeAsString();
  const auto rows = dp_.policy_labels().entries()->size();
  store.full = true;
  EXPECT_EQ(code(label("[{endpoint: red/a, namespace: shop, labels: {app: web}}]")), Code::resource_exhausted);
  EXPECT_TRUE(same_bytes(before, port()));
  EXPECT_EQ(daemon_->state().SerializeAsString(), state);
  EXPECT_EQ(dp_.policy_labels().entries()->size(), rows) << "a set more is known";
  EXPECT_EQ(sets(), 1u);
}

TEST_F(DaemonPolicyTest, OneThatAsksForLabelsIsToldByItself) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  v1::SetLabelsRequest r;
  ASSERT_OK(parse_text("{endpoints: [{endpoint: red/a, namespace: shop, labels: {app: web}}]}", "t", r));
  std::optional<Result<v1::SetLabelsReply>> told;
  daemon_->set_labels(r, [&told](Result<v1::SetLabelsReply> reply) { told = std::move(reply); });
  EXPECT_TRUE(until([&] { return told.has_value(); }));
  EXPECT_EQ(must(*told).changed(), 1u);
  start({});
  EXPECT_EQ(port().label, 6u) << "and it is stored";
}

TEST_F(DaemonPolicyTest, WhatIsThePlansIsChangedByAPlan) {
  v1::GoalState first = planned({kWebToDb});
  EXPECT_OK(parse_text("{vpc: red, name: shop}", "t", *first.add_namespaces()));
  ASSERT_OK(apply_state(first));
  EXPECT_EQ(code(put({"{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {x: y}}}"})), Code::failed_precondition);
  EXPECT_EQ(code(put({kNoOneToDb})), Code::failed_precondition);
  constexpr const char* kOther = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: other, namespace: shop}, spec: {podSelector: {}}}";
  ASSERT_OK(put({kOther, "{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {x: y}}}"}));
  EXPECT_EQ(daemon_->goal().policy.at("red").policies.size(), 2u);
  v1::GoalState s = planned({kWebToDb, kOther}, 2);
  ASSERT_OK(apply_state(s));
  EXPECT_EQ(daemon_->state().policies_size(), 2) << "the plan has it now";
  v1::DeleteRequest d;
  d.set_kind(v1::KIND_NAMESPACE);
  d.set_name("red/lab");
  ASSERT_OK(daemon_->remove(d));
  d.set_kind(v1::KIND_POLICY);
  d.set_name("red/shop/other");
  ASSERT_OK(daemon_->remove(d));
  EXPECT_EQ(code(daemon_->remove(d)), Code::not_found);
  EXPECT_EQ(daemon_->goal().policy.at("red").policies.size(), 1u);
}

constexpr const char* kDbGroup = "{apiVersion: centaurus/v1, kind: SecurityGroup, metadata: {name: db}, spec: {ingress: [{name: sql, from: [{group: self}]}]}}";
constexpr const char* kWebGroup = "{apiVersion: centaurus/v1, kind: SecurityGroup, metadata: {name: web}, spec: {ingress: [{from: [{group: db}]}]}}";

TEST_F(DaemonPolicyTest, MembersOfSecurityGroupsComeAndGo) {
  standalone();
  ASSERT_OK(put({kDbGroup}));
  EXPECT_EQ(explained(), "-; network  isolated by policies of the sender: deny; default  allow: allow") << "of none";
  ASSERT_OK(label("[{endpoint: red/a, security_groups: [db]}]"));
  EXPECT_EQ(explained(), "group(db); network security-group:db sql: allow; network  isolated by security-group:db: deny; default  allow: allow; "
                         "network  isolated by policies of the sender: deny; default  allow: allow; "
                         "network  isolated by security-group:db: deny; default  allow: allow");
  const auto why = explanation();
  for (int kind = 0; kind < why.lists_size(); kind++) EXPECT_EQ(why.lists(kind).kind(), kind);
  EXPECT_EQ(endpoint("a").endpoint().security_groups_size(), 1);
  EXPECT_EQ(endpoint("a").endpoint().labels_size(), 0) << "no label of its own";
  const auto before = port();
  // What is not there, or still has members.
  const auto unknown = label("[{endpoint: red/a, security_groups: [db, web]}]");
  ASSERT_EQ(code(unknown), Code::invalid_argument);
  EXPECT_EQ(unknown.error().what, "endpoint red/a: security_groups: 'web' is no security group of vpc red");
  EXPECT_EQ(put({kNoOneToDb}, true).error().what, "endpoint red/a: security_groups: 'db' is no security group of vpc red");
  v1::DeleteRequest gone;
  gone.set_kind(v1::KIND_POLICY);
  gone.set_name("red/security-group:db");
  EXPECT_EQ(code(daemon_->remove(gone)), Code::failed_precondition);
  EXPECT_TRUE(same_bytes(before, port()));
  // Another that names it stands on it.
  ASSERT_OK(put({kWebGroup}));
  ASSERT_OK(label("[{endpoint: red/a, security_groups: [web]}]"));
  EXPECT_EQ(code(daemon_->remove(gone)), Code::failed_precondition);
  gone.set_name("red/web");
  EXPECT_EQ(code(daemon_->remove(gone)), Code::not_found) << "a ClusterNetworkPolicy would be called so";
  ASSERT_OK(label("[{endpoint: red/a}]"));
  for (const char* name : {"red/security-group:web", "red/security-group:db"}) {
    gone.set_name(name);
    ASSERT_OK(daemon_->remove(gone));
  }
}

TEST_F(DaemonPolicyTest, AnEndpointIsAddedAsAMember) {
  standalone();
  ASSERT_OK(put({kDbGroup}));
  EXPECT_EQ(add("{name: n, netns: a, interface: eth1, vpc: red, security_groups: [web]}").error().what,
            "endpoint red/n: security_groups: 'web' is no security group of vpc red");
  ASSERT_OK(add("{name: n, netns: a, interface: eth1, vpc: red, security_groups: [db]}"));
  EXPECT_EQ(endpoint("n").endpoint().security_groups(0), "db");
  EXPECT_NE(port("n").policy, port("a").policy);
}

TEST_F(DaemonPolicyTest, APlanMakesAMember) {
  v1::GoalState s = planned({kDbGroup});
  s.mutable_endpoints(0)->add_security_groups("db");
  EXPECT_OK(parse_text("{vpc: red, id: 9, labels: {security-group.centaurus/db: ''}}", "t", *s.add_label_sets()));
  ASSERT_OK(apply_state(s));
  EXPECT_EQ(port().label, 9u);
}

TEST_F(DaemonPolicyTest, HitsAreToldByRule) {
  ASSERT_OK(apply_state(planned({kWebToDb})));
  const std::uint32_t list = MZ_POLICY_LIST(port().policy, MZ_POLICY_IN);
  auto rule = *dp_.policy_rules().get({list, 0});
  rule.hits = 7;
  ASSERT_OK(dp_.policy_rules().put({list, 0}, rule));
  const auto why = explanation();
  EXPECT_EQ(why.label(), 5u);
  EXPECT_EQ(why.lists(0).rules(0).hits(), 7u);
  EXPECT_EQ(why.lists(0).rules(1).hits(), 0u);
  const auto hits = [this](const char* vpc) {
    v1::GetPolicyHitsRequest r;
    r.set_vpc(vpc);
    return daemon_->policy_hits(r);
  };
  for (const char* vpc : {"", "red"}) {
    const auto all = must(hits(vpc));
    ASSERT_EQ(all.rules_size(), 3) << vpc;
    const auto& first = *std::find_if(all.rules().begin(), all.rules().end(), [](const auto& r) { return r.policy() == "shop/db"; });
    EXPECT_EQ(fmt::format("{} {} {} {} {}: {}", first.vpc(), first.tier(), first.policy(), first.rule(), first.verdict(), first.hits()),
              "red network shop/db ingress[0] allow: 7");
  }
  EXPECT_EQ(code(hits("no")), Code::not_found);
}

TEST_F(DaemonPolicyTest, ADenialIsToldByName) {
  ASSERT_OK(apply_state(planned({kNoOneToDb})));
  std::vector<v1::Denial> told;
  const auto watch = daemon_->watch_denials("red", [&](const v1::Denial& d) { told.push_back(d); });
  daemon_->watch_denials("blue", [&](const v1::Denial&) { ADD_FAILURE() << "not of this VPC"; });
  mz_any_event e{};
  e.denial.type = MZ_EVENT_DENIED;
  e.denial.list = MZ_POLICY_LIST(port().policy, MZ_POLICY_IN);
  e.denial.flow.vni = 7;
  e.denial.flow.proto = 6;
  e.denial.flow.local = addr("10.0.1.5").abi();
  e.denial.flow.remote = addr("10.0.1.9").abi();
  e.denial.flow.local_port = htons(80);
  e.denial.flow.remote_port = htons(1024);
  e.denial.label = 6;
  dp_.tell(e);
  EXPECT_TRUE(until([&] { return !told.empty(); }));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].endpoint(), "red/a");
  EXPECT_EQ(told[0].direction(), "ingress");
  EXPECT_EQ(fmt::format("{}:{} {}:{}", told[0].source(), told[0].source_port(), told[0].destination(), told[0].destination_port()),
            "10.0.1.9:1024 10.0.1.5:80");
  EXPECT_EQ(told[0].label_set(), "ns(shop) pod(app=web)");
  EXPECT_EQ(told[0].tier() + " " + told[0].rule(), "network isolated by shop/db");
  daemon_->stop_watching(watch);
}

// Towards it by rules of whoever sends, and from it to the outside.
TEST_F(DaemonPolicyTest, ADenialHasADirection) {
  ASSERT_OK(apply_state(planned({kNoOneToDb})));
  std::vector<std::string> told;
  daemon_->watch_denials("", [&](const v1::Denial& d) {
    told.push_back(fmt::format("{}: {} {} {} -> {} {} [{}]", d.endpoint(), d.direction(), d.source(), d.source_port(), d.destination(),
                               d.destination_port(), d.label_set()));
  });
  daemon_->watch_denials("re", [&](const v1::Denial&) { ADD_FAILURE() << "not of this VPC"; });
  const auto tell = [this](mz_policy_kind kind, std::uint32_t vni, const char* local, const char* remote) {
    mz_any_event e{};
    e.denial.type = MZ_EVENT_DENIED;
    e.denial.list = MZ_POLICY_LIST(port().policy, static_cast<std::uint32_t>(kind));
    e.denial.flow.vni = vni;
    e.denial.flow.proto = 6;
    e.denial.flow.local = addr(local).abi();
    e.denial.flow.remote = addr(remote).abi();
    e.denial.flow.local_port = htons(80);
    e.denial.flow.remote_port = htons(1024);
    e.denial.label = 6;
    dp_.tell(e);
  };
  tell(MZ_POLICY_TO, 7, "10.0.1.5", "10.0.1.9");
  tell(MZ_POLICY_OUT, 7, "fd00:0:0:1::5", "2001:db8::9");
  tell(MZ_POLICY_IN, 8, "10.0.1.5", "10.0.1.9");
  EXPECT_TRUE(until([&] { return told.size() == 3; }));
  EXPECT_EQ(told, (std::vector<std::string>{"red/a: egress 10.0.1.9 1024 -> 10.0.1.5 80 [ns(shop) pod(app=web)]",
                                            "red/a: egress fd00:0:0:1::5 80 -> 2001:db8::9 1024 []",
                                            "vni 8/10.0.1.5: ingress 10.0.1.9 1024 -> 10.0.1.5 80 [unknown (6)]"}));
}

}  // namespace
}  // namespace mizar
