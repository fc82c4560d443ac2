// SPDX-License-Identifier: Apache-2.0
// transit: the command line of a host's daemon and of a region's plan.
//
// The command line is parsed first and only sets an action; the action runs
// afterwards, and its error is reported here, once.
#include <CLI/CLI.hpp>

#include "tools/transit/choice.h"
#include "tools/transit/context.h"
#include "tools/transit/program.h"

namespace transit {
namespace {

constexpr const char* kFooter = R"(
Exit status: 0 done, 1 failed, 2 wrong usage or input, 3 not found,
4 transitd cannot be reached.

Examples:
  transit plan -f region.yaml -o plans     goal states for all hosts, offline
  transit apply -f plans/w1.yaml           make one this host's goal
  transit endpoint add --netns web --vpc blue --vni 7 --cidr 10.0.0.0/24
  transit trace blue/web 10.0.0.9 --follow where a packet goes, and why
  transit stats; transit explain SRC_IP    what was counted, and what it means)";

void add_globals(CLI::App& app, Context& ctx) {
  add_choice<Format>(app, "-o,--output", ctx.format,
                     {{"table", Format::table}, {"json", Format::json}, {"yaml", Format::yaml}},
                     "table for people, json or yaml for programs")
      ->default_str("table");
  app.add_option("--socket", ctx.socket, "Where transitd listens")
      ->envname("TRANSIT_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--timeout", ctx.timeout, "How long a call to transitd may take")
      ->check(CLI::Range(0.001, 86400.0).description(""))
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_option("--instance", ctx.instance, "Which transitd's pinned programs and maps")
      ->envname("TRANSIT_INSTANCE")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--bpffs", ctx.bpffs, "Where the BPF file system is mounted")
      ->envname("TRANSIT_BPFFS")
      ->type_name("DIR")
      ->capture_default_str();
  app.set_version_flag("--version", std::string("transit ") + MZ_VERSION);
}

void add_commands(CLI::App& app, Context& ctx) {
  add_plan(app, ctx);
  add_apply(app, ctx);
  add_get(app, ctx);
  add_host(app, ctx);
  add_vpc(app, ctx);
  add_network(app, ctx);
  add_endpoint(app, ctx);
  add_service(app, ctx);
  add_gateway(app, ctx);
  add_peering(app, ctx);
  add_namespace(app, ctx);
  add_policy(app, ctx);
  add_qos(app, ctx);
  add_group(app, ctx);
  add_shard(app, ctx);
  add_status(app, ctx);
  add_doctor(app, ctx);
  add_stats(app, ctx);
  add_metrics(app, ctx);
  add_flow(app, ctx);
  add_function(app, ctx);
  add_explain(app, ctx);
  add_trace(app, ctx);
  add_program(app, ctx);
  add_map(app, ctx);
  add_completion(app, ctx);
  add_man(app, ctx);
}

int main(int argc, char** argv) {
  Context ctx;
  CLI::App app("Programs and inspects this host's overlay network.", "transit");
  app.fallthrough();  // global options may stand behind the command
  app.require_subcommand(1);
  app.get_formatter()->column_width(24);
  add_globals(app, ctx);
  add_commands(app, ctx);
  app.footer(kFooter);  // after the commands, which would inherit it
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return parse_failed(app, e);
  }
  return run_action(app, ctx.action);
}

}  // namespace
}  // namespace transit

int main(int argc, char** argv) { return transit::main(argc, argv); }
