// SPDX-License-Identifier: Apache-2.0
// What a daemon tells the responder of its host.
#pragma once

#include <gtest/gtest.h>

#include "userspace/proto/text.h"
#include "userspace/proto/transit.pb.h"

namespace mizar::responder {

inline constexpr const char* kLocal = R"(
generation: 5
state:
  revision: 1
  host: w1
  hosts:
    - {name: w1, id: 1, address: 192.0.2.1}
    - {name: d1, id: 2, address: 192.0.2.2, address6: "2001:db8::2"}
  vpcs:
    - {name: red, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00:1::/48"}
    - {name: blue, vni: 8, cidr: 10.0.0.0/16, domain: corp.example}
    - {name: a..b, vni: 9, cidr: 10.0.0.0/16}
  networks:
    - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:1:0:1::/64", dns: [192.0.2.9]}
    - {name: front, vpc: blue, cidr: 10.0.1.0/24, dhcp: false}
  endpoints:
    - {name: web, vpc: red, network: front, address: 10.0.1.5, address6: "fd00:1:0:1::5", host: w1, user_data: hello}
    - {name: db, vpc: red, network: front, address: 10.0.1.6, host: d1}
    - {name: web, vpc: blue, network: front, address: 10.0.1.5, host: w1}
    - {name: x..y, vpc: red, network: front, address: 10.0.1.7, host: w1}
    - {name: front, vpc: red, network: front, address: 10.0.1.8, host: w1}
  names:
    - {name: far, vpc: red, network: back, address: 10.0.9.9}
  services:
    - {name: www, vpc: red, address: 10.0.9.1, address6: "fd00:1:0:9::1", ports: [{protocol: tcp, port: 80}]}
    - {name: db, vpc: red, address: 10.0.9.2, ports: [{protocol: tcp, port: 80}]}
    - {name: v..w, vpc: red, address: 10.0.9.3, ports: [{protocol: tcp, port: 80}]}
ports:
  - {endpoint: red/web, ifindex: 65541, mtu: 1434}
  - {endpoint: blue/web, ifindex: 6, mtu: 1434}
  - {endpoint: red/gone, ifindex: 7, mtu: 1434}
)";

inline v1::GetLocalReply local() {
  v1::GetLocalReply r;
  const auto rc = parse_text(kLocal, "local", r);
  EXPECT_TRUE(rc) << rc.error().what;
  return r;
}

}  // namespace mizar::responder
