// SPDX-License-Identifier: Apache-2.0
// transit network list|get|delete
#include <algorithm>

#include "tools/transit/object.h"

namespace transit {
namespace {

std::vector<std::string> cells(const v1::Network& n, const v1::GoalState& state) {
  const auto endpoints = std::count_if(
      state.endpoints().begin(), state.endpoints().end(),
      [&](const auto& e) { return e.vpc() == n.vpc() && e.network() == n.name(); });
  return {name_of(n), cidrs_of(n), hosts_in(n.bouncers()), fmt::to_string(endpoints)};
}

}  // namespace

void add_network(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kNetwork, "Networks of a VPC, each with its bouncers");
  add_state_verbs(*cmd, ctx, kNetwork, "All networks this host knows", "One network",
                  {"NAME", "CIDR", ">BOUNCERS", ">ENDPOINTS"},
                  [](const v1::GoalState& s) -> const auto& { return s.networks(); }, cells);
}

}  // namespace transit
