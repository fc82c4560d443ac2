// SPDX-License-Identifier: Apache-2.0
// transit stats, transit explain: what happened to packets, and what a reason
// means.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "tools/transit/client.h"
#include "tools/transit/output.h"
#include "tools/transit/reasons.h"

namespace transit {
namespace {

Json value_of(const Reason& r) {
  return {{"reason", r.name}, {"verdict", r.verdict}, {"text", r.text}, {"advice", r.advice}};
}

Result<int> explain_all(const Context& ctx) {
  if (ctx.format != Format::table) {
    Json all = Json::array();
    for (const auto& r : reasons()) all.push_back(value_of(r));
    print_value(ctx.format, all);
    return kExitOk;
  }
  Table table({"REASON", "VERDICT", "MEANS"});
  for (const auto& r : reasons()) table.row({r.name, r.verdict, r.text});
  table.print();
  return kExitOk;
}

Result<int> explain(const Context& ctx, std::string name) {
  if (name.empty()) return explain_all(ctx);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::toupper(c));
  });
  for (const auto& r : reasons()) {
    if (r.name != name) continue;
    if (ctx.format != Format::table) {
      print_value(ctx.format, value_of(r));
      return kExitOk;
    }
    fmt::print("{} ({}): {}\n", r.name, r.verdict, r.text);
    if (*r.advice != '\0') fmt::print("  try: {}\n", r.advice);
    return kExitOk;
  }
  return fail(Code::not_found, "reason {}: not known: transit explain lists them", name);
}

Result<int> run_stats(const Context& ctx, const v1::GetStatsRequest& request) {
  auto stats = call(ctx, request);
  if (!stats) return Failure(stats.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, stats->rows());
    return kExitOk;
  }
  Table table({"VPC", "DIRECTION", "VERDICT", "REASON", ">PACKETS", ">BYTES"});
  for (const auto& r : stats->rows()) {
    const std::string verdict = verdict_of(r.reason());
    table.row({r.vpc(), r.direction(), verdict == "DROP" ? paint(Colour::red, verdict) : verdict,
               r.reason(), fmt::to_string(r.packets()), short_bytes(r.bytes())});
  }
  table.print();
  return kExitOk;
}

// `explain [REASON]`, as a command and under stats.
CLI::App* add_explain_to(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("explain", "What a reason means and what to do; all, if none");
  auto name = std::make_shared<std::string>();
  cmd->add_option("reason", *name, "Such as SRC_IP")->type_name("REASON");
  cmd->callback([&ctx, name] { ctx.action = [&ctx, name] { return explain(ctx, *name); }; });
  return cmd;
}

}  // namespace

void add_stats(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("stats", "Packets and bytes, by the reason they ended under")
                  ->group("Insight");
  auto request = std::make_shared<v1::GetStatsRequest>();
  cmd->add_option_function<std::string>(
         "--vpc", [request](const std::string& v) { request->set_vpc(v); }, "Of this VPC only")
      ->type_name("VPC");
  cmd->add_flag_callback("--zero", [request] { request->set_zero(true); },
                         "Also reasons that counted nothing");
  add_explain_to(*cmd, ctx);
  cmd->callback([&ctx, cmd, request] {
    // Runs after the callback of `explain`, if that is what was asked for.
    if (!cmd->get_subcommands().empty()) return;
    ctx.action = [&ctx, request] { return run_stats(ctx, *request); };
  });
}

void add_explain(CLI::App& app, Context& ctx) { add_explain_to(app, ctx)->group("Insight"); }

}  // namespace transit
