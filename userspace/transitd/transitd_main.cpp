// SPDX-License-Identifier: Apache-2.0
// transitd: the host daemon.
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <fcntl.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "userspace/base/log.h"
#include "userspace/base/service.h"
#include "userspace/dataplane/kernel_dataplane.h"
#include "userspace/transitd/daemon.h"
#include "userspace/transitd/service.h"

using namespace mizar;

namespace {

struct Options {
  std::string socket = "/run/transitd/transitd.sock";
  std::string group = "transit";
  std::string local_socket;  // empty: beside the other
  std::string local_group = "transit-responder";
  std::string state = "/var/lib/transitd";
  bool reset = false;
  bool verbose = false;
  std::string scale = kScales.front();
  std::vector<std::pair<std::uint32_t TableSizes::*, std::uint32_t>> sizes;  // other than the scale's
  std::string delivery = name_of(Delivery::tc);
  KernelOptions kernel;
  DaemonOptions daemon;
};

constexpr std::array<const char*, MZ_FLOW_TIMER_COUNT> kFlowTimers = {
#define X(name, option, seconds, text) option,
    MZ_FLOW_TIMERS(X)
#undef X
};

std::string flow_timer_names() {
  std::string all;
  for (std::size_t i = 0; i < kFlowTimers.size(); i++)
    all += fmt::format("{}{}={}", i ? ", " : "", kFlowTimers[i], default_flow_seconds()[i]);
  return all;
}

// "udp-opening=60". Throws what CLI11 reports.
void set_flow_timer(const std::string& text, DaemonOptions& o) {
  constexpr std::uint32_t most = 7 * 24 * 3600;  // jiffies of it fit in 31 bits at 1000 Hz
  const auto at = text.find('=');
  const auto name = std::find(kFlowTimers.begin(), kFlowTimers.end(), text.substr(0, at));
  std::uint32_t seconds = 0;
  const char* end = text.data() + text.size();
  const bool number = at != std::string::npos && std::from_chars(text.data() + at + 1, end, seconds).ptr == end;
  if (name == kFlowTimers.end() || !number || seconds == 0 || seconds > most)
    throw CLI::ValidationError(
        fmt::format("--flow-timer {}: give NAME=SECONDS, 1..{}, with a name of: {}", text, most, flow_timer_names()));
  o.flow_seconds[static_cast<std::size_t>(name - kFlowTimers.begin())] = seconds;
}

void set_host_ports(const std::vector<std::uint32_t>& ports, DaemonOptions& o) {
  for (const std::uint32_t p : ports)
    if (p == 0 || p > 65535) throw CLI::ValidationError(fmt::format("--host-ports {}: ports are 1..65535", p));
  if (ports.size() > MZ_HOST_PORTS)
    throw CLI::ValidationError(fmt::format("--host-ports: {} ports, {} at most", ports.size(), MZ_HOST_PORTS));
  o.host_ports.assign(ports.begin(), ports.end());
}

// The scale's sizes, and those of them that are wanted otherwise, in whatever order they are given.
void add_sizes(CLI::App& app, Options& o) {
  app.add_option("--scale", o.scale,
                 "Rows of all tables: small (a host of endpoints), medium (a busy bouncer, divider or gateway, or very many "
                 "flows), large (a million endpoints or flows). --max options, below with these three sizes, set one alone")
      ->capture_default_str()
      ->check(CLI::IsMember(std::vector<std::string>(kScales.begin(), kScales.end())));
  for (const TableSize& s : kTableSizes)
    app.add_option_function<std::uint32_t>(
           s.option, [&o, field = s.field](std::uint32_t n) { o.sizes.emplace_back(field, n); }, s.text)
        ->check(CLI::Range(1u, 1u << 30).description("ROWS"))
        ->default_str(fmt::format("{}", fmt::join(s.rows, ", ")));
}

int parse(int argc, char** argv, Options& o) {
  CLI::App app{"Mizar host daemon: keeps this host's part of the overlay network"};
  app.set_version_flag("--version", MZ_VERSION);
  app.set_config("--config", "", "Read options from a file (KEY=VALUE lines)");
  app.add_option("--socket", o.socket, "Unix socket to serve on")->capture_default_str();
  app.add_option("--group", o.group, "Group whose members may call, besides root")->capture_default_str();
  app.add_option("--local-socket", o.local_socket, "Unix socket for transit-responder: endpoints can be read there, nothing else (default: local.sock beside the other)");
  app.add_option("--local-group", o.local_group, "Group whose members may read there, besides root")->capture_default_str();
  app.add_option("--state-dir", o.state, "Where the last good goal state is kept")->capture_default_str();
  app.add_option("--instance", o.kernel.instance, "Name of this daemon's pins in bpffs")->capture_default_str();
  app.add_option("--uplink", o.daemon.uplink, "Underlay interface (default: the one with the host's address)");
  app.add_option("--outside", o.daemon.outside, "Interface by which this host is a gateway of VPCs; empty: it is none");
  app.add_flag("--clsact", o.kernel.force_clsact, "Use clsact filters even where TCX links exist");
  app.add_flag("--xdp-generic", o.kernel.force_generic, "Do not use the driver's XDP");
  app.add_option("--delivery", o.delivery, "What hands endpoints that do not say what other hosts send: tc for streams, xdp for packets")
      ->capture_default_str()
      ->check(CLI::IsMember({"tc", "xdp"}));
  add_sizes(app, o);
  app.add_option("--endpoint-flows", o.daemon.max_flows, "Flows of an endpoint that does not say")->default_str("a quarter of --max-flows");
  app.add_option_function<std::vector<std::string>>(
         "--flow-timer", [&o](const std::vector<std::string>& all) { for (const auto& t : all) set_flow_timer(t, o.daemon); },
         "Seconds of silence a flow survives: " + flow_timer_names())
      ->type_name("NAME=SECONDS");
  app.add_option("--queueing", o.daemon.queueing, "What sorts and times packets on the uplink where rates or classes are set: auto, fq-bands, mqprio-fq, prio-fq, htb, none (left as it is)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fq-bands", "mqprio-fq", "prio-fq", "htb", "none"}));
  app.add_flag("--replace-qdisc", o.daemon.replace_qdisc, "Take the place of a root qdisc that somebody else set on the uplink");
  app.add_option("--services", o.daemon.services, "Namespace where transit-responder serves this host's endpoints; empty: none");
  app.add_option_function<std::vector<std::uint32_t>>(
         "--host-ports", [&o](const std::vector<std::uint32_t>& all) { set_host_ports(all, o.daemon); },
         "TCP ports of this host's endpoints that its own processes may reach, at the addresses of transit endpoint get; at most 8. Default: none")
      ->delimiter(',')
      ->type_name("PORT,...");
  app.add_option_function<unsigned>(
         "--path-seconds", [&o](unsigned s) { o.daemon.path_ttl = std::chrono::seconds(s); },
         "Seconds a direct path stands without a packet from there; 0: none, every packet goes by its bouncer")
      ->default_str(std::to_string(o.daemon.path_ttl.count()))
      ->check(CLI::Range(0u, static_cast<unsigned>(kPathTtl.count())));
  app.add_option("--group-packets", o.daemon.group_packets, "Packets to multicast and broadcast addresses an endpoint may send a second; 0: any number")->capture_default_str();
  app.add_option("--query-interval", o.daemon.query_seconds, "Seconds between two questions which multicast groups an endpoint is in")->capture_default_str()->check(CLI::Range(1, 3600));
  app.add_option("--answers", o.daemon.answers, "Answers (ARP, ND, ICMP, services) an endpoint gets a second; 0: any number")->capture_default_str();
  app.add_flag("--no-flows", o.daemon.no_flows, "Do not track flows");
  app.add_flag("--keep-flows", o.daemon.keep_flows, "Flows that policy allowed once go on when it or labels change; default: they are judged again");
  app.add_flag("--reset", o.reset, "Forget goal state, programs and tables, then exit; interfaces stay");
  app.add_flag("-v,--verbose", o.verbose, "Log more");
  try {
    app.parse(argc, argv);
    o.kernel.sizes = table_sizes(static_cast<Scale>(std::find(kScales.begin(), kScales.end(), o.scale) - kScales.begin()));
    for (const auto& [field, n] : o.sizes) o.kernel.sizes.*field = n;
    o.daemon.delivery = *parse_delivery(o.delivery);
    if (app.count("--endpoint-flows") == 0) o.daemon.max_flows = o.kernel.sizes.flows / 4;  // no endpoint has the table for itself
  } catch (const CLI::Success& e) {
    app.exit(e);
    return 0;
  } catch (const CLI::ParseError& e) {
    std::fprintf(stderr, "transitd: %s; see transitd --help\n", e.what());
    return 2;
  }
  return -1;
}

