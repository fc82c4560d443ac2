// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/names.h"

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
  if (!ip.is_v4())
    return fail(Code::invalid_argument, "{}: only IPv4 is carried yet", ip.text());
  const auto first = ip.v4_value() >> 24;
  if (first == 0 || first == 127 || first >= 224)
    return fail(Code::invalid_argument, "{} is no address a host can have", ip.text());
  return {};
}

Result<> check_block(const Prefix& block) {
  if (!block.ip.is_v4())
    return fail(Code::invalid_argument, "{}: only IPv4 is carried yet", block.text());
  return {};
}

Result<> check_inside(const Addr& ip, const Prefix& network) {
  if (!network.contains(ip))
    return fail(Code::invalid_argument, "{} is outside the network's {}", ip.text(),
                network.text());
  if (!ip.is_v4() || network.len >= 31) return {};
  const std::uint32_t hosts = 0xffffffffu >> network.len;
  if ((ip.v4_value() & hosts) == 0)
    return fail(Code::invalid_argument, "{} is the network's own address", ip.text());
  if ((ip.v4_value() & hosts) == hosts)
    return fail(Code::invalid_argument, "{} is the network's broadcast address", ip.text());
  if (network.len < 31 && ip == gateway_of(network))
    return fail(Code::invalid_argument, "{} is the network's gateway", ip.text());
  return {};
}

}  // namespace mizar
