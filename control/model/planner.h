// SPDX-License-Identifier: Apache-2.0
// Region -> what each host has to know.
//
// Rendezvous hashing (highest random weight, D. Thaler and C. Ravishankar,
// 1998) decides who serves what: every candidate gets a weight from a hash of
// itself and the thing served, and the heaviest serve it. A host that joins a
// pool of n takes about 1/(n+1) of the buckets and moves no other; one that
// leaves gives up only its own. Nothing but the region goes in, so a plan is
// the same wherever it is computed.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "bpf/abi/hash.h"
#include "bpf/abi/tables.h"
#include "control/model/outside.h"
#include "control/model/region.h"
#include "userspace/policy/label_numbers.h"

namespace centaurus {

// Row b: who serves bucket b. Host ids, 0 = nobody.
using Shards = std::array<mz_shard, MZ_BUCKETS>;

// One host's share, as indices into the region's lists, ascending. Hosts are
// left out: every host knows all of them, as the senders it accepts.
struct HostPlan {
  std::vector<std::size_t> vpcs;
  std::vector<std::size_t> networks;
  std::vector<std::size_t> endpoints;
  std::vector<std::size_t> names;  // endpoints it is asked about as divider
  std::vector<std::size_t> gateways;  // of the VPCs it has endpoints of, or it is
  std::vector<std::size_t> services;  // of the VPCs it has endpoints of: it may be a client's host
  std::vector<std::pair<std::size_t, bool>> peerings;  // the same; true: as the peer sees it
  std::vector<std::size_t> policies;  // VPCs it has endpoints of
};

// What a plan gives out, and the next one keeps.
struct Kept {
  Leases leases = {};
  std::map<std::string, mizar::policy::LabelNumbers> labels = {};  // by VPC
  [[nodiscard]] bool empty() const { return leases.empty() && labels.empty(); }
};

struct Plan {
  std::vector<std::optional<Shards>> dividers;  // by VPC; nothing if the pool is empty
  std::vector<std::optional<Shards>> bouncers;  // by network
  std::vector<std::optional<Shards>> gateways;  // by gateway
  std::vector<HostPlan> hosts;                  // by host
  Kept kept;
};

// `region` must be valid (validate.h). `before`: what the plan before this gave out.
// Error: resource_exhausted, where outside ports do not suffice.
mizar::Result<Plan> make_plan(const Region& region, const Kept& before = {});

// Shares out the buckets of one thing among `pool` (host ids). `want` limits
// how many of the pool take part, 0 = all. Nothing if the pool is empty; the
// backup is 0 if only one takes part.
std::optional<Shards> share_buckets(std::uint32_t key, std::vector<std::uint32_t> pool,
                                    std::uint32_t want);

// What is hashed for a network's bouncers and a VPC's dividers. A network with
// both families goes by its IPv4 block: a second one moves no bucket.
std::uint32_t network_key(std::uint32_t vni, const mizar::Cidrs& cidr);
std::uint32_t vpc_key(std::uint32_t vni);

}  // namespace centaurus
