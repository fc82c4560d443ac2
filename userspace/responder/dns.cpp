// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/dns.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "bpf/abi/hash.h"
#include "userspace/responder/dns_message.h"

namespace mizar::responder {

namespace {

constexpr std::size_t kHeader = 12;
constexpr std::uint16_t kEdnsVersion = 0;

// ---- reading a query ----------------------------------------------------------

// Header and nothing else: where the rest cannot be read.
Bytes bare(View message, ldns_pkt_rcode rcode) {
  Reader r(message);
  const std::uint16_t id = r.u16();
  const std::uint8_t flags = r.u8();
  // QR, and the query's opcode and RD.
  return Writer()
      .u16(id)
      .u8(static_cast<std::uint8_t>(0x80 | (flags & 0x79)))
      .u8(static_cast<std::uint8_t>(rcode))
      .zeros(8)
      .done();
}

DnsStep answered(Count count, Bytes reply, DnsQuery q = {}) {
  return {count, std::move(reply), std::nullopt, std::move(q)};
}

DnsStep refused(const DnsQuery& q, ldns_pkt_rcode rcode) {
  const Count count = rcode == LDNS_RCODE_REFUSED ? Count::DNS_REFUSED : Count::DNS_ERROR;
  return answered(count, finish_answer(*begin_answer(q, rcode), q), q);
}

DnsStep bad_version(const DnsQuery& q) {
  const Packet p = begin_answer(q, LDNS_RCODE_NOERROR);
  ldns_pkt_set_edns_extended_rcode(p.get(), 1);  // 16: BADVERS (RFC 6891 section 6.1.3)
  return answered(Count::DNS_ERROR, finish_answer(*p, q), q);
}

DnsQuery read_query(const ldns_pkt& p, Transport transport) {
  const ldns_rr* question = ldns_rr_list_rr(ldns_pkt_question(&p), 0);
  const View name = owner_of(*question);
  DnsQuery q;
  q.transport = transport;
  q.id = ldns_pkt_id(&p);
  q.rd = ldns_pkt_rd(&p);
  q.cd = ldns_pkt_cd(&p);
  q.edns = ldns_pkt_edns(&p);
  q.dnssec_ok = q.edns && ldns_pkt_edns_do(&p);
  if (q.edns) q.udp_size = std::clamp<std::uint16_t>(ldns_pkt_edns_udp_size(&p), 512, kDnsUdpMax);
  q.name.assign(name.begin(), name.end());
  q.type = static_cast<std::uint16_t>(ldns_rr_get_type(question));
  q.klass = static_cast<std::uint16_t>(ldns_rr_get_class(question));
  return q;
}

// What is no question for records: an answer at once.
std::optional<ldns_pkt_rcode> unanswerable(const DnsQuery& q) {
  if (q.type == LDNS_RR_TYPE_OPT || q.type == 0) return LDNS_RCODE_FORMERR;
  if (q.klass != LDNS_RR_CLASS_IN) return LDNS_RCODE_REFUSED;
  if (q.type == LDNS_RR_TYPE_AXFR || q.type == LDNS_RR_TYPE_IXFR) return LDNS_RCODE_REFUSED;
  if (q.type >= 249 && q.type <= 254) return LDNS_RCODE_NOTIMPL;  // other meta types
  return std::nullopt;
}

// The query, or the step that ends it.
struct Taken {
  Packet packet;
  DnsQuery query;
  std::optional<DnsStep> end;
};

Taken take(View message, Transport transport) {
  if (message.size() < kHeader || (message[2] & 0x80))
    return {{}, {}, answered(Count::DNS_MALFORMED, {})};
  if (message[2] & 0x78)  // opcodes other than QUERY
    return {{}, {}, answered(Count::DNS_ERROR, bare(message, LDNS_RCODE_NOTIMPL))};
  Packet p = parse_packet(message);
  if (!p || ldns_pkt_qdcount(p.get()) != 1)
    return {{}, {}, answered(Count::DNS_ERROR, bare(message, LDNS_RCODE_FORMERR))};
  DnsQuery q = read_query(*p, transport);
  if (q.edns && ldns_pkt_edns_version(p.get()) > kEdnsVersion) return {{}, q, bad_version(q)};
  if (const auto rcode = unanswerable(q)) return {{}, q, refused(q, *rcode)};
  return {std::move(p), std::move(q), std::nullopt};
}

// ---- names of the VPC -----------------------------------------------------------

std::string under(const std::string& name, const std::string& domain) {
  return name.empty() ? domain : name + "." + domain;
}

// Relative to the domain; nothing if the name is not under it.
std::optional<std::string> relative_to(const std::string& name, const std::string& domain) {
  if (domain.empty()) return std::nullopt;
  if (name == domain) return "";
  if (!name.ends_with("." + domain)) return std::nullopt;
  return name.substr(0, name.size() - domain.size() - 1);
}

// What a name under in-addr.arpa or ip6.arpa stands for.
struct Reverse {
  Prefix prefix;       // whole: one address
  bool deeper = false;  // labels in front that are no part of an address
};

std::optional<unsigned> digit(std::string_view label, Family f) {
  unsigned v = 0;
  const auto [end, ec] =
      std::from_chars(label.begin(), label.end(), v, f == Family::v4 ? 10 : 16);
  const bool canonical = f == Family::v6 ? label.size() == 1 : label[0] != '0' || label.size() == 1;
  if (ec != std::errc() || end != label.end() || !canonical || v > 255) return std::nullopt;
  return v;
}

// Reads labels from the right: octets, or half octets, from the highest down.
std::optional<Reverse> parse_reverse(const std::string& name) {
  for (const Family f : {Family::v4, Family::v6}) {
    auto rest = relative_to(name, f == Family::v4 ? "in-addr.arpa" : "ip6.arpa");
    if (!rest) continue;
    const unsigned step = f == Family::v4 ? 8 : 4;
    std::array<std::uint8_t, 16> bytes{};
    if (f == Family::v4) bytes = Addr::v4(0).bytes();
    unsigned len = 0;
    std::string_view left = *rest;
    while (!left.empty() && len < (f == Family::v4 ? 32u : 128u)) {
      const auto dot = left.rfind('.');
      const auto label = dot == std::string_view::npos ? left : left.substr(dot + 1);
      const auto v = label.empty() ? std::nullopt : digit(label, f);
      if (!v) break;
      const unsigned bit = len + (f == Family::v4 ? MZ_V4_PREFIX : 0);
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | *v << (8 - step - bit % 8));
      len += step;
      left = dot == std::string_view::npos ? "" : left.substr(0, dot);
    }
    mz_addr a;
    std::memcpy(&a, bytes.data(), sizeof a);
    if (Addr(a).family() != f) return std::nullopt;  // ::ffff:0:0/96 is no block's
    return Reverse{Prefix{Addr(a), len}, !left.empty()};
  }
  return std::nullopt;
}

// The name SOA records of a block's reverse names stand under: the block's, cut
// to whole labels.
std::string reverse_apex(const Prefix& block) {
  std::string out = block.family() == Family::v4 ? "in-addr.arpa" : "ip6.arpa";
  const auto& b = block.ip.bytes();
  if (block.family() == Family::v4) {
    for (unsigned i = 0; i < block.len / 8; i++) out = fmt::format("{}.{}", b[12 + i], out);
    return out;
  }
  for (unsigned i = 0; i < block.len / 4; i++)
    out = fmt::format("{:x}.{}", i % 2 ? b[i / 2] & 15 : b[i / 2] >> 4, out);
  return out;
}

// Answers one query from a zone.
class Answerer {
 public:
  Answerer(const DnsQuery& q, const Zone& zone)
      : q_(q), zone_(zone), name_(name_text(q.name)), packet_(begin_answer(q, LDNS_RCODE_NOERROR)) {
    ldns_pkt_set_aa(packet_.get(), true);
  }
  // Nothing: not a name of this zone.
  std::optional<DnsStep> run();
  // Not to be asked further: what is not known here does not exist.
  void alone() { alone_ = true; }

