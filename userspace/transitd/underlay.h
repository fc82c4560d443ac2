// SPDX-License-Identifier: Apache-2.0
// The way to each underlay host: interface and MAC addresses of its next hop,
// from the kernel's routes and neighbours, kept fresh by netlink events. What
// it finds goes into the data plane's hosts table, so that a packet needs no
// FIB look-up. Lives in the daemon's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "userspace/base/addr.h"
#include "userspace/net/monitor.h"
#include "userspace/net/netlink.h"

namespace mizar {

struct Way {
  unsigned ifindex = 0;
  Addr gateway;  // the host itself where it is on link
  MacBytes dmac{};
  MacBytes smac{};
  bool resolved = false;
  bool operator==(const Way&) const = default;
};

class Underlay {
 public:
  // `changed` is called with a host whose way is another than before.
  Underlay(net::Netlink netlink, std::function<void(std::uint32_t)> changed)
      : netlink_(std::move(netlink)), changed_(std::move(changed)) {}

  // The hosts there are now, each at the address of the family it is reached
  // over (without this one, and those that cannot be reached). Ways of new ones are looked up
  // at once; where ARP or ND has to ask first, the answer comes as an event.
  void set_hosts(const std::map<std::uint32_t, Addr>& hosts);
  [[nodiscard]] const Way* way(std::uint32_t host) const;

  void on_changes(const net::Monitor::Changes& changes);
  // Looks again, and has the kernel ask who the next hop is.
  void resolve(std::uint32_t host);
  // Has the kernel confirm every next hop: what passes by BPF does not tell
  // its neighbour table that a MAC is still right.
  void refresh();

  // "eth0 via 192.0.2.1 (02:..)", for people.
  std::string describe(std::uint32_t host);

 private:
  struct Entry {
    Addr address;
    Way way;
  };
  Way find(const Addr& address);
  void update(std::uint32_t host, Entry& e);

  net::Netlink netlink_;
  std::function<void(std::uint32_t)> changed_;
  std::map<std::uint32_t, Entry> hosts_;
};

}  // namespace mizar
