// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/yaml.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "userspace/base/yaml.h"
#include "userspace/policy/names.h"
#include "userspace/policy/security_group.h"
#include "userspace/policy/selector.h"
#include "userspace/policy/yaml_reader.h"
#include "userspace/policy/yaml_security_group.h"
#include "userspace/qos/level.h"

namespace mizar::policy {

namespace {

// ---- labels and selectors ---------------------------------------------------

Result<> read_labels(const Value& v, Labels& to) {
  READ(entries, v.entries());
  for (const auto& [key, value] : entries) {
    MZ_CHECK(check(v, check_free_label_key(key)));
    READ(text, value.text());
    MZ_CHECK(check(value, check_label_value(text)));
    to.emplace(key, text);
  }
  return {};
}

Result<> read_values(const Value& v, std::vector<std::string>& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(text, item.text());
    MZ_CHECK(check(item, check_label_value(text)));
    to.push_back(text);
  }
  return {};
}

Result<Op> read_operator(const Value& v) {
  READ(text, v.text());
  if (text == "In") return Op::in;
  if (text == "NotIn") return Op::not_in;
  if (text == "Exists") return Op::exists;
  if (text == "DoesNotExist") return Op::does_not_exist;
  return v.bad("'{}' is not an operator; write In, NotIn, Exists or DoesNotExist", text);
}

Result<Requirement> read_expression(const Value& v) {
  READ(f, v.fields({"key", "operator", "values"}));
  READ(key, f.need("key"));
  READ(name, key.text());
  MZ_CHECK(check(key, check_free_label_key(name)));
  READ(op_field, f.need("operator"));
  READ(op, read_operator(op_field));
  Requirement r{name, op};
  MZ_CHECK(optionally(f, "values", read_values, r.values));
  const bool listed = op == Op::in || op == Op::not_in;
  if (listed && r.values.empty()) return v.bad("In and NotIn want values; list one at least");
  if (!listed && !r.values.empty())
    return v.bad("Exists and DoesNotExist want no values; leave them out, or write In or NotIn");
  return r;
}

Result<> read_expressions(const Value& v, Selector& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(r, read_expression(item));
    to.all.push_back(std::move(r));
  }
  return {};
}

Result<> read_selector(const Value& v, Selector& to) {
  READ(f, v.fields({"matchLabels", "matchExpressions"}));
  Labels labels;
  MZ_CHECK(optionally(f, "matchLabels", read_labels, labels));
  for (const auto& [key, value] : labels) to.all.push_back({key, Op::in, {value}});
  MZ_CHECK(optionally(f, "matchExpressions", read_expressions, to));
  if (const auto why = contradiction(to)) return v.bad("{}; take one of the demands out", *why);
  return {};
}

Result<> read_optional_selector(const Value& v, std::optional<Selector>& to) {
  return read_selector(v, to.emplace());
}

// ---- addresses and ports ------------------------------------------------------

// "10.1.2.3/8" is 10.0.0.0/8, and a warning.
Result<Prefix> read_prefix(const Value& v) {
  READ(text, v.text());
  const auto slash = text.find('/');
  const std::string_view length = std::string_view(text).substr(slash == std::string::npos ? text.size() : slash + 1);
  const auto ip = Addr::parse(std::string_view(text).substr(0, slash));
  Prefix p;
  const auto [end, ec] = std::from_chars(length.data(), length.data() + length.size(), p.len);
  if (!ip || length.empty() || ec != std::errc() || end != length.data() + length.size())
    return v.bad("'{}' is not a block; write ADDRESS/LENGTH", text);
  if (text.find(':') != std::string::npos && ip->is_v4())
    return v.bad("'{}' is IPv4 in IPv6 clothes; write it as IPv4", text);
  p.ip = *ip;
  if (p.len > (ip->is_v4() ? 32u : 128u))
    return v.bad("'{}': the length is out of range; write 0..{}", text, ip->is_v4() ? 32 : 128);
  mz_addr masked = ip->abi();
  auto* bytes = reinterpret_cast<std::uint8_t*>(&masked);
  for (unsigned bit = p.mapped_len(); bit < 128; bit++) bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  p.ip = Addr(masked);
  if (p.ip != *ip) v.warn(fmt::format("'{}' has host bits set; taken as {}", text, p.text()));
  return p;
}

