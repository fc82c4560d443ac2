// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/reach.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace mizar::policy {

Reach::Reach(const World& world)
    : policies_(std::make_shared<PolicySet>(world.policies, world.namespaces, world.inside)) {
  std::map<std::uint32_t, LabelSet> sets;
  for (const Pod& p : world.pods) {
    const auto number = static_cast<std::uint32_t>(numbers_.size() + 1);
    if (const auto [at, fresh] = numbers_.emplace(policies_->label_set(p), number); fresh) sets.emplace(number, at->first);
  }
  compiler_ = std::make_unique<Compiler>(policies_, sets);
}

Result<const Group*> Reach::group(const Pod& pod) {
  const LabelSet set = policies_->label_set(pod);
  if (const auto known = groups_.find(set); known != groups_.end()) return &known->second;
  auto g = compiler_->compile(set);
  if (!g) return wrap(g.error(), set.text());
  return &groups_.emplace(set, std::move(*g)).first->second;
}

// As hosts do it: the receiver's judges, or, where that is not of the VPC, the sender's.
Result<Judgement> Reach::judge(const End& from, const End& to, std::uint8_t protocol, std::uint16_t port) {
  const Pod* of = to.pod != nullptr ? to.pod : from.pod;
  if (of == nullptr || to.pod == from.pod) return Judgement{};
  auto g = group(*of);
  if (!g) return tl::unexpected(g.error());
  if (to.pod == nullptr) return policy::judge(**g, kSender, {0, to.address, from.address, protocol, port});
  std::uint32_t label = 0;
  if (from.pod != nullptr) label = numbers_.at(policies_->label_set(*from.pod));
  return policy::judge(**g, kReceiver, {label, from.address, to.address, protocol, port});
}

namespace {

constexpr std::uint8_t kWithPorts[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

// Pods, or outside addresses, that policies cannot tell apart; `first` stands for all.
struct Alike {
  End first, first_after;
  std::optional<Addr> other;  // of the other family, where it has both
  std::size_t count = 0;
  std::string name;
  [[nodiscard]] std::string text() const { return count > 1 ? fmt::format("{} and {} more", name, count - 1) : name; }
};

void note_blocks(const std::vector<Rule>& rules, std::set<Prefix, bool (*)(const Prefix&, const Prefix&)>& to) {
  for (const Rule& r : rules)
    for (const Peer& p : r.peers.value_or(std::vector<Peer>()))
      if (p.block) {
        to.insert(p.block->cidr);
        to.insert(p.block->except.begin(), p.block->except.end());
      }
}

bool before(const Prefix& a, const Prefix& b) { return std::tuple(a.ip, a.len) < std::tuple(b.ip, b.len); }

std::vector<Prefix> blocks_of(const World& a, const World& b) {
  std::set<Prefix, bool (*)(const Prefix&, const Prefix&)> all(before);
  for (const World* w : {&a, &b})
    for (const Policy& p : w->policies) {
      note_blocks(p.ingress_rules, all);
      note_blocks(p.egress_rules, all);
    }
  return {all.begin(), all.end()};
}

// Where a verdict may change: the first port of each piece, by protocol.
std::map<std::uint8_t, std::set<std::uint32_t>> pieces(const World& a, const World& b) {
  std::map<std::uint8_t, std::set<std::uint32_t>> out;
  for (const auto protocol : kWithPorts) out[protocol] = {1};
  const auto cut = [&out](std::uint8_t protocol, std::uint32_t first, std::uint32_t last) {
    if (first > 0) out[protocol].insert(first);
    if (last < 65535) out[protocol].insert(last + 1);
  };
  const auto note = [&cut](const std::vector<Rule>& rules) {
    for (const Rule& r : rules)
      for (const Port& p : r.ports.value_or(std::vector<Port>()))
        if (p.name.empty()) cut(p.protocol, p.first, p.last);
  };
  for (const World* w : {&a, &b}) {
    for (const Policy& p : w->policies) {
      note(p.ingress_rules);
      note(p.egress_rules);
    }
    for (const Pod& p : w->pods)
      for (const auto& [name, port] : p.ports) cut(port.protocol, port.port, port.port);
  }
  return out;
}

std::vector<bool> signature(const Addr& ip, const std::vector<Prefix>& blocks) {
  std::vector<bool> in;
  for (const Prefix& b : blocks) in.push_back(b.contains(ip));
  return in;
}

// Pods that are in both worlds, and what of the outside blocks cut out.
std::vector<Alike> ends(const World& was, const World& is, const Reach& then, const Reach& now) {
  const auto blocks = blocks_of(was, is);
  std::map<std::tuple<LabelSet, LabelSet, std::vector<bool>, std::vector<bool>, bool, bool>, Alike> pods;
  std::map<std::pair<std::string, std::string>, const Pod*> after;
  for (const Pod& p : is.pods) after[{p.ns, p.name}] = &p;
  for (const Pod& p : was.pods) {
    const auto twin = after.find({p.ns, p.name});
    if (twin == after.end()) continue;
    const auto in = [&](const std::optional<Addr>& ip) { return ip ? signature(*ip, blocks) : std::vector<bool>(); };
    auto& alike = pods[{then.label_set(p), now.label_set(*twin->second), in(p.address.v4), in(p.address.v6),
                        p.address.v4.has_value(), p.address.v6.has_value()}];
    if (alike.count++ != 0) continue;
    alike.first = {&p, p.address.first()};
    alike.first_after = {twin->second, p.address.first()};
    if (p.address.v4 && p.address.v6) alike.other = *p.address.v6;
    alike.name = fmt::format("{}/{}", p.ns, p.name);
  }
  std::vector<Alike> out;
  for (auto& [key, alike] : pods) out.push_back(std::move(alike));
  std::set<std::pair<Family, std::vector<bool>>> seen;
  const auto outside = [&](const Addr& ip, const std::string& name) {
    const auto held = [&](const World& w) {
      return std::any_of(w.inside.begin(), w.inside.end(), [&](const Prefix& p) { return p.contains(ip); });
    };
    if (held(was) || held(is) || !seen.emplace(ip.family(), signature(ip, blocks)).second) return;
    out.push_back({{nullptr, ip}, {nullptr, ip}, {}, 1, name});
  };
  for (const Prefix& b : blocks) outside(b.ip, fmt::format("outside ({})", b.text()));
  outside(*Addr::parse("192.0.2.1"), "outside (IPv4)");
  outside(*Addr::parse("2001:db8::1"), "outside (IPv6)");
  return out;
}

// The address to use where the ends are to be of one family.
std::optional<Addr> in_family(const Alike& a, Family f) {
  if (a.first.address.family() == f) return a.first.address;
  if (a.other && a.other->family() == f) return a.other;
  return std::nullopt;
}

std::string rule_of(const Judgement& j) { return j.decider() == nullptr ? "no policy" : j.decider()->name->text(); }

void add_range(std::vector<PortRange>& to, const PortRange& r) {
  if (!to.empty() && to.back().protocol == r.protocol && to.back().last + 1 == r.first)
    to.back().last = r.last;
  else
    to.push_back(r);
}

using Changes = std::map<std::pair<bool, std::string>, std::vector<PortRange>>;

Result<> compare(Reach& then, Reach& now, const Alike& from, const Alike& to, Family family,
                 const std::map<std::uint8_t, std::set<std::uint32_t>>& cuts, Changes& out) {
  const auto source = in_family(from, family), target = in_family(to, family);
  if (!source || !target) return {};
  const auto one = [&](std::uint8_t protocol, std::uint16_t first, std::uint16_t last) -> Result<> {
    auto a = then.judge({from.first.pod, *source}, {to.first.pod, *target}, protocol, first);
    if (!a) return tl::unexpected(a.error());
    auto b = now.judge({from.first_after.pod, *source}, {to.first_after.pod, *target}, protocol, first);
    if (!b) return tl::unexpected(b.error());
    if (a->allowed != b->allowed) add_range(out[{b->allowed, rule_of(*b)}], {protocol, first, last});
    return {};
  };
  for (const auto& [protocol, firsts] : cuts)
    for (auto at = firsts.begin(); at != firsts.end(); ++at) {
      const std::uint32_t last = std::next(at) == firsts.end() ? 65535 : *std::next(at) - 1;
      MZ_CHECK(one(protocol, static_cast<std::uint16_t>(*at), static_cast<std::uint16_t>(last)));
    }
  return one(family == Family::v4 ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6}, 0, 0);
}

}  // namespace

