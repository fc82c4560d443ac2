// SPDX-License-Identifier: Apache-2.0
// What every command shares; one registration a file cmd_*.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tools/linerate/trial.h"
#include "tools/transit/choice.h"
#include "tools/transit/output.h"

namespace linerate {

struct Context {
  transit::Format format = transit::Format::table;
  std::function<Result<int>()> action;  // set while the command line is parsed, run after it
};

void add_probe(CLI::App& app, Context& ctx);
void add_reflect(CLI::App& app, Context& ctx);
void add_receive(CLI::App& app, Context& ctx);
void add_send(CLI::App& app, Context& ctx);
void add_run(CLI::App& app, Context& ctx);

// ---- options of whoever sends
struct SendOptions {
  std::string interface, to_mac, from = "198.18.0.1", to = "198.19.0.1", inner_from = "198.18.0.1", inner_to;
  Kind kind = Kind::live;
  std::vector<unsigned> cpus;
  std::uint32_t vni = 0, host_id = 1;
  const CLI::Option* geneve = nullptr;
};
void add_send_options(CLI::App& cmd, SendOptions& o);

// `to_mac` is where frames go unless --to-mac says. Errors: invalid_argument, not_found (the interface).
Result<SenderSpec> sender_of(const SendOptions& o, const mizar::MacBytes* to_mac);

}  // namespace linerate
