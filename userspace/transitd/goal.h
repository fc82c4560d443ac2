// SPDX-License-Identifier: Apache-2.0
// A goal state whose every field has been checked: addresses parsed, defaults
// filled in, references resolved. The daemon works with this, never with the
// message.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bpf/abi/hash.h"
#include "bpf/abi/tables.h"
#include "userspace/base/addr.h"
#include "userspace/base/balance.h"
#include "userspace/base/delivery.h"
#include "userspace/base/outside.h"
#include "userspace/base/result.h"
#include "userspace/base/services.h"
#include "userspace/policy/message.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/qos/spec.h"

namespace mizar {

// Row b: who serves bucket b. Host ids, 0 = nobody.
using ShardTable = std::array<mz_shard, MZ_BUCKETS>;

struct HostSpec {
  std::string name;
  std::uint32_t id = 0;
  Addrs address;  // on the underlay
  bool operator==(const HostSpec&) const = default;
};

struct VpcSpec {
  std::string name;
  std::uint32_t vni = 0;
  Cidrs cidr;
  std::optional<ShardTable> dividers;
  std::string domain = {};  // as given; domain_or_default() is what holds
  QosSpec qos = {};         // of its endpoints on this host, together
};

struct NetworkSpec {
  std::string name;
  std::string vpc;
  std::uint32_t vni = 0;
  Cidrs cidr;
  std::optional<ShardTable> bouncers;
  NetworkServices services = {};
};

struct NetnsSpec {
  std::string name;       // as given: a name under /run/netns, or a path
  std::string interface;  // inside; "eth0" by default
  bool operator==(const NetnsSpec&) const = default;
};
struct TapSpec {
  std::string interface;
  bool operator==(const TapSpec&) const = default;
};

struct EndpointSpec {
  std::string name;
  std::string vpc;
  std::string network;
  std::uint32_t vni = 0;
  Addrs address;
  MacBytes mac{};
  std::string host;
  std::uint32_t host_id = 0;
  policy::PodLabels labels = {};
  std::uint32_t max_flows = 0;  // 0: as many as its host gives each
  QosSpec qos = {};
  Delivery delivery = Delivery::unsaid;
  std::string user_data;
  std::variant<std::monostate, NetnsSpec, TapSpec> attach;
  bool operator==(const EndpointSpec&) const = default;
};

// An endpoint this host answers name queries of other hosts for.
struct NameSpec {
  std::string name;
  std::string vpc;
  std::string network;
  Addrs address;
  bool operator==(const NameSpec&) const = default;
};

struct BackendSpec {
  std::string name;
  Addrs address;
  std::uint32_t weight = 1;  // 0: drains
  std::uint32_t host_id = 0;  // where it lives; 0: not said, which health does not allow
  bool operator==(const BackendSpec&) const = default;
};
struct ServiceSpec {
  std::string name;
  std::string vpc;
  std::uint32_t vni = 0;
  Addrs address;
  std::vector<ServicePortSpec> ports;
  std::vector<BackendSpec> backends;
  std::uint32_t sticky_seconds = 0;
  std::uint8_t level = 0;  // MZ_LEVEL() of flows to it and their answers; 0: their ends'
  std::optional<HealthSpec> health = {};
  bool operator==(const ServiceSpec&) const = default;
  [[nodiscard]] std::optional<ServicePortSpec> port(std::uint16_t protocol, std::uint16_t number) const;
};

struct OutsideSpec {
  Addr address;  // an endpoint's
  Addr outside;
  PortRange ports;
  bool operator==(const OutsideSpec&) const = default;
};
struct GatewaySpec {
  std::string name;
  std::string vpc;
  std::uint32_t vni = 0;
  std::vector<Prefix> destinations;
  std::optional<ShardTable> hosts;
  std::vector<Prefix> networks;  // of the VPC, and not in Goal::networks
  std::vector<OutsideSpec> addresses;
  std::vector<ForwardSpec> forwards;
  bool serves = false;
  std::vector<Prefix> pools;
  std::uint32_t ports_per_endpoint = kOutsidePorts;
};

struct PeeringSpec {
  std::string name;
  std::string vpc;
  std::uint32_t vni = 0;
  std::string peer;
  std::uint32_t peer_vni = 0;
  std::vector<Prefix> parts;  // of the peer
  bool answers_only = false;
};

// What policy is to know of a VPC besides its endpoints.
struct VpcPolicySpec {
  std::map<std::string, policy::Policy, std::less<>> policies = {};  // by policy::full_name()
  std::map<std::string, policy::Namespace, std::less<>> namespaces = {};
  std::map<std::uint32_t, policy::LabelSet> sets = {};  // by number
  bool operator==(const VpcPolicySpec&) const = default;
};

// Ordered by key, so two goals compare and print alike. Keys of networks and
// endpoints are "VPC/NAME".
struct Goal {
  template <class T>
  using Table = std::map<std::string, T, std::less<>>;

  std::uint64_t revision = 0;
  HostSpec self;
  Table<HostSpec> hosts;
  std::map<std::uint32_t, std::string> host_names;  // by id
  Table<VpcSpec> vpcs;
  Table<NetworkSpec> networks;
  Table<EndpointSpec> endpoints;
  Table<NameSpec> names;
  Table<ServiceSpec> services;
  Table<GatewaySpec> gateways;
  Table<PeeringSpec> peerings;
  Table<VpcPolicySpec> policy;  // by VPC
  QosSpec uplink;
  QosLevels levels = default_levels();

  [[nodiscard]] bool local(const EndpointSpec& e) const { return e.host_id == self.id; }
  // Endpoints' ports that a forward of a gateway of `vpc` ends at: one, or those of a
  // service's backends.
  [[nodiscard]] std::vector<std::pair<Addr, std::uint16_t>> led_to(const std::string& vpc, const ForwardSpec& f) const;
  // Where this host reaches another, if they have a family in common.
  [[nodiscard]] std::optional<Addr> reach(std::uint32_t host) const;
  // Bytes the underlay puts around an endpoint's IP packet: those of IPv6 as
  // soon as any two hosts may talk over it.
  [[nodiscard]] unsigned overhead() const;
};

// "VPC/NAME": the key of a network or endpoint.
std::string object_key(std::string_view vpc, std::string_view name);
// An endpoint as policy sees it.
policy::Pod pod_of(const EndpointSpec& e);
// Error: invalid_argument: it is to be a member of a group that its VPC does not have.
Result<> check_groups(const Goal& goal, const EndpointSpec& e);

// Error: invalid_argument, one line naming object and field, such as
//   network a/front: cidr: 10.2.0.0/24 is outside vpc a's 10.1.0.0/16
Result<Goal> parse_goal(const v1::GoalState& state);

// The message of a goal: parse_goal(to_state(g)) equals g.
v1::GoalState to_state(const Goal& goal);

bool operator==(const VpcSpec& a, const VpcSpec& b);
bool operator==(const NetworkSpec& a, const NetworkSpec& b);

}  // namespace mizar
