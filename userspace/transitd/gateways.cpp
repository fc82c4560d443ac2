// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/gateways.h"

#include <arpa/inet.h>

#include <bit>
#include <set>
#include <utility>

namespace mizar {

namespace {

mz_inside_key inside_key(std::uint32_t vni, const Addr& ip, std::uint16_t port = 0, std::uint16_t proto = 0) {
  return {vni, ip.abi(), htons(port), proto};
}

mz_outside_key outside_key(const Addr& ip, std::uint16_t port, std::uint16_t proto) {
  return {ip.abi(), htons(port), proto};
}

mz_pool_key pool_key(const Prefix& p) { return {p.mapped_len(), p.ip.abi()}; }

template <class K, class V>
std::size_t with(const Rows<K, V>& actual, const Rows<K, V>& want) {
  std::size_t n = actual.size();
  for (const auto& [key, value] : want) n += !actual.contains(key);
  return n;
}

}  // namespace

// A floating address is a pool of its own, of one piece.
Gateways::Tables Gateways::want(const Goal& goal) {
  Tables w;
  for (const auto& [name, g] : goal.gateways) {
    std::set<Addr> known, forwarding;  // endpoints; outside addresses, and endpoints
    for (const OutsideSpec& a : g.addresses) known.insert(a.address);
    for (const ForwardSpec& f : g.forwards) {
      forwarding.insert(f.outside);
      mz_inside in{};
      in.ip = f.outside.abi();
      in.port = htons(f.outside_port);
      for (const auto& [ip, port] : goal.led_to(g.vpc, f)) {
        if (!f.service.empty() && !known.contains(ip)) continue;  // another host's
        forwarding.insert(ip);
        w.insides.emplace(inside_key(g.vni, ip, port, f.protocol), in);
      }
      const auto to = static_cast<__u16>(f.service.empty() ? 0 : MZ_OUTSIDE_F_SERVICE);
      if (g.serves)
        w.outsides.emplace(outside_key(f.outside, f.outside_port, f.protocol),
                           mz_outside{g.vni, f.address.abi(), htons(f.port), to});
    }
    const auto shift = static_cast<std::uint16_t>(std::countr_zero(g.ports_per_endpoint));
    for (const OutsideSpec& a : g.addresses) {
      mz_inside in{};
      in.ip = a.outside.abi();
      in.first = a.ports.first;
      in.last = a.ports.last;
      in.flags = forwarding.contains(a.address) ? MZ_INSIDE_F_FORWARDS : 0;
      w.insides.emplace(inside_key(g.vni, a.address), in);
      if (!g.serves) continue;
      const auto piece = static_cast<std::uint16_t>(a.ports.whole() ? 0 : a.ports.first >> shift);
      w.outsides.emplace(outside_key(a.outside, piece, 0), mz_outside{g.vni, a.address.abi(), 0, 0});
      if (a.ports.whole())
        w.pools.emplace(pool_key({a.outside, a.outside.is_v4() ? 32u : 128u}), mz_pool{16, 0});
    }
    if (!g.serves) continue;
    for (const Prefix& p : g.pools) {
      bool any = false;
      for (const ForwardSpec& f : g.forwards) any = any || p.contains(f.outside);
      w.pools.emplace(pool_key(p), mz_pool{shift, static_cast<__u16>(any ? MZ_POOL_F_FORWARDS : 0)});
    }
  }
  return w;
}

Result<> Gateways::recover() {
  MZ_CHECK(read_rows(dp_.insides(), actual_.insides));
  MZ_CHECK(read_rows(dp_.outsides(), actual_.outsides));
  MZ_CHECK(read_rows(dp_.pools(), actual_.pools));
  doubtful_ = true;
  return {};
}

// What stands counts, too: new rows are written before old ones go.
Result<> Gateways::check(const Goal& goal) const {
  const auto fits = [](const char* what, const std::string& advice, std::size_t n, std::size_t capacity) -> Result<> {
    if (n <= capacity) return {};
    return fail(Code::resource_exhausted, "{}: {} wanted at a time, the table holds {}; {}", what, n, capacity, advice);
  };
  const std::string more = larger("--max-outside");
  const Tables w = want(goal);
  MZ_CHECK(fits("outside addresses and forwarded ports", more, with(actual_.insides, w.insides), dp_.insides().capacity()));
  MZ_CHECK(fits("pieces of outside addresses", more, with(actual_.outsides, w.outsides), dp_.outsides().capacity()));
  return fits("pools", "join blocks, or have fewer floating addresses on one gateway", with(actual_.pools, w.pools),
              dp_.pools().capacity());
}

// What leads in goes first and comes last: a packet from outside finds the endpoint's
// row, or nobody.
Result<bool> Gateways::apply(const Goal& goal) {
  const Tables w = want(goal);
  for (const auto& [key, in] : actual_.insides) {
    const auto now = w.insides.find(key);
    if (now == w.insides.end() || !same_bytes(now->second, in)) doubtful_ = true;
  }
  MZ_CHECK(erase_rows(dp_.pools(), actual_.pools, w.pools));
  MZ_CHECK(erase_rows(dp_.outsides(), actual_.outsides, w.outsides));
  MZ_CHECK(put_rows(dp_.insides(), actual_.insides, w.insides));
  MZ_CHECK(put_rows(dp_.outsides(), actual_.outsides, w.outsides));
  MZ_CHECK(put_rows(dp_.pools(), actual_.pools, w.pools));
  MZ_CHECK(erase_rows(dp_.insides(), actual_.insides, w.insides));
  return std::exchange(doubtful_, false);
}

bool Gateways::has_port(std::uint32_t vni, const mz_addr& ip, std::uint16_t port) const {
  const auto at = actual_.insides.find({vni, ip, 0, 0});
  return at != actual_.insides.end() && at->second.first <= port && port <= at->second.last &&
         !(at->second.first == 0 && at->second.last == 65535);
}

bool Gateways::keeps(const mz_flow_key& k, const mz_flow& f) const {
  return has_port(k.vni, k.local, ntohs(f.from_port));
}

bool Gateways::keeps(const mz_mapping_key& k, const mz_mapping& m) const {
  return has_port(k.vni, k.ip, ntohs(k.outside ? k.port : m.port));
}

std::map<std::string, std::uint64_t> Gateways::used() const {
  return {{"outside", actual_.insides.size()}};
}

}  // namespace mizar