Result<std::vector<Change>> differences(const World& was, const World& is) {
  Reach then(was), now(is);
  const auto all = ends(was, is, then, now);
  const auto cuts = pieces(was, is);
  std::vector<Change> out;
  for (const Alike& from : all)
    for (const Alike& to : all) {
      const bool same = from.first.pod == to.first.pod;
      if (same && from.count == 1) continue;  // one to itself, or outside to outside
      if (from.first.pod == nullptr && to.first.pod == nullptr) continue;
      // Of several that are alike one asks another: which one, policies cannot tell.
      Alike other = to;
      Pod twin_before, twin_after;
      if (same) {
        twin_before = *to.first.pod, twin_after = *to.first_after.pod;
        other.first.pod = &twin_before, other.first_after.pod = &twin_after;
      }
      Changes by_family[2];
      MZ_CHECK(compare(then, now, from, other, Family::v4, cuts, by_family[0]));
      MZ_CHECK(compare(then, now, from, other, Family::v6, cuts, by_family[1]));
      for (const auto& changes : by_family)
        for (const auto& [key, ports] : changes) {
          const auto known = std::find_if(out.rbegin(), out.rend(), [&](const Change& c) {
            return c.from == from.text() && c.to == to.text() && c.opens == key.first && c.by == key.second;
          });
          if (known == out.rend()) {
            out.push_back({from.text(), to.text(), key.first, ports, key.second});
            continue;
          }
          for (const PortRange& r : ports)
            if (std::find(known->ports.begin(), known->ports.end(), r) == known->ports.end()) known->ports.push_back(r);
        }
    }
  return out;
}

std::string text(const PortRange& r) {
  const char* name = r.protocol == IPPROTO_TCP    ? "tcp"
                     : r.protocol == IPPROTO_UDP  ? "udp"
                     : r.protocol == IPPROTO_SCTP ? "sctp"
                     : r.protocol == IPPROTO_ICMP ? "icmp"
                                                  : "icmpv6";
  if (r.first == 0 || (r.first == 1 && r.last == 65535)) return name;
  return r.first == r.last ? fmt::format("{}/{}", name, r.first) : fmt::format("{}/{}-{}", name, r.first, r.last);
}

}  // namespace mizar::policy
