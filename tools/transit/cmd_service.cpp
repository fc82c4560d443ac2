// SPDX-License-Identifier: Apache-2.0
// transit service list|get|delete
#include <algorithm>

#include "tools/transit/object.h"

namespace transit {
namespace {

// "tcp/80->8080 udp/53"
std::string ports_of(const v1::Service& s) {
  std::string all;
  for (const auto& p : s.ports()) {
    all += fmt::format("{}{}/{}", all.empty() ? "" : " ", p.protocol(), p.port());
    if (p.backend_port() != 0 && p.backend_port() != p.port()) all += fmt::format("->{}", p.backend_port());
  }
  return all;
}

std::vector<std::string> cells(const v1::Service& s, const v1::GoalState&) {
  const auto draining = std::count_if(s.backends().begin(), s.backends().end(), [](const auto& b) {
    return b.has_weight() && b.weight() == 0;
  });
  return {name_of(s), addresses_of(s), ports_of(s), fmt::to_string(s.backends_size()),
          fmt::to_string(draining)};
}

}  // namespace

void add_service(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kService, "Virtual addresses of a VPC, balanced over backends");
  add_state_verbs(*cmd, ctx, kService, "All services this host knows", "One service, with its backends",
                  {"NAME", "ADDRESS", "PORTS", ">BACKENDS", ">DRAINING"},
                  [](const v1::GoalState& s) -> const auto& { return s.services(); }, cells);
}

}  // namespace transit
