// SPDX-License-Identifier: Apache-2.0
#include "control/model/planner.h"

#include <algorithm>
#include <map>
#include <set>

#include "userspace/policy/policy_set.h"

namespace centaurus {

namespace {

// Keeps the three draws (who is in, bouncers' buckets, dividers' buckets)
// independent of each other. Arbitrary, but never to be changed: a change
// moves every bucket of every region.
constexpr std::uint32_t kNetworkSalt = 0x6e657477;
constexpr std::uint32_t kVpcSalt = 0x76706373;
constexpr std::uint32_t kGatewaySalt = 0x67617465;
constexpr std::uint32_t kMember = 0xffffffff;  // in place of a bucket

// The last step is a bijection of the id, so two hosts never weigh the same.
std::uint32_t weight(std::uint32_t key, std::uint32_t bucket, std::uint32_t host) {
  const std::uint32_t place = mz_mix32(mz_mix32(key) ^ (bucket + 1) * 0x9e3779b9u);
  return mz_mix32(place ^ host);
}

// The `want` heaviest of the pool.
std::vector<std::uint32_t> members(std::uint32_t key, std::vector<std::uint32_t> pool,
                                   std::uint32_t want) {
  if (want == 0 || want >= pool.size()) return pool;
  std::sort(pool.begin(), pool.end(), [key](std::uint32_t a, std::uint32_t b) {
    return weight(key, kMember, a) > weight(key, kMember, b);
  });
  pool.resize(want);
  return pool;
}

mz_shard heaviest(std::uint32_t key, std::uint32_t bucket, const std::vector<std::uint32_t>& in) {
  std::uint32_t best[2] = {}, id[2] = {};
  for (const auto host : in) {
    const auto w = weight(key, bucket, host);
    if (id[0] == 0 || w > best[0]) {
      best[1] = best[0], id[1] = id[0];
      best[0] = w, id[0] = host;
    } else if (id[1] == 0 || w > best[1]) {
      best[1] = w, id[1] = host;
    }
  }
  return {id[0], id[1]};
}

// Host ids that stand in a shard table.
std::set<std::uint32_t> servers(const std::optional<Shards>& shards) {
  std::set<std::uint32_t> ids;
  if (!shards) return ids;
  for (const auto& row : *shards) ids.insert({row.primary, row.backup});
  ids.erase(0);
  return ids;
}

// Collects each host's share; the same object may be asked for more than once.
class Builder {
 public:
  explicit Builder(const Region& region) : region_(region), needs_(region.hosts.size()) {
    for (size_t i = 0; i < region.hosts.size(); i++) {
      by_name_[region.hosts[i].name] = i;
      by_id_[region.hosts[i].id] = i;
    }
    for (size_t i = 0; i < region.vpcs.size(); i++) vpcs_[region.vpcs[i].name] = i;
    for (size_t i = 0; i < region.networks.size(); i++)
      networks_[{region.networks[i].vpc, region.networks[i].name}] = i;
  }

  Plan build() {
    share();
    for (size_t v = 0; v < region_.vpcs.size(); v++)
      for (const auto id : servers(plan_.dividers[v])) needs_[by_id_.at(id)].vpcs.insert(v);
    for (size_t n = 0; n < region_.networks.size(); n++) network(n);
    for (size_t e = 0; e < region_.endpoints.size(); e++) endpoint(e);
    for (size_t s = 0; s < region_.services.size(); s++) service(s);
    for (size_t g = 0; g < region_.gateways.size(); g++) gateway(g);
    for (size_t p = 0; p < region_.peerings.size(); p++) peering(p);
    for (auto& need : needs_)
      plan_.hosts.push_back({{need.vpcs.begin(), need.vpcs.end()},
                             {need.networks.begin(), need.networks.end()},
                             {need.endpoints.begin(), need.endpoints.end()},
                             {need.names.begin(), need.names.end()},
                             {need.gateways.begin(), need.gateways.end()},
                             {need.services.begin(), need.services.end()},
                             {need.peerings.begin(), need.peerings.end()},
                             policies(need)});
    return std::move(plan_);
  }

