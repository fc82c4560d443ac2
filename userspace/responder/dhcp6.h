// SPDX-License-Identifier: Apache-2.0
// DHCPv6 for one endpoint, whose address is fixed: RFC 8415, with DNS options of
// RFC 3646. No temporary addresses, no prefixes, no relays.
#pragma once

#include "userspace/responder/dhcp4.h"

namespace mizar::responder {

// `message` is what was sent to ff02::1:2, port 547. We never allow unicast
// (no option 12), so the data plane hands us none (RFC 8415 section 18.4).
Outcome answer_dhcp6(View message, const Client& client, const DhcpSettings& settings);

}  // namespace mizar::responder
