// SPDX-License-Identifier: Apache-2.0
// How a goal state becomes a Goal: goal.cpp, and of services and gateways goal_services.cpp.
#pragma once

#include "userspace/base/names.h"
#include "userspace/base/unique.h"
#include "userspace/transitd/goal.h"

namespace mizar::goal {

template <class... A>
Failure bad(std::string_view object, const char* field, fmt::format_string<A...> f, A&&... a) {
  return fail(Code::invalid_argument, "{}: {}: {}", object, field,
              fmt::format(f, std::forward<A>(a)...));
}

// The element's name as errors show it, once the name itself is sound.
Result<std::string> named(const char* kind, const char* list, int index, const std::string& vpc, const std::string& name);

// Reads one message into one Goal. A step for each kind, in the order of
// references: hosts, VPCs, networks, endpoints, services, gateways, peerings, policy.
class Reader {
 public:
  explicit Reader(const v1::GoalState& state) : in_(state) {}

  Result<Goal> read() {
    out_.revision = in_.revision();
    for (int i = 0; i < in_.hosts_size(); i++) MZ_CHECK(host(in_.hosts(i), i));
    MZ_CHECK(self());
    for (int i = 0; i < in_.vpcs_size(); i++) MZ_CHECK(vpc(in_.vpcs(i), i));
    for (int i = 0; i < in_.networks_size(); i++) MZ_CHECK(network(in_.networks(i), i));
    for (int i = 0; i < in_.endpoints_size(); i++) MZ_CHECK(endpoint(in_.endpoints(i), i));
    for (int i = 0; i < in_.names_size(); i++) MZ_CHECK(name(in_.names(i), i));
    for (int i = 0; i < in_.services_size(); i++) MZ_CHECK(service(in_.services(i), i));
    for (int i = 0; i < in_.gateways_size(); i++) MZ_CHECK(gateway(in_.gateways(i), i));
    for (int i = 0; i < in_.peerings_size(); i++) MZ_CHECK(peering(in_.peerings(i), i));
    for (int i = 0; i < in_.policies_size(); i++) MZ_CHECK(policy_of(in_.policies(i), i));
    for (int i = 0; i < in_.namespaces_size(); i++) MZ_CHECK(name_space(in_.namespaces(i), i));
    for (int i = 0; i < in_.label_sets_size(); i++) MZ_CHECK(label_set(in_.label_sets(i), i));
    MZ_CHECK(security_groups());
    MZ_CHECK(uplink());
    return std::move(out_);
  }

 private:
  Result<> host(const v1::Host& h, int index);
  Result<> self();
  Result<> vpc(const v1::Vpc& v, int index);
  Result<> network(const v1::Network& n, int index);
  Result<> endpoint(const v1::Endpoint& e, int index);
  Result<> name(const v1::Name& n, int index);
  Result<> service(const v1::Service& s, int index);
  Result<> backends(const v1::Service& s, const Cidrs& vpc, const std::string& object,
                    ServiceSpec& spec) const;
  Result<> gateway(const v1::Gateway& g, int index);
  Result<> blocks(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  Result<> outsides(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  static Result<> forward_to(const std::string& address, ForwardSpec& out, const std::string& place);
  Result<> entry(const v1::Gateway& g, const std::string& service, ForwardSpec& out, const std::string& place) const;
  Result<> forwards(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  Result<> peering(const v1::Peering& p, int index);
  Result<VpcPolicySpec*> policy_at(const std::string& vpc, const std::string& place);
  Result<> policy_of(const v1::Policy& m, int index);
  Result<> name_space(const v1::Namespace& m, int index);
  Result<> label_set(const v1::LabelSet& m, int index);
  Result<> security_groups() const;
  Result<> uplink();
  Result<> address(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object);
  Result<> attach(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object);
  Result<> shards(const v1::ShardTable& t, const std::string& object, const char* field,
                  std::optional<ShardTable>& out) const;
  Result<std::uint32_t> known_host(std::uint32_t id) const;

  const v1::GoalState& in_;
  Goal out_;
  Unique<Addr> host_addresses_;
  Unique<std::uint32_t> host_ids_, vnis_;
  DisjointBlocks pools_;  // of all VPCs
  std::map<std::string, DisjointBlocks> blocks_;             // by VPC
  std::map<std::string, Unique<Addr>> addresses_;            // by VPC
  Unique<std::pair<std::string, std::string>> interfaces_;   // namespace ("" = host's), name
};

}  // namespace mizar::goal
