// SPDX-License-Identifier: Apache-2.0
// transit network list|get|delete
#include <algorithm>

#include "tools/transit/object.h"

namespace transit {
namespace {

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->networks());
    return kExitOk;
  }
  Table table({"NAME", "CIDR", ">BOUNCERS", ">ENDPOINTS"});
  for (const auto& n : state->networks()) {
    const auto endpoints = std::count_if(
        state->endpoints().begin(), state->endpoints().end(),
        [&](const auto& e) { return e.vpc() == n.vpc() && e.network() == n.name(); });
    table.row({name_of(n), cidrs_of(n), hosts_in(n.bouncers()), fmt::to_string(endpoints)});
  }
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kNetwork, state->networks(), name);
}

}  // namespace

void add_network(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kNetwork, "Networks of a VPC, each with its bouncers");
  add_plain(*cmd, ctx, "list", "All networks this host knows", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kNetwork, "get", "One network",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kNetwork);
}

}  // namespace transit
