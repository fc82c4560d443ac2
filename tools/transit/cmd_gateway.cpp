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

std::vector<std::string> cells(const v1::Gateway& g, const v1::GoalState& state) {
  return {name_of(g), joined(hosts_of(g, state)), joined(g.destinations()), g.serves() ? "serves" : "-",
          fmt::to_string(g.addresses_size()), fmt::to_string(g.forwards_size())};
}

}  // namespace

void add_gateway(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kGateway, "Ways out of a VPC, and outside addresses");
  add_state_verbs(*cmd, ctx, kGateway, "All gateways this host knows", "One gateway, with the addresses and ports known here",
                  {"NAME", "HOSTS", "DESTINATIONS", "HERE", ">ADDRESSES", ">FORWARDS"},
                  [](const v1::GoalState& s) -> const auto& { return s.gateways(); }, cells);
}

}  // namespace transit
