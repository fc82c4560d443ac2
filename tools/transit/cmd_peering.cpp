// SPDX-License-Identifier: Apache-2.0
// transit peering list|get|delete
#include "tools/transit/object.h"

namespace transit {
namespace {

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->peerings());
    return kExitOk;
  }
  Table table({"NAME", "PEER", "PARTS", "BEGINS"});
  for (const auto& p : state->peerings())
    table.row({name_of(p), p.peer(), joined(p.parts()), p.answers_only() ? p.peer() : "either"});
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kPeering, state->peerings(), name);
}

}  // namespace

void add_peering(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kPeering, "Other VPCs that endpoints here reach");
  add_plain(*cmd, ctx, "list", "All peerings of this host's VPCs", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kPeering, "get", "One peering, as its VPC sees it",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kPeering);
}

}  // namespace transit
