// SPDX-License-Identifier: Apache-2.0
// What a probe of a backend found, and how hosts tell each other of it (decision 0012):
// one datagram asks for all backends of a service at a host, one or more answer. Bytes and
// structs, no socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/trouble.h"
#include "userspace/responder/wire.h"

namespace mizar::responder {

using mizar::text_of;  // beside that of counts

// The verdict on one address of a backend.
struct Finding {
  Addr address;
  bool healthy = false;
  std::uint32_t since_ms = 0;
  Trouble trouble;  // what made it unhealthy
  bool operator==(const Finding&) const = default;
};

struct HealthQuestion {
  std::uint64_t id = 0;
  std::uint32_t vni = 0;
  std::uint16_t first = 0;  // how many findings are known from the answers before
  std::string service;      // its name in the VPC
  bool operator==(const HealthQuestion&) const = default;
};
struct HealthAnswer {
  std::uint64_t id = 0;
  std::uint16_t total = 0, first = 0;
  std::vector<Finding> findings;  // from `first` on, as many as fit
  bool operator==(const HealthAnswer&) const = default;
};

// Whether it is for here: no DNS message begins so (its opcode is none, RFC 6895).
bool is_health_question(View message);
Bytes write_question(const HealthQuestion& q);
std::optional<HealthQuestion> read_question(View message);
// Of `all` what fits in one datagram.
Bytes write_answer(const HealthQuestion& q, const std::vector<Finding>& all);
std::optional<HealthAnswer> read_answer(View message);

}  // namespace mizar::responder
