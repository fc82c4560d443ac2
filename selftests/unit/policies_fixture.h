// SPDX-License-Identifier: Apache-2.0
// A host's endpoints under policies, for tests of what becomes of goals in tables.
#pragma once

#include "userspace/transitd/policies.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/policy/yaml.h"
#include "userspace/proto/text.h"

namespace mizar {

using namespace std::chrono_literals;

inline constexpr const char* kState = R"(
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
inline std::string db_policy(const std::string& from, const std::string& name = "db") {
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

}  // namespace mizar
