// SPDX-License-Identifier: Apache-2.0
// transit gateway list|get|delete
#include <algorithm>
#include <map>
#include <set>

#include "tools/transit/object.h"

namespace transit {
namespace {

// Hosts by name, of the ids that its table holds.
std::set<std::string> hosts_of(const v1::Gateway& g, const v1::GoalState& state) {
  std::set<std::string> names;
  for (const auto* ids : {&g.hosts().primary(), &g.hosts().backup()})
    for (const auto id : *ids)
      for (const auto& h : state.hosts())
        if (h.id() == id) names.insert(h.name());
  return names;
}

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->gateways());
    return kExitOk;
  }
  Table table({"NAME", "HOSTS", "DESTINATIONS", "HERE", ">ADDRESSES", ">FORWARDS"});
  for (const auto& g : state->gateways())
    table.row({name_of(g), joined(hosts_of(g, *state)), joined(g.destinations()), g.serves() ? "serves" : "-",
               fmt::to_string(g.addresses_size()), fmt::to_string(g.forwards_size())});
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kGateway, state->gateways(), name);
}

}  // namespace

void add_gateway(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kGateway, "Ways out of a VPC, and outside addresses");
  add_plain(*cmd, ctx, "list", "All gateways this host knows", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kGateway, "get", "One gateway, with the addresses and ports known here",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kGateway);
}

}  // namespace transit