 private:
  DnsStep forward(const std::string& relative);
  std::optional<DnsStep> reverse();
  // What is missing here: for certain if the bucket is ours.
  DnsStep missing(unsigned bucket, bool exists, const std::string& apex);
  void push(ldns_pkt_section s, ldns_rr* rr) { ldns_pkt_push_rr(packet_.get(), s, rr); }
  ldns_rr* soa(const std::string& apex, std::uint32_t ttl) const;
  bool apex_records(const std::string& apex);
  bool any_record();
  void address_records(const Addrs& a);
  DnsStep finish();
  DnsStep negative(bool exists, const std::string& apex);
  [[nodiscard]] bool asks(ldns_rr_type t) const { return q_.type == t; }

  const DnsQuery& q_;
  const Zone& zone_;
  const std::string name_;
  Packet packet_;
  bool alone_ = false;
};

ldns_rr* Answerer::soa(const std::string& apex, std::uint32_t ttl) const {
  ldns_rr* rr = new_rr(name_wire(apex), LDNS_RR_TYPE_SOA, ttl);
  add_name(rr, under("ns", zone_.domain()));
  add_name(rr, under("hostmaster", zone_.domain()));
  add_u32(rr, zone_.serial());
  add_u32(rr, 3600);  // refresh, retry, expire: nobody transfers this zone
  add_u32(rr, 600);
  add_u32(rr, 86400);
  add_u32(rr, kDnsNegativeTtl);
  return rr;
}

DnsStep Answerer::finish() {
  return answered(Count::DNS_ANSWERED, finish_answer(*packet_, q_), q_);
}

// RFC 2308 sections 2.1 and 2.2.
DnsStep Answerer::negative(bool exists, const std::string& apex) {
  push(LDNS_SECTION_AUTHORITY, soa(apex, kDnsNegativeTtl));
  if (exists) return finish();
  ldns_pkt_set_rcode(packet_.get(), LDNS_RCODE_NXDOMAIN);
  return answered(Count::DNS_NO_NAME, finish_answer(*packet_, q_), q_);
}

DnsStep Answerer::missing(unsigned bucket, bool exists, const std::string& apex) {
  const auto& holders = zone_.holders(bucket);
  if (holders.self || alone_) return negative(exists, apex);
  return {Count::DNS_ASKED, {}, DnsAsk{holders.others, zone_.vni()}, q_};
}

// RFC 8482 section 4.2: one record that says no more will be said.
bool Answerer::any_record() {
  if (!asks(LDNS_RR_TYPE_ANY)) return false;
  ldns_rr* rr = new_rr(q_.name, LDNS_RR_TYPE_HINFO, kDnsTtl);
  add_bytes(rr, LDNS_RDF_TYPE_STR, Writer().u8(7).text("RFC8482").done());
  add_bytes(rr, LDNS_RDF_TYPE_STR, Bytes{0});
  push(LDNS_SECTION_ANSWER, rr);
  return true;
}

bool Answerer::apex_records(const std::string& apex) {
  if (asks(LDNS_RR_TYPE_SOA)) {
    push(LDNS_SECTION_ANSWER, soa(apex, kDnsTtl));
  } else if (asks(LDNS_RR_TYPE_NS)) {
    ldns_rr* rr = new_rr(q_.name, LDNS_RR_TYPE_NS, kDnsTtl);
    add_name(rr, under("ns", zone_.domain()));
    push(LDNS_SECTION_ANSWER, rr);
  } else {
    return any_record();
  }
  return true;
}

void Answerer::address_records(const Addrs& a) {
  const auto& ip = a.of(asks(LDNS_RR_TYPE_A) ? Family::v4 : Family::v6);
  if ((!asks(LDNS_RR_TYPE_A) && !asks(LDNS_RR_TYPE_AAAA)) || !ip) return;
  ldns_rr* rr = new_rr(q_.name, static_cast<ldns_rr_type>(q_.type), kDnsTtl);
  const View bytes = ip->bytes();
  if (ip->is_v4())
    add_bytes(rr, LDNS_RDF_TYPE_A, bytes.last(4));
  else
    add_bytes(rr, LDNS_RDF_TYPE_AAAA, bytes);
  push(LDNS_SECTION_ANSWER, rr);
}

DnsStep Answerer::forward(const std::string& relative) {
  const Addrs* known = zone_.find(relative);
  if (relative.empty())
    return apex_records(zone_.domain()) ? finish() : negative(true, zone_.domain());
  if (!known || known->empty())
    return missing(name_bucket(relative), known != nullptr, zone_.domain());
  if (!any_record()) address_records(*known);
  return ldns_pkt_ancount(packet_.get()) > 0 ? finish() : negative(true, zone_.domain());
}

std::optional<DnsStep> Answerer::reverse() {
  const auto r = parse_reverse(name_);
  if (!r) return std::nullopt;
  const auto& block = zone_.blocks().of(r->prefix.family());
  if (!block || !block->contains(r->prefix)) return std::nullopt;
  const std::string apex = reverse_apex(*block);
  const bool whole = r->prefix.mapped_len() == 128;
  if (r->deeper) return negative(false, apex);
  if (name_ == apex && apex_records(apex)) return finish();
  if (!whole) return negative(true, apex);
  const std::string* called = zone_.find_reverse(r->prefix.ip);
  const mz_addr ip = r->prefix.ip.abi();
  if (!called) return missing(mz_bucket(&ip), false, apex);
  if (any_record()) return finish();
  if (!asks(LDNS_RR_TYPE_PTR)) return negative(true, apex);
  ldns_rr* rr = new_rr(q_.name, LDNS_RR_TYPE_PTR, kDnsTtl);
  add_name(rr, under(*called, zone_.domain()));
  push(LDNS_SECTION_ANSWER, rr);
  return finish();
}

std::optional<DnsStep> Answerer::run() {
  if (zone_.domain().empty()) return std::nullopt;
  if (const auto relative = relative_to(name_, zone_.domain())) return forward(*relative);
  return reverse();
}

// The VNI that another host put into its question.
std::optional<std::uint32_t> vni_of(const ldns_pkt& p) {
  const ldns_rdf* data = ldns_pkt_edns_data(&p);
  if (!data) return std::nullopt;
  for (Reader r(data_of(*data)); r.left() > 0;) {
    const std::uint16_t code = r.u16();
    const View value = r.take(r.u16());
    if (!r.ok()) break;
    if (code == kVniOption && value.size() == 4) return Reader(value).u32();
  }
  return std::nullopt;
}

DnsStep refused_peer(const DnsQuery& q) {
  return answered(Count::PEER_REFUSED, refused(q, LDNS_RCODE_REFUSED).reply, q);
}

bool same_name(View a, View b) { return name_text(a) == name_text(b); }

}  // namespace

