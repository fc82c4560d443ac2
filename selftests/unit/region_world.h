// SPDX-License-Identifier: Apache-2.0
// Regions that tests of control/model/ begin with.
#pragma once

#include <gtest/gtest.h>

#include "control/model/convert.h"
#include "userspace/proto/text.h"

namespace centaurus {

// Two tenants with the same addresses, three kinds of hosts, a service.
inline v1::Region sound() {
  v1::Region r;
  const auto read = mizar::parse_text(R"(
revision: 3
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: w2, id: 2, address: 192.0.2.2}
  - {name: b1, id: 3, address: 192.0.2.3, roles: [bouncer]}
  - {name: b2, id: 4, address: 192.0.2.4, roles: [bouncer]}
  - {name: d1, id: 5, address: 192.0.2.5, roles: [divider]}
vpcs:
  - {name: a, vni: 7, cidr: 10.0.0.0/16}
  - {name: b, vni: 8, cidr: 10.0.0.0/16}
networks:
  - {name: front, vpc: a, cidr: 10.0.1.0/24}
  - {name: back, vpc: a, cidr: 10.0.2.0/24, bouncers: 1}
  - {name: front, vpc: b, cidr: 10.0.1.0/24}
endpoints:
  - {name: web, vpc: a, network: front, address: 10.0.1.2, host: w1, netns: a-web}
  - {name: db, vpc: a, network: back, address: 10.0.2.2, host: w2, tap: t0}
  - {name: web, vpc: b, network: front, address: 10.0.1.2, host: w1, netns: b-web}
services:
  - {name: www, vpc: a, address: 10.0.9.1, ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     sticky_seconds: 30, class: expedited, backends: [{endpoint: web, weight: 0}, {endpoint: db}]}
)",
                                      "sound", r);
  EXPECT_TRUE(read) << read.error().what;
  return r;
}

// ... with a gateway of two hosts.
inline v1::Region behind_gateway() {
  v1::Region r = sound(), more;
  const auto read = mizar::parse_text(R"(gateways:
  - name: out
    vpc: a
    hosts: [b1, b2]
    pools: [198.51.100.0/29]
    floating: [{address: 198.51.100.2, endpoint: db}]
    forwards: [{protocol: tcp, address: 198.51.100.1, port: 8080, endpoint: web, endpoint_port: 80}]
)",
                                      "gateway", more);
  EXPECT_TRUE(read) << read.error().what;
  r.MergeFrom(more);
  return r;
}

// A forward of that gateway that leads to a service: of port 80 of its pool.
inline v1::Forward* entry(v1::Region& r, const char* service) {
  auto* f = r.mutable_gateways(0)->add_forwards();
  f->set_protocol("tcp");
  f->set_address("198.51.100.1");
  f->set_port(80);
  f->set_service(service);
  return f;
}

}  // namespace centaurus
