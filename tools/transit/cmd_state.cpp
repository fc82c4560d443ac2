// SPDX-License-Identifier: Apache-2.0
// transit apply, transit get: the goal state as a whole.
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/transit/client.h"
#include "tools/transit/output.h"
#include "userspace/proto/text.h"

namespace transit {
namespace {

struct ApplyOptions {
  std::string file;
  bool dry_run = false;
};

Result<int> run_apply(const Context& ctx, const ApplyOptions& options) {
  v1::ApplyRequest request;
  MZ_CHECK(mizar::load_text(options.file, *request.mutable_state()));
  request.set_dry_run(options.dry_run);
  auto reply = call(ctx, request);
  if (!reply) {
    // What the file says is wrong, so the file is what to name.
    if (reply.error().code == Code::invalid_argument)
      return mizar::wrap(reply.error(), shown_file(options.file));
    return Failure(reply.error());
  }
  if (ctx.format != Format::table) {
    print_message(ctx.format, *reply);
    return kExitOk;
  }
  fmt::print("{}revision {}: {} added, {} changed, {} removed\n",
             options.dry_run ? "dry run, nothing was changed; " : "", reply->revision(),
             reply->added(), reply->changed(), reply->removed());
  return kExitOk;
}

Result<int> run_get(const Context& ctx) {
  auto state = call(ctx, v1::GetStateRequest());
  if (!state) return Failure(state.error());
  print_message(ctx.format, *state);
  return kExitOk;
}

}  // namespace

void add_apply(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("apply", "Make a file this host's goal state, all or nothing")
                  ->group("Goal state");
  auto options = std::make_shared<ApplyOptions>();
  cmd->add_option("-f,--file", options->file, "A goal state, YAML or JSON; - is standard input")
      ->type_name("FILE")
      ->required();
  cmd->add_flag("--dry-run", options->dry_run, "Check it and say what would change");
  cmd->callback(
      [&ctx, options] { ctx.action = [&ctx, options] { return run_apply(ctx, *options); }; });
}

void add_get(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("get", "Print the goal state in force (YAML, or -o json)")
                  ->group("Goal state");
  cmd->callback([&ctx] { ctx.action = [&ctx] { return run_get(ctx); }; });
}

}  // namespace transit
