// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/dhcp4.h"

#include <algorithm>
#include <map>
#include <optional>

#include "bpf/abi/local.h"
#include "bpf/abi/wire.h"

namespace mizar::responder {

namespace {

constexpr std::uint32_t kCookie = 0x63825363;  // RFC 2132 section 2
constexpr std::size_t kLeast = 300;            // BOOTP's message, which some clients insist on
constexpr std::size_t kIpUdp = 28;             // RFC 2132 9.10 counts the IP datagram
constexpr std::uint16_t kMaxDefault = 576;     // RFC 2131 section 2
constexpr std::uint16_t kMaxEver = 1280;       // goes through in one piece anywhere

enum Type : std::uint8_t {
  kDiscover = 1, kOffer, kRequest, kDecline, kAck, kNak, kRelease, kInform
};

enum Option : std::uint8_t {
  kPad = 0, kMask = 1, kRouter = 3, kDns = 6, kHostName = 12, kDomain = 15, kMtu = 26,
  kBroadcast = 28, kRequested = 50, kLease = 51, kOverload = 52, kType = 53, kServer = 54,
  kWanted = 55, kMessage = 56, kMaxSize = 57, kT1 = 58, kT2 = 59, kClientId = 61, kRoutes = 121,
  kEnd = 255
};

using Options = std::map<std::uint8_t, Bytes>;

struct Request {
  std::uint32_t xid = 0, ciaddr = 0, giaddr = 0;
  std::uint16_t flags = 0;
  Bytes chaddr;  // all 16
  Options options;

  [[nodiscard]] const Bytes* find(Option o) const {
    const auto at = options.find(o);
    return at == options.end() ? nullptr : &at->second;
  }
  // A number of exactly `size` bytes; nothing if absent or of another size.
  [[nodiscard]] std::optional<std::uint32_t> number(Option o, std::size_t size) const {
    const Bytes* b = find(o);
    if (!b || b->size() != size) return std::nullopt;
    std::uint32_t v = 0;
    for (const auto x : *b) v = v << 8 | x;
    return v;
  }
};

// One field of options. Parts of one option belong together (RFC 3396).
bool read_options(View field, Options& out) {
  Reader r(field);
  while (r.left() > 0) {
    const std::uint8_t code = r.u8();
    if (code == kPad) continue;
    if (code == kEnd) return true;
    const View value = r.take(r.u8());
    if (!r.ok()) return false;
    Bytes& all = out[code];
    all.insert(all.end(), value.begin(), value.end());
  }
  return r.ok();
}

std::optional<Request> parse(View message) {
  Reader r(message);
  Request q;
  const bool ethernet = r.u8() == 1 && r.u8() == 1 && r.u8() == MZ_ETH_ALEN;
  r.u8();  // hops
  q.xid = r.u32();
  r.u16();  // secs
  q.flags = r.u16();
  q.ciaddr = r.u32();
  r.take(8);  // yiaddr, siaddr
  q.giaddr = r.u32();
  const View chaddr = r.take(16), sname = r.take(64), file = r.take(128);
  const bool dhcp = r.u32() == kCookie;
  if (!r.ok() || !ethernet || !dhcp) return std::nullopt;
  q.chaddr.assign(chaddr.begin(), chaddr.end());
  if (!read_options(r.take(r.left()), q.options)) return std::nullopt;
  const auto overload = q.number(kOverload, 1).value_or(0);
  if ((overload & 1) && !read_options(file, q.options)) return std::nullopt;
  if ((overload & 2) && !read_options(sname, q.options)) return std::nullopt;
  return q;
}

Bytes word(std::uint32_t v) { return Writer().u32(v).done(); }

// RFC 3442: prefix length, as many bytes of the prefix as count, router.
void write_route(Writer& w, const Prefix& to, std::uint32_t via) {
  w.u8(static_cast<std::uint8_t>(to.len));
  const Bytes prefix = word(to.ip.v4_value());
  w.bytes(View(prefix).first((to.len + 7) / 8)).u32(via);
}

// A network too small for a gateway has all of it on link (router 0.0.0.0). A
// client that takes routes takes no router: the default route is one of them.
Bytes routes_of(const Client& c) {
  const Prefix& block = *c.cidr.v4;
  const std::uint32_t gateway = has_gateway(block) ? gateway_of(block).v4_value() : 0;
  Writer w;
  for (const StaticRoute& r : c.services.routes)
    write_route(w, r.to, r.via ? r.via->v4_value() : gateway);
  if (gateway == 0) write_route(w, Prefix{Addr::v4(MZ_SERVICES4), MZ_SERVICES4_LEN}, 0);
  write_route(w, Prefix{Addr::v4(0), 0}, gateway);
  return w.done();
}

// What an option holds for this endpoint; empty: nothing.
Bytes value_of(std::uint8_t code, const Client& c) {
  const Prefix& block = *c.cidr.v4;
  const std::uint32_t hosts = block.len == 0 ? ~0u : (1u << (32 - block.len)) - 1;
  switch (code) {
    case kMask: return word(~hosts);
    case kRouter: return has_gateway(block) ? word(gateway_of(block).v4_value()) : Bytes();
    case kDns: return word(dns_server(Family::v4).v4_value());
    case kHostName: return Writer().text(c.name).done();
    case kDomain: return Writer().text(c.zone->domain()).done();
    case kMtu: return Writer().u16(static_cast<std::uint16_t>(c.mtu)).done();
    case kBroadcast: return has_gateway(block) ? word(block.ip.v4_value() | hosts) : Bytes();
    case kRoutes: return routes_of(c);
    default: return {};
  }
}

// Codes in the order the client asked for them (RFC 2132 9.8), but the mask
// before the router (3.3), and each once.
Bytes wanted(const Request& q) {
  const Bytes* list = q.find(kWanted);
  Bytes out = list ? *list : Bytes{kMask, kRouter, kDns, kDomain, kMtu, kBroadcast};
  const auto mask = std::find(out.begin(), out.end(), kMask);
  if (mask != out.end()) std::rotate(out.begin(), mask, mask + 1);
  Bytes once;
  for (const auto code : out)
    if (std::find(once.begin(), once.end(), code) == once.end()) once.push_back(code);
  return once;
}

class Reply {
 public:
  // Table 3: what every answer has in its fixed part.
  Reply(const Request& q, Type type, std::uint32_t ciaddr, std::uint32_t yiaddr) : q_(q) {
    const std::uint32_t size = q.number(kMaxSize, 2).value_or(kMaxDefault);
    limit_ = std::clamp<std::size_t>(size, kMaxDefault, kMaxEver) - kIpUdp;
    w_.u8(2).u8(1).u8(MZ_ETH_ALEN).u8(0).u32(q.xid).u16(0).u16(q.flags).u32(ciaddr).u32(yiaddr);
    w_.u32(0).u32(q.giaddr).bytes(q.chaddr).zeros(64 + 128).u32(kCookie);
    add(kType, Bytes{type});
    add(kServer, word(MZ_DHCP4_SERVER));
    if (const Bytes* id = q.find(kClientId)) add(kClientId, *id);  // RFC 6842 section 3
  }
  // Left out where it is empty, too long for one option, or past what the client takes.
  Reply& add(std::uint8_t code, const Bytes& value) {
    if (value.empty() || value.size() > 255 || w_.size() + 2 + value.size() + 1 > limit_)
      return *this;
    w_.u8(code).u8(static_cast<std::uint8_t>(value.size())).bytes(value);
    return *this;
  }
  Reply& add_lease(std::uint32_t seconds) {
    return add(kLease, word(seconds))
        .add(kT1, word(seconds / 2))
        .add(kT2, word(seconds - seconds / 8));
  }
  Reply& add_wanted(const Client& c) {
    for (const auto code : wanted(q_)) add(code, value_of(code, c));
    return *this;
  }
  Bytes done() {
    w_.u8(kEnd);
    if (w_.size() < kLeast) w_.zeros(kLeast - w_.size());
    return w_.done();
  }

