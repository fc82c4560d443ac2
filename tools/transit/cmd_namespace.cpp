// SPDX-License-Identifier: Apache-2.0
// transit namespace list|get|delete
#include "tools/transit/labels.h"
#include "tools/transit/object.h"

namespace transit {
namespace {

std::vector<std::string> cells(const v1::Namespace& n, const v1::GoalState& state) {
  std::size_t here = 0;
  for (const auto& e : state.endpoints())
    here += e.vpc() == n.vpc() && e.host() == state.host() && namespace_of(e) == n.name();
  return {name_of(n), fmt::to_string(here), labels_text(n.labels())};
}

}  // namespace

void add_namespace(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kNamespace, "Whose labels endpoints have besides their own, to policy");
  cmd->footer("They come by a plan, or by transit policy apply.");
  add_state_verbs(*cmd, ctx, kNamespace, "All namespaces of this host's VPCs", "One namespace, with its labels",
                  {"NAME", ">ENDPOINTS HERE", "LABELS"},
                  [](const v1::GoalState& s) -> const auto& { return s.namespaces(); }, cells);
}

}  // namespace transit
