// SPDX-License-Identifier: Apache-2.0
// One endpoint and its VPC, as the responder's tests see them.
#pragma once

#include <memory>
#include <string>

#include "userspace/responder/client.h"

namespace mizar::responder {

inline Addr addr(const char* text) { return Addr::parse(text).value(); }
inline Prefix block(const char* text) { return Prefix::parse(text).value(); }

// VPC red: web and db in front, a name that stands in another network, and one
// that only other hosts know.
inline std::shared_ptr<Zone> test_zone() {
  auto z = std::make_shared<Zone>("red.internal", 7, Cidrs{block("10.0.0.0/16"), block("fd00:1::/48")});
  const Addrs web{addr("10.0.1.5"), addr("fd00:1:0:1::5")}, db{addr("10.0.1.6"), {}}, six{{}, addr("fd00:1:0:6::9")};
  z->add("web", web);
  z->add("db", db);
  z->add("six", six);
  z->add("front", {});
  z->add("web.front", web);
  z->add("db.front", db);
  z->add("six.back", six);
  z->add_reverse("web.front", web);
  z->add_reverse("db.front", db);
  z->add_reverse("six.back", six);
  z->set_serial(42);
  return z;
}

inline Client test_client() {
  Client c;
  c.name = "web";
  c.vpc = "red";
  c.network = "front";
  c.address = {addr("10.0.1.5"), addr("fd00:1:0:1::5")};
  c.cidr = {block("10.0.1.0/24"), block("fd00:1:0:1::/64")};
  c.mac = {0x02, 0, 0, 0, 0, 0x05};
  c.mtu = 1434;
  c.user_data = "#cloud-config\n";
  c.zone = test_zone();
  return c;
}

inline std::string name_of(Count c) { return std::string(text_of(c).name); }

// "0a000105": bytes as a row writes them.
inline std::string hex(View v) {
  std::string out;
  for (const auto b : v) out += fmt::format("{:02x}", b);
  return out;
}
inline Bytes unhex(std::string_view s) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < s.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(std::string(s.substr(i, 2)), nullptr, 16)));
  return out;
}

}  // namespace mizar::responder
