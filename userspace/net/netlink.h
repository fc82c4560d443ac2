// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes, neighbours and root qdiscs of one network
// namespace. Every call is one message and its one answer; only links() dumps.
//
// Errors carry the kernel's errno in Error::sys. Common to all calls:
// permission_denied (CAP_NET_ADMIN), resource_exhausted, unavailable (no
// answer within 5 s) and internal.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"
#include "userspace/net/netns.h"

struct nl_sock;

namespace mizar::net {

struct NlSocketFree {
  void operator()(nl_sock* s) const;
};
using NlSocket = std::unique_ptr<nl_sock, NlSocketFree>;

// What the tun driver says of a link of kind "tun".
struct TunInfo {
  bool tap = false;  // Ethernet frames; false: IP packets
  bool vnet_hdr = false;
  bool multi_queue = false;
  bool persistent = false;
};

struct Link {
  unsigned index = 0;
  std::string name = {};
  std::string kind = {};   // "veth", "tun" (taps too), "vlan", ...; empty for hardware and lo
  std::string qdisc = {};  // kind of the root qdisc; "noop" while the link was never up
  unsigned mtu = 0;        // bytes
  MacBytes mac{};          // zero when the link has no 6-byte address
  bool up = false;         // administratively
  bool running = false;    // up and with carrier
  // The other end of a veth, the lower link of a vlan; an index of that
  // link's own namespace. 0: none.
  unsigned peer_index = 0;
  std::optional<TunInfo> tun = std::nullopt;
};

struct NextHop {
  unsigned ifindex = 0;
  Addr gateway = {};     // == the destination when on_link
  bool on_link = false;  // the destination is its own next hop
  Addr source = {};      // what the kernel would send from; Addr{} when it does not say
  bool local = false;    // the destination is an address of this namespace
  unsigned mtu = 0;      // bytes, of the route or learned for the path; 0 = the link's
};

struct Neighbour {
  unsigned ifindex = 0;
  Addr ip = {};
  MacBytes mac{};
  bool valid = false;  // REACHABLE, STALE, DELAY, PROBE or PERMANENT: frames may be sent to mac
  bool permanent = false;
};

struct VethSpec {
  std::string host_name = {};
  unsigned host_index = 0;       // 0 = the kernel chooses
  const NetnsRef* ns = nullptr;  // where the inner end is born; nullptr = beside the host end
  std::string inner_name = {};
  MacBytes inner_mac{};  // zero = the kernel chooses
  unsigned mtu = 0;      // bytes, both ends; 0 = the kernel's 1500
  // 0 = the kernel chooses. Needs host_index: the kernel ignores it otherwise.
  unsigned inner_index = 0;
  unsigned queues = 0;  // tx and rx queues of each end; 0 = the kernel's default, one a CPU
  unsigned txqlen = 0;  // packets, host end; 0 = the kernel's 1000
  MacBytes host_mac{};
  bool host_up = false;  // the inner end cannot be born up: set_link() in its namespace
};

// What to change; unset fields stay as they are.
struct LinkChange {
  std::optional<bool> up = std::nullopt;
  std::optional<unsigned> mtu = std::nullopt;      // bytes
  std::optional<std::string> name = std::nullopt;  // before Linux 6.2 the link must be down
  std::optional<unsigned> txqlen = std::nullopt;   // packets
  std::optional<MacBytes> mac = std::nullopt;
  std::optional<bool> arp = std::nullopt;  // false: nobody is asked, every address is at the other end
};

struct Route {
  Prefix dst = {};  // len 0 = the default route of ip's family
  // None: scope link. IPv4 through an IPv6 gateway is allowed.
  std::optional<Addr> via = std::nullopt;
  unsigned ifindex = 0;  // 0 with a gateway: the kernel finds the link
  unsigned mtu = 0;      // bytes; 0 = the link's
  std::optional<Addr> source = std::nullopt;
  bool onlink = false;  // take `via` as a neighbour though no address of the link covers it
  unsigned metric = 0;  // 0 = the kernel's default
};

// One NETLINK_ROUTE socket in one namespace. Move-only, not thread-safe.
class Netlink {
 public:
  static Result<Netlink> open();  // the namespace of the calling thread
  static Result<Netlink> open_in(const NetnsRef& ns);

