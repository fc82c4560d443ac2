// SPDX-License-Identifier: Apache-2.0
// Tells what changed in a namespace's links, routes and neighbours.
#pragma once

#include <vector>

#include "userspace/net/netlink.h"

namespace mizar::net {

// One socket subscribed to the namespace's events. Move-only, not
// thread-safe.
class Monitor {
 public:
  static Result<Monitor> open();  // the namespace of the calling thread
  static Result<Monitor> open_in(const NetnsRef& ns);

  // Readable when read() has something to say (level-triggered poll).
  [[nodiscard]] int fd() const;

  struct Changes {
    // A unicast, local or rejecting route, a policy rule or a next-hop object
    // changed: answers of route_to() may be different now. Link-local and
    // multicast routes, which come and go with every link, do not count.
    bool routes = false;
    // The kernel dropped events: resync everything.
    bool lost = false;
    std::vector<unsigned> links;  // changed, new or gone; each index once, ascending
    // Of these, the ones that left. An index may have a new owner by now:
    // link() tells.
    std::vector<unsigned> gone_links;
    // Of these, the ones that were seen administratively down or gone: the
    // kernel drops IPv4 routes through them without any route event.
    std::vector<unsigned> down_links;
    // The last state of each (ifindex, ip); `valid` is false for a deleted
    // or failed one. Multicast addresses and proxy entries are left out.
    std::vector<Neighbour> neighbours;

    [[nodiscard]] bool empty() const {
      return !routes && !lost && links.empty() && neighbours.empty();
    }
  };
  // Reads what is pending, coalesced, without blocking. At most 4096
  // datagrams a call, so that a storm cannot hold the caller: what is left
  // keeps fd() readable.
  Result<Changes> read();

 private:
  explicit Monitor(NlSocket sock) : sock_(std::move(sock)) {}

  NlSocket sock_;
};

}  // namespace mizar::net
