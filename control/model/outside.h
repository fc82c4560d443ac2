// SPDX-License-Identifier: Apache-2.0
// Which endpoint has which outside address and ports: floating ones as declared, of the
// shared ones a range each, given out here.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "control/model/region.h"
#include "userspace/base/outside.h"
#include "userspace/base/result.h"

namespace centaurus {

// An endpoint's range of a shared address, which it keeps from plan to plan.
struct Lease {
  std::string vpc;
  std::string endpoint;
  mizar::Addr outside;
  mizar::PortRange ports;
  auto key() const { return std::tuple(vpc, endpoint, outside.family()); }
};
using Leases = std::vector<Lease>;

// A range for every endpoint behind a gateway, in each family that it and the pools
// have, unless it has a floating address there. Those of `before` stay as long as they
// are sound. New ones begin at a place that follows from the endpoint's name, so that a
// plan without its predecessor gives most of them alike; no range below port 1024, none
// with a forwarded port. `region` must be valid. Error: resource_exhausted.
mizar::Result<Leases> lease_ports(const Region& region, const Leases& before);

// NULL: there is none.
const Service* service_of(const Region& region, const std::string& vpc, const std::string& name);
const mizar::ServicePortSpec* port_of(const Service& s, std::uint16_t protocol, std::uint16_t port);

// Where a forwarded port ends: an endpoint's port, or those of a service's backends.
std::vector<std::pair<std::string, std::uint16_t>> leads_to(const Region& region, const Gateway& g, const PortForward& f);

}  // namespace centaurus