Result<Block> read_block(const Value& v) {
  READ(f, v.fields({"cidr", "except"}));
  READ(cidr, f.need("cidr"));
  READ(prefix, read_prefix(cidr));
  Block b{prefix};
  const Value* except = f.get("except");
  if (except == nullptr) return b;
  READ(list, except->list());
  for (const Value& item : list) {
    READ(inner, read_prefix(item));
    if (!b.cidr.contains(inner) || b.cidr == inner)
      return item.bad("{} is not inside {}; write a smaller block of it", inner.text(), b.cidr.text());
    b.except.push_back(inner);
  }
  return b;
}

Result<> read_protocol(const Value& v, std::uint8_t& to) {
  READ(text, v.text());
  to = text == "TCP" ? IPPROTO_TCP : text == "UDP" ? IPPROTO_UDP : text == "SCTP" ? IPPROTO_SCTP : 0;
  if (to == 0) return v.bad("'{}' is not a protocol of policies; write TCP, UDP or SCTP", text);
  return {};
}

// A number, or a name, which people tell apart by the quotes.
Result<> read_number_or_name(const Value& v, Port& to) {
  const bool plain = v.node.IsScalar() && v.node.Tag() == "?" &&
                     v.node.Scalar().find_first_not_of("+-0123456789.") == std::string::npos;
  if (plain || !v.node.IsScalar()) {
    READ(number, v.number(1, 65535));
    to.first = to.last = static_cast<std::uint16_t>(number);
    return {};
  }
  READ(name, v.text());
  MZ_CHECK(check(v, check_port_name(name)));
  to.name = name;
  return {};
}

Result<Port> read_port(const Value& v) {
  READ(f, v.fields({"protocol", "port", "endPort"}));
  Port p;
  MZ_CHECK(optionally(f, "protocol", read_protocol, p.protocol));
  MZ_CHECK(optionally(f, "port", read_number_or_name, p));
  const Value* end = f.get("endPort");
  if (end == nullptr) return p;
  READ(last, end->number(1, 65535));
  if (f.get("port") == nullptr) return end->bad("a range wants its first port; write port");
  if (!p.name.empty()) return end->bad("a range cannot begin at a name; write port as a number");
  if (last < p.first) return end->bad("{} is below port {}; write the smaller one as port", last, p.first);
  p.last = static_cast<std::uint16_t>(last);
  return p;
}

// Of an empty list Kubernetes makes none: everybody, every port.
template <class Read, class T>
Result<> read_list(const Value& v, Read read, std::optional<std::vector<T>>& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(one, read(item));
    if (!to) to.emplace();
    to->push_back(std::move(one));
  }
  return {};
}

// ---- NetworkPolicy --------------------------------------------------------------

Result<Peer> read_peer(const Value& v) {
  READ(f, v.fields({"podSelector", "namespaceSelector", "ipBlock"}));
  if (f.size() == 0) return v.bad("names nobody; write podSelector, namespaceSelector or ipBlock");
  Peer p;
  MZ_CHECK(optionally(f, "podSelector", read_optional_selector, p.pods));
  MZ_CHECK(optionally(f, "namespaceSelector", read_optional_selector, p.namespaces));
  if (const Value* block = f.get("ipBlock")) {
    if (f.size() > 1) return v.bad("ipBlock excludes the selectors; make it a peer of its own");
    READ(b, read_block(*block));
    p.block = b;
  }
  return p;
}

Result<> read_rules(const Value& v, std::string_view peers, std::vector<Rule>& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(f, item.fields({"ports", peers}));
    Rule r{.name = item.path};
    MZ_CHECK(optionally(f, peers, [](const auto& at, auto& out) { return read_list(at, read_peer, out); }, r.peers));
    MZ_CHECK(optionally(f, "ports", [](const auto& at, auto& out) { return read_list(at, read_port, out); }, r.ports));
    to.push_back(std::move(r));
  }
  return {};
}

