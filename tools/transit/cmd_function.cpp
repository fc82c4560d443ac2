// SPDX-License-Identifier: Apache-2.0
// transit function load|replace|list|remove: operators' own programs.
#include <CLI/CLI.hpp>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "tools/transit/client.h"
#include "tools/transit/object.h"
#include "tools/transit/output.h"

namespace transit {
namespace {

struct Load {
  std::string object;
  v1::LoadFunctionRequest request;
};

// "flood_guard.bpf.o" -> "flood-guard"
std::string name_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename();
  name = name.substr(0, name.find('.'));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

Result<int> load(const Context& ctx, Load& l) {
  std::ifstream file(l.object, std::ios::binary);
  if (!file) return fail(Code::not_found, "object file {}: cannot be read", l.object);
  l.request.mutable_object()->assign(std::istreambuf_iterator<char>(file), {});
  if (l.request.function().name().empty()) l.request.mutable_function()->set_name(name_of(l.object));
  auto status = call(ctx, l.request);
  if (!status) return fail(status.error().code, "{}: {}", l.object, status.error().what);
  if (ctx.format != Format::table) {
    print_message(ctx.format, *status);
    return kExitOk;
  }
  print_line(fmt::format("function {} {}: on {} {}", status->function().name(), l.request.replace() ? "replaced" : "loaded",
                         status->on(), status->function().points(0) == "hop" ? "VPCs" : "endpoints of this host"));
  return kExitOk;
}

void add_choices(CLI::App& cmd, const std::shared_ptr<Load>& l) {
  auto* f = l->request.mutable_function();
  const auto strings = [&cmd, l](const char* name, const char* type, const char* text, auto add) {
    cmd.add_option_function<std::vector<std::string>>(
           name, [l, add](const std::vector<std::string>& all) { for (const auto& v : all) add(*l->request.mutable_function(), v); }, text)
        ->type_name(type);
  };
  strings("--at", "POINT", "egress, ingress, ingress-after (several), or hop",
          [](auto& x, const auto& v) { x.add_points(v); });
  strings("--vpc", "VPC", "On packets of this VPC (several)", [](auto& x, const auto& v) { x.add_vpcs(v); });
  strings("--endpoint", "VPC/NAME", "On packets of this endpoint (several)",
          [](auto& x, const auto& v) { x.add_endpoints(v); });
  cmd.add_option_function<std::int32_t>("--order", [l](std::int32_t v) { l->request.mutable_function()->set_order(v); },
                                        "Lower ones run first; default: 100")
      ->type_name("N");
  cmd.add_option_function<std::string>("--interface", [l](const std::string& v) { l->request.mutable_function()->set_interface(v); },
                                       "Where what it takes goes, to a program in user space")
      ->type_name("NAME");
  cmd.add_option_function<std::vector<std::string>>(
         "--set",
         [f, l](const std::vector<std::string>& all) {
           for (const std::string& v : all) {
             const auto eq = v.find('=');
             if (eq == std::string::npos || eq == 0) throw CLI::ValidationError("--set", "give NAME=VALUE, not '" + v + "'");
             (*f->mutable_set())[v.substr(0, eq)] = v.substr(eq + 1);
           }
         },
         "A constant of the object: an integer or an IP address (several)")
      ->type_name("NAME=VALUE");
}

void add_load(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("load", "Run an object file's function on packets of VPCs or endpoints");
  auto l = std::make_shared<Load>();
  cmd->add_option("object", l->object, "Object file, as clang makes it (see mizar/function.h)")->required()->type_name("FILE");
  cmd->add_option_function<std::string>("--name", [l](const std::string& v) { l->request.mutable_function()->set_name(v); },
                                        "What it is called; default: the file's name")
      ->type_name("NAME");
  add_choices(*cmd, l);
  cmd->callback([&ctx, l] { ctx.action = [&ctx, l] { return load(ctx, *l); }; });
}

void add_replace(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("replace", "Another object in a function's place; no packet misses both");
  auto l = std::make_shared<Load>();
  l->request.set_replace(true);
  cmd->add_option_function<std::string>("name", [l](const std::string& v) { l->request.mutable_function()->set_name(v); },
                                        "Which one; what no option says stays as it was")
      ->required()
      ->type_name("NAME");
  cmd->add_option("object", l->object, "Object file")->required()->type_name("FILE");
  add_choices(*cmd, l);
  cmd->callback([&ctx, l] { ctx.action = [&ctx, l] { return load(ctx, *l); }; });
}

Result<int> list(const Context& ctx) {
  auto reply = call(ctx, v1::ListFunctionsRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->functions());
    return kExitOk;
  }
  Table table({"ORDER", "NAME", "AT", "OF", ">ON", ">PACKETS", ">DROPPED", ">TAKEN", "PROBLEM"});
  for (const auto& s : reply->functions()) {
    const auto& f = s.function();
    std::vector<std::string> whose(f.vpcs().begin(), f.vpcs().end());
    whose.insert(whose.end(), f.endpoints().begin(), f.endpoints().end());
    table.row({fmt::to_string(f.order()), f.name(), fmt::format("{}", fmt::join(f.points(), ",")),
               fmt::format("{}", fmt::join(whose, ",")), fmt::to_string(s.on()), fmt::to_string(s.packets()),
               fmt::to_string(s.dropped()), fmt::to_string(s.taken()), s.problem()});
  }
  table.print();
  return kExitOk;
}

void add_list(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("list", "Functions in the order they run, and what became of packets");
  cmd->callback([&ctx] { ctx.action = [&ctx] { return list(ctx); }; });
}

void add_remove(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("remove", "Take a function out of the way");
  auto r = std::make_shared<v1::RemoveFunctionRequest>();
  cmd->add_option_function<std::string>("name", [r](const std::string& v) { r->set_name(v); }, "Which one")
      ->required()
      ->type_name("NAME");
  cmd->callback([&ctx, r] {
    ctx.action = [&ctx, r]() -> Result<int> {
      auto reply = call(ctx, *r);
      if (!reply) return Failure(reply.error());
      return print_reply(ctx, *reply, fmt::format("function {} removed", r->name()));
    };
  });
}

}  // namespace

void add_function(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("function", "Operators' own programs in the packets' way")->group("Objects");
  cmd->require_subcommand(1);
  add_load(*cmd, ctx);
  add_replace(*cmd, ctx);
  add_list(*cmd, ctx);
  add_remove(*cmd, ctx);
}

}  // namespace transit
