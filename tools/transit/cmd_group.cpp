// SPDX-License-Identifier: Apache-2.0
// transit group list
#include "tools/transit/object.h"

namespace transit {
namespace {

std::string names(const google::protobuf::RepeatedPtrField<v1::GroupMember>& all) {
  std::vector<std::string> out;
  for (const auto& m : all) out.push_back(m.name());
  return joined(out);
}

Result<int> list(const Context& ctx, const v1::ListGroupsRequest& request) {
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->groups());
    return kExitOk;
  }
  Table table({"NETWORK", "GROUP", "BOUNCER", "MEMBERS", "HOSTS"});
  for (const auto& g : reply->groups())
    table.row({g.network(), g.address(), g.bouncer().empty() ? "-" : g.bouncer(), names(g.members()), names(g.hosts())});
  table.print();
  return kExitOk;
}

}  // namespace

void add_group(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("group", "Multicast and broadcast groups")->group("Objects");
  cmd->require_subcommand(1);
  auto* verb = cmd->add_subcommand("list", "Groups with members on this host, or whose bouncer it is");
  auto request = std::make_shared<v1::ListGroupsRequest>();
  verb->add_option_function<std::string>("--vpc", [request](const std::string& v) { request->set_vpc(v); },
                                         "Only those of this VPC")
      ->type_name("NAME");
  verb->callback([&ctx, request] { ctx.action = [&ctx, request] { return list(ctx, *request); }; });
}

}  // namespace transit