DnsStep answer_dns(View message, Transport transport, const Client& client) {
  Taken t = take(message, transport);
  t.query.recursion = !client.services.dns.empty();
  if (t.end) return std::move(*t.end);
  if (auto own = Answerer(t.query, *client.zone).run()) {
    if (own->ask && own->ask->whom.empty()) {
      const Outcome failed = fail_dns(t.query);
      return answered(failed.count, failed.reply, t.query);
    }
    return std::move(*own);
  }
  if (client.services.dns.empty() || !t.query.rd) return refused(t.query, LDNS_RCODE_REFUSED);
  return {Count::DNS_ASKED, {}, DnsAsk{client.services.dns, std::nullopt}, t.query};
}

DnsStep answer_peer(View message, const std::function<const Zone*(std::uint32_t)>& zone_of) {
  Taken t = take(message, Transport::udp);
  if (t.end) return answered(Count::PEER_REFUSED, {}, t.query);
  const auto vni = vni_of(*t.packet);
  const Zone* zone = vni ? zone_of(*vni) : nullptr;
  if (!zone) return refused_peer(t.query);
  Answerer answerer(t.query, *zone);
  answerer.alone();
  auto step = answerer.run();
  if (!step) return refused_peer(t.query);
  step->count = Count::PEER_ANSWERED;
  return std::move(*step);
}

