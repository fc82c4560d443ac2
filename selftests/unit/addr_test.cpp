// SPDX-License-Identifier: Apache-2.0
// Addresses of both families: userspace/base/.
#include "userspace/base/addr.h"

#include <gtest/gtest.h>

#include "bpf/abi/wire.h"
#include "userspace/base/names.h"

namespace mizar {
namespace {

Addr addr(const char* text) { return Addr::parse(text).value(); }
Prefix block(const char* text) { return Prefix::parse(text).value(); }

TEST(Addr, TheFirstAddressIsTheGateway) {
  const struct {
    const char *cidr, *gateway;  // nullptr: has none
  } rows[] = {{"10.0.1.0/24", "10.0.1.1"},         {"10.0.1.4/30", "10.0.1.5"},
              {"10.0.1.4/31", nullptr},            {"10.0.1.4/32", nullptr},
              {"fd00:1::/64", "fd00:1::1"},        {"fd00:1::fffc/126", "fd00:1::fffd"},
              {"fd00:1::2/127", nullptr},          {"fd00:1::2/128", nullptr},
              {"fd00:1:ff00::/40", "fd00:1:ff00::1"}};
  for (const auto& row : rows) {
    EXPECT_EQ(has_gateway(block(row.cidr)), row.gateway != nullptr) << row.cidr;
    EXPECT_EQ(row.gateway ? gateway_of(block(row.cidr)).text() : "", row.gateway ? row.gateway : "");
  }
}

TEST(Addr, AddressesOfABlockAreCountedThrough) {
  EXPECT_EQ(address_at(block("10.0.0.0/8"), 0x1ff).text(), "10.0.1.255");
  EXPECT_EQ(address_at(block("fd00:1::/64"), 0x10000).text(), "fd00:1::1:0");
  EXPECT_EQ(address_at(block("fd00:1::/64"), 0xffffffffffffffff).text(),
            "fd00:1::ffff:ffff:ffff:ffff");
  EXPECT_EQ(address_at(block("fd00:1::ff00/120"), 0x100).text(), "fd00:1::1:0");
}

TEST(Addr, TheGatewaysLinkLocalAddressIsTheEui64OfItsMac) {
  EXPECT_EQ(gateway_link_local().text(), "fe80::4d:5aff:fe00:1");
  EXPECT_EQ(link_local_of({0x52, 0x54, 0x00, 0x12, 0x34, 0x56}).text(), "fe80::5054:ff:fe12:3456");
}

TEST(Addr, BlocksOfOneFamilyHoldNothingOfTheOther) {
  EXPECT_FALSE(block("::/0").contains(addr("10.0.0.1")));
  EXPECT_FALSE(block("0.0.0.0/0").contains(addr("::1")));
  EXPECT_FALSE(block("::/0").contains(block("10.0.0.0/8")));
  EXPECT_FALSE(block("::/0").overlaps(block("10.0.0.0/8")));
  EXPECT_TRUE(block("::/0").holds_mapped());
  EXPECT_TRUE(block("::fffe:0:0/95").holds_mapped());
  EXPECT_FALSE(block("::/96").holds_mapped());
  EXPECT_FALSE(block("fd00::/8").holds_mapped());
  EXPECT_FALSE(block("10.0.0.0/8").holds_mapped());
}

TEST(Addr, AHostsAddresses) {
  const struct {
    const char* ip;
    bool sound;
  } rows[] = {{"192.0.2.1", true},    {"0.1.2.3", false},     {"127.0.0.1", false},
              {"224.0.0.1", false},   {"223.255.255.255", true},
              {"2001:db8::1", true},  {"fd00::1", true},      {"64:ff9b::a00:1", true},
              {"::", false},          {"::1", false},         {"::10.0.0.1", false},
              {"fe80::1", false},     {"febf:ffff::1", false}, {"fec0::1", true},
              {"fe7f::1", true},      {"ff02::1", false},     {"ff0e::1", false}};
  for (const auto& row : rows)
    EXPECT_EQ(static_cast<bool>(check_unicast(addr(row.ip))), row.sound) << row.ip;
}

TEST(Addr, PairsOfFields) {
  const struct {
    const char *four, *six, *text;
    const char* error;  // nullptr: it is sound
  } rows[] = {{"10.0.0.1", "", "10.0.0.1", nullptr},
              {"", "fd00::1", "fd00::1", nullptr},
              {"10.0.0.1", "fd00::1", "10.0.0.1 fd00::1", nullptr},
              {"", "", "", "address: is missing"},
              {"fd00::1", "", "", "address: must be IPv4; IPv6 goes in address6"},
              {"::ffff:10.0.0.1", "", "", "address: must be IPv4; IPv6 goes in address6"},
              {"", "10.0.0.1", "", "address6: must be IPv6; IPv4 goes in address"},
              {"", "::ffff:10.0.0.1", "", "address6: must be IPv6; IPv4 goes in address"},
              {"10.0.0.1", "fd00:::1", "", "address6: 'fd00:::1' is not an IP address"}};
  for (const auto& row : rows) {
    const auto got = parse_addresses(row.four, row.six);
    EXPECT_EQ(got ? got->text() : "", row.text);
    EXPECT_EQ(got ? "" : got.error().what, row.error ? row.error : "");
  }
  EXPECT_EQ(parse_blocks("10.0.0.0/8", "fd00::/8")->text(), "10.0.0.0/8 fd00::/8");
  EXPECT_EQ(parse_blocks("", "10.0.0.0/8").error().what, "cidr6: must be IPv6; IPv4 goes in cidr");
  EXPECT_EQ(parse_blocks("10.0.0.0/33", "").error().what,
            "cidr: '10.0.0.0/33': prefix length must be 0..32");
}

}  // namespace
}  // namespace mizar
