// SPDX-License-Identifier: Apache-2.0
// transit host list|get|delete
#include "tools/transit/object.h"

namespace transit {
namespace {

std::vector<std::string> cells(const v1::Host& h, const v1::GoalState& state) {
  return {h.name(), fmt::to_string(h.id()), addresses_of(h),
          h.name() == state.host() ? "this host" : ""};
}

}  // namespace

void add_host(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kHost, "Underlay hosts: who may send us tunnel packets");
  add_state_verbs(*cmd, ctx, kHost, "All hosts this one knows", "One host",
                  {"NAME", ">ID", "ADDRESS", ""},
                  [](const v1::GoalState& s) -> const auto& { return s.hosts(); }, cells);
}

}  // namespace transit
