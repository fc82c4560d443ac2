// SPDX-License-Identifier: Apache-2.0
#include "control/model/outside.h"

#include <algorithm>
#include <map>
#include <set>

#include "bpf/abi/hash.h"

namespace centaurus {

namespace {

using mizar::Addr;
using mizar::Code;
using mizar::PortRange;
using mizar::Prefix;
using mizar::Result;

std::uint32_t hash_of(const std::string& text) {
  std::uint32_t h = 0x6f757473;
  for (const char c : text) h = mz_mix32(h ^ static_cast<unsigned char>(c));
  return h;
}

std::uint64_t addresses_in(const Prefix& p) { return std::uint64_t{1} << ((p.ip.is_v4() ? 32 : 128) - p.len); }

// The ranges of one gateway's shared addresses of one family, numbered.
class Shared {
 public:
  Shared(const Gateway& g, mizar::Family family) : size_(g.ports_per_endpoint) {
    for (const Prefix& pool : g.pools)
      if (pool.family() == family) pools_.push_back(pool);
    for (const Floating& f : g.floating) floating_.insert(f.address);
    for (const PortForward& f : g.forwards) forwarded_[f.address].insert(f.port);
  }

  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t n = 0;
    for (const Prefix& p : pools_) n += addresses_in(p) * per_address();
    return n;
  }
  [[nodiscard]] std::pair<Addr, PortRange> at(std::uint64_t i) const {
    for (const Prefix& p : pools_) {
      const std::uint64_t n = addresses_in(p) * per_address();
      if (i < n) {
        const auto first = static_cast<std::uint16_t>((skipped() + i % per_address()) * size_);
        return {mizar::address_at(p, i / per_address()),
                {first, static_cast<std::uint16_t>(first + size_ - 1)}};
      }
      i -= n;
    }
    return {};
  }
  // May `e` have it, if nobody else does?
  [[nodiscard]] bool sound(const Addr& outside, const PortRange& ports, const std::set<std::uint16_t>& own) const {
    const bool ours = std::any_of(pools_.begin(), pools_.end(), [&](const Prefix& p) { return p.contains(outside); });
    if (!ours || floating_.contains(outside) || ports.size() != size_ || ports.first % size_ != 0 ||
        ports.first < mizar::kFirstOutsidePort)
      return false;
    const auto inside = [&](std::uint16_t p) { return ports.contains(p); };
    const auto f = forwarded_.find(outside);
    if (f != forwarded_.end() && std::any_of(f->second.begin(), f->second.end(), inside)) return false;
    return std::none_of(own.begin(), own.end(), inside);
  }

 private:
  [[nodiscard]] std::uint64_t skipped() const { return (mizar::kFirstOutsidePort + size_ - 1) / size_; }
  [[nodiscard]] std::uint64_t per_address() const { return 65536 / size_ - skipped(); }
  std::uint32_t size_;
  std::vector<Prefix> pools_;
  std::set<Addr> floating_;
  std::map<Addr, std::set<std::uint16_t>> forwarded_;
};

class Giver {
 public:
  Giver(const Region& region, const Leases& before) : region_(region) {
    for (const Lease& l : before) before_.emplace(l.key(), l);
  }

  Result<Leases> give() {
    for (const Gateway& g : region_.gateways)
      for (const auto family : {mizar::Family::v4, mizar::Family::v6}) MZ_CHECK(give(g, family));
    return std::move(out_);
  }

 private:
  Result<> give(const Gateway& g, mizar::Family family) {
    const Shared shared(g, family);
    if (shared.count() == 0) return {};
    std::set<std::pair<Addr, std::uint16_t>> taken;
    std::vector<const Endpoint*> rest;
    auto own = forwarded(g);
    const auto take = [&](const Endpoint& e, const Addr& outside, const PortRange& ports) {
      if (!shared.sound(outside, ports, own[e.name]) || !taken.emplace(outside, ports.first).second) return false;
      out_.push_back({e.vpc, e.name, outside, ports});
      return true;
    };
    // In the order of names: a list in another order gives the same.
    std::map<std::string, const Endpoint*> all;
    for (const Endpoint& e : region_.endpoints)
      if (e.vpc == g.vpc && e.address.of(family) && !floats(g, e, family)) all.emplace(e.name, &e);
    for (const auto& [name, e] : all) {
      const auto had = before_.find({e->vpc, name, family});
      if (had == before_.end() || !take(*e, had->second.outside, had->second.ports)) rest.push_back(e);
    }
    for (const Endpoint* e : rest) {
      const std::uint64_t n = shared.count(), from = hash_of(e->vpc + "/" + e->name) % n;
      bool given = false;
      for (std::uint64_t i = 0; i < n && !given; i++) {
        const auto [outside, ports] = shared.at((from + i) % n);
        given = take(*e, outside, ports);
      }
      if (!given)
        return mizar::fail(Code::resource_exhausted,
                           "gateway {}/{}: pools: {} endpoints want {} {} ports each, there are {} such ranges; "
                           "add a block, or lower ports_per_endpoint",
                           g.vpc, g.name, all.size(), g.ports_per_endpoint,
                           family == mizar::Family::v4 ? "IPv4" : "IPv6", n);
    }
    return {};
  }

  static bool floats(const Gateway& g, const Endpoint& e, mizar::Family family) {
    return std::any_of(g.floating.begin(), g.floating.end(), [&](const Floating& f) {
      return f.endpoint == e.name && f.address.family() == family;
    });
  }
  // By endpoint.
  [[nodiscard]] std::map<std::string, std::set<std::uint16_t>> forwarded(const Gateway& g) const {
    std::map<std::string, std::set<std::uint16_t>> own;
    for (const PortForward& f : g.forwards)
      for (const auto& [endpoint, port] : leads_to(region_, g, f)) own[endpoint].insert(port);
    return own;
  }

  const Region& region_;
  std::map<std::tuple<std::string, std::string, mizar::Family>, Lease> before_;
  Leases out_;
};

}  // namespace

const Service* service_of(const Region& region, const std::string& vpc, const std::string& name) {
  const auto s = std::find_if(region.services.begin(), region.services.end(),
                              [&](const Service& x) { return x.vpc == vpc && x.name == name; });
  return s == region.services.end() ? nullptr : &*s;
}

const mizar::ServicePortSpec* port_of(const Service& s, std::uint16_t protocol, std::uint16_t port) {
  const auto p = std::find_if(s.ports.begin(), s.ports.end(),
                              [&](const auto& x) { return x.protocol == protocol && x.port == port; });
  return p == s.ports.end() ? nullptr : &*p;
}

std::vector<std::pair<std::string, std::uint16_t>> leads_to(const Region& region, const Gateway& g, const PortForward& f) {
  if (f.service.empty()) return {{f.endpoint, f.to_port}};
  std::vector<std::pair<std::string, std::uint16_t>> out;
  const Service* s = service_of(region, g.vpc, f.service);
  const auto* port = s == nullptr ? nullptr : port_of(*s, f.protocol, f.to_port);
  if (port == nullptr) return {};
  for (const Backend& b : s->backends) out.emplace_back(b.endpoint, port->backend_port);
  return out;
}

Result<Leases> lease_ports(const Region& region, const Leases& before) { return Giver(region, before).give(); }

}  // namespace centaurus
