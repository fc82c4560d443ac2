// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/dns_message.h"

#include <algorithm>
#include <cstdlib>

namespace mizar::responder {

namespace {

// A name in a message: labels up to the end or the first pointer.
void skip_name(Reader& r) {
  for (;;) {
    const std::uint8_t length = r.u8();
    if (!r.ok() || length == 0) return;
    if ((length & 0xc0) == 0xc0) {
      r.u8();
      return;
    }
    r.take(length);
  }
}

// OPT records anywhere. ldns keeps the last one only.
int count_opt(View message) {
  Reader r(message);
  r.take(4);
  const std::uint16_t questions = r.u16();
  const unsigned records = r.u16() + 0u + r.u16() + r.u16();
  int found = 0;
  for (unsigned i = 0; i < questions && r.ok(); i++) {
    skip_name(r);
    r.take(4);
  }
  for (unsigned i = 0; i < records && r.ok(); i++) {
    skip_name(r);
    found += r.u16() == LDNS_RR_TYPE_OPT;
    r.take(6);
    r.take(r.u16());
  }
  return found;
}

ldns_rdf* new_name(View wire) {
  return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, wire.size(), wire.data());
}

char lower(std::uint8_t c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); }

}  // namespace

Packet parse_packet(View message) {
  ldns_pkt* p = nullptr;
  if (count_opt(message) > 1) return nullptr;
  if (ldns_wire2pkt(&p, message.data(), message.size()) != LDNS_STATUS_OK) return nullptr;
  return Packet(p);
}

Bytes packet_bytes(const ldns_pkt& packet) {
  std::uint8_t* raw = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&raw, &packet, &size) != LDNS_STATUS_OK) return {};
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owned(raw, &std::free);
  if (size > 65535) return {};
  return {raw, raw + size};
}

Packet begin_answer(const DnsQuery& q, ldns_pkt_rcode rcode) {
  Packet p(ldns_pkt_new());
  ldns_pkt_set_id(p.get(), q.id);
  ldns_pkt_set_qr(p.get(), true);
  ldns_pkt_set_rd(p.get(), q.rd);
  ldns_pkt_set_cd(p.get(), q.cd);
  ldns_pkt_set_ra(p.get(), q.recursion);
  ldns_pkt_set_rcode(p.get(), rcode);
  ldns_rr* question = ldns_rr_new();
  ldns_rr_set_owner(question, new_name(q.name));
  ldns_rr_set_type(question, static_cast<ldns_rr_type>(q.type));
  ldns_rr_set_class(question, static_cast<ldns_rr_class>(q.klass));
  ldns_rr_set_question(question, true);
  ldns_pkt_push_rr(p.get(), LDNS_SECTION_QUESTION, question);
  if (!q.edns) return p;
  ldns_pkt_set_edns_udp_size(p.get(), kDnsUdpMax);
  ldns_pkt_set_edns_do(p.get(), q.dnssec_ok);
  return p;
}

Bytes finish_answer(const ldns_pkt& packet, const DnsQuery& q) {
  Bytes out = packet_bytes(packet);
  const std::size_t limit = q.transport == Transport::udp ? q.udp_size : 65535;
  if (!out.empty() && out.size() <= limit) return out;
  const Packet cut = begin_answer(q, ldns_pkt_get_rcode(&packet));
  ldns_pkt_set_aa(cut.get(), ldns_pkt_aa(&packet));
  ldns_pkt_set_tc(cut.get(), true);
  return packet_bytes(*cut);
}

std::string name_text(View wire) {
  std::string out;
  Reader r(wire);
  for (std::uint8_t length = r.u8(); length != 0 && r.ok(); length = r.u8()) {
    if (!out.empty()) out += '.';
    for (const auto c : r.take(length)) out += c == '.' ? '\x01' : lower(c);
  }
  return out;
}

Bytes name_wire(std::string_view text) {
  Writer w;
  while (!text.empty()) {
    const auto label = text.substr(0, text.find('.'));
    w.u8(static_cast<std::uint8_t>(label.size())).text(label);
    text.remove_prefix(std::min(label.size() + 1, text.size()));
  }
  return w.u8(0).done();
}

View data_of(const ldns_rdf& rdf) { return {ldns_rdf_data(&rdf), ldns_rdf_size(&rdf)}; }
View owner_of(const ldns_rr& rr) { return data_of(*ldns_rr_owner(&rr)); }

ldns_rr* new_rr(View owner, ldns_rr_type type, std::uint32_t ttl) {
  ldns_rr* rr = ldns_rr_new();
  ldns_rr_set_owner(rr, new_name(owner));
  ldns_rr_set_type(rr, type);
  ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
  ldns_rr_set_ttl(rr, ttl);
  return rr;
}

void add_bytes(ldns_rr* rr, ldns_rdf_type type, View value) {
  ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(type, value.size(), value.data()));
}

void add_name(ldns_rr* rr, std::string_view name) {
  ldns_rr_push_rdf(rr, new_name(name_wire(name)));
}

void add_u32(ldns_rr* rr, std::uint32_t value) {
  ldns_rr_push_rdf(rr, ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, value));
}

}  // namespace mizar::responder
