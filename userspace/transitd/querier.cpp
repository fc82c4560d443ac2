// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/querier.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "bpf/abi/groups.h"
#include "bpf/abi/wire.h"
#include "userspace/base/bytes.h"
#include "userspace/base/log.h"

namespace mizar {

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kWithinMost{10000};
constexpr unsigned kRobustness = 2;  // RFC 3376 8.1, RFC 3810 9.1

std::uint16_t checksum(std::uint32_t sum, const std::vector<std::uint8_t>& b, std::size_t from) {
  for (std::size_t i = from; i < b.size(); i += 2)
    sum += static_cast<std::uint32_t>(b[i]) << 8 | (i + 1 < b.size() ? b[i + 1] : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put16(std::vector<std::uint8_t>& b, std::size_t at, std::uint32_t v) {
  b[at] = static_cast<std::uint8_t>(v >> 8);
  b[at + 1] = static_cast<std::uint8_t>(v);
}

// RFC 3376 4.1.1 and 4.1.7: above 127 a floating point number.
std::uint8_t code(std::uint64_t v) {
  if (v < 128) return static_cast<std::uint8_t>(v);
  unsigned exponent = 0;
  while (v >> (exponent + 3) > 0x1f) exponent++;
  if (exponent > 7) return 0xff;
  return static_cast<std::uint8_t>(0x80 | exponent << 4 | ((v >> (exponent + 3)) & 0xf));
}

std::vector<std::uint8_t> frame(const std::array<std::uint8_t, 6>& to, std::uint16_t type, std::size_t bytes) {
  static constexpr std::uint8_t gateway[] = MZ_GATEWAY_MAC;
  std::vector<std::uint8_t> b(ETH_HLEN + bytes);
  std::copy(to.begin(), to.end(), b.begin());
  std::copy(std::begin(gateway), std::end(gateway), b.begin() + ETH_ALEN);
  put16(b, 12, type);
  return b;
}

}  // namespace

std::vector<std::uint8_t> igmp_query(const std::optional<Addr>& gateway, Milliseconds interval, Milliseconds within) {
  constexpr std::size_t ip = ETH_HLEN, igmp = ip + 24;
  auto b = frame({0x01, 0x00, 0x5e, 0, 0, 1}, ETH_P_IP, 24 + 12);
  b[ip] = 0x46;
  b[ip + 1] = 0xc0;  // internetwork control
  put16(b, ip + 2, 24 + 12);
  put16(b, ip + 6, 0x4000);
  b[ip + 8] = 1;
  b[ip + 9] = IPPROTO_IGMP;
  const std::uint32_t from = htonl(gateway ? gateway->v4_value() : 0), all = htonl(0xe0000001);
  std::memcpy(&b[ip + 12], &from, 4);
  std::memcpy(&b[ip + 16], &all, 4);
  b[ip + 20] = 0x94;  // router alert (RFC 2113)
  b[ip + 21] = 4;
  const std::vector<std::uint8_t> header(b.begin() + ip, b.begin() + igmp);
  put16(b, ip + 10, checksum(0, header, 0));
  b[igmp] = MZ_IGMP_QUERY;
  b[igmp + 1] = code(static_cast<std::uint64_t>(std::max<std::int64_t>(within.count() / 100, 1)));
  b[igmp + 8] = kRobustness;
  b[igmp + 9] = code(static_cast<std::uint64_t>(interval.count() / 1000));
  put16(b, igmp + 2, checksum(0, b, igmp));
  return b;
}

std::vector<std::uint8_t> mld_query(Milliseconds interval, Milliseconds within) {
  constexpr std::size_t ip = ETH_HLEN, mld = ip + 40 + 8;
  auto b = frame({0x33, 0x33, 0, 0, 0, 1}, ETH_P_IPV6, 40 + 8 + 28);
  b[ip] = 0x60;
  put16(b, ip + 4, 8 + 28);
  b[ip + 6] = IPPROTO_HOPOPTS;
  b[ip + 7] = 1;
  const mz_addr from = {.w = {htonl(0xfe800000), 0, htonl(0x004d5aff), htonl(0xfe000001)}};
  std::memcpy(&b[ip + 8], &from, 16);
  b[ip + 24] = 0xff;  // ff02::1
  b[ip + 25] = 0x02;
  b[ip + 39] = 1;
  const std::uint8_t alert[] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};  // RFC 2711, and padding
  std::copy(std::begin(alert), std::end(alert), b.begin() + ip + 40);
  b[mld] = MZ_MLD_QUERY;
  put16(b, mld + 4, static_cast<std::uint32_t>(within.count()));
  b[mld + 24] = kRobustness;
  b[mld + 25] = code(static_cast<std::uint64_t>(interval.count() / 1000));
  std::uint32_t sum = 28 + IPPROTO_ICMPV6;
  for (std::size_t i = ip + 8; i < ip + 40; i += 2) sum += static_cast<std::uint32_t>(b[i]) << 8 | b[i + 1];
  put16(b, mld + 2, checksum(sum, b, mld));
  return b;
}

Milliseconds Querier::within() const { return std::min(kWithinMost, interval_ / 2); }

void Querier::ask(const std::vector<unsigned>& interfaces, Clock::time_point now) {
  const std::set<unsigned> all(interfaces.begin(), interfaces.end());
  std::erase_if(asked_, [&](const auto& a) { return !all.contains(a.first); });
  for (const unsigned ifindex : interfaces) {
    Asked& a = asked_[ifindex];
    const Milliseconds pause = a.times < kRobustness ? std::min(interval_, Milliseconds(1000)) : interval_;
    if (a.times > 0 && now - a.last < pause) continue;
    const auto port = dp_.ports().get(ifindex % MZ_PORTS);
    if (!port || port->ifindex != ifindex) continue;
    a.times = std::min(a.times + 1, kRobustness);
    a.last = now;
    send(ifindex, *port);
  }
}

// What is lost is asked again at the next turn.
void Querier::send(unsigned ifindex, const mz_port& port) {
  if (!socket_.valid()) socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));  // 0: receives nothing
  if (!socket_.valid()) {
    log::warning("groups: endpoints are not asked: {}", std::strerror(errno));
    return;
  }
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(ifindex);
  const auto out = [&](const std::vector<std::uint8_t>& b) {
    (void)sendto(socket_.get(), b.data(), b.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  };
  // The first time soon: a new daemon, or a new interface, whose groups are to be known.
  const Milliseconds soon = std::min(within(), asked_[ifindex].times < kRobustness ? Milliseconds(1000) : kWithinMost);
  if (port.ip4 != 0)
    out(igmp_query(port.gateway4 ? std::optional(Addr::v4(ntohl(port.gateway4))) : std::nullopt, interval_, soon));
  if (!same_bytes(port.ip6, mz_addr{})) out(mld_query(interval_, soon));
}

}  // namespace mizar
