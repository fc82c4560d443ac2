// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/message.h"

#include <algorithm>

#include "userspace/base/balance.h"
#include "userspace/policy/names.h"
#include "userspace/qos/level.h"

namespace mizar::policy {

namespace {

template <class... A>
Failure bad(fmt::format_string<A...> f, A&&... a) {
  return fail(Code::invalid_argument, f, std::forward<A>(a)...);
}

// `rc`'s error with the field in front.
template <class T>
Failure at(const Result<T>& rc, std::string_view field) {
  return wrap(rc.error(), field);
}

// Each of a repeated field by `parse`; errors name the element.
template <class List, class T, class Parse>
Result<> each(const List& list, const char* field, std::vector<T>& to, Parse parse) {
  for (int i = 0; i < list.size(); i++) {
    auto item = parse(list[i]);
    if (!item) return at(item, fmt::format("{}[{}]", field, i));
    to.push_back(std::move(*item));
  }
  return {};
}

Result<> check_labels(const LabelMap& labels, const char* field) {
  for (const auto& [key, value] : labels) {
    if (auto rc = check_free_label_key(key); !rc) return at(rc, field);
    if (auto rc = check_label_value(value); !rc) return at(rc, fmt::format("{}[{}]", field, key));
  }
  return {};
}

Labels sorted(const LabelMap& labels) { return {labels.begin(), labels.end()}; }

// ---- selectors and peers ----------------------------------------------------------

Result<Requirement> requirement(const v1::Requirement& m) {
  if (auto rc = check_free_label_key(m.key()); !rc) return at(rc, "key");
  if (!v1::Requirement::Op_IsValid(m.op())) return bad("op: {} is not known", static_cast<int>(m.op()));
  const bool wants = m.op() == v1::Requirement::IN || m.op() == v1::Requirement::NOT_IN;
  if (wants == (m.values_size() == 0))
    return bad("values: {} with {}", wants ? "there is none, which does not go" : "there are some, which do not go",
               v1::Requirement::Op_Name(m.op()));
  for (const auto& v : m.values())
    if (auto rc = check_label_value(v); !rc) return at(rc, "values");
  return Requirement{m.key(), static_cast<Op>(m.op()), {m.values().begin(), m.values().end()}};
}

Result<Selector> selector(const v1::Selector& m) {
  Selector out;
  MZ_CHECK(each(m.all(), "all", out.all, requirement));
  if (const auto why = contradiction(out)) return bad("{}; take one of the demands out", *why);
  return out;
}

Result<Prefix> prefix(const std::string& text) { return Prefix::parse(text); }

Result<Block> block(const v1::Block& m) {
  auto cidr = Prefix::parse(m.cidr());
  if (!cidr) return at(cidr, "cidr");
  Block out{*cidr, {}};
  MZ_CHECK(each(m.except(), "except", out.except, prefix));
  for (const Prefix& e : out.except)
    if (!cidr->contains(e) || e.len == cidr->len) return bad("except: {} is not inside {}", e.text(), cidr->text());
  return out;
}

Result<Peer> peer(const v1::PolicyPeer& m) {
  Peer out;
  if (m.has_block()) {
    if (m.has_namespaces() || m.has_pods()) return bad("block: excludes the selectors; make it a peer of its own");
    auto b = block(m.block());
    if (!b) return at(b, "block");
    out.block = std::move(*b);
    return out;
  }
  if (!m.has_namespaces() && !m.has_pods()) return bad("names nobody; set pods, namespaces or block");
  const auto take = [](const v1::Selector& from, const char* field, std::optional<Selector>& to) -> Result<> {
    auto s = selector(from);
    if (!s) return at(s, field);
    to = std::move(*s);
    return {};
  };
  if (m.has_namespaces()) MZ_CHECK(take(m.namespaces(), "namespaces", out.namespaces));
  if (m.has_pods()) MZ_CHECK(take(m.pods(), "pods", out.pods));
  return out;
}

Result<Port> port(const v1::PolicyPort& m) {
  auto protocol = parse_service_protocol(m.protocol());
  if (!protocol) return at(protocol, "protocol");
  Port out{*protocol, static_cast<std::uint16_t>(m.first()), static_cast<std::uint16_t>(m.last()), m.name()};
  if (m.first() > 65535 || m.last() > 65535) return bad("last: is above 65535");
  if (m.first() > m.last()) return bad("last: {} is below first, {}", m.last(), m.first());
  if (m.name().empty()) return out;
  if (auto rc = check_port_name(m.name()); !rc) return at(rc, "name");
  return Port{*protocol, 0, 65535, m.name()};
}

Result<Rule> rule(const v1::PolicyRule& m, Tier tier, Result<Peer> (*read_peer)(const v1::PolicyPeer&) = peer) {
  if (!v1::PolicyRule::Verdict_IsValid(m.verdict())) return bad("verdict: {} is not known", static_cast<int>(m.verdict()));
  if (tier == Tier::network && m.verdict() != v1::PolicyRule::ALLOW)
    return bad("verdict: {} is none of a NETWORK policy, which allows only", v1::PolicyRule::Verdict_Name(m.verdict()));
  auto level = parse_level(m.class_(), m.priority());
  if (!level) return Failure(level.error());
  if (*level != 0 && m.verdict() != v1::PolicyRule::ALLOW) return bad("class: only of rules that allow");
  Rule out{.name = m.name(), .verdict = static_cast<Verdict>(m.verdict()), .level = *level};
  if (m.has_peers()) MZ_CHECK(each(m.peers().any(), "peers.any", out.peers.emplace(), read_peer));
  if (m.has_ports()) MZ_CHECK(each(m.ports().any(), "ports.any", out.ports.emplace(), port));
  return out;
}

// ---- security groups --------------------------------------------------------------

// members_of() some group, whose name it returns.
Result<std::string> members(const v1::Selector& m) {
  const auto group = m.all_size() == 1 && m.all(0).op() == v1::Requirement::EXISTS && m.all(0).values().empty()
                         ? group_of_key(m.all(0).key())
                         : std::nullopt;
  if (!group) return bad("must be {}NAME (EXISTS) alone, as of a security group", kGroupPrefix);
  MZ_CHECK(check_group_name(*group));
  return *group;
}

Result<Peer> group_peer(const v1::PolicyPeer& m) {
  if (m.has_block()) return peer(m);
  if (!m.has_namespaces() || m.namespaces().all_size() != 0) return bad("namespaces: must be there, and empty: a security group is of all of them");
  auto group = members(m.pods());
  if (!group) return at(group, "pods");
  return Peer{.namespaces = Selector{}, .pods = members_of(*group)};
}

// A rule names its peers one by one, and ports by number.
Result<Rule> group_rule(const v1::PolicyRule& m) {
  if (m.peers().any().empty()) return bad("peers: there is none; 0.0.0.0/0 and ::/0 are everybody");
  for (const auto& p : m.ports().any())
    if (!p.name().empty()) return bad("ports: '{}' is a name; a security group's ports are numbers", p.name());
  return rule(m, Tier::network, group_peer);
}

Result<Policy> security_group(const v1::Policy& m) {
  if (auto rc = check_group_name(m.name()); !rc) return at(rc, "name");
  if (m.namespaces().all_size() != 0) return bad("namespaces: a security group is of all of them; leave it empty");
  if (m.priority() != 0) return bad("priority: a NETWORK policy has none");
  if (!m.ingress() || !m.egress()) return bad("egress: a security group isolates both directions; set ingress, too");
  auto group = members(m.pods());
  if (!group) return at(group, "pods");
  if (*group != m.name()) return bad("pods: are members of '{}', not of '{}'", *group, m.name());
  Policy out{.name = m.name(), .namespaces = Selector{}, .pods = members_of(*group), .egress = true, .where = m.source()};
  MZ_CHECK(each(m.ingress_rules(), "ingress_rules", out.ingress_rules, group_rule));
  MZ_CHECK(each(m.egress_rules(), "egress_rules", out.egress_rules, group_rule));
  return out;
}

// ---- and back ---------------------------------------------------------------------

void write(const Selector& s, v1::Selector& out) {
  for (const Requirement& r : s.all) {
    auto* to = out.add_all();
    to->set_key(r.key);
    to->set_op(static_cast<v1::Requirement::Op>(r.op));
    for (const auto& v : r.values) to->add_values(v);
  }
}

void write(const Peer& p, v1::PolicyPeer& out) {
  if (p.namespaces) write(*p.namespaces, *out.mutable_namespaces());
  if (p.pods) write(*p.pods, *out.mutable_pods());
  if (!p.block) return;
  out.mutable_block()->set_cidr(p.block->cidr.text());
  for (const Prefix& e : p.block->except) out.mutable_block()->add_except(e.text());
}

void write(const Rule& r, v1::PolicyRule& out) {
  out.set_name(r.name);
  out.set_verdict(static_cast<v1::PolicyRule::Verdict>(r.verdict));
  write_level(r.level, out);
  if (r.peers) out.mutable_peers();
  if (r.ports) out.mutable_ports();
  for (const Peer& p : r.peers.value_or(std::vector<Peer>())) write(p, *out.mutable_peers()->add_any());
  for (const Port& p : r.ports.value_or(std::vector<Port>())) {
    auto* to = out.mutable_ports()->add_any();
    to->set_protocol(service_protocol(p.protocol));
    to->set_name(p.name);
    if (!p.name.empty()) continue;
    to->set_first(p.first);
    to->set_last(p.last);
  }
}

constexpr std::pair<Tier, v1::Policy::Tier> kTiers[] = {
    {Tier::admin, v1::Policy::ADMIN}, {Tier::network, v1::Policy::NETWORK}, {Tier::baseline, v1::Policy::BASELINE}};

}  // namespace

// The enumerations' numbers are the messages'.
static_assert(static_cast<int>(Op::in) == v1::Requirement::IN && static_cast<int>(Op::not_in) == v1::Requirement::NOT_IN &&
              static_cast<int>(Op::exists) == v1::Requirement::EXISTS &&
              static_cast<int>(Op::does_not_exist) == v1::Requirement::DOES_NOT_EXIST);
static_assert(static_cast<int>(Verdict::allow) == v1::PolicyRule::ALLOW && static_cast<int>(Verdict::deny) == v1::PolicyRule::DENY &&
              static_cast<int>(Verdict::pass) == v1::PolicyRule::PASS);

Result<Policy> parse_policy(const v1::Policy& m) {
  Policy out;
  if (auto rc = check_object_name(m.name()); !rc) return at(rc, "name");
  out.name = m.name();
  const auto* tier = std::find_if(std::begin(kTiers), std::end(kTiers), [&](const auto& t) { return t.second == m.tier(); });
  if (tier == std::end(kTiers)) return bad("tier: {} is not known", static_cast<int>(m.tier()));
  out.tier = tier->first;
  if (out.tier == Tier::network && m.namespace_().empty() && m.has_namespaces()) return security_group(m);
  if (out.tier == Tier::network) {
    if (auto rc = check_namespace(m.namespace_()); !rc) return at(rc, "namespace");
    if (m.has_namespaces()) return bad("namespaces: a NETWORK policy is about its own namespace; leave them out");
    if (m.priority() != 0) return bad("priority: a NETWORK policy has none");
    if (!m.ingress() && !m.egress()) return bad("ingress: neither this nor egress is set");
    out.ns = m.namespace_();
    out.ingress = m.ingress();
    out.egress = m.egress();
  } else {
    if (!m.namespace_().empty()) return bad("namespace: of tier NETWORK alone");
    if (!m.has_namespaces()) return bad("namespaces: is missing: whom it is about");
    if (m.priority() < 0 || m.priority() > 1000) return bad("priority: {} is not in 0..1000", m.priority());
    auto namespaces = selector(m.namespaces());
    if (!namespaces) return at(namespaces, "namespaces");
    out.namespaces = std::move(*namespaces);
    out.priority = m.priority();
  }
  auto pods = selector(m.pods());
  if (!pods) return at(pods, "pods");
  out.pods = std::move(*pods);
  const auto read = [&](const v1::PolicyRule& r) { return rule(r, out.tier); };
  MZ_CHECK(each(m.ingress_rules(), "ingress_rules", out.ingress_rules, read));
  MZ_CHECK(each(m.egress_rules(), "egress_rules", out.egress_rules, read));
  if (out.tier != Tier::network) {
    out.ingress = !out.ingress_rules.empty();
    out.egress = !out.egress_rules.empty();
  }
  out.where = m.source();
  return out;
}

std::string full_name(const v1::Policy& m) {
  return full_name(Policy{.name = m.name(), .ns = m.namespace_(), .tier = m.tier() == v1::Policy::NETWORK ? Tier::network : Tier::admin});
}

v1::Policy to_message(const std::string& vpc, const Policy& p) {
  v1::Policy out;
  out.set_vpc(vpc);
  out.set_namespace_(p.ns);
  out.set_name(p.name);
  out.set_tier(std::find_if(std::begin(kTiers), std::end(kTiers), [&](const auto& t) { return t.first == p.tier; })->second);
  out.set_priority(p.priority);
  if (p.namespaces) write(*p.namespaces, *out.mutable_namespaces());
  if (!p.pods.all.empty()) write(p.pods, *out.mutable_pods());
  if (p.tier == Tier::network) {
    out.set_ingress(p.ingress);
    out.set_egress(p.egress);
  }
  for (const Rule& r : p.ingress_rules) write(r, *out.add_ingress_rules());
  for (const Rule& r : p.egress_rules) write(r, *out.add_egress_rules());
  out.set_source(p.where);
  return out;
}

Result<Namespace> parse_namespace(const v1::Namespace& m) {
  if (auto rc = check_namespace(m.name()); !rc) return at(rc, "name");
  MZ_CHECK(check_labels(m.labels(), "labels"));
  return Namespace{m.name(), sorted(m.labels())};
}

v1::Namespace to_message(const std::string& vpc, const Namespace& n) {
  v1::Namespace out;
  out.set_vpc(vpc);
  out.set_name(n.name);
  for (const auto& [key, value] : n.labels) (*out.mutable_labels())[key] = value;
  return out;
}

namespace {

using PortMap = decltype(PodLabels::ports);

Result<PortMap> named_ports(const NamedPorts& ports) {
  PortMap out;
  for (int i = 0; i < ports.size(); i++) {
    const std::string field = fmt::format("ports[{}]", i);
    const auto& p = ports[i];
    if (auto rc = check_port_name(p.name()); !rc) return at(rc, field + ".name");
    auto protocol = parse_service_protocol(p.protocol());
    if (!protocol) return at(protocol, field + ".protocol");
    if (p.port() == 0 || p.port() > 65535) return bad("{}.port: {} is not in 1..65535", field, p.port());
    if (!out.emplace(p.name(), NamedPort{*protocol, static_cast<std::uint16_t>(p.port())}).second)
      return bad("{}.name: another port has the same", field);
  }
  return out;
}

// Labels of a label set: those of security groups stand beside the others.
Result<> check_set_labels(const LabelMap& labels) {
  LabelMap own;
  for (const auto& [key, value] : labels) {
    const auto group = group_of_key(key);
    if (!group) {
      own[key] = value;
      continue;
    }
    if (auto rc = check_group_name(*group); !rc) return at(rc, "labels");
    if (!value.empty()) return bad("labels[{}]: has a value, which membership has not", key);
  }
  return check_labels(own, "labels");
}

}  // namespace

Result<PodLabels> parse_pod_labels(const std::string& ns, const LabelMap& labels, const NamedPorts& ports, const GroupList& groups) {
  PodLabels out;
  if (!ns.empty()) {
    if (auto rc = check_namespace(ns); !rc) return at(rc, "namespace");
    out.ns = ns;
  }
  MZ_CHECK(check_labels(labels, "labels"));
  out.labels = sorted(labels);
  for (int i = 0; i < groups.size(); i++) {
    const std::string field = fmt::format("security_groups[{}]", i);
    if (auto rc = check_group_name(groups[i]); !rc) return at(rc, field);
    if (!out.labels.emplace(group_key(groups[i]), "").second) return bad("{}: '{}' is given twice", field, groups[i]);
  }
  auto named = named_ports(ports);
  if (!named) return tl::unexpected(named.error());
  out.ports = std::move(*named);
  return out;
}

void write_named_port(const std::string& name, const NamedPort& port, v1::NamedPort& out) {
  out.set_name(name);
  out.set_protocol(service_protocol(port.protocol));
  out.set_port(port.port);
}

Result<LabelSet> parse_label_set(const v1::LabelSet& m) {
  MZ_CHECK(check_set_labels(m.labels()));
  const Labels own = sorted(m.labels());
  auto ports = named_ports(m.ports());
  if (!ports) return tl::unexpected(ports.error());
  if (!m.namespace_().empty())
    if (auto rc = check_namespace(m.namespace_()); !rc) return at(rc, "namespace");
  MZ_CHECK(check_labels(m.namespace_labels(), "namespace_labels"));
  const Labels ns = sorted(m.namespace_labels());
  return LabelSet{m.namespace_(), {ns.begin(), ns.end()}, {own.begin(), own.end()}, {ports->begin(), ports->end()}};
}

v1::LabelSet to_message(const std::string& vpc, std::uint32_t id, const LabelSet& s) {
  v1::LabelSet out;
  out.set_vpc(vpc);
  out.set_id(id);
  out.set_namespace_(s.ns);
  for (const auto& [key, value] : s.ns_labels) (*out.mutable_namespace_labels())[key] = value;
  for (const auto& [key, value] : s.pod_labels) (*out.mutable_labels())[key] = value;
  for (const auto& [name, port] : s.ports) write_named_port(name, port, *out.add_ports());
  return out;
}

}  // namespace mizar::policy
