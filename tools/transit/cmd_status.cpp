// SPDX-License-Identifier: Apache-2.0
// transit status: the daemon, its tables and its peers at a glance.
#include <CLI/CLI.hpp>

#include "tools/transit/client.h"
#include "tools/transit/output.h"

namespace transit {
namespace {

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : ", ") + w;
  return out.empty() ? "none" : out;
}

void print_head(const v1::Status& s) {
  fmt::print("host      {} (id {}), {}\n", s.host(), s.host_id(),
             addresses_of(s));
  fmt::print("uplink    {}, MTU {}; endpoints get {}\n", s.uplink(), s.uplink_mtu(),
             s.endpoint_mtu());
  fmt::print("roles     {}\n", joined(s.roles()));
  fmt::print("revision  {}\n", s.revision());
  fmt::print("transitd  {}, up {}\n", s.version(), short_time(s.uptime_ms()));
  fmt::print("programs  tag {:016x}\n", s.programs_tag());
  for (const auto& p : s.programs()) fmt::print("          {}\n", p);
}

void print_tables(const v1::Status& s) {
  if (s.tables().empty()) return;
  Table table({"TABLE", ">USED", ">CAPACITY", ">FULL", ">EVICTED"});
  for (const auto& t : s.tables()) {
    const double full = t.capacity() == 0 ? 0 : 100.0 * static_cast<double>(t.used()) /
                                                    static_cast<double>(t.capacity());
    const std::string text = fmt::format("{:.1f} %", full);
    table.row({t.name(), fmt::to_string(t.used()), fmt::to_string(t.capacity()),
               full >= 90 ? paint(Colour::red, text) : text,
               t.evicted() == 0 ? "" : paint(Colour::red, fmt::to_string(t.evicted()))});
  }
  print_line("");
  table.print();
}

std::string state_of(const v1::PeerStatus& p) {
  if (p.down()) return paint(Colour::red, "down");
  if (p.underlay().empty()) return "unreachable";
  if (!p.resolved()) return paint(Colour::yellow, "unresolved");
  return p.hop() ? paint(Colour::green, "up") : "resolved";
}

void print_peers(const v1::Status& s) {
  if (s.peers().empty()) return;
  Table table({"PEER", ">ID", "ADDRESS", "STATE", ">RTT", "VIA"});
  for (const auto& p : s.peers())
    table.row({p.name(), fmt::to_string(p.id()), addresses_of(p), state_of(p),
               p.rtt_us() == 0 ? "-" : fmt::format("{} us", p.rtt_us()), p.via()});
  print_line("");
  table.print();
}

Result<int> run_status(const Context& ctx) {
  auto status = call(ctx, v1::GetStatusRequest());
  if (!status) return Failure(status.error());
  if (ctx.format != Format::table) {
    print_message(ctx.format, *status);
    return kExitOk;
  }
  print_head(*status);
  print_tables(*status);
  print_peers(*status);
  return kExitOk;
}

}  // namespace

void add_status(CLI::App& app, Context& ctx) {
  app.add_subcommand("status", "The daemon, its tables and the hosts it sends to")
      ->group("Insight")
      ->callback([&ctx] { ctx.action = [&ctx] { return run_status(ctx); }; });
}

}  // namespace transit
