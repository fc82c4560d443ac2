// SPDX-License-Identifier: Apache-2.0
// DNS for one endpoint: names of its own VPC are answered here, or by the host
// that holds their bucket; all others go to its network's forwarders, or are
// refused. Messages in, messages out; forwarder.h does the asking.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "userspace/responder/client.h"

namespace mizar::responder {

enum class Transport { udp, tcp };

// What fits through any path without fragments (DNS flag day 2020).
inline constexpr std::uint16_t kDnsUdpMax = 1232;
// TTLs: short, for endpoints come, move and go.
inline constexpr std::uint32_t kDnsTtl = 30;
inline constexpr std::uint32_t kDnsNegativeTtl = 5;

// A query that was found sound: all an answer needs of it.
struct DnsQuery {
  Transport transport = Transport::udp;
  std::uint16_t id = 0;
  bool rd = false, cd = false;
  bool recursion = false;      // there are forwarders
  bool edns = false, dnssec_ok = false;
  std::uint16_t udp_size = 512;  // the largest answer the client takes over UDP
  Bytes name;                  // as it was sent, in wire form
  std::uint16_t type = 0, klass = 0;
};

// Who has to be asked. With `vni`: hosts that hold names of that VPC.
struct DnsAsk {
  std::vector<Addr> whom;
  std::optional<std::uint32_t> vni;
};

// An answer, or whom to ask for one, or (both absent) silence.
struct DnsStep {
  Count count = Count::DNS_MALFORMED;
  Bytes reply;
  std::optional<DnsAsk> ask;
  DnsQuery query;
};

DnsStep answer_dns(View message, Transport transport, const Client& client);

// A question of another host of the region. Answered from what is known here;
// nobody else is asked. `zone_of` finds a VPC by VNI; nullptr: not known.
DnsStep answer_peer(View message, const std::function<const Zone*(std::uint32_t)>& zone_of);

// ---- asking -------------------------------------------------------------------
Bytes dns_question(const DnsQuery& query, std::uint16_t id, std::optional<std::uint32_t> vni);

enum class DnsFit { no, truncated, whole };
// Whether `message` answers dns_question(query, id) (RFC 5452 section 9.1).
DnsFit dns_fit(View message, const DnsQuery& query, std::uint16_t id);

// Such an answer in the form the client can take.
Outcome relay_dns(View answer, const DnsQuery& query);
// Nobody answered.
Outcome fail_dns(const DnsQuery& query);

}  // namespace mizar::responder