  // ---- links. Errors: not_found; invalid_argument for an impossible name.
  Result<Link> link(unsigned ifindex);
  Result<Link> link(const std::string& name);
  Result<std::vector<Link>> links();  // a dump: for people, never on a hot path

  // Creates both ends in one message, down unless `host_up` says otherwise,
  // and returns the host end's index. About 2 ms, the kernel's own work.
  // Errors: already_exists (a name or an index is taken), invalid_argument.
  Result<unsigned> add_veth(const VethSpec& spec);
  // Takes the other end of a veth along; about 20 ms. Error: not_found.
  Result<> delete_link(unsigned ifindex);
  // All fields in one message. Errors: not_found, invalid_argument (MTU out
  // of range), already_exists (name).
  Result<> set_link(unsigned ifindex, const LinkChange& change);

  // ---- addresses. `a.ip` keeps its host bits. An IPv4 address of a link that
  // is up works when this returns. An IPv6 one skips duplicate detection, but a
  // worker of the kernel puts it into effect a moment later, or when the link
  // gets its carrier: route_to() it says `local` from then on, after a Monitor
  // event with `routes`.
  // Errors: not_found (link). An address that is there already is success.
  Result<> add_address(unsigned ifindex, const Prefix& a);
  Result<> delete_address(unsigned ifindex, const Prefix& a);  // not_found

  // ---- routes of the main table.
  // Errors: unavailable (gateway not reachable), failed_precondition (link
  // down), not_found (link).
  Result<> replace_route(const Route& route);
  Result<> delete_route(const Route& route);  // not_found
  // Blocks that this host takes the packets of, for a routing daemon to announce: routes
  // of type unreachable and protocol kPoolProtocol, of whatever made them.
  static constexpr std::uint8_t kPoolProtocol = 77;
  Result<std::set<Prefix>> pool_routes();
  Result<> add_pool_route(const Prefix& block);     // there already is success
  Result<> delete_pool_route(const Prefix& block);  // not there is success
  // The kernel's own answer, policy rules included; among several next hops
  // the kernel picks one. Error: unavailable when there is no way.
  Result<NextHop> route_to(const Addr& dst);

  // ---- neighbours. Errors: not_found.
  Result<Neighbour> neighbour(unsigned ifindex, const Addr& ip);
  // Not permanent: REACHABLE now, ages like a learned one.
  Result<> set_neighbour(unsigned ifindex, const Addr& ip, const MacBytes& mac, bool permanent);
  Result<> delete_neighbour(unsigned ifindex, const Addr& ip);
  // Has the kernel resolve or revalidate `ip` as if a packet were waiting;
  // returns at once, the outcome is a Monitor event. Permanent entries are
  // left alone. The link must be up, or nothing happens. IPv6 asks from the
  // link-local address and so waits, about 2 s, for one on a link just up.
  Result<> probe_neighbour(unsigned ifindex, const Addr& ip);

  // ---- root qdisc
  Result<std::string> root_qdisc(unsigned ifindex);  // its kind
  // Replaces the root qdisc; idempotent. `limit_packets` 0 = the kernel's
  // default; other values for pfifo, fq and fq_codel alone.
  // Errors: unimplemented (the kernel lacks `kind`), not_found (link),
  // invalid_argument.
  Result<> set_root_qdisc(unsigned ifindex, const std::string& kind, unsigned limit_packets);

  // For the other files of userspace/net, by way of wire.h.
  [[nodiscard]] nl_sock* socket() const { return sock_.get(); }

 private:
  explicit Netlink(NlSocket sock) : sock_(std::move(sock)) {}

  NlSocket sock_;
};

}  // namespace mizar::net
