// SPDX-License-Identifier: Apache-2.0
// transit service list|get|delete
#include <algorithm>
#include <map>

#include "tools/transit/object.h"

namespace transit {
namespace {

// "tcp/80->8080 udp/53"
std::string ports_of(const v1::Service& s) {
  std::string all;
  for (const auto& p : s.ports()) {
    all += fmt::format("{}{}/{}", all.empty() ? "" : " ", p.protocol(), p.port());
    if (p.backend_port() != 0 && p.backend_port() != p.port()) all += fmt::format("->{}", p.backend_port());
  }
  return all;
}

bool is_well(const v1::BackendStatus& b) { return b.state() == v1::HEALTHY; }

// "2/3": of the backends that are probed, those that are healthy at all their addresses.
std::string healthy_of(const v1::ServiceStatus& s) {
  if (!s.service().has_health()) return "-";
  std::map<std::string, bool> backends;
  for (const auto& b : s.backends()) {
    const auto at = backends.try_emplace(b.name(), true).first;
    at->second = at->second && is_well(b);
  }
  const auto well = std::count_if(backends.begin(), backends.end(), [](const auto& b) { return b.second; });
  return fmt::format("{}/{}", well, backends.size());
}

std::string words_of(const v1::BackendStatus& b) {
  if (b.state() == v1::HEALTH_UNKNOWN)
    return fmt::format("unknown, {}", b.serving() ? "serving as before" : "not serving until it has passed");
  const std::string what = b.problem().empty() ? "healthy" : "unhealthy: " + b.problem();
  return fmt::format("{}, since {} s", what, b.since_ms() / 1000);
}

Result<int> list(const Context& ctx) {
  auto reply = call(ctx, v1::ListServicesRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->services());
    return kExitOk;
  }
  Table table({"NAME", "ADDRESS", "PORTS", ">BACKENDS", ">DRAINING", ">HEALTHY"});
  for (const auto& status : reply->services()) {
    const auto& s = status.service();
    const auto draining = std::count_if(s.backends().begin(), s.backends().end(), [](const auto& b) {
      return b.has_weight() && b.weight() == 0;
    });
    table.row({name_of(s), addresses_of(s), ports_of(s), fmt::to_string(s.backends_size()),
               fmt::to_string(draining), healthy_of(status)});
  }
  table.print();
  // Why somebody is out is too long for a column, and too important to leave out.
  for (const auto& s : reply->services())
    for (const auto& b : s.backends())
      if (!is_well(b))
        fmt::print("{}: {} ({}) on {}: {}\n", name_of(s.service()), b.name(), b.address(), b.host(), words_of(b));
  return kExitOk;
}

Result<int> get(const Context& ctx, const std::string& name) {
  auto reply = call(ctx, v1::ListServicesRequest());
  if (!reply) return Failure(reply.error());
  for (const auto& s : reply->services()) {
    if (name_of(s.service()) != name) continue;
    print_message(ctx.format, s);
    return kExitOk;
  }
  return not_found(kService, name);
}

}  // namespace

void add_service(CLI::App& app, Context& ctx) {
  auto* cmd = add_noun(app, kService, "Virtual addresses of a VPC, balanced over backends");
  add_plain(*cmd, ctx, "list", "All services this host knows, and who is not well", [&ctx] { return list(ctx); });
  add_named(*cmd, ctx, kService, "get", "One service, with its backends and how they are",
            [&ctx](const std::string& name) { return get(ctx, name); });
  add_delete(*cmd, ctx, kService);
}

}  // namespace transit
