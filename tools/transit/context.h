// SPDX-License-Identifier: Apache-2.0
// What every command shares: the global options, and the action that the
// parsed command line asks for.
#pragma once

#include <functional>
#include <string>

#include "userspace/base/result.h"

namespace CLI {
class App;
}

namespace transit {

using mizar::Code;
using mizar::Error;
using mizar::fail;
using mizar::fail_errno;
using mizar::Failure;
using mizar::Result;

enum class Format { table, json, yaml };

// Process exit codes; scripts rely on them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitUnreachable = 4;

struct Context {
  std::string socket = "/run/transitd/transitd.sock";
  double timeout = 10;  // seconds a call to the daemon may take
  Format format = Format::table;
  std::string instance = "default";
  std::string bpffs = "/sys/fs/bpf";

  // Set by the command's callback while the command line is parsed, run after
  // it: an exit code, or an error for main() to report.
  std::function<Result<int>()> action;
};

// One registration a file cmd_*.cpp: adds the command with its options.
void add_plan(CLI::App& app, Context& ctx);
void add_apply(CLI::App& app, Context& ctx);
void add_get(CLI::App& app, Context& ctx);
void add_host(CLI::App& app, Context& ctx);
void add_vpc(CLI::App& app, Context& ctx);
void add_network(CLI::App& app, Context& ctx);
void add_endpoint(CLI::App& app, Context& ctx);
void add_service(CLI::App& app, Context& ctx);
void add_gateway(CLI::App& app, Context& ctx);
void add_peering(CLI::App& app, Context& ctx);
void add_namespace(CLI::App& app, Context& ctx);
void add_policy(CLI::App& app, Context& ctx);
void add_qos(CLI::App& app, Context& ctx);
void add_group(CLI::App& app, Context& ctx);
void add_shard(CLI::App& app, Context& ctx);
void add_status(CLI::App& app, Context& ctx);
void add_doctor(CLI::App& app, Context& ctx);
void add_stats(CLI::App& app, Context& ctx);
void add_metrics(CLI::App& app, Context& ctx);
void add_flow(CLI::App& app, Context& ctx);
void add_function(CLI::App& app, Context& ctx);
void add_explain(CLI::App& app, Context& ctx);
void add_trace(CLI::App& app, Context& ctx);
void add_program(CLI::App& app, Context& ctx);
void add_map(CLI::App& app, Context& ctx);
void add_completion(CLI::App& app, Context& ctx);
void add_man(CLI::App& app, Context& ctx);

}  // namespace transit
