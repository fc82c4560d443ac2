// SPDX-License-Identifier: Apache-2.0
#include <sched.h>

#include <algorithm>

#include "bpf/abi/wire.h"
#include "tools/linerate/commands.h"
#include "userspace/net/netlink.h"

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

Result<mizar::Addr> address4(const char* option, const std::string& text) {
  auto a = mizar::Addr::parse(text);
  if (!a || !a->is_v4()) return fail(Code::invalid_argument, "{}: '{}' is no IPv4 address", option, text);
  return *a;
}

Result<Tunnel> tunnel_of(const SendOptions& o) {
  Tunnel t{o.vni, o.host_id, {}, {}};
  auto from = address4("--inner-from", o.inner_from);
  if (!from) return tl::unexpected(from.error());
  t.inner_from = *from;
  if (o.inner_to.empty())
    return fail(Code::invalid_argument,
                "--geneve: --inner-to PREFIX says which endpoints the packets are for");
  auto to = mizar::Prefix::parse(o.inner_to.find('/') == std::string::npos ? o.inner_to + "/32" : o.inner_to);
  if (!to || !to->ip.is_v4())
    return fail(Code::invalid_argument, "--inner-to: '{}' is no IPv4 block", o.inner_to);
  t.inner_to = *to;
  return t;
}

// The first that this process may use.
unsigned first_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  for (unsigned i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &set)) return i;
  return 0;
}

Result<std::vector<unsigned>> cpus_of(const SendOptions& o) {
  if (o.cpus.empty()) return std::vector<unsigned>{first_cpu()};
  if (o.cpus.size() > MZ_LR_STREAMS) return fail(Code::invalid_argument, "--cpus: at most {}", MZ_LR_STREAMS);
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  for (const unsigned cpu : o.cpus) {
    if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &set))
      return fail(Code::invalid_argument, "--cpus: CPU {}: there is none for us: see nproc, taskset", cpu);
    if (std::count(o.cpus.begin(), o.cpus.end(), cpu) > 1)
      return fail(Code::invalid_argument, "--cpus: CPU {} is given twice", cpu);
  }
  return o.cpus;
}

}  // namespace

void add_send_options(CLI::App& cmd, SendOptions& o) {
  cmd.add_option("interface", o.interface, "Where frames leave")->type_name("INTERFACE")->required();
  transit::add_choice<Kind>(
      cmd, "--generator", o.kind, {{"live", Kind::live}, {"afxdp", Kind::afxdp}},
      "live: XDP live frames; afxdp: AF_XDP sockets, also for frames longer than a page")
      ->default_str("live");
  cmd.add_option("--cpus", o.cpus, "CPUs that send, a stream and with afxdp a queue each; default: one")
      ->delimiter(',')
      ->type_name("CPU,...");
  cmd.add_option("--to-mac", o.to_mac, "Next hop; default: the --receive interface's")->type_name("MAC");
  cmd.add_option("--from", o.from, "Source address")->type_name("ADDRESS")->capture_default_str();
  cmd.add_option("--to", o.to, "Destination address")->type_name("ADDRESS")->capture_default_str();
  o.geneve = cmd.add_option("--geneve", o.vni,
                            "Tunnel packets of this VNI, for a hop under test; --from, --to: hosts")
                 ->check(CLI::Range(1u, MZ_VNI_MAX).description(""))
                 ->type_name("VNI");
  cmd.add_option("--host-id", o.host_id, "Region's id of the host that has --from")
      ->check(CLI::Range(1u, MZ_HOST_ID_MAX).description(""))
      ->type_name("ID")
      ->capture_default_str();
  cmd.add_option("--inner-from", o.inner_from, "Source endpoint")
      ->type_name("ADDRESS")
      ->capture_default_str();
  cmd.add_option("--inner-to", o.inner_to, "Destination endpoints: each frame is for one of the block")
      ->type_name("PREFIX");
}

Result<SenderSpec> sender_of(const SendOptions& o, const mizar::MacBytes* to_mac) {
  SenderSpec out;
  out.interface = o.interface;
  out.kind = o.kind;
  auto nl = mizar::net::Netlink::open();
  if (!nl) return tl::unexpected(nl.error());
  auto link = nl->link(o.interface);
  if (!link && link.error().code == Code::not_found)
    return fail(Code::not_found, "interface {}: there is none: see ip link", o.interface);
  if (!link) return tl::unexpected(link.error());
  out.frame.from_mac = link->mac;
  if (!o.to_mac.empty()) {
    auto mac = mizar::parse_mac(o.to_mac);
    if (!mac) return mizar::wrap(mac.error(), "--to-mac");
    out.frame.to_mac = *mac;
  } else if (to_mac != nullptr) {
    out.frame.to_mac = *to_mac;
  } else {
    return fail(Code::invalid_argument, "--to-mac: whose is the next hop's?");
  }
  auto cpus = cpus_of(o);
  if (!cpus) return tl::unexpected(cpus.error());
  out.cpus = *cpus;
  auto from = address4("--from", o.from), to = address4("--to", o.to);
  if (!from) return tl::unexpected(from.error());
  if (!to) return tl::unexpected(to.error());
  out.frame.from = *from;
  out.frame.to = *to;
  if (o.geneve->count() == 0) return out;
  auto tunnel = tunnel_of(o);
  if (!tunnel) return tl::unexpected(tunnel.error());
  out.frame.tunnel = *tunnel;
  return out;
}

}  // namespace linerate
