// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/dhcp6.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace mizar::responder {

namespace {

enum Type : std::uint8_t {
  kSolicit = 1, kAdvertise = 2, kRequest = 3, kConfirm = 4, kRenew = 5, kRebind = 6, kReply = 7,
  kRelease = 8, kDecline = 9, kInformation = 11
};

enum Option : std::uint16_t {
  kClientId = 1, kServerId = 2, kIaNa = 3, kIaTa = 4, kIaAddr = 5, kWanted = 6, kStatus = 13,
  kRapidCommit = 14, kDns = 23, kDomains = 24, kIaPd = 25
};

enum Status : std::uint16_t {
  kSuccess = 0, kNoAddrsAvail = 2, kNoBinding = 3, kNotOnLink = 4, kNoPrefixAvail = 6
};

constexpr std::size_t kIasMax = 16;        // of one message; more is nobody's need
constexpr std::size_t kDuidMax = 130;      // RFC 8415 section 11.1: 128 and the type

// An identity association as the client sent it.
struct Ia {
  std::uint16_t kind = 0;  // kIaNa, kIaTa, kIaPd
  std::uint32_t id = 0;
  std::vector<Addr> addresses;
};

struct Request {
  std::uint8_t type = 0;
  View xid;
  std::optional<View> client, server;
  std::optional<std::vector<std::uint16_t>> wanted;
  bool rapid = false;
  std::vector<Ia> ias;

  [[nodiscard]] bool names_an_address() const {
    return std::any_of(ias.begin(), ias.end(), [](const Ia& i) { return !i.addresses.empty(); });
  }
};

Addr read_address(Reader& r) {
  mz_addr a{};
  const View bytes = r.take(sizeof a);
  if (r.ok()) std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&a));
  return Addr(a);
}

// Calls `each(code, value)` until one says no. False: cut short, or refused.
template <class Each>
bool options(View in, Each each) {
  Reader r(in);
  while (r.left() > 0) {
    const std::uint16_t code = r.u16();
    const View value = r.take(r.u16());
    if (!r.ok() || !each(code, value)) return false;
  }
  return true;
}

bool read_ia(std::uint16_t kind, View value, Request& q) {
  Reader r(value);
  Ia ia;
  ia.kind = kind;
  ia.id = r.u32();
  if (kind != kIaTa) r.take(8);  // T1, T2: the server decides
  if (!r.ok() || q.ias.size() == kIasMax) return false;
  const bool sound = options(r.take(r.left()), [&](std::uint16_t code, View inner) {
    if (code != kIaAddr) return true;
    Reader a(inner);
    ia.addresses.push_back(read_address(a));
    a.take(8);  // lifetimes
    return a.ok() && ia.addresses.size() <= kIasMax;
  });
  q.ias.push_back(std::move(ia));
  return sound;
}

bool read_wanted(View value, Request& q) {
  Reader r(value);
  auto& list = q.wanted.emplace();
  while (r.left() > 0) list.push_back(r.u16());
  return r.ok();
}

// Two of what may stand once make the message unsound.
bool read_id(View value, std::optional<View>& out) {
  if (out || value.size() < 3 || value.size() > kDuidMax) return false;
  out = value;
  return true;
}

std::optional<Request> parse(View message) {
  Reader r(message);
  Request q;
  q.type = r.u8();
  q.xid = r.take(3);
  if (!r.ok()) return std::nullopt;
  const bool sound = options(r.take(r.left()), [&](std::uint16_t code, View value) {
    switch (code) {
      case kClientId: return read_id(value, q.client);
      case kServerId: return read_id(value, q.server);
      case kIaNa:
      case kIaTa:
      case kIaPd: return read_ia(code, value, q);
      case kWanted: return !q.wanted && read_wanted(value, q);
      case kRapidCommit: q.rapid = true; return value.empty();
      default: return true;
    }
  });
  return sound ? std::optional(std::move(q)) : std::nullopt;
}

// RFC 8415 sections 16.2 to 16.12: what must be discarded.
std::optional<Count> check(const Request& q, View duid) {
  const bool ours =
      q.server && std::equal(q.server->begin(), q.server->end(), duid.begin(), duid.end());
  switch (q.type) {
    case kSolicit:
    case kConfirm:
    case kRebind:
      if (!q.client || q.server) return Count::DHCP6_MALFORMED;
      return std::nullopt;
    case kRequest:
    case kRenew:
    case kRelease:
    case kDecline:
      if (!q.client || !q.server) return Count::DHCP6_MALFORMED;
      break;
    case kInformation:
      if (!q.ias.empty()) return Count::DHCP6_MALFORMED;
      if (!q.server) return std::nullopt;
      break;
    default:
      return Count::DHCP6_MALFORMED;
  }
  if (!ours) return Count::DHCP6_OTHER_SERVER;
  return std::nullopt;
}

Bytes option(std::uint16_t code, View value) {
  return Writer().u16(code).u16(static_cast<std::uint16_t>(value.size())).bytes(value).done();
}

Bytes status(Status code) { return option(kStatus, Writer().u16(code).done()); }

Bytes ia_address(const Addr& ip, std::uint32_t preferred, std::uint32_t valid) {
  return option(kIaAddr, Writer().bytes(ip.bytes()).u32(preferred).u32(valid).done());
}

// Domain names in wire form, uncompressed (RFC 8415 section 10).
Bytes domain_list(const std::string& domain) {
  Writer w;
  for (std::size_t at = 0; at < domain.size();) {
    const auto dot = std::min(domain.find('.', at), domain.size());
    w.u8(static_cast<std::uint8_t>(dot - at)).text(std::string_view(domain).substr(at, dot - at));
    at = dot + 1;
  }
  return w.u8(0).done();
}