// One daemon an instance, and one a network namespace: two would fight over
// the same hooks. The kernel gives both locks back when we die.
Result<std::pair<UniqueFd, UniqueFd>> lock(const Options& o) {
  std::error_code ec;
  std::filesystem::create_directories(o.state, ec);
  if (ec) return fail_errno(Code::failed_precondition, ec.value(), fmt::format("state directory {}", o.state));
  const std::string path = o.state + "/lock";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno(Code::failed_precondition, errno, path);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::failed_precondition, "another transitd runs with {}: stop it first", o.state);
  UniqueFd name(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un sa{};
  sa.sun_family = AF_UNIX;
  constexpr std::string_view abstract("\0transitd", 9);  // belongs to the network namespace
  std::memcpy(sa.sun_path, abstract.data(), abstract.size());
  const auto len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + abstract.size());
  if (bind(name.get(), reinterpret_cast<const sockaddr*>(&sa), len) != 0)
    return fail(Code::failed_precondition, "another transitd runs on this host: stop it first");
  return std::make_pair(std::move(file), std::move(name));
}

int reset(const Options& o) {
  std::error_code ec;
  const auto root = std::filesystem::path(pin_root(o.kernel.bpffs, o.kernel.instance)).parent_path();
  std::filesystem::remove_all(root, ec);
  std::filesystem::remove(o.state + "/data.mdb", ec);
  std::filesystem::remove(o.state + "/lock.mdb", ec);
  log::info("forgot goal state and pins of instance {}", o.kernel.instance);
  return 0;
}

