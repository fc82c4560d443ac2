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

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->vpcs());
    return kExitOk;
  }
  Table table({"NAME", ">VNI", "CIDR", ">DIVIDERS", ">NETWORKS", ">ENDPOINTS"});
  for (const auto& v : state->vpcs())
    table.row({v.name(), fmt::to_string(v.vni()), cidrs_of(v), hosts_in(v.dividers()),
               count_in(state->networks(), v.name()), count_in(state->endpoints(), v.name())});
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kVpc, state->vpcs(), name);
}

}  // namespace

void add_vpc(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kVpc, "Tenants' private networks, each with its own addresses");
  add_plain(*cmd, ctx, "list", "All VPCs this host takes part in", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kVpc, "get", "One VPC",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kVpc);
}

}  // namespace transit
