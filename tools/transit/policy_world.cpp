// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/policy_world.h"

#include <set>

#include "tools/transit/labels.h"
#include "tools/transit/object.h"
#include "tools/transit/policy_file.h"
#include "userspace/base/names.h"

namespace transit {

namespace policy = mizar::policy;
using policy::World;

namespace {

Result<World> of_region(const std::string& path, const std::string& vpc) {
  auto region = load_region(path);
  if (!region) return Failure(region.error());
  const auto v = std::find_if(region->vpcs.begin(), region->vpcs.end(), [&](const auto& x) { return x.name == vpc; });
  if (v == region->vpcs.end()) return fail(Code::not_found, "{}: there is no vpc {}", shown_file(path), vpc);
  World world{.inside = v->cidr.all()};
  if (const auto p = region->policy.find(vpc); p != region->policy.end()) {
    world.policies = p->second.policies;
    world.namespaces = p->second.namespaces;
  }
  for (const auto& e : region->endpoints)
    if (e.vpc == vpc) world.pods.push_back({e.labels.ns, e.name, e.labels.labels, e.labels.ports, e.address});
  return world;
}

// Of a daemon: its own endpoints, as their labels are known at their host alone.
Result<World> of_daemon(const Context& ctx, const std::string& vpc) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  const auto v = std::find_if(state->vpcs().begin(), state->vpcs().end(), [&](const auto& x) { return x.name() == vpc; });
  if (v == state->vpcs().end()) return not_found(kVpc, vpc);
  auto cidr = mizar::parse_blocks(v->cidr(), v->cidr6());
  if (!cidr) return Failure(cidr.error());
  World world{.inside = cidr->all()};
  for (const auto& m : state->policies()) {
    if (m.vpc() != vpc) continue;
    auto p = policy::parse_policy(m);
    if (!p) return mizar::wrap(p.error(), "policy " + name_of(m));
    world.policies.push_back(std::move(*p));
  }
  for (const auto& m : state->namespaces()) {
    if (m.vpc() != vpc) continue;
    auto n = policy::parse_namespace(m);
    if (!n) return mizar::wrap(n.error(), "namespace " + name_of(m));
    world.namespaces.push_back(std::move(*n));
  }
  for (const auto& m : state->endpoints()) {
    if (m.vpc() != vpc || m.host() != state->host()) continue;
    auto labels = policy::parse_pod_labels(m);
    auto address = mizar::parse_addresses(m.address(), m.address6());
    if (!labels) return mizar::wrap(labels.error(), "endpoint " + name_of(m));
    if (!address) return mizar::wrap(address.error(), "endpoint " + name_of(m));
    world.pods.push_back({labels->ns, m.name(), labels->labels, labels->ports, *address});
  }
  return world;
}

}  // namespace

Result<World> load_world(const Context& ctx, const std::string& vpc, const std::string& region) {
  return region.empty() ? of_daemon(ctx, vpc) : of_region(region, vpc);
}

Result<> put(World& world, const policy::Parsed& parsed, const std::string& vpc) {
  for (const auto& p : parsed.policies) {
    std::erase_if(world.policies, [&](const auto& x) { return full_name(x) == full_name(p); });
    world.policies.push_back(p);
  }
  for (const auto& n : parsed.namespaces) {
    std::erase_if(world.namespaces, [&](const auto& x) { return x.name == n.name; });
    world.namespaces.push_back(n);
  }
  std::set<std::string> groups;
  for (const auto& p : world.policies)
    if (is_security_group(p)) groups.insert(p.name);
  const auto has = [&groups](const std::string& name) { return groups.contains(name); };
  for (const auto& p : world.policies) MZ_CHECK(policy::check_references(vpc, p, has));
  for (const auto& pod : world.pods)
    if (auto rc = policy::check_membership(vpc, pod.labels, has); !rc)
      return mizar::wrap(rc.error(), fmt::format("endpoint {}/{}", vpc, pod.name));
  return {};
}

Result<policy::End> find_end(const World& world, const std::string& vpc, const std::string& text) {
  if (auto ip = mizar::Addr::parse(text)) {
    for (const auto& p : world.pods)
      if (p.address.v4 == *ip || p.address.v6 == *ip) return policy::End{&p, *ip};
    for (const auto& block : world.inside)
      if (block.contains(*ip)) return fail(Code::not_found, "{}: is nobody's in vpc {} that is known here; ask with --region", text, vpc);
    return policy::End{nullptr, *ip};
  }
  for (const auto& p : world.pods)
    if (p.name == text) return policy::End{&p, p.address.first()};
  return fail(Code::not_found, "endpoint {}/{}: is not known here; transit endpoint list names them, --region knows all", vpc, text);
}

Result<> meet(policy::End& from, policy::End& to) {
  const auto has = [](const policy::End& e, mizar::Family f) { return e.pod ? e.pod->address.of(f).has_value() : e.address.family() == f; };
  for (const auto f : {mizar::Family::v4, mizar::Family::v6}) {
    if (!has(from, f) || !has(to, f)) continue;
    for (policy::End* e : {&from, &to})
      if (e->pod && e->address.family() != f) e->address = *e->pod->address.of(f);
    return {};
  }
  return fail(Code::invalid_argument, "{} and {} have no address family in common", from.address.text(), to.address.text());
}

}  // namespace transit
