// SPDX-License-Identifier: Apache-2.0
// DHCPv4: every row names where RFC 2131, 2132, 3396, 3442 or 6842 asks for it.
#include "userspace/responder/dhcp4.h"

#include <gtest/gtest.h>

#include <map>

#include "selftests/unit/responder_world.h"

namespace mizar::responder {
namespace {

constexpr std::uint32_t kMine = 0x0a000105, kServer = 0xa9fea9fc;
const Bytes kMac{0x02, 0, 0, 0, 0, 0x05};

struct Message {
  std::uint8_t op = 1, htype = 1, hlen = 6;
  std::uint16_t flags = 0;
  std::uint32_t ciaddr = 0, giaddr = 0, cookie = 0x63825363;
  Bytes chaddr = kMac;
  std::string options;  // in hexadecimal, without the end
  std::string sname = "", file = "";
  bool end = true;
};

Bytes field(const std::string& hexed, std::size_t size) {
  Bytes b = unhex(hexed);
  b.resize(size);
  return b;
}

Bytes write(const Message& m) {
  Bytes chaddr = m.chaddr;
  chaddr.resize(16);
  Writer w;
  w.u8(m.op).u8(m.htype).u8(m.hlen).u8(0).u32(0x12345678).u16(9).u16(m.flags).u32(m.ciaddr);
  w.zeros(8).u32(m.giaddr).bytes(chaddr).bytes(field(m.sname, 64)).bytes(field(m.file, 128));
  w.u32(m.cookie).bytes(unhex(m.options));
  if (m.end) w.u8(255);
  return w.done();
}

// What came back, read without the product's own code.
struct Answer {
  std::string ciaddr, yiaddr, siaddr, giaddr, flags, order;
  std::map<int, std::string> options;
};

Answer read(const Bytes& b) {
  Answer a;
  if (b.size() < 240) return a;
  const auto at = [&](std::size_t i, std::size_t n) { return hex(View(b).subspan(i, n)); };
  EXPECT_EQ(at(0, 8), "0201060012345678");  // BOOTREPLY, the request's xid
  EXPECT_EQ(at(28, 16), "02000000000500000000000000000000");
  EXPECT_EQ(at(236, 4), "63825363");
  a.flags = at(10, 2), a.ciaddr = at(12, 4), a.yiaddr = at(16, 4), a.siaddr = at(20, 4), a.giaddr = at(24, 4);
  std::size_t i = 240;
  while (i < b.size() && b[i] != 255) {
    a.options[b[i]] = at(i + 2, b[i + 1]);
    a.order += fmt::format("{} ", b[i]);
    i += 2 + b[i + 1];
  }
  EXPECT_LT(i, b.size()) << "no end option";
  return a;
}

Outcome ask(const Message& m, const Client& c = test_client(), std::uint32_t lease = 3600) {
  return answer_dhcp4(write(m), c, {lease, {}});
}

// RFC 2131 table 4 and section 4.3: what is asked, what comes back.
TEST(Dhcp4, EveryStateOfTheClient) {
  const struct {
    const char* name;
    Message m;
    Count count;
    const char *type, *yiaddr, *ciaddr;
  } rows[] = {
      {"4.3.1 DISCOVER", {.options = "350101"}, Count::DHCP4_OFFER, "02", "0a000105", "00000000"},
      {"4.3.1 DISCOVER that hopes for another", {.options = "35010132040a000163"}, Count::DHCP4_OFFER, "02", "0a000105", "00000000"},
      {"4.3.2 SELECTING", {.options = "3501033604a9fea9fc32040a000105"}, Count::DHCP4_ACK, "05", "0a000105", "00000000"},
      {"4.3.2 SELECTING another address", {.options = "3501033604a9fea9fc32040a000106"}, Count::DHCP4_NAK, "06", "00000000", "00000000"},
      {"4.3.2 SELECTING another server", {.options = "3501033604c000020132040a000105"}, Count::DHCP4_OTHER_SERVER, nullptr, "", ""},
      {"4.3.2 INIT-REBOOT", {.options = "35010332040a000105"}, Count::DHCP4_ACK, "05", "0a000105", "00000000"},
      {"4.3.2 INIT-REBOOT, wrong network", {.options = "3501033204c0000205"}, Count::DHCP4_NAK, "06", "00000000", "00000000"},
      {"4.3.2 RENEWING, REBINDING", {.ciaddr = kMine, .options = "350103"}, Count::DHCP4_ACK, "05", "0a000105", "0a000105"},
      {"4.3.2 RENEWING another address", {.ciaddr = kMine + 1, .options = "350103"}, Count::DHCP4_NAK, "06", "00000000", "00000000"},
      {"4.3.2 REQUEST for nothing", {.options = "350103"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"4.3.3 DECLINE", {.options = "3501043604a9fea9fc32040a000105"}, Count::DHCP4_DECLINE, nullptr, "", ""},
      {"4.3.4 RELEASE", {.ciaddr = kMine, .options = "3501073604a9fea9fc"}, Count::DHCP4_RELEASE, nullptr, "", ""},
      {"4.3.5 INFORM", {.ciaddr = kMine, .options = "350108"}, Count::DHCP4_ACK, "05", "00000000", "0a000105"},
      {"4.3.5 INFORM without an address", {.options = "350108"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"an OFFER is no request", {.options = "350102"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"BOOTP has no type", {.options = ""}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"a type of two bytes", {.options = "35020101"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"a reply", {.op = 2, .options = "350101"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"not Ethernet", {.htype = 6, .options = "350101"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"a short hardware address", {.hlen = 5, .options = "350101"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"2131 3: another cookie", {.cookie = 1, .options = "350101"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"an option past the end", {.options = "35010137ff01", .end = false}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"an option without length", {.options = "35010137", .end = false}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"no end", {.options = "350101", .end = false}, Count::DHCP4_OFFER, "02", "0a000105", "00000000"},
      {"another's MAC", {.chaddr = {2, 0, 0, 0, 0, 6}, .options = "350101"}, Count::DHCP4_NOT_ITS_MAC, nullptr, "", ""},
      {"2132 9.3: type in file", {.options = "340101", .file = "350101ff"}, Count::DHCP4_OFFER, "02", "0a000105", "00000000"},
      {"2132 9.3: type in sname", {.options = "340102", .sname = "350101ff"}, Count::DHCP4_OFFER, "02", "0a000105", "00000000"},
      {"2132 9.3: file without overload", {.options = "", .file = "350101ff"}, Count::DHCP4_MALFORMED, nullptr, "", ""},
      {"3396: an address in two parts", {.options = "35010332020a0032020105"}, Count::DHCP4_ACK, "05", "0a000105", "00000000"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Outcome o = ask(row.m);
    EXPECT_EQ(name_of(o.count), name_of(row.count));
    EXPECT_EQ(o.reply.empty(), row.type == nullptr);
    if (o.reply.empty() || !row.type) continue;
    const Answer a = read(o.reply);
    EXPECT_EQ(a.options.at(53), row.type);
    EXPECT_EQ(a.options.at(54), "a9fea9fc");
    EXPECT_EQ(a.yiaddr, row.yiaddr);
    EXPECT_EQ(a.ciaddr, row.ciaddr);
    EXPECT_EQ(a.siaddr, "00000000");
    EXPECT_GE(o.reply.size(), 300u);
  }
}

// RFC 2131 table 3: which options a message may have.
TEST(Dhcp4, LeaseTimesGoWithALeaseOnly) {
  const struct {
    const char* name;
    Message m;
    bool lease, config, message;
  } rows[] = {{"OFFER", {.options = "350101"}, true, true, false},
              {"ACK", {.options = "35010332040a000105"}, true, true, false},
              {"ACK to INFORM", {.ciaddr = kMine, .options = "350108"}, false, true, false},
              {"NAK", {.options = "35010332040a000106"}, false, false, true}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Answer a = read(ask(row.m).reply);
    for (const int option : {51, 58, 59}) EXPECT_EQ(a.options.contains(option), row.lease) << option;
    for (const int option : {1, 3, 6, 15, 26, 28}) EXPECT_EQ(a.options.contains(option), row.config) << option;
    EXPECT_EQ(a.options.contains(56), row.message);
    for (const int option : {50, 55, 57}) EXPECT_FALSE(a.options.contains(option)) << option;
  }
}

TEST(Dhcp4, Values) {
  // Everything there is, asked for by name.
  const Answer a = read(ask({.flags = 0x8000, .giaddr = 0xc0000201,
                             .options = "350101" "3d0702aabbccddeeff" "3708" "0103060f1a1c790c"}).reply);
  EXPECT_EQ(a.flags, "8000");
  EXPECT_EQ(a.giaddr, "c0000201");
  EXPECT_EQ(a.options.at(1), "ffffff00");
  EXPECT_EQ(a.options.at(3), "0a000101");
  EXPECT_EQ(a.options.at(6), "a9fea9fd");
  EXPECT_EQ(a.options.at(12), hex(Writer().text("web").done()));
  EXPECT_EQ(a.options.at(15), hex(Writer().text("red.internal").done()));
  EXPECT_EQ(a.options.at(26), "059a");  // 1434
  EXPECT_EQ(a.options.at(28), "0a0001ff");
  EXPECT_EQ(a.options.at(51), "00000e10");
  EXPECT_EQ(a.options.at(58), "00000708");
  EXPECT_EQ(a.options.at(59), "00000c4e");
  EXPECT_EQ(a.options.at(61), "02aabbccddeeff");  // RFC 6842
  EXPECT_EQ(a.options.at(121), "000a000101");     // RFC 3442: the default route
}

TEST(Dhcp4, TheClientsListDecides) {
  const struct {
    const char *name, *list, *order;
  } rows[] = {
      {"2132 9.8: only what is asked for, in its order", "370306010f", "53 54 51 58 59 1 6 15 "},
      {"2132 3.3: the mask before the router", "370203" "01", "53 54 51 58 59 1 3 "},
      {"each once", "37040606060f", "53 54 51 58 59 6 15 "},
      {"unknown ones", "3703fc2a06", "53 54 51 58 59 6 "},
      {"routes before the router as it asked", "3702" "7903", "53 54 51 58 59 121 3 "},
      {"what only clients send", "3704" "32353739", "53 54 51 58 59 "},
  };
  for (const auto& row : rows)
    EXPECT_EQ(read(ask({.options = std::string("350101") + row.list}).reply).order, row.order) << row.name;
}

TEST(Dhcp4, Routes) {
  const struct {
    const char *name, *cidr, *address;
    std::vector<StaticRoute> routes;
    const char *mask, *routers, *broadcast, *option121;
  } rows[] = {
      {"default alone", "10.0.1.0/24", "10.0.1.5", {}, "ffffff00", "0a000101", "0a0001ff", "000a000101"},
      {"3442: as many bytes as the prefix has", "10.0.1.0/24", "10.0.1.5",
       {{block("192.168.0.0/16"), addr("10.0.1.9")}, {block("172.16.0.0/12"), {}}},
       "ffffff00", "0a000101", "0a0001ff", "10c0a80a000109" "0cac100a000101" "000a000101"},
      {"no gateway in a /32: all is on link", "10.0.1.5/32", "10.0.1.5", {},
       "ffffffff", nullptr, nullptr, "1da9fea9f800000000" "0000000000"},
      {"nor in a /31", "10.0.1.4/31", "10.0.1.5", {{block("192.168.0.0/16"), {}}},
       "fffffffe", nullptr, nullptr, "10c0a800000000" "1da9fea9f800000000" "0000000000"},
      {"a /8", "10.0.0.0/8", "10.0.1.5", {}, "ff000000", "0a000001", "0affffff", "000a000001"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Client c = test_client();
    c.cidr.v4 = block(row.cidr);
    c.services.routes = row.routes;
    const Answer a = read(ask({.options = "350101" "3704" "0103791c"}, c).reply);
    const auto option = [&](int code) {
      const auto at = a.options.find(code);
      return at == a.options.end() ? "-" : at->second;
    };
    EXPECT_EQ(option(1), row.mask);
    EXPECT_EQ(option(3), row.routers ? row.routers : "-");
    EXPECT_EQ(option(28), row.broadcast ? row.broadcast : "-");
    EXPECT_EQ(option(121), row.option121);
  }
}

// RFC 2132 9.10 and RFC 2131 section 2: what does not fit is left out.
TEST(Dhcp4, StaysWithinTheClientsSize) {
  Client c = test_client();
  for (unsigned i = 0; i < kRoutesMax; i++)
    c.services.routes.push_back({Prefix{Addr::v4(0xc0a80000 + i), 32}, addr("10.0.1.9")});
  const std::string id = "3dff" + std::string(2 * 255, 'a');  // a client id of 255 bytes comes back
  const struct {
    const char *name, *size;
    bool routes;
    std::size_t most;
  } rows[] = {{"default", "", false, 548},
              {"smaller than allowed counts as the least", "39020064", false, 548},
              {"1000", "390203e8", true, 972},
              {"without bounds", "3902ffff", true, 1252}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Bytes reply = ask({.options = "350101" + id + "3702" "7906" + row.size}, c).reply;
    const Answer a = read(reply);
    EXPECT_EQ(a.options.contains(121), row.routes);
    EXPECT_TRUE(a.options.contains(6));
    EXPECT_LE(reply.size(), row.most);
  }
}

TEST(Dhcp4, SilentWhereThereIsNoLease) {
  Client off = test_client(), six = test_client();
  off.services.dhcp = false;
  six.address.v4.reset();
  six.cidr.v4.reset();
  EXPECT_EQ(name_of(ask({.options = "350101"}, off).count), "DHCP4_OFF");
  EXPECT_EQ(name_of(ask({.options = "350101"}, six).count), "DHCP4_OFF");
  EXPECT_TRUE(ask({.options = "350101"}, off).reply.empty());
}

// Every prefix of a sound message, each in a buffer of exactly its size.
TEST(Dhcp4, CutAnywhere) {
  const Bytes whole = write({.options = "350101" "3d0702aabbccddeeff" "3702" "0103"});
  for (std::size_t n = 0; n < 240; n++) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(name_of(answer_dhcp4(part, test_client(), {}).count), "DHCP4_MALFORMED") << n;
  }
}

TEST(Dhcp4, TheServersDuidIsTheGatewaysMac) { EXPECT_EQ(hex(default_duid()), "00030001024d5a000001"); }

}  // namespace
}  // namespace mizar::responder