Result<> read_types(const Value& v, Policy& to) {
  READ(list, v.list());
  if (list.empty()) return {};
  to.ingress = to.egress = false;
  for (const Value& item : list) {
    READ(text, item.text());
    if (text != "Ingress" && text != "Egress")
      return item.bad("'{}' is not a direction; write Ingress or Egress", text);
    (text == "Ingress" ? to.ingress : to.egress) = true;
  }
  return {};
}

Result<> read_network_policy(const Value& spec, Policy& p) {
  READ(f, spec.fields({"podSelector", "policyTypes", "ingress", "egress"}));
  MZ_CHECK(optionally(f, "podSelector", read_selector, p.pods));
  if (const Value* v = f.get("ingress")) MZ_CHECK(read_rules(*v, "from", p.ingress_rules));
  if (const Value* v = f.get("egress")) MZ_CHECK(read_rules(*v, "to", p.egress_rules));
  p.egress = !p.egress_rules.empty();
  MZ_CHECK(optionally(f, "policyTypes", read_types, p));
  if (!p.ingress && !p.ingress_rules.empty())
    f.get("ingress")->warn("has no effect, as policyTypes does not name Ingress");
  if (!p.egress && !p.egress_rules.empty())
    f.get("egress")->warn("has no effect, as policyTypes does not name Egress");
  return {};
}

// ---- ClusterNetworkPolicy ---------------------------------------------------------

// One field of several.
Result<> exactly_one(const Value& v, const Fields& f, std::string_view of) {
  if (f.size() == 1) return {};
  return v.bad("has {} fields; write exactly one of {}", f.size(), of);
}

Result<> read_namespaced_pods(const Value& v, std::optional<Selector>& namespaces, Selector& pods) {
  READ(f, v.fields({"namespaceSelector", "podSelector"}));
  READ(ns, f.need("namespaceSelector"));
  MZ_CHECK(read_optional_selector(ns, namespaces));
  READ(selector, f.need("podSelector"));
  return read_selector(selector, pods);
}

Result<> read_subject(const Value& v, Policy& to) {
  READ(f, v.fields({"namespaces", "pods"}));
  MZ_CHECK(exactly_one(v, f, "namespaces, pods"));
  if (const Value* pods = f.get("pods")) return read_namespaced_pods(*pods, to.namespaces, to.pods);
  return read_optional_selector(*f.get("namespaces"), to.namespaces);
}

Result<> refuse_peer(const Fields& f, std::string_view name) {
  const Value* v = f.get(name);
  if (v == nullptr) return {};
  Error e = v->bad("peers by {} are not supported; write networks", name).value();
  e.code = Code::unimplemented;
  return Failure(e);
}

Result<> read_networks(const Value& v, std::vector<Peer>& to) {
  READ(list, v.list());
  if (list.empty()) return v.bad("is empty; list one block at least");
  for (const Value& item : list) {
    READ(prefix, read_prefix(item));
    to.push_back({.block = Block{prefix}});
  }
  return {};
}

Result<> read_cluster_peer(const Value& v, bool egress, std::vector<Peer>& to) {
  auto read = egress ? v.fields({"namespaces", "pods", "networks", "nodes", "domainNames"})
                     : v.fields({"namespaces", "pods"});
  READ(f, std::move(read));
  MZ_CHECK(refuse_peer(f, "nodes"));
  MZ_CHECK(refuse_peer(f, "domainNames"));
  MZ_CHECK(exactly_one(v, f, egress ? "namespaces, pods, networks" : "namespaces, pods"));
  if (const Value* networks = f.get("networks")) return read_networks(*networks, to);
  Peer p;
  MZ_CHECK(optionally(f, "namespaces", read_optional_selector, p.namespaces));
  if (const Value* pods = f.get("pods")) MZ_CHECK(read_namespaced_pods(*pods, p.namespaces, p.pods.emplace()));
  to.push_back(std::move(p));
  return {};
}

Result<> read_range(const Value& v, Port& to) {
  READ(f, v.fields({"start", "end"}));
  READ(start, f.need("start"));
  READ(end, f.need("end"));
  READ(first, start.number(1, 65535));
  READ(last, end.number(1, 65535));
  if (last <= first) return end.bad("{} is not above start {}; write the smaller one as start", last, first);
  to.first = static_cast<std::uint16_t>(first);
  to.last = static_cast<std::uint16_t>(last);
  return {};
}

