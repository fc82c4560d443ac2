// SPDX-License-Identifier: Apache-2.0
// Between policy's model and the messages of transit.proto. What is not sound is
// invalid_argument, and names the field; the caller puts the object in front.
#pragma once

#include "userspace/base/result.h"
#include "userspace/policy/label_set.h"
#include "userspace/policy/model.h"
#include "userspace/policy/security_group.h"
#include "userspace/proto/transit.pb.h"

namespace mizar::policy {

inline constexpr const char* kDefaultNamespace = "default";

Result<Policy> parse_policy(const v1::Policy& m);
// full_name() of what it says, sound or not.
std::string full_name(const v1::Policy& m);
v1::Policy to_message(const std::string& vpc, const Policy& p);

Result<Namespace> parse_namespace(const v1::Namespace& m);
v1::Namespace to_message(const std::string& vpc, const Namespace& n);

// Without its number.
Result<LabelSet> parse_label_set(const v1::LabelSet& m);
v1::LabelSet to_message(const std::string& vpc, std::uint32_t id, const LabelSet& s);

// What policy knows of an endpoint, of any message with `namespace`, `labels`, `ports` and
// `security_groups`.
struct PodLabels {
  std::string ns = kDefaultNamespace;
  Labels labels = {};  // with those of its security groups
  std::map<std::string, NamedPort, std::less<>> ports = {};
  bool operator==(const PodLabels&) const = default;
};
using LabelMap = google::protobuf::Map<std::string, std::string>;
using NamedPorts = google::protobuf::RepeatedPtrField<v1::NamedPort>;
using GroupList = google::protobuf::RepeatedPtrField<std::string>;
Result<PodLabels> parse_pod_labels(const std::string& ns, const LabelMap& labels, const NamedPorts& ports, const GroupList& groups);
template <class Message>
Result<PodLabels> parse_pod_labels(const Message& m) {
  return parse_pod_labels(m.namespace_(), m.labels(), m.ports(), m.security_groups());
}
void write_named_port(const std::string& name, const NamedPort& port, v1::NamedPort& out);
template <class Message>
void write_pod_labels(const PodLabels& from, Message& to) {
  if (from.ns != kDefaultNamespace) to.set_namespace_(from.ns);
  for (const auto& [key, value] : from.labels) {
    if (auto group = group_of_key(key))
      to.add_security_groups(std::move(*group));
    else
      (*to.mutable_labels())[key] = value;
  }
  for (const auto& [name, port] : from.ports) write_named_port(name, port, *to.add_ports());
}

}  // namespace mizar::policy
