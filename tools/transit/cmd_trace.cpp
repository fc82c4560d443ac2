// SPDX-License-Identifier: Apache-2.0
// transit trace: a described packet through the live programs and maps of this
// host and, with --follow, of each host it goes to next.
#include <CLI/CLI.hpp>
#include <memory>

#include "bpf/abi/reasons.h"
#include "tools/transit/choice.h"
#include "tools/transit/client.h"
#include "tools/transit/object.h"
#include "tools/transit/output.h"
#include "userspace/proto/base64.h"

namespace transit {
namespace {

// More hosts than the data plane's hop limit lets a packet see.
constexpr int kMostHosts = 8;

struct TraceOptions {
  v1::TraceRequest request;
  std::string frame;  // base64
  bool follow = false;
  std::string hosts_socket;  // template with %h
};

std::string text_of(const std::string& reason) {
#define X(name, kind, text, advice) \
  if (reason == #name) return text;
  MZ_REASONS(X)
#undef X
  return "";
}

void print_hop(const v1::TraceReply& hop) {
  fmt::print("host {}\n", hop.host());
  size_t width = 0;
  for (const auto& s : hop.steps()) width = std::max(width, s.stage().size());
  for (const auto& s : hop.steps()) fmt::print("  {:<{}}  {}\n", s.stage(), width, s.decision());
  std::string verdict = hop.verdict();
  if (verdict == "DROP") verdict = paint(Colour::red, verdict);
  if (verdict == "DELIVER") verdict = paint(Colour::green, verdict);
  if (!hop.next_host().empty()) verdict += " to " + hop.next_host();
  if (!hop.endpoint().empty()) verdict += " to endpoint " + hop.endpoint();
  fmt::print("  => {}  {}: {}\n", verdict, hop.reason(), text_of(hop.reason()));
}

std::string socket_of(std::string pattern, const std::string& host) {
  for (size_t at = 0; (at = pattern.find("%h", at)) != std::string::npos; at += host.size())
    pattern.replace(at, 2, host);
  return pattern;
}

// Where to go on by hand.
void print_next(const v1::TraceReply& hop) {
  fmt::print("it goes on at host {}: run there\n  transit trace --frame {}\n", hop.next_host(),
             mizar::base64_encode(hop.frame()));
}

Result<v1::TraceReply> next_hop(const Context& ctx, const TraceOptions& options,
                                const v1::TraceReply& hop) {
  auto client = Client::connect(ctx, socket_of(options.hosts_socket, hop.next_host()));
  if (!client) return mizar::wrap(client.error(), "host " + hop.next_host());
  v1::TraceRequest request;
  request.set_frame(hop.frame());
  auto reply = client->call(request);
  if (!reply) return mizar::wrap(reply.error(), "host " + hop.next_host());
  return reply;
}

void print_all(Format format, const std::vector<v1::TraceReply>& hops) {
  if (format != Format::table) print_messages(format, hops);
}

// Prints each hop as it comes: a later host may be out of reach.
Result<int> run_trace(const Context& ctx, TraceOptions& options) {
  if (!options.frame.empty()) {
    auto bytes = mizar::base64_decode(options.frame);
    if (!bytes) return fail(Code::invalid_argument, "--frame: must be base64 text");
    options.request.set_frame(*bytes);
  } else if (options.request.endpoint().empty() || options.request.destination().empty()) {
    return fail(Code::invalid_argument,
                "trace: give ENDPOINT and DESTINATION, or a --frame: see transit trace --help");
  } else {
    MZ_CHECK(check_form(kEndpoint, options.request.endpoint()));
  }
  std::vector<v1::TraceReply> hops;
  auto hop = call(ctx, options.request);
  for (;;) {
    if (!hop) {
      print_all(ctx.format, hops);
      return Failure(hop.error());
    }
    hops.push_back(*hop);
    if (ctx.format == Format::table) print_hop(*hop);
    if (hop->verdict() != "SEND" || hop->next_host().empty()) break;
    if (!options.follow || options.hosts_socket.empty()) {
      if (ctx.format == Format::table) print_next(*hop);
      break;
    }
    if (hops.size() == kMostHosts) {
      print_all(ctx.format, hops);
      return fail(Code::internal, "trace: still on its way after {} hosts: a loop; compare the "
                  "revisions of their goal states", kMostHosts);
    }
    hop = next_hop(ctx, options, *hop);
  }
  print_all(ctx.format, hops);
  return kExitOk;
}

void add_packet(CLI::App& cmd, const std::shared_ptr<TraceOptions>& o) {
  auto* endpoint = cmd.add_option_function<std::string>(
      "endpoint", [o](const std::string& v) { o->request.set_endpoint(v); },
      "The local endpoint that sends");
  endpoint->type_name("VPC/NAME");
  cmd.add_option_function<std::string>(
         "destination", [o](const std::string& v) { o->request.set_destination(v); },
         "The address it sends to, IPv4 or IPv6")
      ->type_name("ADDRESS");
  add_choice<std::string>(
      cmd, "--proto", *o->request.mutable_protocol(),
      {{"icmp", "icmp"}, {"tcp", "tcp"}, {"udp", "udp"}, {"arp", "arp"}, {"nd", "nd"}},
      "Default: icmp (an echo request, ICMPv6 too)");
  const auto port = [&](const char* name, const char* text, auto set) {
    cmd.add_option_function<std::uint32_t>(name, set, text)
        ->check(CLI::Range(0, 65535).description(""))
        ->type_name("PORT");
  };
  port("--sport", "Source port", [o](std::uint32_t v) { o->request.set_source_port(v); });
  port("--dport", "Destination port",
       [o](std::uint32_t v) { o->request.set_destination_port(v); });
  cmd.add_option_function<std::uint32_t>(
         "--length", [o](std::uint32_t v) { o->request.set_length(v); },
         "Length of the IP packet; default: 84")
      ->check(CLI::Range(20, 65535).description(""))
      ->type_name("BYTES");
  cmd.add_option_function<std::string>(
         "--source", [o](const std::string& v) { o->request.set_source(v); },
         "Pretend another source address")
      ->type_name("ADDRESS");
  cmd.add_option("--frame", o->frame, "Instead: a tunnel packet that comes in from the underlay")
      ->type_name("BASE64")
      ->excludes(endpoint);
}

}  // namespace

void add_trace(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("trace", "Where a packet would go, stage by stage, and why")
                  ->group("Insight");
  cmd->footer("The packet is decided on by the programs and maps in use, but counted\n"
              "nowhere and sent to nobody.");
  auto options = std::make_shared<TraceOptions>();
  add_packet(*cmd, options);
  cmd->add_flag("--follow", options->follow, "Go on at each host it would reach");
  cmd->add_option("--hosts-socket", options->hosts_socket,
                  "For --follow: another host's socket, %h is its name")
      ->envname("TRANSIT_HOSTS_SOCKET")
      ->type_name("PATH");
  cmd->callback(
      [&ctx, options] { ctx.action = [&ctx, options] { return run_trace(ctx, *options); }; });
}

}  // namespace transit
