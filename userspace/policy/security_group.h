// SPDX-License-Identifier: Apache-2.0
// Security groups in policy's model (decision 0019): membership is a label that nobody can
// give himself, a group is a policy of Tier::network without a namespace.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/policy/model.h"

namespace mizar::policy {

// Members of NAME have the label "security-group.centaurus/NAME", without a value.
inline constexpr std::string_view kGroupPrefix = "security-group.centaurus/";

// A DNS label; not "self", by which a group's rules call the group itself.
Result<> check_group_name(std::string_view name);
// check_label_key(), and not of kGroupPrefix: what users may write.
Result<> check_free_label_key(std::string_view key);

std::string group_key(std::string_view name);
// The group whose members have it; nothing: it is another label.
std::optional<std::string> group_of_key(std::string_view key);

Selector members_of(std::string_view group);
// What members_of() selects; nothing: it is another selector.
std::optional<std::string> group_of(const Selector& s);
inline bool is_security_group(const Policy& p) { return p.tier == Tier::network && p.ns.empty(); }

// Does a VPC have the security group?
using HasGroup = std::function<bool(const std::string& name)>;
// Error: invalid_argument: a rule of `p` names a group that `vpc` does not have.
Result<> check_references(const std::string& vpc, const Policy& p, const HasGroup& has);
// The same of somebody's labels; the caller puts the object in front.
Result<> check_membership(const std::string& vpc, const Labels& labels, const HasGroup& has);

}  // namespace mizar::policy
