// SPDX-License-Identifier: Apache-2.0
// Local endpoints' interfaces: a veth into a namespace, or a tap. Made by
// netlink in this process, never by running `ip`. Lives in the daemon's loop.
#pragma once

#include <functional>
#include <string>

#include "userspace/net/netlink.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/table_sync.h"

namespace mizar {

class Interfaces {
 public:
  // `taken` says whether another endpoint's interface has that ifindex's slot.
  Interfaces(net::Netlink netlink, std::function<bool(unsigned)> taken)
      : netlink_(std::move(netlink)), taken_(std::move(taken)) {}

  // The interface of a local endpoint, made if it is not there yet, down: what
  // it sends must meet its program from the first packet on.
  // Errors: not_found (no such namespace), others as netlink gives them.
  Result<LocalPort> make(const EndpointSpec& e, unsigned mtu);
  // Up on both ends, with address, default route and MTU.
  Result<> bring_up(const EndpointSpec& e, const NetworkSpec& network, const LocalPort& port);
  // The largest superpackets that an endpoint of a veth makes, and that it is given whole: bytes,
  // headers included; 0 = the kernel's default. Above that default of TCP over IPv4 alone.
  Result<> set_superpackets(const EndpointSpec& e, const LocalPort& port, unsigned made, unsigned given);
  // Whether an endpoint of a veth makes superpackets of UDP.
  static Result<> set_udp_superpackets(const EndpointSpec& e, bool on);
  // Whether the far end of an endpoint's veth polls, without which XDP cannot send to it. A tap
  // always takes what XDP sends.
  static Result<> set_polling(const EndpointSpec& e, bool on);
  // Removes it; gone already is no error. Returns without waiting for RCU.
  Result<> remove(const EndpointSpec& e);

  // The veth into the namespace where the host's services listen, with their
  // addresses and the way back to endpoints; made if it is not there yet, up.
  // Errors: not_found (no such namespace), others as netlink gives them.
  Result<unsigned> make_services(const std::string& netns, unsigned mtu);
  static constexpr const char* kServices = "mzservices";  // its host end

  // The veth by which processes of this namespace reach endpoints, with their address and
  // the way; made if it is not there yet, up. Returns its far end's ifindex.
  Result<unsigned> make_host(unsigned mtu);
  static constexpr const char* kHost = "mzhost";
  static constexpr const char* kHostFar = "mzhost-far";

  // Name of the host end: the same for the same endpoint.
  static std::string host_name(const EndpointSpec& e);

 private:
  Result<LocalPort> make_veth(const EndpointSpec& e, const NetnsSpec& where, unsigned mtu);
  Result<LocalPort> make_tap(const TapSpec& tap, unsigned mtu);

  net::Netlink netlink_;
  std::function<bool(unsigned)> taken_;
};

}  // namespace mizar