Result<> read_destination_port(const Value& v, Port& to) {
  READ(f, v.fields({"number", "range"}));
  MZ_CHECK(exactly_one(v, f, "number, range"));
  if (const Value* range = f.get("range")) return read_range(*range, to);
  READ(number, f.get("number")->number(1, 65535));
  to.first = to.last = static_cast<std::uint16_t>(number);
  return {};
}

Result<> read_protocol_match(const Value& v, std::vector<Port>& to) {
  READ(f, v.fields({"tcp", "udp", "sctp", "destinationNamedPort"}));
  MZ_CHECK(exactly_one(v, f, "tcp, udp, sctp, destinationNamedPort"));
  if (const Value* named = f.get("destinationNamedPort")) {
    READ(name, named->text());
    MZ_CHECK(check(*named, check_port_name(name)));
    for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP})
      to.push_back({.protocol = protocol, .name = name});  // whichever the pod has it for
    return {};
  }
  Port p{.protocol = static_cast<std::uint8_t>(f.get("tcp") ? IPPROTO_TCP : f.get("udp") ? IPPROTO_UDP : IPPROTO_SCTP)};
  const Value* match = f.get("tcp") ? f.get("tcp") : f.get("udp") ? f.get("udp") : f.get("sctp");
  READ(inner, match->fields({"destinationPort"}));
  READ(port, inner.need("destinationPort"));
  MZ_CHECK(read_destination_port(port, p));
  to.push_back(p);
  return {};
}

Result<> read_action(const Value& v, Verdict& to) {
  READ(text, v.text());
  if (text != "Accept" && text != "Deny" && text != "Pass")
    return v.bad("'{}' is not an action; write Accept, Deny or Pass", text);
  to = text == "Accept" ? Verdict::allow : text == "Deny" ? Verdict::deny : Verdict::pass;
  return {};
}

Result<> check_named(const Value& v, const Rule& r) {
  const auto named = [](const Port& p) { return !p.name.empty(); };
  if (r.ports && std::any_of(r.ports->begin(), r.ports->end(), named) &&
      std::any_of(r.peers->begin(), r.peers->end(), [](const Peer& p) { return p.block.has_value(); }))
    return v.bad("networks have no named ports; write numbers, or a rule of their own");
  return {};
}

Result<Rule> read_cluster_rule(const Value& v, bool egress) {
  const std::string_view peers = egress ? "to" : "from";
  READ(f, v.fields({"name", "action", peers, "protocols"}));
  Rule r{.name = v.path};
  MZ_CHECK(optionally(f, "name", read_rule_name, r.name));
  READ(action, f.need("action"));
  MZ_CHECK(read_action(action, r.verdict));
  READ(peer_field, f.need(peers));
  READ(peer_list, peer_field.list());
  if (peer_list.empty()) return peer_field.bad("is empty; list one peer at least");
  for (const Value& item : peer_list) MZ_CHECK(read_cluster_peer(item, egress, r.peers ? *r.peers : r.peers.emplace()));
  const Value* protocols = f.get("protocols");
  if (protocols == nullptr) return r;
  READ(list, protocols->list());
  if (list.empty()) return protocols->bad("is empty; leave it out for every protocol");
  for (const Value& item : list) MZ_CHECK(read_protocol_match(item, r.ports ? *r.ports : r.ports.emplace()));
  MZ_CHECK(check_named(*protocols, r));
  return r;
}

Result<> read_cluster_rules(const Value& v, bool egress, std::vector<Rule>& to) {
  READ(list, v.list());
  for (const Value& item : list) {
    READ(r, read_cluster_rule(item, egress));
    to.push_back(std::move(r));
  }
  return {};
}

