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

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->services());
    return kExitOk;
  }
  Table table({"NAME", "ADDRESS", "PORTS", ">BACKENDS", ">DRAINING"});
  for (const auto& s : state->services()) {
    const auto draining = std::count_if(s.backends().begin(), s.backends().end(), [](const auto& b) {
      return b.has_weight() && b.weight() == 0;
    });
    table.row({name_of(s), addresses_of(s), ports_of(s), fmt::to_string(s.backends_size()),
               fmt::to_string(draining)});
  }
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kService, state->services(), name);
}

}  // namespace

void add_service(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kService, "Virtual addresses of a VPC, balanced over backends");
  add_plain(*cmd, ctx, "list", "All services this host knows", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kService, "get", "One service, with its backends",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kService);
}

}  // namespace transit
