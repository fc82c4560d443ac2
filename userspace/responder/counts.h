// SPDX-License-Identifier: Apache-2.0
// What became of what endpoints sent. Everything received ends under exactly
// one of these, so a sum says how much came.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mizar::responder {

// X(name, whether it is a drop, text)
#define MZ_RESPONDER_COUNTS(X)                                                      \
  X(UNKNOWN_CLIENT, true, "from an address that is no endpoint's of this host")     \
  X(RATE_LIMITED, true, "more than --rate of this endpoint")                        \
  X(NO_ROOM, true, "too many connections or open questions")                        \
  X(DHCP4_OFFER, false, "DISCOVER answered")                                        \
  X(DHCP4_ACK, false, "REQUEST or INFORM answered")                                 \
  X(DHCP4_NAK, false, "REQUEST for an address that is not the endpoint's")          \
  X(DHCP4_RELEASE, false, "RELEASE: the address stays the endpoint's")              \
  X(DHCP4_DECLINE, false, "DECLINE: the endpoint found its address in use")         \
  X(DHCP4_MALFORMED, true, "no DHCPv4 request, or one cut short")                   \
  X(DHCP4_NOT_ITS_MAC, true, "chaddr is not the endpoint's MAC")                    \
  X(DHCP4_OTHER_SERVER, true, "REQUEST that chose another server")                  \
  X(DHCP4_OFF, true, "the network has no DHCP, or the endpoint no IPv4 address")    \
  X(DHCP6_ADVERTISE, false, "SOLICIT answered")                                     \
  X(DHCP6_REPLY, false, "any other message answered")                               \
  X(DHCP6_DECLINE, false, "DECLINE: the endpoint found its address in use")         \
  X(DHCP6_MALFORMED, true, "no DHCPv6 request, or one that must be discarded")      \
  X(DHCP6_OTHER_SERVER, true, "for the server of another DUID")                     \
  X(DHCP6_NOTHING, true, "CONFIRM without an address: must not be answered")        \
  X(DHCP6_OFF, true, "the network has no DHCP, or the endpoint no IPv6 address")    \
  X(DNS_ANSWERED, false, "a name of the VPC")                                       \
  X(DNS_NO_NAME, false, "a name the VPC does not have: NXDOMAIN")                   \
  X(DNS_ASKED, false, "passed on to a forwarder or a divider, and answered")        \
  X(DNS_REFUSED, false, "not the VPC's, and the network has no forwarder")          \
  X(DNS_ERROR, false, "FORMERR, NOTIMP or BADVERS")                                 \
  X(DNS_FAILED, false, "nobody answered what was passed on: SERVFAIL")              \
  X(DNS_MALFORMED, true, "no DNS query at all")                                     \
  X(PEER_ANSWERED, false, "another host's question, answered")                      \
  X(PEER_REFUSED, true, "a question from no host of the region, or of no VPC here") \
  X(PEER_HEALTH, false, "another host's question about backends, answered")            \
  X(PROBE_PASSED, false, "probe of a backend, passed")                              \
  X(PROBE_FAILED, false, "probe of a backend, failed")                              \
  X(METADATA_FOUND, false, "200")                                                   \
  X(METADATA_NOT_FOUND, false, "404")                                               \
  X(METADATA_REFUSED, true, "forwarded by a proxy: 403")                            \
  X(METADATA_MALFORMED, true, "no request this server takes: 400, 405, 431, 505")

enum class Count : std::uint8_t {
#define X(name, drop, text) name,
  MZ_RESPONDER_COUNTS(X)
#undef X
};

struct CountText {
  std::string_view name;
  bool drop;
  std::string_view text;
};

inline constexpr std::array kCounts = {
#define X(name, drop, text) CountText{#name, drop, text},
    MZ_RESPONDER_COUNTS(X)
#undef X
};

constexpr const CountText& text_of(Count c) { return kCounts[static_cast<std::size_t>(c)]; }

class Counters {
 public:
  void add(Count c) { values_[static_cast<std::size_t>(c)]++; }
  [[nodiscard]] std::uint64_t of(Count c) const { return values_[static_cast<std::size_t>(c)]; }
  [[nodiscard]] const std::array<std::uint64_t, kCounts.size()>& all() const { return values_; }

 private:
  std::array<std::uint64_t, kCounts.size()> values_{};
};

}  // namespace mizar::responder
