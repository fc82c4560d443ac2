// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/label_set.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include "userspace/policy/security_group.h"

namespace mizar::policy {

namespace {

std::string protocol_text(std::uint8_t p) {
  if (p == IPPROTO_TCP) return "tcp";
  if (p == IPPROTO_UDP) return "udp";
  return p == IPPROTO_SCTP ? "sctp" : fmt::format("{}", p);
}

void add(std::string& out, const char* what, const std::vector<std::string>& words) {
  if (!words.empty()) out += fmt::format("{}{}({})", out.empty() ? "" : " ", what, fmt::join(words, ","));
}

std::vector<std::string> words(const SortedLabels& labels) {
  std::vector<std::string> out;
  for (const auto& [key, value] : labels) out.push_back(fmt::format("{}={}", key, value));
  return out;
}

}  // namespace

std::string LabelSet::text() const {
  std::string out;
  std::vector<std::string> named;
  for (const auto& [name, port] : ports)
    named.push_back(fmt::format("{}={}/{}", name, port.port, protocol_text(port.protocol)));
  if (!ns.empty()) add(out, "ns", {ns});
  add(out, "namespace", words(ns_labels));
  SortedLabels own;
  std::vector<std::string> groups;
  for (const auto& label : pod_labels) {
    if (auto group = group_of_key(label.first))
      groups.push_back(std::move(*group));
    else
      own.push_back(label);
  }
  add(out, "pod", words(own));
  add(out, "group", groups);
  add(out, "port", named);
  return out.empty() ? "-" : out;
}

}  // namespace mizar::policy