 private:
  struct Need {
    std::set<size_t> vpcs, networks, endpoints, names, services, gateways;
    std::set<std::pair<size_t, bool>> peerings;
    std::set<std::string> clients;  // VPCs it has endpoints of
  };

  [[nodiscard]] std::vector<size_t> policies(const Need& need) const {
    std::vector<size_t> out;
    for (const auto& vpc : need.clients) out.push_back(vpcs_.at(vpc));
    return out;
  }

  void share() {
    std::vector<std::uint32_t> bouncers, dividers;
    for (const auto& h : region_.hosts) {
      if (h.bouncer) bouncers.push_back(h.id);
      if (h.divider) dividers.push_back(h.id);
    }
    for (const auto& v : region_.vpcs)
      plan_.dividers.push_back(share_buckets(vpc_key(v.vni), dividers, v.dividers));
    for (const auto& n : region_.networks) {
      const auto vni = region_.vpcs[vpcs_.at(n.vpc)].vni;
      plan_.bouncers.push_back(share_buckets(network_key(vni, n.cidr), bouncers, n.bouncers));
    }
  }

  void network_at(size_t host, size_t n) {
    needs_[host].networks.insert(n);
    needs_[host].vpcs.insert(vpcs_.at(region_.networks[n].vpc));
  }

  // Its bouncers, and all dividers of its VPC.
  void network(size_t n) {
    for (const auto id : servers(plan_.bouncers[n])) network_at(by_id_.at(id), n);
    const size_t v = vpcs_.at(region_.networks[n].vpc);
    for (const auto id : servers(plan_.dividers[v])) network_at(by_id_.at(id), n);
  }

  // Its own host, and the primary and backup bouncer of each address's bucket.
  void endpoint(size_t e) {
    const auto& spec = region_.endpoints[e];
    const size_t n = networks_.at({spec.vpc, spec.network});
    const size_t owner = by_name_.at(spec.host);
    network_at(owner, n);
    needs_[owner].endpoints.insert(e);
    needs_[owner].clients.insert(spec.vpc);
    name(e);
    if (!plan_.bouncers[n]) return;
    for (const auto& address : spec.address.all()) {
      const mz_addr ip = address.abi();
      const auto& row = (*plan_.bouncers[n])[mz_bucket(&ip)];
      for (const auto id : {row.primary, row.backup})
        if (id != 0) needs_[by_id_.at(id)].endpoints.insert(e);
    }
  }

  // The dividers that are asked for it, by name or by address.
  void name(size_t e) {
    const auto& spec = region_.endpoints[e];
    const auto& dividers = plan_.dividers[vpcs_.at(spec.vpc)];
    if (!dividers) return;
    std::set<std::uint32_t> buckets{mizar::name_bucket(spec.name)};
    for (const auto& address : spec.address.all()) {
      const mz_addr ip = address.abi();
      buckets.insert(mz_bucket(&ip));
    }
    for (const auto b : buckets)
      for (const auto id : {(*dividers)[b].primary, (*dividers)[b].backup})
        if (id != 0) needs_[by_id_.at(id)].names.insert(e);
  }

  void service(size_t s) {
    for (auto& need : needs_)
      if (need.clients.contains(region_.services[s].vpc)) need.services.insert(s);
  }

  // Services that are reached from outside by one of its ports.
  void entries(const Gateway& g, size_t host) {
    for (size_t s = 0; s < region_.services.size(); s++)
      for (const PortForward& f : g.forwards)
        if (region_.services[s].vpc == g.vpc && region_.services[s].name == f.service) needs_[host].services.insert(s);
  }

