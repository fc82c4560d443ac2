// SPDX-License-Identifier: Apache-2.0
// DHCPv4 for one endpoint, whose address is fixed: RFC 2131 with the options of
// RFC 2132, routes (RFC 3442), long and overloaded options (RFC 3396), the
// client identifier in answers (RFC 6842).
#pragma once

#include "userspace/responder/client.h"

namespace mizar::responder {

struct DhcpSettings {
  std::uint32_t lease_s = 3600;
  Bytes duid;  // DHCPv6 server's; the same on every host, so that endpoints may move
};

// DUID-LL (RFC 8415 section 11.4) of the MAC every endpoint sees as its network.
Bytes default_duid();

// `message` is what came to port 67. The answer goes to the client's port 68,
// whatever flags and addresses the message has: it reaches no other endpoint.
Outcome answer_dhcp4(View message, const Client& client, const DhcpSettings& settings);

}  // namespace mizar::responder
