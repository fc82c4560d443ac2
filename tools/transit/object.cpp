// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/object.h"

#include <algorithm>
#include <set>

namespace transit {

namespace {

Result<int> run_delete(const Context& ctx, const Noun& noun, const std::string& name) {
  v1::DeleteRequest request;
  request.set_kind(noun.kind);
  request.set_name(name);
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format == Format::table)
    fmt::print("{} {} deleted\n", noun.name, name);
  else
    print_value(ctx.format, Json{{"deleted", name}, {"kind", noun.name}});
  return kExitOk;
}

}  // namespace

CLI::App* add_noun(CLI::App& app, const Noun& noun, const char* description) {
  return app.add_subcommand(noun.name, description)->group("Objects")->require_subcommand(1);
}

void add_named(CLI::App& noun_cmd, Context& ctx, const Noun& noun, const char* verb,
               const char* description, std::function<Result<int>(const std::string&)> run) {
  auto* cmd = noun_cmd.add_subcommand(verb, description);
  auto name = std::make_shared<std::string>();
  cmd->add_option("name", *name, std::string("The ") + noun.name)
      ->type_name(noun.deep ? "VPC[/NAMESPACE]/NAME" : noun.in_vpc ? "VPC/NAME" : "NAME")
      ->required();
  cmd->callback([&ctx, &noun, name, run] {
    ctx.action = [&noun, name, run]() -> Result<int> {
      MZ_CHECK(check_form(noun, *name));
      return run(*name);
    };
  });
}

void add_plain(CLI::App& noun_cmd, Context& ctx, const char* verb, const char* description,
               std::function<Result<int>()> run) {
  noun_cmd.add_subcommand(verb, description)->callback([&ctx, run] { ctx.action = run; });
}

void add_delete(CLI::App& noun_cmd, Context& ctx, const Noun& noun) {
  add_named(noun_cmd, ctx, noun, "delete", "Remove it from this host's goal state",
            [&ctx, &noun](const std::string& name) { return run_delete(ctx, noun, name); });
}

Result<> check_form(const Noun& noun, const std::string& name) {
  const auto slash = name.find('/');
  const auto slashes = std::count(name.begin(), name.end(), '/');
  const bool whole = slash != 0 && !name.empty() && name.back() != '/' && name.find("//") == std::string::npos &&
                     (slashes == 1 || (noun.deep && slashes == 2));
  if (noun.in_vpc && !whole)
    return fail(Code::invalid_argument, "{} '{}': name it VPC/NAME{}", noun.name, name,
                noun.deep ? ", VPC/NAMESPACE/NAME or VPC/security-group:NAME" : "");
  if (!noun.in_vpc && (name.empty() || slash != std::string::npos))
    return fail(Code::invalid_argument, "{} '{}': name it without a /", noun.name, name);
  return {};
}

std::string hosts_in(const v1::ShardTable& t) {
  std::set<std::uint32_t> ids(t.primary().begin(), t.primary().end());
  ids.insert(t.backup().begin(), t.backup().end());
  ids.erase(0);
  return fmt::to_string(ids.size());
}

Failure not_found(const Noun& noun, const std::string& name) {
  return fail(Code::not_found, "{} {}: this host does not know it: see transit {} list", noun.name,
              name, noun.name);
}

Result<int> print_reply(const Context& ctx, const google::protobuf::Message& reply, const std::string& line) {
  if (ctx.format != Format::table)
    print_message(ctx.format, reply);
  else
    print_line(line);
  return kExitOk;
}

}  // namespace transit