  // Gateways know every endpoint of the VPC, as its bouncers do: they send straight.
  void gateway(size_t g) {
    const Gateway& spec = region_.gateways[g];
    std::vector<std::uint32_t> ids;
    for (const auto& name : spec.hosts) {
      const size_t host = by_name_.at(name);
      ids.push_back(region_.hosts[host].id);
      needs_[host].gateways.insert(g);
      needs_[host].vpcs.insert(vpcs_.at(spec.vpc));
      for (size_t n = 0; n < region_.networks.size(); n++)
        if (region_.networks[n].vpc == spec.vpc) network_at(host, n);
      for (size_t e = 0; e < region_.endpoints.size(); e++)
        if (region_.endpoints[e].vpc == spec.vpc) needs_[host].endpoints.insert(e);
      entries(spec, host);
    }
    plan_.gateways.push_back(
        share_buckets(mz_mix32(region_.vpcs[vpcs_.at(spec.vpc)].vni ^ kGatewaySalt), std::move(ids), 0));
    for (auto& need : needs_)
      if (need.clients.contains(spec.vpc)) need.gateways.insert(g);
  }

  // Hosts of either VPC's endpoints see it from there, and ask the other's dividers.
  void peering(size_t p) {
    const Peering& spec = region_.peerings[p];
    for (auto& need : needs_) {
      for (const bool mirrored : {false, true}) {
        if (!need.clients.contains(mirrored ? spec.peer : spec.vpc)) continue;
        need.peerings.insert({p, mirrored});
        need.vpcs.insert(vpcs_.at(mirrored ? spec.vpc : spec.peer));
      }
    }
  }

  const Region& region_;
  Plan plan_;
  std::vector<Need> needs_;
  std::map<std::string, size_t> by_name_, vpcs_;
  std::map<std::uint32_t, size_t> by_id_;
  std::map<std::pair<std::string, std::string>, size_t> networks_;
};

}  // namespace

std::uint32_t network_key(std::uint32_t vni, const mizar::Cidrs& cidr) {
  const mz_addr ip = cidr.first().ip.abi();
  return mz_mix32(mz_addr_hash(&ip) ^ mz_mix32(vni ^ kNetworkSalt));
}

std::uint32_t vpc_key(std::uint32_t vni) { return mz_mix32(vni ^ kVpcSalt); }

std::optional<Shards> share_buckets(std::uint32_t key, std::vector<std::uint32_t> pool,
                                    std::uint32_t want) {
  if (pool.empty()) return std::nullopt;
  const auto in = members(key, std::move(pool), want);
  Shards rows{};
  for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) rows[b] = heaviest(key, b, in);
  return rows;
}

namespace {

using Labels = std::map<std::string, mizar::policy::LabelNumbers>;

// Numbers of the label sets that endpoints have, of VPCs with a policy.
Labels number_labels(const Region& region, const Labels& before) {
  Labels out;
  for (const auto& [name, p] : region.policy) {
    if (p.policies.empty()) continue;
    const auto vpc = std::find_if(region.vpcs.begin(), region.vpcs.end(), [&](const Vpc& v) { return v.name == name; });
    const mizar::policy::PolicySet policies(p.policies, p.namespaces, vpc->cidr.all());
    std::set<mizar::policy::LabelSet> in_use;
    for (const Endpoint& e : region.endpoints)
      if (e.vpc == name) in_use.insert(policies.label_set({e.labels.ns, e.name, e.labels.labels, e.labels.ports, e.address}));
    const auto known = before.find(name);
    out.emplace(name, number_sets(known == before.end() ? mizar::policy::LabelNumbers() : known->second, in_use));
  }
  return out;
}

}  // namespace

mizar::Result<Plan> make_plan(const Region& region, const Kept& before) {
  auto leases = lease_ports(region, before.leases);
  if (!leases) return tl::unexpected(leases.error());
  Plan plan = Builder(region).build();
  plan.kept = {std::move(*leases), number_labels(region, before.labels)};
  return plan;
}

}  // namespace centaurus
