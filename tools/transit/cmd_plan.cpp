// SPDX-License-Identifier: Apache-2.0
// transit plan: a region's file -> each host's goal state, without a daemon.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "tools/transit/output.h"
#include "tools/transit/policy_file.h"
#include "userspace/base/unique_fd.h"
#include "userspace/proto/text.h"

namespace transit {
namespace {

struct PlanOptions {
  std::string file;
  std::string directory;
};

Result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Code::internal, errno, path);
    text.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return fail_errno(Code::internal, errno, path);
  return {};
}

// Written beside its place and moved there when complete.
Result<> write_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    const mizar::UniqueFd fd(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd.valid()) return fail_errno(Code::internal, errno, fresh);
    MZ_CHECK(write_all(fd.get(), text, fresh));
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return fail_errno(Code::internal, errno, path);
  return {};
}

Json summary(const mizar::v1::GoalState& goal, const std::string& path) {
  return {{"host", goal.host()},
          {"file", path},
          {"vpcs", goal.vpcs_size()},
          {"networks", goal.networks_size()},
          {"endpoints", goal.endpoints_size()},
          {"services", goal.services_size()},
          {"gateways", goal.gateways_size()},
          {"peerings", goal.peerings_size()},
          {"policies", goal.policies_size()}};
}

void print_summary(const Context& ctx, const Json& written) {
  if (ctx.format != Format::table) return print_value(ctx.format, written);
  Table table({"HOST", ">VPCS", ">NETWORKS", ">ENDPOINTS", ">SERVICES", ">GATEWAYS", ">PEERINGS", ">POLICIES", "FILE"});
  for (const auto& w : written)
    table.row({w["host"], w["vpcs"].dump(), w["networks"].dump(), w["endpoints"].dump(),
               w["services"].dump(), w["gateways"].dump(), w["peerings"].dump(), w["policies"].dump(), w["file"]});
  table.print();
}

constexpr const char* kKept = "_leases.yaml";  // no host has that name

// What the plan before this gave out; nothing if there was none.
Result<centaurus::Kept> read_kept(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::exists(path, ec)) return centaurus::Kept();
  centaurus::v1::Kept message;
  MZ_CHECK(mizar::load_text(path, message));
  auto kept = centaurus::parse_kept(message);
  if (!kept) return mizar::wrap(kept.error(), path);
  return kept;
}

Result<int> run_plan(const Context& ctx, const PlanOptions& options) {
  auto region = load_region(options.file);
  if (!region) return tl::unexpected(region.error());
  std::error_code ec;
  std::filesystem::create_directories(options.directory, ec);
  if (ec) return fail_errno(Code::internal, ec.value(), options.directory);
  const std::string kept = options.directory + "/" + kKept;
  auto before = read_kept(kept);
  if (!before) return tl::unexpected(before.error());
  auto made = centaurus::make_plan(*region, *before);
  if (!made) return mizar::wrap(made.error(), shown_file(options.file));
  const centaurus::Plan& plan = *made;
  // First: what a host is given stands where the next plan finds it.
  if (!plan.kept.empty() || !before->empty())
    MZ_CHECK(write_file(kept, "# Outside ports of endpoints and numbers of label sets, kept by the next transit plan in this directory.\n" +
                                  mizar::to_yaml(centaurus::to_message(plan.kept))));

  Json written = Json::array();
  for (size_t h = 0; h < region->hosts.size(); h++) {
    const auto goal = centaurus::goal_state(*region, plan, h);
    const std::string path = options.directory + "/" + goal.host() + ".yaml";
    const std::string head = fmt::format("# Goal state of host {}, revision {}; by transit plan.\n",
                                         goal.host(), goal.revision());
    MZ_CHECK(write_file(path, head + mizar::to_yaml(goal)));
    written.push_back(summary(goal, path));
  }
  print_summary(ctx, written);
  return kExitOk;
}

}  // namespace

void add_plan(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("plan", "Turn a region's file into a goal state for each host")
                  ->group("Goal state");
  auto options = std::make_shared<PlanOptions>();
  cmd->add_option("-f,--file", options->file, "The region; - is standard input")
      ->type_name("FILE")
      ->required();
  cmd->add_option("-o,--directory", options->directory, "Where to write HOST.yaml for each host")
      ->type_name("DIR")
      ->required();
  cmd->callback([&ctx, options] { ctx.action = [&ctx, options] { return run_plan(ctx, *options); }; });
}

}  // namespace transit