Bytes dns_question(const DnsQuery& query, std::uint16_t id, std::optional<std::uint32_t> vni) {
  DnsQuery q = query;
  q.id = id;
  q.rd = !vni;
  q.edns = true;
  const Packet p = begin_answer(q, LDNS_RCODE_NOERROR);
  ldns_pkt_set_qr(p.get(), false);
  ldns_pkt_set_ra(p.get(), false);
  if (vni) {
    const Bytes option = Writer().u16(kVniOption).u16(4).u32(*vni).done();
    ldns_pkt_set_edns_data(
        p.get(), ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, option.size(), option.data()));
  }
  return packet_bytes(*p);
}

DnsFit dns_fit(View message, const DnsQuery& query, std::uint16_t id) {
  if (message.size() < kHeader || Reader(message).u16() != id || (message[2] & 0xf8) != 0x80)
    return DnsFit::no;
  const bool truncated = message[2] & 0x02;
  const Packet p = parse_packet(message);
  // Some servers cut in the middle of a record, which ldns does not read.
  if (!p) return truncated ? DnsFit::truncated : DnsFit::no;
  if (ldns_pkt_qdcount(p.get()) != 1) return DnsFit::no;
  const ldns_rr* q = ldns_rr_list_rr(ldns_pkt_question(p.get()), 0);
  if (ldns_rr_get_type(q) != query.type || ldns_rr_get_class(q) != query.klass ||
      !same_name(owner_of(*q), query.name))
    return DnsFit::no;
  return truncated ? DnsFit::truncated : DnsFit::whole;
}

Outcome relay_dns(View answer, const DnsQuery& q) {
  const Packet from = parse_packet(answer);
  if (!from || ldns_pkt_edns_extended_rcode(from.get()) != 0) return fail_dns(q);
  const Packet to = begin_answer(q, ldns_pkt_get_rcode(from.get()));
  ldns_pkt_set_aa(to.get(), ldns_pkt_aa(from.get()));
  ldns_pkt_set_ad(to.get(), q.dnssec_ok && ldns_pkt_ad(from.get()));
  for (const auto& [section, list] :
       {std::pair{LDNS_SECTION_ANSWER, ldns_pkt_answer(from.get())},
        std::pair{LDNS_SECTION_AUTHORITY, ldns_pkt_authority(from.get())},
        std::pair{LDNS_SECTION_ADDITIONAL, ldns_pkt_additional(from.get())}})
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
      ldns_pkt_push_rr(to.get(), section, ldns_rr_clone(ldns_rr_list_rr(list, i)));
  Bytes out = finish_answer(*to, q);
  if (out.empty()) return fail_dns(q);
  return {Count::DNS_ASKED, std::move(out)};
}

Outcome fail_dns(const DnsQuery& q) {
  return {Count::DNS_FAILED, finish_answer(*begin_answer(q, LDNS_RCODE_SERVFAIL), q)};
}

}  // namespace mizar::responder
