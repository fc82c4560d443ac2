// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/client.h"

namespace mizar::responder {

Zone::Zone(std::string domain, std::uint32_t vni, Cidrs blocks)
    : domain_(std::move(domain)), vni_(vni), blocks_(std::move(blocks)) {
  names_[""];
  // The name server's own name stands before anything an endpoint is called.
  names_["ns"] = Addrs{dns_server(Family::v4), dns_server(Family::v6)};
}

void Zone::add(const std::string& name, const Addrs& addresses) {
  if (name == "ns" || name.empty()) return;
  Addrs& at = names_[name];
  if (addresses.v4) at.v4 = addresses.v4;
  if (addresses.v6) at.v6 = addresses.v6;
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    names_[name.substr(dot + 1)];
}

void Zone::add_reverse(const std::string& name, const Addrs& addresses) {
  for (const Addr& ip : addresses.all()) reverse_[ip] = name;
}

const Addrs* Zone::find(const std::string& name) const {
  const auto at = names_.find(name);
  return at == names_.end() ? nullptr : &at->second;
}

const std::string* Zone::find_reverse(const Addr& ip) const {
  const auto at = reverse_.find(ip);
  return at == reverse_.end() ? nullptr : &at->second;
}

}  // namespace mizar::responder