Result<> run(const Options& o) {
  auto loop = EventLoop::create();
  if (!loop) return tl::unexpected(loop.error());
  auto store = open_lmdb_store(o.state);
  if (!store) return tl::unexpected(store.error());
  auto dp = open_kernel_dataplane(o.kernel);
  if (!dp) return tl::unexpected(dp.error());
  auto daemon = Daemon::start(**loop, **dp, **store, o.daemon);
  if (!daemon) return tl::unexpected(daemon.error());
  auto server = serve(**loop, **daemon, o.socket, o.group);
  if (!server) return tl::unexpected(server.error());
  const std::string local = o.local_socket.empty()
                                ? std::filesystem::path(o.socket).replace_filename("local.sock").string()
                                : o.local_socket;
  auto local_server = serve_local(**loop, **daemon, local, o.local_group);
  if (!local_server) return tl::unexpected(local_server.error());

  malloc_trim(0);  // programs, tables and the goal have been read, with many small blocks between those that stay
  log::info("serving on {}", o.socket);
  MZ_CHECK(serve_until_stopped(**loop));
  log::info("stopped; packets go on without me");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  // What is large comes from the kernel and goes back when it is freed. Left alone, malloc raises
  // this limit with the first large block and keeps them all from then on; and what LMDB sets aside
  // for its largest transaction (3 MB) is memory only once it is used.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  // Threads of gRPC do little besides reading and writing messages: an arena for each would keep
  // the largest it has seen.
  mallopt(M_ARENA_MAX, 1);
  Options o;
  if (const int rc = parse(argc, argv, o); rc >= 0) return rc;
  log::set_level(o.verbose ? log::Level::debug : log::Level::info);
  if (geteuid() != 0) {
    log::error("transitd needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON from its service file");
    return 1;
  }
  block_signals();
  auto locks = lock(o);
  if (!locks) {
    log::error("{}", locks.error().what);
    return 1;
  }
  if (o.reset) return reset(o);
  if (auto rc = run(o); !rc) {
    log::error("{}", rc.error().what);
    return 1;
  }
  return 0;
}
