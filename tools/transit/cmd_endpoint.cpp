// SPDX-License-Identifier: Apache-2.0
// transit endpoint list|get|delete|add|label
#include <fstream>
#include <sstream>

#include "tools/transit/labels.h"
#include "tools/transit/object.h"
#include "userspace/base/names.h"

namespace transit {
namespace {

std::string state_of(const v1::EndpointStatus& s) {
  if (!s.local()) return "remote";
  if (s.ready()) return "ready";
  return paint(Colour::red, "not ready");
}

Result<int> list(const Context& ctx) {
  auto reply = call(ctx, v1::ListEndpointsRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->endpoints());
    return kExitOk;
  }
  Table table({"NAME", "NETWORK", "ADDRESS", "HOST", "STATE", "INTERFACE"});
  for (const auto& s : reply->endpoints()) {
    const auto& e = s.endpoint();
    table.row({name_of(e), e.network(), addresses_of(e), e.host(), state_of(s), s.interface()});
  }
  table.print();
  // The reasons are too long for a column, and too important to leave out.
  for (const auto& s : reply->endpoints())
    if (!s.problem().empty()) fmt::print("{}: {}\n", name_of(s.endpoint()), s.problem());
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto reply = call(ctx, v1::ListEndpointsRequest());
  if (!reply) return Failure(reply.error());
  for (const auto& s : reply->endpoints()) {
    if (name_of(s.endpoint()) != name) continue;
    print_message(ctx.format, s);
    return kExitOk;
  }
  return not_found(kEndpoint, name);
}

Result<int> add(const Context& ctx, const v1::AddEndpointRequest& request) {
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_message(ctx.format, *reply);
    return kExitOk;
  }
  const auto& e = reply->endpoint();
  const std::string& given = e.netns().interface();
  fmt::print("endpoint {}: {} ({}), {} in {}, MTU {}\n", name_of(e), addresses_of(e), e.mac(),
             given.empty() ? mizar::kDefaultInterface : given, e.netns().name(), reply->mtu());
  if (!reply->ready())
    return fail(Code::internal, "endpoint {}: not ready: {}", name_of(e), reply->problem());
  return kExitOk;
}

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void add_add(CLI::App& noun_cmd, Context& ctx) {
  auto* cmd = noun_cmd.add_subcommand(
      "add", "Connect a network namespace at once; kept until it is deleted");
  auto r = std::make_shared<v1::AddEndpointRequest>();
  // protobuf's strings are set by functions, so each option is one, too.
  const auto text = [cmd, r](const char* names, const char* type, const char* description,
                             void (*set)(v1::AddEndpointRequest&, const std::string&)) {
    return cmd
        ->add_option_function<std::string>(
            names, [r, set](const std::string& value) { set(*r, value); }, description)
        ->type_name(type);
  };
  text("name", "NAME", "Its name; default: the namespace's",
       [](auto& q, const auto& v) { q.set_name(v); });
  text("--netns", "NAME", "The namespace: a name under /run/netns, or a path",
       [](auto& q, const auto& v) { q.set_netns(v); })
      ->required();
  text("--vpc", "VPC", "Its VPC", [](auto& q, const auto& v) { q.set_vpc(v); })->required();
  text("--network", "NAME", "Its network; default: the address's, or the only one",
       [](auto& q, const auto& v) { q.set_network(v); });
  text("--ip", "ADDRESS", "Its IPv4 address; default: the network's lowest free one",
       [](auto& q, const auto& v) { q.set_address(v); });
  text("--ip6", "ADDRESS", "Its IPv6 address; default: the network's lowest free one",
       [](auto& q, const auto& v) { q.set_address6(v); });
  text("--mac", "MAC", "Its MAC address; default: made from VNI and address",
       [](auto& q, const auto& v) { q.set_mac(v); });
  text("--interface", "NAME", "Interface inside the namespace; default: eth0",
       [](auto& q, const auto& v) { q.set_interface(v); });
  text("--cidr", "CIDR", "For a VPC or network not known here: its IPv4 block",
       [](auto& q, const auto& v) { q.set_cidr(v); });
  text("--cidr6", "CIDR", "For a VPC or network not known here: its IPv6 block",
       [](auto& q, const auto& v) { q.set_cidr6(v); });
  text("--domain", "NAME", "For a VPC not known here: what its names end in",
       [](auto& q, const auto& v) { q.set_domain(v); });
  cmd->add_option_function<std::vector<std::string>>(
         "--dns",
         [r](const std::vector<std::string>& all) {
           r->mutable_dns()->Assign(all.begin(), all.end());
         },
         "For a network not known here: forwarders for names")
      ->allow_extra_args(false)
      ->type_name("ADDRESS");
  text("--user-data", "FILE", "What it reads as /latest/user-data",
       [](auto& q, const auto& v) { q.set_user_data(contents(v)); })
      ->check(CLI::ExistingFile.description(""));
  cmd->add_option_function<std::uint32_t>(
         "--vni", [r](std::uint32_t v) { r->set_vni(v); },
         "For a VPC not known here: its VNI")
      ->check(CLI::Range(1, 0xffffff).description(""))
      ->type_name("1..16777215");
  add_label_options(*cmd, r);
  add_map_option(*cmd, "--annotation", [r] { return r->mutable_annotations(); },
                 "Its orchestrator's, of class and rates; may be repeated");
  cmd->add_option_function<std::uint32_t>(
         "--max-flows", [r](std::uint32_t v) { r->set_max_flows(v); },
         "Flows it may have; default: as its host says")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  text("--delivery", "tc|xdp", "Who delivers to it: tc (streams), xdp (packets)",
       [](auto& q, const auto& v) { q.set_delivery(v); })
      ->check(CLI::IsMember({"tc", "xdp"}).description(""));
  cmd->callback([&ctx, r] { ctx.action = [&ctx, r] { return add(ctx, *r); }; });
}

// Replaces what policy knows of it by what is given.
void add_label(CLI::App& noun_cmd, Context& ctx) {
  auto* cmd = noun_cmd.add_subcommand("label", "What policy tells it apart by, from now on: all of it anew");
  auto r = std::make_shared<v1::EndpointLabels>();
  cmd->add_option_function<std::string>("name", [r](const std::string& v) { r->set_endpoint(v); }, "The endpoint, of this host")
      ->type_name("VPC/NAME")
      ->required();
  add_label_options(*cmd, r);
  cmd->callback([&ctx, r] {
    ctx.action = [&ctx, r]() -> Result<int> {
      MZ_CHECK(check_form(kEndpoint, r->endpoint()));
      v1::SetLabelsRequest request;
      *request.add_endpoints() = *r;
      auto reply = call(ctx, request);
      if (!reply) return Failure(reply.error());
      return print_reply(ctx, *reply, fmt::format("endpoint {}: namespace {}, labels {}, security groups {}", r->endpoint(),
                                                  namespace_of(*r), labels_text(r->labels()), joined(r->security_groups())));
    };
  });
}

}  // namespace

void add_endpoint(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kEndpoint, "Containers' and virtual machines' interfaces");
  add_plain(*cmd, ctx, "list", "Local endpoints, and those this host bounces for",
            [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kEndpoint, "get", "One endpoint, with its interface and MTU",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_add(*cmd, ctx);
  add_label(*cmd, ctx);
  add_delete(*cmd, ctx, kEndpoint);
}

}  // namespace transit
