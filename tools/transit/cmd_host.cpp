// SPDX-License-Identifier: Apache-2.0
// transit host list|get|delete
#include "tools/transit/object.h"

namespace transit {
namespace {

Result<int> list(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, state->hosts());
    return kExitOk;
  }
  Table table({"NAME", ">ID", "ADDRESS", ""});
  for (const auto& h : state->hosts())
    table.row({h.name(), fmt::to_string(h.id()), addresses_of(h),
               h.name() == state->host() ? "this host" : ""});
  table.print();
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  return print_named(ctx, kHost, state->hosts(), name);
}

}  // namespace

void add_host(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kHost, "Underlay hosts: who may send us tunnel packets");
  add_plain(*cmd, ctx, "list", "All hosts this one knows", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kHost, "get", "One host",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kHost);
}

}  // namespace transit