Result<> read_cluster_policy(const Value& spec, Policy& p) {
  READ(f, spec.fields({"tier", "priority", "subject", "ingress", "egress"}));
  READ(tier_field, f.need("tier"));
  READ(tier, tier_field.text());
  if (tier != "Admin" && tier != "Baseline")
    return tier_field.bad("'{}' is not a tier; write Admin or Baseline", tier);
  p.tier = tier == "Admin" ? Tier::admin : Tier::baseline;
  READ(priority_field, f.need("priority"));
  READ(priority, priority_field.number(0, 1000));
  p.priority = priority;
  READ(subject, f.need("subject"));
  MZ_CHECK(read_subject(subject, p));
  if (const Value* v = f.get("ingress")) MZ_CHECK(read_cluster_rules(*v, false, p.ingress_rules));
  if (const Value* v = f.get("egress")) MZ_CHECK(read_cluster_rules(*v, true, p.egress_rules));
  p.ingress = !p.ingress_rules.empty();
  p.egress = !p.egress_rules.empty();
  return {};
}

// ---- documents ----------------------------------------------------------------------

struct Documents {
  Parsed parsed;
  std::map<std::string, int> seen;  // object -> its line
};

struct Metadata {
  std::string name, ns;
  Labels labels;
  std::uint8_t level = 0;  // of flows that its rules allow
};

Result<> read_annotations(const Value& v, std::uint8_t& to) {
  READ(entries, v.entries());
  std::string name_of_class, priority;
  for (const auto& [key, value] : entries) {
    if (key != kClassAnnotation && key != kPriorityAnnotation) continue;
    READ(text, value.text());
    (key == kClassAnnotation ? name_of_class : priority) = annotated_name(text);
  }
  auto level = parse_level(name_of_class, priority);
  if (!level) return v.bad("{}", level.error().what);
  to = *level;
  return {};
}

Result<Metadata> read_metadata(const Value& v) {
  READ(f, v.fields({"name", "namespace", "labels"},
                   {"annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
                    "finalizers", "generateName", "generation", "managedFields", "ownerReferences",
                    "resourceVersion", "selfLink", "uid"}));
  Metadata m;
  READ(name_field, f.need("name"));
  READ(name, name_field.text());
  MZ_CHECK(check(name_field, check_object_name(name)));
  m.name = name;
  if (const Value* ns = f.get("namespace")) {
    READ(text, ns->text());
    MZ_CHECK(check(*ns, check_namespace(text)));
    m.ns = text;
  }
  MZ_CHECK(optionally(f, "labels", read_labels, m.labels));
  const YAML::Node annotations = v.node["annotations"];
  if (annotations && !annotations.IsNull())
    MZ_CHECK(read_annotations({annotations, annotations.Mark().line + 1, v.object, "metadata.annotations", v.reading}, m.level));
  return m;
}

// Of the objects' names each stands once.
Result<> enter(Documents& all, const Value& v) {
  const auto [first, fresh] = all.seen.emplace(v.object, v.line);
  if (fresh) return {};
  return v.bad("is given twice, first on line {}; take one of them out", first->second);
}

Result<> read_policy(Value v, const Fields& f, std::string_view kind, Documents& all) {
  READ(metadata_field, f.need("metadata"));
  READ(m, read_metadata(metadata_field));
  const bool network = kind == "NetworkPolicy";
  if (!network && !m.ns.empty()) return metadata_field.bad("{} has no namespace; leave it out", kind);
  Policy p{.name = m.name, .ns = !network || !m.ns.empty() ? m.ns : "default"};
  p.where = fmt::format("{}:{}", v.reading->file, v.line);
  v.object = network ? fmt::format("{} {}/{}", kind, p.ns, p.name) : fmt::format("{} {}", kind, p.name);
  MZ_CHECK(enter(all, v));
  const Value* given = f.get("spec");
  if (given == nullptr) return v.bad("spec is missing; write it");
  Value spec = *given;
  spec.object = v.object;
  spec.path.clear();
  if (kind == "SecurityGroup") MZ_CHECK(check(metadata_field, check_group_name(m.name)));
  MZ_CHECK(network                   ? read_network_policy(spec, p)
           : kind == "SecurityGroup" ? read_security_group(spec, p)
                                     : read_cluster_policy(spec, p));
  for (auto* rules : {&p.ingress_rules, &p.egress_rules})
    for (Rule& r : *rules)
      if (r.level == 0 && r.verdict == Verdict::allow) r.level = m.level;
  all.parsed.policies.push_back(std::move(p));
  return {};
}

