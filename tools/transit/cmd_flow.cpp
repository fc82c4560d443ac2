// SPDX-License-Identifier: Apache-2.0
// transit flow list|top|flush: conversations of this host's endpoints.
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>

#include "tools/transit/client.h"
#include "tools/transit/object.h"
#include "tools/transit/output.h"

namespace transit {
namespace {

std::string end_of(const std::string& address, std::uint32_t port) {
  if (port == 0) return address;
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

bool has_ports(const v1::Flow& f) { return f.protocol() != "icmp" && f.protocol() != "icmpv6"; }

// Of a query its identifier, which is no port.
std::string local_of(const v1::Flow& f) {
  return has_ports(f) ? end_of(f.address(), f.port()) : fmt::format("{} id {}", f.address(), f.port());
}
std::string remote_of(const v1::Flow& f) {
  return has_ports(f) ? end_of(f.remote_address(), f.remote_port()) : f.remote_address();
}
std::string remote_and_backend(const v1::Flow& f) {
  if (f.backend_address().empty()) return remote_of(f);
  return fmt::format("{} via {}", remote_of(f), end_of(f.backend_address(), f.backend_port()));
}

void say_more(const v1::ListFlowsReply& reply) {
  if (reply.more() != 0) print_line(fmt::format("... and {} more; --limit shows others", reply.more()));
}

Result<int> print_flows(const Context& ctx, const v1::ListFlowsReply& reply) {
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply.flows());
    return kExitOk;
  }
  Table table({"ENDPOINT", "PROTO", "LOCAL", "", "REMOTE", "STATE", ">OUT", ">IN", ">IDLE", ">ENDS"});
  for (const auto& f : reply.flows())
    table.row({f.endpoint(), f.protocol(), local_of(f), f.opened_here() ? "->" : "<-",
               remote_and_backend(f), f.state(), short_bytes(f.bytes_out()),
               short_bytes(f.bytes_in()), short_time(f.idle_ms()), short_time(f.ends_ms())});
  table.print();
  say_more(reply);
  return kExitOk;
}

Result<int> print_top(const Context& ctx, const v1::ListFlowsReply& reply) {
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply.flows());
    return kExitOk;
  }
  Table table({"ENDPOINT", "PROTO", "LOCAL", "", "REMOTE", ">OUT/s", ">PKT/s", ">IN/s", ">PKT/s"});
  for (const auto& f : reply.flows())
    table.row({f.endpoint(), f.protocol(), local_of(f), f.opened_here() ? "->" : "<-",
               remote_of(f), short_bytes(f.bytes_out()),
               fmt::to_string(f.packets_out()), short_bytes(f.bytes_in()), fmt::to_string(f.packets_in())});
  table.print();
  say_more(reply);
  return kExitOk;
}

// The options that say which flows are meant. `filter` outlives the command.
template <class Request>
void add_filter(CLI::App& cmd, const std::shared_ptr<Request>& r) {
  const auto text = [&cmd, r](const char* name, const char* type, const char* description,
                              void (*set)(v1::FlowFilter&, const std::string&)) {
    cmd.add_option_function<std::string>(
           name, [r, set](const std::string& v) { set(*r->mutable_filter(), v); }, description)
        ->type_name(type);
  };
  text("--vpc", "VPC", "Of this VPC", [](auto& f, const auto& v) { f.set_vpc(v); });
  text("--endpoint", "VPC/NAME", "Of this endpoint", [](auto& f, const auto& v) { f.set_endpoint(v); });
  text("--address", "ADDRESS", "With this address at either end",
       [](auto& f, const auto& v) { f.set_address(v); });
  text("--proto", "NAME", "tcp, udp, icmp, icmpv6, sctp or a number",
       [](auto& f, const auto& v) { f.set_protocol(v); });
  cmd.add_option_function<std::uint32_t>(
         "--port", [r](std::uint32_t v) { r->mutable_filter()->set_port(v); }, "With this port at either end")
      ->check(CLI::Range(1, 65535).description(""))
      ->type_name("1..65535");
}

template <class Request>
void add_limit(CLI::App& cmd, const std::shared_ptr<Request>& r, const char* description) {
  cmd.add_option_function<std::uint32_t>("--limit", [r](std::uint32_t v) { r->set_limit(v); }, description)
      ->type_name("N");
}

void add_list(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("list", "What is under way, and until when");
  auto r = std::make_shared<v1::ListFlowsRequest>();
  r->set_limit(1000);
  add_filter(*cmd, r);
  add_limit(*cmd, r, "At most so many; 0: all; default: 1000");
  cmd->callback([&ctx, r] {
    ctx.action = [&ctx, r]() -> Result<int> {
      auto reply = call(ctx, *r);
      if (!reply) return Failure(reply.error());
      return print_flows(ctx, *reply);
    };
  });
}

void add_top(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("top", "The flows that carry most, measured over an interval");
  auto r = std::make_shared<v1::TopFlowsRequest>();
  add_filter(*cmd, r);
  add_limit(*cmd, r, "So many; default: 10");
  cmd->add_flag_callback("--packets", [r] { r->set_by_packets(true); }, "By packets, not bytes");
  cmd->add_option_function<double>(
         "--interval", [r](double s) { r->set_interval_ms(static_cast<std::uint32_t>(std::lround(s * 1000))); },
         "Seconds between the two looks; default: 1")
      ->check(CLI::Range(0.1, 10.0).description(""))
      ->type_name("0.1..10");
  cmd->callback([&ctx, r] {
    ctx.action = [&ctx, r]() -> Result<int> {
      auto reply = call(ctx, *r);
      if (!reply) return Failure(reply.error());
      return print_top(ctx, *reply);
    };
  });
}

void add_flush(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("flush", "Forget flows; the next packet of each begins it anew");
  auto r = std::make_shared<v1::FlushFlowsRequest>();
  add_filter(*cmd, r);
  cmd->add_flag_callback("--all", [r] { r->set_all(true); }, "All that no other option rules out");
  cmd->callback([&ctx, r] {
    ctx.action = [&ctx, r]() -> Result<int> {
      auto reply = call(ctx, *r);
      if (!reply) return Failure(reply.error());
      return print_reply(ctx, *reply, fmt::format("{} flushed", reply->flushed()));
    };
  });
}

}  // namespace

void add_flow(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("flow", "Conversations of this host's endpoints")->group("Insight");
  cmd->require_subcommand(1);
  add_list(*cmd, ctx);
  add_top(*cmd, ctx);
  add_flush(*cmd, ctx);
}

}  // namespace transit
