// SPDX-License-Identifier: Apache-2.0
#include "selftests/policy/generator.h"

#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mizar::policy {
namespace {

constexpr const char* kKeys[] = {"app", "tier"};
constexpr const char* kValues[] = {"a", "b", "c"};
constexpr const char* kNamespaces[] = {"red", "blue", "green"};
constexpr const char* kPortNames[] = {"http", "dns"};
constexpr std::uint8_t kProtocols[] = {6, 17, 132};

class Maker {
 public:
  explicit Maker(std::uint32_t seed) : random_(seed) {}

  World world() {
    World w;
    for (const char* name : kNamespaces) {
      if (chance(1, 8)) continue;  // pods in a namespace nobody has told us of
      w.namespaces.push_back({name, labels()});
    }
    for (unsigned i = 0; i < 6; i++) w.pods.push_back(pod(i));
    for (unsigned i = 0, n = 1 + upto(6); i < n; i++) w.policies.push_back(policy(i));
    return w;
  }

 private:
  unsigned upto(unsigned n) { return random_() % n; }  // below n
  bool chance(unsigned of, unsigned in) { return upto(in) < of; }
  template <class T, std::size_t N>
  T pick(const T (&all)[N]) { return all[upto(N)]; }

  Labels labels() {
    Labels l;
    for (const char* k : kKeys)
      if (chance(2, 3)) l[k] = pick(kValues);
    if (chance(1, 3)) l["hash"] = fmt::format("{}", upto(1000));  // no policy mentions it
    return l;
  }

  Pod pod(unsigned i) {
    Pod p{pick(kNamespaces), fmt::format("p{}", i), labels(), {}, {}};
    p.address.v4 = Addr::v4(0x0a000010 + i * 16);
    p.address.v6 = *Addr::parse(fmt::format("fd00::{:x}", 0x10 + i * 16));
    for (const char* name : kPortNames)
      if (chance(1, 2)) p.ports[name] = {pick(kProtocols), static_cast<std::uint16_t>(80 + upto(3))};
    return p;
  }

  Selector selector() {
    Selector s;
    for (unsigned i = 0, n = upto(3); i < n; i++) {
      Requirement r{pick(kKeys), static_cast<Op>(upto(4))};
      if (r.op == Op::in || r.op == Op::not_in)
        for (unsigned v = 0, m = 1 + upto(2); v < m; v++) r.values.emplace_back(pick(kValues));
      s.all.push_back(r);
    }
    return s;
  }
  Selector namespaces() {
    if (chance(1, 3)) return Selector{{{"kubernetes.io/metadata.name", Op::in, {pick(kNamespaces)}}}};
    return selector();
  }

  Block block() {
    static constexpr const char* kBlocks[] = {"10.0.0.0/24", "10.0.0.32/27", "0.0.0.0/0",    "192.0.2.0/24",
                                              "fd00::/64",   "fd00::20/123", "::/0",         "2001:db8::/32"};
    static constexpr const char* kParts[] = {"10.0.0.32/28", "10.0.0.48/32", "10.0.0.0/26",  "192.0.2.128/25",
                                             "fd00::30/124", "fd00::40/128", "fd00::/122",   "2001:db8:1::/48"};
    Block b{*Prefix::parse(pick(kBlocks)), {}};
    for (unsigned i = 0, n = upto(3); i < n; i++) {
      const Prefix part = *Prefix::parse(pick(kParts));
      if (part.family() == b.cidr.family() && b.cidr.contains(part) && part.len > b.cidr.len) b.except.push_back(part);
    }
    return b;
  }

  Peer peer(bool cluster, bool egress) {
    Peer p;
    if (chance(1, 3) && (!cluster || egress)) {
      p.block = block();
      if (cluster) p.block->except.clear();  // networks have none
      return p;
    }
    if (cluster || chance(1, 2)) p.namespaces = namespaces();
    if (!p.namespaces || chance(1, 2)) p.pods = selector();
    return p;
  }

  Port port() {
    Port p;
    p.protocol = pick(kProtocols);
    if (chance(1, 4)) {
      p.name = pick(kPortNames);
      return p;
    }
    if (chance(1, 4)) return p;
    p.first = static_cast<std::uint16_t>(79 + upto(4));
    p.last = static_cast<std::uint16_t>(p.first + (chance(1, 3) ? upto(60) : 0));
    return p;
  }

