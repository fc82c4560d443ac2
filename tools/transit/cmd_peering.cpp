// SPDX-License-Identifier: Apache-2.0
// transit peering list|get|delete
#include "tools/transit/object.h"

namespace transit {
namespace {

std::vector<std::string> cells(const v1::Peering& p, const v1::GoalState&) {
  return {name_of(p), p.peer(), joined(p.parts()), p.answers_only() ? p.peer() : "either"};
}

}  // namespace

void add_peering(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kPeering, "Other VPCs that endpoints here reach");
  add_state_verbs(*cmd, ctx, kPeering, "All peerings of this host's VPCs", "One peering, as its VPC sees it",
                  {"NAME", "PEER", "PARTS", "BEGINS"},
                  [](const v1::GoalState& s) -> const auto& { return s.peerings(); }, cells);
}

}  // namespace transit
