// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/security_group.h"

#include "userspace/policy/names.h"

namespace mizar::policy {

Result<> check_group_name(std::string_view name) {
  if (name == "self") return fail(Code::invalid_argument, "'self' is what rules call their own group; choose another name");
  if (check_namespace(name)) return {};  // both are DNS labels
  return fail(Code::invalid_argument,
              "'{}' is not a security group's name; write up to 63 of a-z, 0-9 and '-', a letter or digit at both ends", name);
}

Result<> check_free_label_key(std::string_view key) {
  MZ_CHECK(check_label_key(key));
  if (!key.starts_with(kGroupPrefix)) return {};
  return fail(Code::invalid_argument,
              "'{}' is kept for members of security groups; name the group in an endpoint's security_groups or a group's rules", key);
}

std::string group_key(std::string_view name) { return fmt::format("{}{}", kGroupPrefix, name); }

std::optional<std::string> group_of_key(std::string_view key) {
  if (!key.starts_with(kGroupPrefix)) return std::nullopt;
  return std::string(key.substr(kGroupPrefix.size()));
}

Selector members_of(std::string_view group) { return {{{group_key(group), Op::exists}}}; }

std::optional<std::string> group_of(const Selector& s) {
  if (s.all.size() != 1 || s.all[0].op != Op::exists) return std::nullopt;
  return group_of_key(s.all[0].key);
}

Result<> check_references(const std::string& vpc, const Policy& p, const HasGroup& has) {
  for (const auto* rules : {&p.ingress_rules, &p.egress_rules})
    for (const Rule& r : *rules) {
      if (!r.peers) continue;
      for (const Peer& peer : *r.peers) {
        const auto group = peer.pods ? group_of(*peer.pods) : std::nullopt;
        if (group && !has(*group))
          return fail(Code::invalid_argument, "{}{}SecurityGroup {}: {}: '{}' is no security group of vpc {}; write it, or take the peer out",
                      p.where, p.where.empty() ? "" : ": ", p.name, r.name, *group, vpc);
      }
    }
  return {};
}

Result<> check_membership(const std::string& vpc, const Labels& labels, const HasGroup& has) {
  for (const auto& [key, value] : labels)
    if (const auto group = group_of_key(key); group && !has(*group))
      return fail(Code::invalid_argument, "security_groups: '{}' is no security group of vpc {}", *group, vpc);
  return {};
}

}  // namespace mizar::policy