  Rule rule(unsigned i, bool cluster, bool egress) {
    Rule r{fmt::format("{}[{}]", egress ? "egress" : "ingress", i)};
    if (cluster) r.verdict = static_cast<Verdict>(upto(3));
    if (cluster || chance(4, 5)) {
      r.peers.emplace();
      for (unsigned n = 1 + upto(2); n > 0; n--) r.peers->push_back(peer(cluster, egress));
    }
    if (chance(1, 2)) {
      r.ports.emplace();
      for (unsigned n = 1 + upto(2); n > 0; n--) r.ports->push_back(port());
    }
    return r;
  }

  Policy policy(unsigned i) {
    Policy p;
    p.name = fmt::format("policy{}", i);
    p.tier = chance(1, 2) ? Tier::network : chance(1, 2) ? Tier::admin : Tier::baseline;
    const bool cluster = p.tier != Tier::network;
    if (cluster) {
      p.priority = static_cast<int>(upto(3));
      p.namespaces = namespaces();
    } else {
      p.ns = pick(kNamespaces);
      p.ingress = chance(2, 3);
      p.egress = !p.ingress || chance(1, 3);
    }
    p.pods = selector();
    if (p.ingress || cluster)
      for (unsigned n = upto(3), r = 0; r < n; r++) p.ingress_rules.push_back(rule(r, cluster, false));
    if (p.egress || cluster)
      for (unsigned n = upto(3), r = 0; r < n; r++) p.egress_rules.push_back(rule(r, cluster, true));
    return p;
  }

  std::mt19937 random_;
};

std::string text(const Selector& s) {
  static constexpr const char* kOps[] = {"in", "notin", "exists", "absent"};
  std::string out;
  for (const Requirement& r : s.all) out += fmt::format("{} {} {}; ", r.key, kOps[static_cast<int>(r.op)], fmt::join(r.values, "|"));
  return "{" + out + "}";
}

std::string text(const Rule& r) {
  static constexpr const char* kVerdicts[] = {"allow", "deny", "pass"};
  std::string out = fmt::format("    {} {}", r.name, kVerdicts[static_cast<int>(r.verdict)]);
  if (r.peers)
    for (const Peer& p : *r.peers) {
      out += "\n      peer";
      if (p.namespaces) out += " namespaces " + text(*p.namespaces);
      if (p.pods) out += " pods " + text(*p.pods);
      if (p.block) out += " block " + p.block->cidr.text();
      if (p.block)
        for (const Prefix& e : p.block->except) out += " except " + e.text();
    }
  if (r.ports)
    for (const Port& p : *r.ports) out += fmt::format("\n      port {}/{}..{} {}", p.protocol, p.first, p.last, p.name);
  return out + "\n";
}

}  // namespace

World make_world(std::uint32_t seed) { return Maker(seed).world(); }

std::string text(const World& world) {
  static constexpr const char* kTiers[] = {"admin", "network", "baseline"};
  std::string out;
  for (const Namespace& n : world.namespaces) out += fmt::format("namespace {} {}\n", n.name, fmt::join(n.labels, " "));
  for (const Pod& p : world.pods) {
    out += fmt::format("pod {}/{} {} {} {}", p.ns, p.name, p.address.v4->text(), p.address.v6->text(), fmt::join(p.labels, " "));
    for (const auto& [name, port] : p.ports) out += fmt::format(" {}={}/{}", name, port.protocol, port.port);
    out += "\n";
  }
  for (const Policy& p : world.policies) {
    out += fmt::format("policy {} {} {} priority {} about pods {}{}{}\n", kTiers[static_cast<int>(p.tier)], p.ns, p.name, p.priority,
                       text(p.pods), p.ingress ? " ingress" : "", p.egress ? " egress" : "");
    if (p.namespaces) out += "    of namespaces " + text(*p.namespaces) + "\n";
    for (const auto& rules : {p.ingress_rules, p.egress_rules})
      for (const Rule& r : rules) out += text(r);
  }
  return out;
}

std::string text(const Asked& f) {
  const auto end = [](const End& e) { return e.pod != nullptr ? e.pod->ns + "/" + e.pod->name + " " + e.address.text() : e.address.text(); };
  return fmt::format("from {} to {} protocol {} port {}", end(f.from), end(f.to), f.protocol, f.port);
}

}  // namespace mizar::policy
