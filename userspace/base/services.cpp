// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/services.h"

#include <algorithm>

#include "bpf/abi/hash.h"
#include "bpf/abi/local.h"
#include "userspace/base/names.h"

namespace mizar {

namespace {

using Words = std::uint32_t[4];

Addr from_words(const Words& w, std::uint32_t add = 0) {
  mz_addr a;
  for (int i = 0; i < 4; i++) a.w[i] = mz_be32_value(i == 3 ? w[i] + add : w[i]);
  return Addr(a);
}

Addr pick(Family f, std::uint32_t four, const Words& six) {
  return f == Family::v4 ? Addr::v4(four) : from_words(six);
}

Result<> check_label(std::string_view label, std::string_view domain) {
  constexpr std::string_view kLdh = "abcdefghijklmnopqrstuvwxyz0123456789-";
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
      label.find_first_not_of(kLdh) != std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' is no domain name of a-z 0-9 -", domain);
  return {};
}

}  // namespace

Addr client_address(Family f, std::uint32_t slot) {
  return f == Family::v4 ? Addr::v4(MZ_CLIENT4 + slot) : from_words(MZ_CLIENT6_WORDS, slot);
}
Addr dhcp_server(Family f) { return pick(f, MZ_DHCP4_SERVER, MZ_DHCP6_SERVER_WORDS); }
Addr dns_server(Family f) { return pick(f, MZ_DNS_SERVER4, MZ_DNS_SERVER6_WORDS); }
Addr metadata_server(Family f) { return pick(f, MZ_METADATA4, MZ_METADATA6_WORDS); }
Addr prober_address(Family f) { return pick(f, MZ_PROBER4, MZ_PROBER6_WORDS); }

Result<> check_domain(std::string_view domain) {
  if (domain.empty()) return {};
  if (domain.size() > kDomainMax)
    return fail(Code::invalid_argument, "is {} characters long, at most {} are allowed",
                domain.size(), kDomainMax);
  for (std::string_view rest = domain;;) {
    const auto dot = rest.find('.');
    MZ_CHECK(check_label(rest.substr(0, dot), domain));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // Reverse names are made from the VPC's blocks.
  if (domain == "arpa" || domain.ends_with(".arpa"))
    return fail(Code::invalid_argument, "'{}' belongs to the reverse names", domain);
  return {};
}

Result<> check_user_data(std::string_view data) {
  if (data.size() > kUserDataMax)
    return fail(Code::invalid_argument, "is {} bytes long, at most {} are allowed", data.size(),
                kUserDataMax);
  return {};
}

Result<> check_forwarder(const Addr& ip) {
  MZ_CHECK(check_unicast(ip));
  const bool link_local4 = ip.is_v4() && ip.v4_value() >> 16 == MZ_DNS_SERVER4 >> 16;
  if (link_local4 || ip == dns_server(Family::v6))
    return fail(Code::invalid_argument, "{} is not reached from the host", ip.text());
  return {};
}

std::string domain_or_default(const std::string& domain, const std::string& vpc) {
  return domain.empty() ? vpc + ".internal" : domain;
}

Result<std::vector<Addr>> parse_forwarders(const std::vector<std::string>& dns) {
  if (dns.size() > kForwardersMax)
    return fail(Code::invalid_argument, "dns: {} are given, at most {} are allowed", dns.size(),
                kForwardersMax);
  std::vector<Addr> out;
  for (const auto& text : dns) {
    const std::string field = fmt::format("dns[{}]", out.size());
    auto ip = Addr::parse(text);
    if (!ip) return wrap(ip.error(), field);
    if (auto rc = check_forwarder(*ip); !rc) return wrap(rc.error(), field);
    out.push_back(*ip);
  }
  return out;
}

Result<StaticRoute> parse_route(const std::string& prefix, const std::string& via,
                                const std::optional<Prefix>& network) {
  if (!network) return fail(Code::invalid_argument, "the network has no cidr");
  auto to = Prefix::parse(prefix);
  if (!to) return wrap(to.error(), "prefix");
  if (to->family() != Family::v4)
    return fail(Code::invalid_argument, "prefix: must be IPv4: routers tell routes of IPv6");
  StaticRoute out{*to, {}};
  if (via.empty()) return out;
  auto gateway = Addr::parse(via);
  if (!gateway) return wrap(gateway.error(), "via");
  if (!network->contains(*gateway))
    return fail(Code::invalid_argument, "via: {} is outside the network's {}", via,
                network->text());
  out.via = *gateway;
  return out;
}

unsigned name_bucket(std::string_view name) {
  std::uint32_t h = 2166136261u;  // FNV-1a
  for (const char c : name.substr(0, name.find('.')))
    h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return mz_mix32(h) & (MZ_BUCKETS - 1);
}

}  // namespace mizar
