// SPDX-License-Identifier: Apache-2.0
// transit vpc list|get|delete
#include <algorithm>

#include "tools/transit/object.h"

namespace transit {
namespace {

template <class Messages>
std::string count_in(const Messages& list, const std::string& vpc) {
  return fmt::to_string(
      std::count_if(list.begin(), list.end(), [&](const auto& m) { return m.vpc() == vpc; }));
}

std::vector<std::string> cells(const v1::Vpc& v, const v1::GoalState& state) {
  return {v.name(), fmt::to_string(v.vni()), cidrs_of(v), hosts_in(v.dividers()),
          count_in(state.networks(), v.name()), count_in(state.endpoints(), v.name())};
}

}  // namespace

void add_vpc(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kVpc, "Tenants' private networks, each with its own addresses");
  add_state_verbs(*cmd, ctx, kVpc, "All VPCs this host takes part in", "One VPC",
                  {"NAME", ">VNI", "CIDR", ">DIVIDERS", ">NETWORKS", ">ENDPOINTS"},
                  [](const v1::GoalState& s) -> const auto& { return s.vpcs(); }, cells);
}

}  // namespace transit
