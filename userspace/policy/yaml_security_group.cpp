// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/yaml_security_group.h"

#include <netinet/in.h>

#include "userspace/policy/security_group.h"
#include "userspace/qos/level.h"

namespace mizar::policy {

namespace {

Result<Prefix> read_cidr(const Value& v) {
  READ(text, v.text());
  auto p = Prefix::parse(text);
  if (!p) return v.bad("{}; write a block as ADDRESS/LENGTH", p.error().what);
  if (text.find(':') != std::string::npos && p->ip.is_v4()) return v.bad("'{}' is IPv4 in IPv6 clothes; write it as IPv4", text);
  return p;
}

Result<Peer> read_peer(const Value& v, const std::string& own) {
  READ(f, v.fields({"cidr", "group"}));
  if (f.size() != 1) return v.bad("has {} fields; write exactly one of cidr, group", f.size());
  if (const Value* cidr = f.get("cidr")) {
    READ(prefix, read_cidr(*cidr));
    return Peer{.block = Block{prefix}};
  }
  const Value& group = *f.get("group");
  READ(name, group.text());
  if (name == "self") return Peer{.namespaces = Selector{}, .pods = members_of(own)};
  MZ_CHECK(check(group, check_group_name(name)));
  return Peer{.namespaces = Selector{}, .pods = members_of(name)};
}

Result<std::uint8_t> read_protocol(const Value& v) {
  READ(text, v.text());
  if (text == "tcp") return IPPROTO_TCP;
  if (text == "udp") return IPPROTO_UDP;
  if (text == "sctp") return IPPROTO_SCTP;
  if (text != "icmp" && text != "icmpv6")
    return v.bad("'{}' is not a protocol; write tcp, udp or sctp, or leave it out for every protocol", text);
  Error e = v.bad("rules for {} alone are not supported; leave protocol out, which lets every protocol pass", text).value();
  e.code = Code::unimplemented;
  return Failure(e);
}

// {first: 8000, last: 8010}; without `last` it is one port.
Result<> read_ports(const Value& v, Port& to) {
  READ(f, v.fields({"first", "last"}));
  READ(first_field, f.need("first"));
  READ(first, first_field.number(1, 65535));
  to.first = to.last = static_cast<std::uint16_t>(first);
  const Value* last_field = f.get("last");
  if (last_field == nullptr) return {};
  READ(last, last_field->number(1, 65535));
  if (last < first) return last_field->bad("{} is below first {}; write the smaller one as first", last, first);
  to.last = static_cast<std::uint16_t>(last);
  return {};
}

// Of the flows it allows.
Result<std::uint8_t> read_level(const Value& v, const Fields& f) {
  std::string name_of_class, priority;
  for (const auto& [field, to] : {std::pair("class", &name_of_class), {"priority", &priority}})
    if (const Value* given = f.get(field)) {
      READ(text, given->text());
      *to = text;
    }
  auto level = parse_level(name_of_class, priority);
  if (!level) return v.bad("{}", level.error().what);
  return *level;
}

Result<Rule> read_rule(const Value& v, std::string_view peers, const std::string& own) {
  READ(f, v.fields({"name", "protocol", "ports", "class", "priority", peers}));
  Rule r{.name = v.path};
  MZ_CHECK(optionally(f, "name", read_rule_name, r.name));
  READ(level, read_level(v, f));
  r.level = level;
  if (const Value* protocol = f.get("protocol")) {
    READ(number, read_protocol(*protocol));
    r.ports.emplace().push_back({.protocol = number});
  }
  if (const Value* ports = f.get("ports")) {
    if (!r.ports) return ports->bad("are of no protocol; write protocol: tcp, udp or sctp");
    MZ_CHECK(read_ports(*ports, r.ports->front()));
  }
  READ(peer_field, f.need(peers));
  READ(list, peer_field.list());
  if (list.empty()) return peer_field.bad("is empty; list one peer at least");
  for (const Value& item : list) {
    READ(peer, read_peer(item, own));
    (r.peers ? *r.peers : r.peers.emplace()).push_back(std::move(peer));
  }
  return r;
}

Result<> read_rules(const Value& v, std::string_view peers, const std::string& own, std::vector<Rule>& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(r, read_rule(item, peers, own));
    to.push_back(std::move(r));
  }
  return {};
}

}  // namespace

// Both directions are isolated, whether rules for them are written or not (decision 0019).
Result<> read_security_group(const Value& spec, Policy& p) {
  READ(f, spec.fields({"ingress", "egress"}));
  p.namespaces = Selector{};
  p.pods = members_of(p.name);
  p.ingress = p.egress = true;
  if (const Value* v = f.get("ingress")) MZ_CHECK(read_rules(*v, "from", p.name, p.ingress_rules));
  if (const Value* v = f.get("egress")) MZ_CHECK(read_rules(*v, "to", p.name, p.egress_rules));
  return {};
}

}  // namespace mizar::policy