Result<> read_namespace(Value v, const Fields& f, Documents& all) {
  READ(metadata_field, f.need("metadata"));
  READ(m, read_metadata(metadata_field));
  MZ_CHECK(check(metadata_field, check_namespace(m.name)));
  v.object = fmt::format("Namespace {}", m.name);
  MZ_CHECK(enter(all, v));
  if (!m.ns.empty()) return metadata_field.bad("a namespace has no namespace; leave it out");
  all.parsed.namespaces.push_back({m.name, std::move(m.labels)});
  return {};
}

Result<> read_document(const Value& v, bool inside, Documents& all);

Result<> read_items(const Fields& f, Documents& all) {
  READ(items, f.need("items"));
  READ(list, items.list());
  for (const Value& item : list) MZ_CHECK(read_document(item, true, all));
  return {};
}

Result<> read_kind(const Value& v, const std::string& kind, Documents& all) {
  if (kind == "List") {
    READ(f, v.fields({"apiVersion", "kind", "items"}, {"metadata"}));
    return read_items(f, all);
  }
  if (kind == "Namespace") {
    READ(f, v.fields({"apiVersion", "kind", "metadata"}, {"spec", "status"}));
    return read_namespace(v, f, all);
  }
  READ(f, v.fields({"apiVersion", "kind", "metadata", "spec"}, {"status"}));
  return read_policy(v, f, kind, all);
}

// A field of the document's head, before it is known what other fields it may have.
Result<std::string> read_head(const Value& v, const char* name) {
  const YAML::Node n = v.node[name];
  if (!n || n.IsNull()) return v.bad("{} is missing; write it", name);
  return Value{n, n.Mark().line + 1, v.object, name, v.reading}.text();
}

Result<> read_document(const Value& v, bool inside, Documents& all) {
  static const std::map<std::string, std::string> kVersions = {
      {"NetworkPolicy", "networking.k8s.io/v1"},
      {"ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"},
      {"SecurityGroup", "centaurus/v1"},
      {"Namespace", "v1"},
      {"List", "v1"}};
  if (!v.node.IsMap()) return v.bad("must be a map; write apiVersion, kind, metadata and spec");
  READ(kind, read_head(v, "kind"));
  READ(version, read_head(v, "apiVersion"));
  const auto known = kVersions.find(kind);
  if (known == kVersions.end() || (inside && kind == "List"))
    return v.bad("kind '{}' is not read here; write NetworkPolicy, ClusterNetworkPolicy, SecurityGroup{}", kind,
                 inside ? " or Namespace" : ", Namespace or List");
  if (version != known->second)
    return v.bad("apiVersion '{}' of {} is not known; write {}", version, kind, known->second);
  Value here = v;
  if (!inside) here.path.clear();
  return read_kind(here, kind, all);
}

Result<Parsed> read_all(const std::vector<YAML::Node>& documents, Reading& reading) {
  Documents all;
  for (const auto& n : documents)
    if (n.IsDefined() && !n.IsNull()) MZ_CHECK(read_document({n, n.Mark().line + 1, "", "", &reading}, false, all));
  if (all.seen.empty()) return fail(Code::invalid_argument, "{}: nothing is in it; write a policy", reading.file);
  return std::move(all.parsed);
}

// What stands in the text may be in what is said of it.
std::string one_line(const std::string& s) {
  std::string out;
  for (const char c : s)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else
      out += c;
  return out;
}

}  // namespace

Result<Parsed> parse_policies(std::string_view text, std::string_view file,
                              std::vector<std::string>& warnings) {
  Reading reading{std::string(file), text.size()};  // a value is a byte at least
  try {
    // yaml-cpp reports by exception; none leaves this function.
    auto parsed = read_all(load_documents(std::string(text)), reading);
    if (!parsed) return Failure(Error{parsed.error().code, parsed.error().sys, one_line(parsed.error().what)});
    for (const auto& w : reading.warnings) warnings.push_back(one_line(w));
    return parsed;
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, "{}:{}: not valid YAML: {}; correct it", file, e.mark.line + 1, one_line(e.msg));
  }
}

}  // namespace mizar::policy