class Answer {
 public:
  Answer(const Request& q, const Client& c, const DhcpSettings& s) : q_(q), c_(c), s_(s) {}

  Outcome run();

 private:
  void begin(Type type) {
    w_.u8(type).bytes(q_.xid).bytes(option(kServerId, s_.duid));
    if (q_.client) w_.bytes(option(kClientId, *q_.client));
  }
  void configuration();
  void ia(const Ia& ia, View inside);
  void refuse(const Ia& ia, Status s) { this->ia(ia, status(s)); }
  void assign_all();
  Bytes assign(const Ia& ia) const;
  [[nodiscard]] bool off_link(const Ia& ia) const;
  [[nodiscard]] bool is_ours(const Addr& ip) const { return ip == *c_.address.v6; }
  bool confirm();
  void give_back();

  const Request& q_;
  const Client& c_;
  const DhcpSettings& s_;
  Writer w_;
};

// What was asked for; all of it where the client did not say.
void Answer::configuration() {
  const auto wants = [this](std::uint16_t code) {
    return !q_.wanted || std::find(q_.wanted->begin(), q_.wanted->end(), code) != q_.wanted->end();
  };
  if (wants(kDns)) w_.bytes(option(kDns, dns_server(Family::v6).bytes()));
  if (wants(kDomains) && !c_.zone->domain().empty())
    w_.bytes(option(kDomains, domain_list(c_.zone->domain())));
}

void Answer::ia(const Ia& ia, View inside) {
  Writer value;
  value.u32(ia.id);
  // Sections 14.2 and 21.4: T1 and T2 at half and four fifths of the lifetime.
  if (ia.kind != kIaTa) value.u32(s_.lease_s / 2).u32(s_.lease_s - s_.lease_s / 5);
  w_.bytes(option(ia.kind, value.bytes(inside).done()));
}

// Section 18.3.2: an address of another link is for no server here to judge.
bool Answer::off_link(const Ia& ia) const {
  return std::any_of(ia.addresses.begin(), ia.addresses.end(),
                     [this](const Addr& ip) { return !c_.cidr.v6->contains(ip); });
}

// The endpoint's address; and with lifetimes of 0 what it must stop using
// (sections 18.3.4 and 18.3.5).
Bytes Answer::assign(const Ia& ia) const {
  Bytes out = ia_address(*c_.address.v6, s_.lease_s, s_.lease_s);
  if (q_.type != kRenew && q_.type != kRebind) return out;
  for (const Addr& ip : ia.addresses) {
    if (is_ours(ip)) continue;
    const Bytes gone = ia_address(ip, 0, 0);
    out.insert(out.end(), gone.begin(), gone.end());
  }
  return out;
}

// There is one address: the first IA_NA gets it.
void Answer::assign_all() {
  bool given = false;
  for (const Ia& ia : q_.ias) {
    if (ia.kind == kIaPd) {
      refuse(ia, kNoPrefixAvail);
    } else if (ia.kind == kIaTa || given) {
      refuse(ia, kNoAddrsAvail);
    } else if (q_.type == kRequest && off_link(ia)) {
      refuse(ia, kNotOnLink);
    } else {
      this->ia(ia, assign(ia));
      given = true;
    }
  }
}

// Section 18.3.3: without an address there is nothing to say.
bool Answer::confirm() {
  if (!q_.names_an_address()) return false;
  const bool all = std::all_of(q_.ias.begin(), q_.ias.end(), [this](const Ia& ia) {
    return std::all_of(ia.addresses.begin(), ia.addresses.end(),
                       [this](const Addr& ip) { return is_ours(ip); });
  });
  begin(kReply);
  w_.bytes(status(all ? kSuccess : kNotOnLink));
  return true;
}

// Sections 18.3.7 and 18.3.8. The address stays the endpoint's all the same.
void Answer::give_back() {
  begin(kReply);
  w_.bytes(status(kSuccess));
  for (const Ia& ia : q_.ias) {
    const bool bound =
        ia.kind == kIaNa && std::all_of(ia.addresses.begin(), ia.addresses.end(),
                                        [this](const Addr& a) { return is_ours(a); });
    if (!bound) refuse(ia, kNoBinding);
  }
}

Outcome Answer::run() {
  if (q_.type == kConfirm) {
    if (!confirm()) return {Count::DHCP6_NOTHING, {}};
    return {Count::DHCP6_REPLY, w_.done()};
  }
  if (q_.type == kRelease || q_.type == kDecline) {
    give_back();
    return {q_.type == kDecline ? Count::DHCP6_DECLINE : Count::DHCP6_REPLY, w_.done()};
  }
  const bool advertise = q_.type == kSolicit && !q_.rapid;
  begin(advertise ? kAdvertise : kReply);
  if (q_.type == kSolicit && q_.rapid) w_.bytes(option(kRapidCommit, {}));
  assign_all();
  configuration();
  return {advertise ? Count::DHCP6_ADVERTISE : Count::DHCP6_REPLY, w_.done()};
}

}  // namespace

Outcome answer_dhcp6(View message, const Client& c, const DhcpSettings& s) {
  const auto q = parse(message);
  if (!q) return {Count::DHCP6_MALFORMED, {}};
  if (const auto discard = check(*q, s.duid)) return {*discard, {}};
  if (!c.services.dhcp || !c.address.v6 || !c.cidr.v6) return {Count::DHCP6_OFF, {}};
  return Answer(*q, c, s).run();
}

}  // namespace mizar::responder
