// SPDX-License-Identifier: Apache-2.0
// transit-linerate probe: what an interface is and can.
#include "tools/linerate/commands.h"
#include "tools/linerate/facts.h"

namespace linerate {

void add_probe(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("probe", "Driver, line, queues, MTU and XDP of an interface");
  auto interface = std::make_shared<std::string>();
  cmd->add_option("interface", *interface, "Which")->type_name("INTERFACE")->required();
  cmd->callback([&ctx, interface] {
    ctx.action = [&ctx, interface]() -> Result<int> {
      auto f = facts_of(*interface);
      if (!f) return tl::unexpected(f.error());
      if (ctx.format == transit::Format::table)
        print_facts(*f);
      else
        transit::print_value(ctx.format, facts_value(*f));
      return transit::kExitOk;
    };
  });
}

}  // namespace linerate
