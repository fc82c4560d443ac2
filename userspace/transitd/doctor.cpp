// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/doctor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <utility>

#include "bpf/abi/wire.h"
#include "userspace/dataplane/uapi.h"
#include "userspace/net/offload.h"

namespace mizar {

namespace {

using Level = v1::Check;

void add(v1::DoctorReply& r, std::string_view name, v1::Check::Level level, std::string found,
         std::string_view advice = "") {
  auto* c = r.add_checks();
  c->set_name(std::string(name));
  c->set_level(level);
  c->set_found(std::move(found));
  c->set_advice(std::string(advice));
}

bool linux_from(int major, int minor) {
  utsname u{};
  uname(&u);
  std::pair<int, int> is;
  std::sscanf(u.release, "%d.%d", &is.first, &is.second);
  return is >= std::pair(major, minor);
}

void check_kernel(v1::DoctorReply& r) {
  utsname u{};
  uname(&u);
  const bool ok = linux_from(5, 18);
  add(r, "kernel", ok ? Level::OK : Level::FAIL, u.release,
      ok ? "" : "Linux 5.18 or newer is needed (multi-buffer XDP)");
  const bool tcx = linux_from(6, 6);
  add(r, "tcx", tcx ? Level::OK : Level::NOTE, tcx ? "links on the TC hooks" : "before 6.6: clsact filters",
      tcx ? "" : "works; filters do not outlive a 'tc qdisc del'");
}

void check_jit(v1::DoctorReply& r) {
  std::ifstream f("/proc/sys/net/core/bpf_jit_enable");
  int on = -1;
  f >> on;
  add(r, "bpf jit", on > 0 || on == -1 ? Level::OK : Level::WARN, on == 0 ? "off" : "on",
      on == 0 ? "sysctl net.core.bpf_jit_enable=1: the interpreter is several times slower" : "");
}

void check_mounts(v1::DoctorReply& r) {
  struct statfs fs {};
  const bool bpffs = statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
  add(r, "bpffs", bpffs ? Level::OK : Level::FAIL, bpffs ? "/sys/fs/bpf" : "not mounted",
      bpffs ? "" : "mount -t bpf bpf /sys/fs/bpf");
  const bool btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  add(r, "kernel btf", btf ? Level::OK : Level::NOTE, btf ? "present" : "absent",
      btf ? "" : "'transit map dump' still decodes by the programs' own BTF");
}

void check_unprivileged(v1::DoctorReply& r) {
  std::ifstream f("/proc/sys/kernel/unprivileged_bpf_disabled");
  int v = -1;
  f >> v;
  add(r, "unprivileged bpf", v == 0 ? Level::WARN : Level::OK, v == 0 ? "allowed" : "disabled",
      v == 0 ? "sysctl kernel.unprivileged_bpf_disabled=2" : "");
}

void check_map_types(v1::DoctorReply& r) {
  const std::pair<bpf_map_type, const char*> needed[] = {
      {BPF_MAP_TYPE_LPM_TRIE, "lpm trie"}, {BPF_MAP_TYPE_LRU_HASH, "lru hash"},
      {BPF_MAP_TYPE_RINGBUF, "ring buffer"}, {BPF_MAP_TYPE_PERCPU_ARRAY, "per-cpu array"}};
  for (const auto& [type, name] : needed)
    if (libbpf_probe_bpf_map_type(type, nullptr) != 1)
      add(r, "map types", Level::FAIL, fmt::format("no {}", name), "this kernel was built without it");
}

void check_uplink(v1::DoctorReply& r, Daemon& d) {
  if (d.uplink() == 0) {
    add(r, "uplink", Level::NOTE, "none yet", "apply a goal state");
    return;
  }
  auto nl = net::Netlink::open();
  auto eth = net::Ethtool::open();
  const auto link = nl ? nl->link(d.uplink()) : Result<net::Link>(tl::unexpected(nl.error()));
  if (!link || !eth) return;
  add(r, "uplink", link->running ? Level::OK : Level::FAIL,
      fmt::format("{} {} mtu {}", link->name, link->running ? "up" : "down", link->mtu),
      link->running ? "" : "bring it up");
  const unsigned over = d.goal().overhead();
  add(r, "mtu", link->mtu >= 1500 ? Level::OK : Level::WARN,
      fmt::format("endpoints get {} ({} - {} of headers, {})", d.endpoint_mtu(), link->mtu, over,
                  over == MZ_OVERHEAD4 ? "all hosts have IPv4" : "some hosts have IPv6 only"),
      link->mtu >= 1500 + over ? "" : fmt::format("an underlay MTU of {} or more gives endpoints 1500", 1500 + over));
  if (const auto limits = net::gso_limits(*nl, link->index); limits && limits->driver > net::kGsoDefault)
    add(r, "superpackets", Level::OK, fmt::format("TCP over IPv4 in up to {} bytes, of {}", d.largest_superpacket(), limits->driver),
        d.largest_superpacket() > net::kGsoDefault || over != MZ_OVERHEAD4
            ? ""
            : fmt::format("'ip link set dev {} gso_ipv4_max_size 196608' saves CPU", link->name));
  if (const auto o = eth->get(link->name)) {
    const bool ok = o->tso && o->gso;
    add(r, "segmentation", ok ? Level::OK : Level::NOTE,
        fmt::format("tso {} gso {} gro {} tx-csum {}", o->tso ? "on" : "off", o->gso ? "on" : "off",
                    o->gro ? "on" : "off", o->tx_csum ? "on" : "off"),
        ok ? "" : "large sends are cut in software; fine behind XDP on veth");
  }
  const auto q = nl->root_qdisc(d.uplink());
  if (q) add(r, "qdisc", Level::OK, *q);
  if (!Qos::in_use(d.goal())) return;
  const auto& problem = d.queueing_problem();
  add(r, "queueing", problem.empty() ? Level::OK : Level::WARN,
      fmt::format("rates and classes by {}", d.uplink_queueing() == net::Queueing::none ? "marks and drops" : net::name_of(d.uplink_queueing())),
      problem);
}

std::set<std::uint32_t> programs_on(unsigned ifindex, bpf_attach_type type) {
  std::set<std::uint32_t> ids;
  std::array<__u32, 64> buf{};
  __u32 flags = 0, n = buf.size();
  if (bpf_prog_query(static_cast<int>(ifindex), type, 0, &flags, buf.data(), &n) == 0)
    ids.insert(buf.begin(), buf.begin() + n);
  return ids;
}

std::string program_name(std::uint32_t id) {
  const UniqueFd fd(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  __u32 len = sizeof info;
  if (!fd.valid() || bpf_obj_get_info_by_fd(fd.get(), &info, &len) != 0) return fmt::format("#{}", id);
  return info.name;
}

// Before Linux 6.3 no frame of more than one buffer is redirected, which is how a hop on a
// veth sends; a veth's buffer is a page without headroom and skb_shared_info.
constexpr unsigned kVethBuffer = 3520, kEthernet = 14;
void check_frames(v1::DoctorReply& r, const Attachment& a) {
  if (a.mode != "xdp native" || linux_from(6, 3)) return;
  auto nl = net::Netlink::open();
  const auto link = nl ? nl->link(a.ifindex) : Result<net::Link>(tl::unexpected(nl.error()));
  if (!link || link->kind != "veth" || link->mtu + kEthernet <= kVethBuffer) return;
  add(r, "large frames", Level::WARN,
      fmt::format("before Linux 6.3 frames of more than {} bytes do not pass a hop on a veth such as {}", kVethBuffer, link->name),
      "'transitd --reset', start it with --xdp-generic, apply anew");
}

// Somebody else's programs on our hooks see packets before or after ours.
void check_hooks(v1::DoctorReply& r, Daemon& d) {
  for (const Attachment& a : d.dataplane().attachments()) {
    add(r, "hook", a.mode == "xdp generic" ? Level::NOTE : Level::OK,
        fmt::format("{} on interface {}: {}", hook_name(a.hook), a.ifindex, a.mode),
        a.mode == "xdp generic" ? "the driver has no native XDP: hops are slower" : "");
    if (a.hook == Hook::uplink_hop && d.delivered_by_xdp() != 0)
      add(r, "delivery", a.mode == "xdp generic" ? Level::WARN : Level::OK, fmt::format("XDP to {} endpoints", d.delivered_by_xdp()),
          a.mode == "xdp generic" ? "TC is faster where the driver has no native XDP: let them have 'delivery: tc'" : "");
    check_frames(r, a);
    if (a.mode != "tcx") continue;
    for (const auto id : programs_on(a.ifindex, uapi::kTcxIngress)) {
      const std::string name = program_name(id);
      if (name.rfind("mz_", 0) != 0)
        add(r, "foreign program", Level::WARN, fmt::format("'{}' on TCX ingress of interface {}", name, a.ifindex),
            "it may take packets before ours; see 'bpftool net'");
    }
  }
}

void check_daemon(v1::DoctorReply& r, Daemon& d) {
  const auto s = d.status();
  unsigned unresolved = 0;
  for (const auto& p : s.peers()) {
    if (p.down())
      add(r, p.hop() ? "hop" : "host", Level::WARN, fmt::format("{} does not answer probes", p.name()),
          p.hop() ? "its backup is used; look at that host" : "it has backends of services with health; look at it");
    if (!p.resolved() && !p.underlay().empty()) unresolved++;
  }
  if (unresolved)
    add(r, "next hops", Level::NOTE, fmt::format("{} of {} hosts unresolved", unresolved, s.peers_size()),
        "resolved by the kernel on first use; 'transit status' names them");
  const auto endpoints = d.endpoints();
  for (const auto& e : endpoints.endpoints())
    if (e.local() && !e.ready())
      add(r, "endpoint", Level::WARN, fmt::format("{}/{}: {}", e.endpoint().vpc(), e.endpoint().name(), e.problem()), "");
  const auto services = d.services();
  for (const auto& service : services.services())
    for (const auto& b : service.backends())
      if (b.state() == v1::HEALTH_UNKNOWN)
        add(r, "health", Level::WARN,
            fmt::format("{}/{}: nobody says how {} ({}) on {} is", service.service().vpc(), service.service().name(), b.name(),
                        b.address(), b.host()),
            "transit-responder has to run here and there, transitd there with --services, UDP 6082 be open");
  for (const auto& t : s.tables())
    if (t.used() * 10 > t.capacity() * 9)
      add(r, "table", Level::WARN, fmt::format("{}: {} of {}", t.name(), t.used(), t.capacity()), "raise its --max option, or --scale");
}

}  // namespace

v1::DoctorReply examine(Daemon& d) {
  v1::DoctorReply r;
  check_kernel(r);
  check_jit(r);
  check_mounts(r);
  check_unprivileged(r);
  check_map_types(r);
  check_uplink(r, d);
  check_hooks(r, d);
  check_daemon(r, d);
  return r;
}

}  // namespace mizar