 private:
  const Request& q_;
  Writer w_;
  std::size_t limit_;
};

Bytes lease(const Request& q, Type type, const Client& c, const DhcpSettings& s) {
  const std::uint32_t ciaddr = type == kAck ? q.ciaddr : 0;
  return Reply(q, type, ciaddr, c.address.v4->v4_value())
      .add_lease(s.lease_s)
      .add_wanted(c)
      .done();
}

Bytes nak(const Request& q, std::string_view why) {
  return Reply(q, kNak, 0, 0).add(kMessage, Writer().text(why).done()).done();
}

// RFC 2131 table 4. The states differ in where the address stands; the answer is
// the same for all: it is the endpoint's, or it is not.
Outcome on_request(const Request& q, const Client& c, const DhcpSettings& s) {
  if (const auto server = q.number(kServer, 4); server && *server != MZ_DHCP4_SERVER)
    return {Count::DHCP4_OTHER_SERVER, {}};
  const auto requested = q.number(kRequested, 4);
  const std::uint32_t address = requested.value_or(q.ciaddr);
  if (address == 0) return {Count::DHCP4_MALFORMED, {}};
  if (address != c.address.v4->v4_value())
    return {Count::DHCP4_NAK, nak(q, "not the address of this endpoint")};
  return {Count::DHCP4_ACK, lease(q, kAck, c, s)};
}

// No lease for who has its address from elsewhere (RFC 2131 section 4.3.5).
Outcome on_inform(const Request& q, const Client& c) {
  if (q.ciaddr == 0) return {Count::DHCP4_MALFORMED, {}};
  return {Count::DHCP4_ACK, Reply(q, kAck, q.ciaddr, 0).add_wanted(c).done()};
}

}  // namespace

Bytes default_duid() {
  constexpr MacBytes mac = MZ_GATEWAY_MAC;
  return Writer().u16(3).u16(1).bytes(mac).done();
}

Outcome answer_dhcp4(View message, const Client& c, const DhcpSettings& s) {
  const auto q = parse(message);
  if (!q) return {Count::DHCP4_MALFORMED, {}};
  if (!c.services.dhcp || !c.address.v4) return {Count::DHCP4_OFF, {}};
  if (!std::equal(c.mac.begin(), c.mac.end(), q->chaddr.begin()))
    return {Count::DHCP4_NOT_ITS_MAC, {}};
  switch (q->number(kType, 1).value_or(0)) {
    case kDiscover: return {Count::DHCP4_OFFER, lease(*q, kOffer, c, s)};
    case kRequest: return on_request(*q, c, s);
    case kInform: return on_inform(*q, c);
    case kRelease: return {Count::DHCP4_RELEASE, {}};
    case kDecline: return {Count::DHCP4_DECLINE, {}};
    default: return {Count::DHCP4_MALFORMED, {}};
  }
}

}  // namespace mizar::responder
