// SPDX-License-Identifier: Apache-2.0
// transit-responder: DHCP, DNS and metadata for this host's endpoints, and probes of those
// that are backends.
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "userspace/base/log.h"
#include "userspace/base/service.h"
#include "userspace/responder/feed.h"
#include "userspace/responder/server.h"

using namespace mizar;
using namespace mizar::responder;

namespace {

struct Options {
  std::string transitd = "unix:/run/transitd/local.sock";
  bool verbose = false;
  std::string duid;
  unsigned idle_s = 10;
  std::string user;
  ServerOptions server;
};

std::function<void(const std::vector<std::string>&)> targets(std::vector<Target>& out) {
  return [&out](const std::vector<std::string>& all) {
    out.clear();
    for (const auto& text : all) {
      auto t = Target::parse(text);
      if (!t) throw CLI::ValidationError(t.error().what);
      out.push_back(*t);
    }
  };
}

// RFC 8415 section 11.1: a type of two bytes, then at most 128.
Bytes duid_of(const std::string& hex) {
  if (hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos || hex.size() % 2 != 0 ||
      hex.size() < 2 * 3 || hex.size() > 2 * 130)
    throw CLI::ValidationError("--duid: 3 to 130 bytes in hexadecimal");
  Bytes out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

void add_listeners(CLI::App& app, Options& options) {
  ServerOptions& o = options.server;
  const auto listener = [&app](const char* name, std::vector<Target>& out, const char* text) {
    app.add_option_function<std::vector<std::string>>(name, targets(out), text)
        ->type_name("ADDR:PORT")
        ->allow_extra_args(false);
  };
  listener("--dns", o.dns, "Where to serve DNS; may be repeated (default: 169.254.169.253:53, [fd4d:5aff::53]:53)");
  listener("--metadata", o.metadata,
           "Where to serve metadata (default: 169.254.169.254:80, [fd4d:5aff::a9fe:a9fe]:80)");
  listener("--dhcp4", o.dhcp4, "Where to serve DHCPv4 (default: 169.254.169.252:67)");
  listener("--dhcp6", o.dhcp6, "Where to serve DHCPv6 (default: [fd4d:5aff::547]:547)");
  app.add_option("--netns", o.netns, "Serve endpoints in this network namespace: transitd's --services");
  app.add_option("--user", options.user, "Become this user once the sockets are there (start as root)");
  app.add_option("--device", o.device, "Serve only what comes in by this interface");
}

int parse(int argc, char** argv, Options& o) {
  CLI::App app{"Answers DHCP, DNS and metadata requests of this host's endpoints, and probes its backends"};
  app.set_version_flag("--version", MZ_VERSION);
  app.set_config("--config", "", "Read options from a file (KEY=VALUE lines)");
  app.add_option("--transitd", o.transitd, "Where transitd serves: unix:PATH")->capture_default_str();
  add_listeners(app, o);
  app.add_option("--peer-port", o.server.peer_port, "UDP port on the underlay where hosts ask each other for names and backends; 0: they do not")->capture_default_str();
  app.add_option("--probes", o.server.probes, "Backends probed at once")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rate", o.server.rate, "Requests an endpoint may make a second; 0: any number")->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--burst", o.server.burst, "Requests an endpoint may make at once")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--connections", o.server.streams.each, "TCP connections of one endpoint")->capture_default_str();
  app.add_option("--idle", o.idle_s, "Seconds after which a quiet connection is closed")->capture_default_str();
  app.add_option("--lease", o.server.dhcp.lease_s, "Seconds an address is leased for")->check(CLI::Range(60u, 0x7fffffffu))->capture_default_str();
  app.add_option("--duid", o.duid, "DHCPv6 server DUID in hexadecimal, the same on every host (default: that of the gateway's MAC)");
  app.add_option("--stats", o.server.stats, "File of counters, written each second if they changed");
  app.add_flag("-v,--verbose", o.verbose, "Log more");
  try {
    app.parse(argc, argv);
    if (!o.duid.empty()) o.server.dhcp.duid = duid_of(o.duid);
    if (!o.transitd.starts_with("unix:")) throw CLI::ValidationError("--transitd: must be unix:PATH");
  } catch (const CLI::Success& e) {
    app.exit(e);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "transit-responder: %s; see transit-responder --help\n", e.what());
    return 2;
  }
  o.server.streams.idle = std::chrono::seconds(o.idle_s);
  return -1;
}

// Every capability goes with the user id, in all threads.
Result<> become(const std::string& user) {
  if (user.empty()) return {};
  const passwd* who = getpwnam(user.c_str());
  if (!who) return fail(Code::not_found, "user {}: there is none", user);
  if (initgroups(who->pw_name, who->pw_gid) != 0 || setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0)
    return fail_errno(Code::permission_denied, errno, fmt::format("become user {}", user));
  return {};
}

Result<> run(const Options& o) {
  auto loop = EventLoop::create();
  if (!loop) return tl::unexpected(loop.error());
  Feed* feed_at = nullptr;
  Server server(**loop, o.server, [&feed_at] { feed_at->hurry(); },
                [&feed_at](v1::ReportHealthRequest verdicts) { feed_at->tell(std::move(verdicts)); });
  Feed feed(**loop, o.transitd, [&server](auto snapshot) { server.install(std::move(snapshot)); });
  feed_at = &feed;
  MZ_CHECK(server.start());
  MZ_CHECK(become(o.user));

  log::info("serving the endpoints of transitd at {}", o.transitd);
  MZ_CHECK(serve_until_stopped(**loop));
  log::info("stopped");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  if (const int rc = parse(argc, argv, o); rc >= 0) return rc;
  log::set_level(o.verbose ? log::Level::debug : log::Level::info);
  block_signals();
  if (auto rc = run(o); !rc) {
    log::error("{}", rc.error().what);
    return 1;
  }
  return 0;
}
