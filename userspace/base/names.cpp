// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/names.h"

#include <algorithm>

#include "bpf/abi/wire.h"

namespace mizar {

namespace {
constexpr std::string_view kAlnum = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kNameChars = "abcdefghijklmnopqrstuvwxyz0123456789.-";

// A name that may itself be absurdly long, cut for an error message.
std::string shown(std::string_view s) {
  return s.size() <= 24 ? std::string(s) : fmt::format("{}...", s.substr(0, 24));
}
}  // namespace

Result<> check_name(std::string_view name) {
  if (name.empty()) return fail(Code::invalid_argument, "is missing");
  if (name.size() > kNameMax)
    return fail(Code::invalid_argument, "'{}' is {} characters long, at most {} are allowed",
                shown(name), name.size(), kNameMax);
  if (const auto at = name.find_first_not_of(kNameChars); at != std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' has a character other than a-z 0-9 . -", name);
  if (kAlnum.find(name.front()) == std::string_view::npos ||
      kAlnum.find(name.back()) == std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' must begin and end with a letter or digit", name);
  return {};
}

Result<> check_interface(std::string_view name) {
  if (name.empty() || name.size() > kInterfaceMax || name == "." || name == "..")
    return fail(Code::invalid_argument, "'{}' is no interface name of 1..{} characters",
                shown(name), kInterfaceMax);
  for (const char c : name)
    if (c <= ' ' || c == '/' || c == ':' || c == 0x7f)
      return fail(Code::invalid_argument, "'{}' is no interface name: space, / or :", name);
  return {};
}

Result<> check_netns(std::string_view name) {
  if (name.empty()) return fail(Code::invalid_argument, "is missing");
  if (name.size() > 4095 || name.find('\0') != std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' is no path", shown(name));
  if (name.front() == '/') return {};
  if (name.size() > 255 || name.find('/') != std::string_view::npos || name == "." ||
      name == "..")
    return fail(Code::invalid_argument, "'{}' must be a name or an absolute path", shown(name));
  return {};
}

Result<> check_vni(std::uint32_t vni) {
  if (vni == 0 || vni > MZ_VNI_MAX)
    return fail(Code::invalid_argument, "{} is out of range, must be 1..{}", vni, MZ_VNI_MAX);
  return {};
}

Result<> check_host_id(std::uint32_t id) {
  if (id == 0 || id > MZ_HOST_ID_MAX)
    return fail(Code::invalid_argument, "{} is out of range, must be 1..{}", id, MZ_HOST_ID_MAX);
  return {};
}

Result<> check_unicast(const Addr& ip) {
  const auto first = ip.is_v4() ? ip.v4_value() >> 24 : 0;
  const auto& b = ip.bytes();
  // Below ::1:0:0 stand ::, ::1 and what embeds IPv4.
  const bool sound = ip.is_v4()
                         ? first != 0 && first != 127 && first < 224
                         : b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80) &&
                               std::any_of(b.begin(), b.begin() + 10, [](auto x) { return x; });
  if (!sound) return fail(Code::invalid_argument, "{} is no address a host can have", ip.text());
  return {};
}

Result<> check_inside(const Addr& ip, const Cidrs& network) {
  const auto& cidr = network.of(ip.family());
  if (!cidr)
    return fail(Code::invalid_argument, "{}: the network has no {}", ip.text(),
                ip.is_v4() ? "cidr" : "cidr6");
  if (!cidr->contains(ip))
    return fail(Code::invalid_argument, "{} is outside the network's {}", ip.text(), cidr->text());
  if (!has_gateway(*cidr)) return {};
  if (ip == cidr->ip)
    return fail(Code::invalid_argument, "{} is the network's own address", ip.text());
  if (ip == gateway_of(*cidr))
    return fail(Code::invalid_argument, "{} is the network's gateway", ip.text());
  if (ip.is_v4() && ip == address_at(*cidr, 0xffffffffu >> cidr->len))
    return fail(Code::invalid_argument, "{} is the network's broadcast address", ip.text());
  return {};
}

Result<> check_inside(const Prefix& block, const std::string& vpc, const Cidrs& in) {
  const auto& all = in.of(block.ip.family());
  if (!all)
    return fail(Code::invalid_argument, "{}: vpc {} has no {}", block.text(), vpc,
                block.ip.is_v4() ? "cidr" : "cidr6");
  if (!all->contains(block))
    return fail(Code::invalid_argument, "{} is outside vpc {}'s {}", block.text(), vpc,
                all->text());
  // In the tables ::/N with N < 97 would hold all of IPv4, too.
  if (block.holds_mapped())
    return fail(Code::invalid_argument, "{} holds the IPv4-mapped addresses", block.text());
  return {};
}

namespace {

// One field of a pair, empty if its text is. IPv4 written as IPv6 is neither's.
template <class T>
Result<std::optional<T>> parse_one(const std::string& text, const std::string& field, Family f) {
  if (text.empty()) return std::optional<T>();
  auto value = T::parse(text);
  if (!value) return wrap(value.error(), field);
  const bool six = text.find(':') != std::string::npos;
  if (f == Family::v4 && six)
    return fail(Code::invalid_argument, "{0}: must be IPv4; IPv6 goes in {0}6", field);
  if (f == Family::v6 && (!six || value->family() == Family::v4))
    return fail(Code::invalid_argument, "{}: must be IPv6; IPv4 goes in {}", field,
                field.substr(0, field.size() - 1));
  return std::optional<T>(*value);
}

template <class T>
Result<PerFamily<T>> parse_pair(const std::string& four, const std::string& six,
                                const std::string& field) {
  if (four.empty() && six.empty()) return fail(Code::invalid_argument, "{}: is missing", field);
  auto v4 = parse_one<T>(four, field, Family::v4);
  if (!v4) return Failure(v4.error());
  auto v6 = parse_one<T>(six, field + "6", Family::v6);
  if (!v6) return Failure(v6.error());
  return PerFamily<T>{*v4, *v6};
}

}  // namespace

Result<Addrs> parse_addresses(const std::string& address, const std::string& address6) {
  return parse_pair<Addr>(address, address6, "address");
}

Result<Cidrs> parse_blocks(const std::string& cidr, const std::string& cidr6) {
  return parse_pair<Prefix>(cidr, cidr6, "cidr");
}

}  // namespace mizar
