// SPDX-License-Identifier: Apache-2.0
// A region's objects as plain data: what tenants and operators declare.
// convert.h makes it from the .proto, validate.h says whether it is sound,
// planner.h turns it into what each host has to know. No I/O anywhere here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/balance.h"
#include "userspace/base/delivery.h"
#include "userspace/base/outside.h"
#include "userspace/base/services.h"
#include "userspace/policy/message.h"
#include "userspace/qos/spec.h"

namespace centaurus {

struct Host {
  std::string name;
  std::uint32_t id = 0;  // stays with the host for life: shard tables hold it
  mizar::Addrs address;  // on the underlay
  bool bouncer = false;  // in the region's pool of bouncers
  bool divider = false;  // in the region's pool of dividers
  mizar::QosSpec qos = {};  // of its uplink
};

struct Vpc {
  std::string name;
  std::uint32_t vni = 0;
  mizar::Cidrs cidr;
  std::uint32_t dividers = 0;  // how many of the pool share it, 0 = all
  std::string domain = {};     // as given
  mizar::QosSpec qos = {};     // of its endpoints on each host, together
};

struct Network {
  std::string name;  // unique in its VPC
  std::string vpc;
  mizar::Cidrs cidr;
  std::uint32_t bouncers = 0;  // how many of the pool share it, 0 = all
  mizar::NetworkServices services = {};
};

struct Endpoint {
  std::string name;  // unique in its VPC
  std::string vpc;
  std::string network;
  mizar::Addrs address;
  std::optional<mizar::MacBytes> mac;  // default: made from VNI and address
  std::string host;
  std::string netns;  // where its host connects it, or
  std::string tap;    // the tap it gets; both empty: nowhere yet
  std::string interface;  // its name in the netns
  std::uint32_t max_flows = 0;  // 0: as many as its host gives each
  std::string user_data = {};
  mizar::policy::PodLabels labels = {};
  mizar::QosSpec qos = {};
  mizar::Delivery delivery = mizar::Delivery::unsaid;
};

struct Backend {
  std::string endpoint;  // of the service's VPC
  std::uint32_t weight = 1;
};

// A virtual address whose ports endpoints serve.
struct Service {
  std::string name;  // unique in its VPC
  std::string vpc;
  mizar::Addrs address;
  std::vector<mizar::ServicePortSpec> ports;
  std::vector<Backend> backends;
  std::uint32_t sticky_seconds = 0;
  std::uint8_t level = 0;  // MZ_LEVEL() of flows to it; 0: their ends'
  std::optional<mizar::HealthSpec> health = {};
};

struct Floating {
  mizar::Addr address;   // outside
  std::string endpoint;  // of the gateway's VPC
};

struct PortForward {
  std::uint16_t protocol = 0;  // IPPROTO_*
  mizar::Addr address;         // outside
  std::uint16_t port = 0;
  std::string endpoint, service;  // one of the two
  std::uint16_t to_port = 0;      // of it
};

// The way out of a VPC and in.
struct Gateway {
  std::string name;
  std::string vpc;
  std::vector<std::string> hosts;
  std::vector<mizar::Prefix> destinations;  // empty: all, by the VPC's families
  std::vector<mizar::Prefix> pools;
  std::uint32_t ports_per_endpoint = mizar::kOutsidePorts;
  std::vector<Floating> floating;
  std::vector<PortForward> forwards;
};

// Two VPCs that reach parts of each other.
struct Peering {
  std::string name;
  std::string vpc, peer;
  std::vector<mizar::Prefix> parts;       // of vpc; empty: all of it
  std::vector<mizar::Prefix> peer_parts;  // of peer
  bool one_way = false;                   // only vpc's endpoints begin
};

// What policy is to know of a VPC besides its endpoints.
struct VpcPolicy {
  std::vector<mizar::policy::Policy> policies;
  std::vector<mizar::policy::Namespace> namespaces;
};

struct Region {
  std::uint64_t revision = 0;
  std::vector<Host> hosts;
  std::vector<Vpc> vpcs;
  std::vector<Network> networks;
  std::vector<Endpoint> endpoints;
  std::vector<Service> services;
  std::vector<Gateway> gateways;
  std::vector<Peering> peerings;
  std::map<std::string, VpcPolicy> policy;  // by VPC
  mizar::QosLevels levels = mizar::default_levels();
};

}  // namespace centaurus
