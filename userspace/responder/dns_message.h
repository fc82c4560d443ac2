// SPDX-License-Identifier: Apache-2.0
// libldns behind owning types. Nothing else includes its headers.
#pragma once

#include <stdbool.h>  // before ldns, which would make macros of C++'s own words

#include <ldns/ldns.h>

#include <memory>
#include <string>

#include "userspace/responder/dns.h"

namespace mizar::responder {

struct FreePacket {
  void operator()(ldns_pkt* p) const { ldns_pkt_free(p); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

// EDNS option of a question between hosts: the VNI. Of the range for local use
// (RFC 6891 section 9).
inline constexpr std::uint16_t kVniOption = 65077;

// Nothing: not well formed, or (RFC 6891 section 6.1.1) more than one OPT.
Packet parse_packet(View message);
// Empty: cannot be written, or is longer than DNS can say.
Bytes packet_bytes(const ldns_pkt& packet);

// An answer without records yet: header, question, and OPT where the query had one.
Packet begin_answer(const DnsQuery& query, ldns_pkt_rcode rcode);
// `packet` as the client takes it: where it is too long, TC and no records.
Bytes finish_answer(const ldns_pkt& packet, const DnsQuery& query);

// Names as "a.b.c" in lower case. A dot inside a label becomes \x01, which no
// name of ours has.
std::string name_text(View wire);
Bytes name_wire(std::string_view text);
View owner_of(const ldns_rr& rr);
View data_of(const ldns_rdf& rdf);

ldns_rr* new_rr(View owner, ldns_rr_type type, std::uint32_t ttl);
void add_bytes(ldns_rr* rr, ldns_rdf_type type, View value);
void add_name(ldns_rr* rr, std::string_view name);
void add_u32(ldns_rr* rr, std::uint32_t value);

}  // namespace mizar::responder
