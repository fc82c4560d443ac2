// SPDX-License-Identifier: Apache-2.0
// The goal state that tests of goals begin with.
#pragma once

#include <gtest/gtest.h>

#include "bpf/abi/wire.h"
#include "userspace/proto/text.h"
#include "userspace/transitd/goal.h"

namespace mizar {

// A sound goal state; a row of goal_refused_test.cpp spoils one thing of it.
inline v1::GoalState sound() {
  v1::GoalState s;
  const auto read = parse_text(R"(
revision: 5
host: w1
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: b1, id: 2, address: 192.0.2.2, address6: "2001:db8::2"}
vpcs:
  - {name: a, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00:a::/32"}
  - {name: b, vni: 8, cidr: 10.0.0.0/16, domain: corp.example}
networks:
  - {name: front, vpc: a, cidr: 10.0.1.0/24, cidr6: "fd00:a:1::/64", dns: [192.0.2.53, "2001:db8::53"], dhcp: false,
     routes: [{prefix: 172.16.0.0/12}, {prefix: 192.168.0.0/16, via: 10.0.1.9}]}
  - {name: back, vpc: a, cidr: 10.0.2.0/24, multicast: true, broadcast: true}
  - {name: front, vpc: b, cidr: 10.0.1.0/24}
  - {name: six, vpc: a, cidr6: "fd00:a:6::/64"}
endpoints:
  - {name: web, vpc: a, network: front, address: 10.0.1.2, host: w1, netns: {name: web}, user_data: hello}
  - {name: db, vpc: a, network: back, address: 10.0.2.2, host: b1, mac: "02:00:00:00:00:05"}
  - {name: web, vpc: b, network: front, address: 10.0.1.2, host: w1, tap: {interface: t0}}
  - {name: both, vpc: a, network: front, address: 10.0.1.3, address6: "fd00:a:1::3", host: w1}
  - {name: six, vpc: a, network: six, address6: "fd00:a:6::2", host: b1}
names:
  - {name: far, vpc: a, network: unknown-here, address: 10.0.7.7, address6: "fd00:a:7::7"}
services:
  - {name: www, vpc: a, address: 10.0.9.1, address6: "fd00:a:9::1", sticky_seconds: 60, priority: high,
     ports: [{protocol: tcp, port: 80, backend_port: 8080}, {protocol: udp, port: 80}],
     backends: [{name: web, address: 10.0.1.2, weight: 3}, {name: six, address6: "fd00:a:6::2"},
                {name: far, address: 10.0.7.7, weight: 0}]}
peerings:
  - {name: trade, vpc: a, peer: b, parts: [10.0.4.0/24], answers_only: true}
)",
                               "sound", s);
  EXPECT_TRUE(read) << read.error().what;
  for (unsigned b = 0; b < MZ_BUCKETS; b++) {
    s.mutable_networks(0)->mutable_bouncers()->add_primary(2);
    s.mutable_networks(0)->mutable_bouncers()->add_backup(b % 2);
  }
  return s;
}

}  // namespace mizar
