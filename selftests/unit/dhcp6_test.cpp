// SPDX-License-Identifier: Apache-2.0
// DHCPv6: every row names the section of RFC 8415 that asks for it.
#include "userspace/responder/dhcp6.h"

#include <gtest/gtest.h>

#include "selftests/unit/responder_world.h"

namespace mizar::responder {
namespace {

// Pieces of messages in hexadecimal.
constexpr const char* kClient = "0001" "000a" "00030001" "020000000005";
constexpr const char* kServer = "0002" "000a" "00030001" "024d5a000001";
constexpr const char* kOther = "0002" "000a" "00030001" "024d5a000002";
constexpr const char* kRapid = "000e" "0000";
constexpr const char* kMine = "fd000001000000010000000000000005";
constexpr const char* kNear = "fd000001000000010000000000000006";  // of the network
constexpr const char* kFar = "20010db8000000000000000000000001";

std::string option(unsigned code, const std::string& value) {
  return fmt::format("{:04x}{:04x}{}", code, value.size() / 2, value);
}
std::string ia_addr(const char* ip, const char* preferred = "00000000", const char* valid = "00000000") {
  return option(5, std::string(ip) + preferred + valid);
}
std::string ia_na(const char* id, const std::string& inside = "") {
  return option(3, std::string(id) + "0000000000000000" + inside);
}
std::string ia_ta(const char* id) { return option(4, id); }
std::string ia_pd(const char* id) { return option(25, std::string(id) + "0000000000000000"); }
std::string message(unsigned type, const std::string& options) {
  return fmt::format("{:02x}abcdef{}", type, options);
}
std::string status(unsigned code) { return option(13, fmt::format("{:04x}", code)); }

// What the server writes: T1 and T2 of 3600 s, and its address.
std::string given(const char* id, const std::string& more = "") {
  return option(3, std::string(id) + "0000070800000b40" + ia_addr(kMine, "00000e10", "00000e10") + more);
}
std::string refused(unsigned kind, const char* id, unsigned code) {
  return option(kind, std::string(id) + (kind == 4 ? "" : "0000070800000b40") + status(code));
}
const std::string kDns = option(23, "fd4d5aff000000000000000000000053");
const std::string kDomains = option(24, "0372656408696e7465726e616c00");

Outcome ask(const std::string& hexed, const Client& c = test_client()) {
  return answer_dhcp6(unhex(hexed), c, {3600, default_duid()});
}

TEST(Dhcp6, EveryMessage) {
  const std::string C = kClient, S = kServer, a = "00000001", b = "00000002";
  const std::string head = S + C;  // of every answer
  const struct {
    const char* name;
    std::string in;
    Count count;
    std::string out;  // without DNS options, if those are not asked for; "": silence
  } rows[] = {
      // 18.3.1, 18.3.9
      {"SOLICIT", message(1, C + ia_na(a.c_str())), Count::DHCP6_ADVERTISE, message(2, head + given("00000001") + kDns + kDomains)},
      {"SOLICIT, rapid commit (18.3.1)", message(1, C + kRapid + ia_na("00000001")), Count::DHCP6_REPLY,
       message(7, head + kRapid + given("00000001") + kDns + kDomains)},
      {"SOLICIT that hopes for another", message(1, C + ia_na("00000001", ia_addr(kFar))), Count::DHCP6_ADVERTISE,
       message(2, head + given("00000001") + kDns + kDomains)},
      {"one address, two IAs", message(1, C + ia_na("00000001") + ia_na("00000002")), Count::DHCP6_ADVERTISE,
       message(2, head + given("00000001") + refused(3, "00000002", 2) + kDns + kDomains)},
      {"21.5: no temporary addresses", message(1, C + ia_ta("00000009")), Count::DHCP6_ADVERTISE,
       message(2, head + refused(4, "00000009", 2) + kDns + kDomains)},
      {"21.21: no prefixes", message(1, C + ia_pd("00000009") + ia_na("00000001")), Count::DHCP6_ADVERTISE,
       message(2, head + refused(25, "00000009", 6) + given("00000001") + kDns + kDomains)},
      {"21.7: only what is asked for", message(1, C + ia_na("00000001") + option(6, "0017")), Count::DHCP6_ADVERTISE,
       message(2, head + given("00000001") + kDns)},
      {"21.7: none of ours is asked for", message(1, C + ia_na("00000001") + option(6, "0027")), Count::DHCP6_ADVERTISE,
       message(2, head + given("00000001"))},
      // 18.3.2
      {"REQUEST", message(3, C + S + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_REPLY,
       message(7, head + given("00000001") + kDns + kDomains)},
      {"REQUEST of another link", message(3, C + S + ia_na("00000001", ia_addr(kFar))), Count::DHCP6_REPLY,
       message(7, head + refused(3, "00000001", 4) + kDns + kDomains)},
      {"REQUEST of a neighbour's", message(3, C + S + ia_na("00000001", ia_addr(kNear))), Count::DHCP6_REPLY,
       message(7, head + given("00000001") + kDns + kDomains)},
      // 18.3.3
      {"CONFIRM", message(4, C + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_REPLY, message(7, head + status(0))},
      {"CONFIRM another", message(4, C + ia_na("00000001", ia_addr(kNear))), Count::DHCP6_REPLY, message(7, head + status(4))},
      {"CONFIRM one right, one wrong", message(4, C + ia_na("00000001", ia_addr(kMine) + ia_addr(kFar))), Count::DHCP6_REPLY,
       message(7, head + status(4))},
      {"CONFIRM nothing", message(4, C + ia_na("00000001")), Count::DHCP6_NOTHING, ""},
      // 18.3.4, 18.3.5
      {"RENEW", message(5, C + S + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_REPLY,
       message(7, head + given("00000001") + kDns + kDomains)},
      {"RENEW an old one: its lifetimes end", message(5, C + S + ia_na("00000001", ia_addr(kNear))), Count::DHCP6_REPLY,
       message(7, head + given("00000001", ia_addr(kNear)) + kDns + kDomains)},
      {"REBIND", message(6, C + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_REPLY,
       message(7, head + given("00000001") + kDns + kDomains)},
      {"REBIND an old one", message(6, C + ia_na("00000001", ia_addr(kFar))), Count::DHCP6_REPLY,
       message(7, head + given("00000001", ia_addr(kFar)) + kDns + kDomains)},
      // 18.3.6
      {"INFORMATION-REQUEST", message(11, C), Count::DHCP6_REPLY, message(7, head + kDns + kDomains)},
      {"INFORMATION-REQUEST, nameless", message(11, option(6, "00170018")), Count::DHCP6_REPLY, message(7, S + kDns + kDomains)},
      // 18.3.7, 18.3.8
      {"RELEASE", message(8, C + S + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_REPLY, message(7, head + status(0))},
      {"RELEASE another's", message(8, C + S + ia_na("00000001", ia_addr(kNear))), Count::DHCP6_REPLY,
       message(7, head + status(0) + refused(3, "00000001", 3))},
      {"DECLINE", message(9, C + S + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_DECLINE, message(7, head + status(0))},
      // 16.2 to 16.12: what is discarded
      {"16.2 SOLICIT without client", message(1, ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.2 SOLICIT to a server", message(1, C + S + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.4 REQUEST without server", message(3, C + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.4 REQUEST to another", message(3, C + kOther + ia_na("00000001")), Count::DHCP6_OTHER_SERVER, ""},
      {"16.5 CONFIRM to a server", message(4, C + S + ia_na("00000001", ia_addr(kMine))), Count::DHCP6_MALFORMED, ""},
      {"16.6 RENEW without server", message(5, C + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.6 RENEW to another", message(5, C + kOther + ia_na("00000001")), Count::DHCP6_OTHER_SERVER, ""},
      {"16.7 REBIND to a server", message(6, C + S + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.8 DECLINE to another", message(9, C + kOther + ia_na("00000001")), Count::DHCP6_OTHER_SERVER, ""},
      {"16.9 RELEASE without client", message(8, S + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.12 INFORMATION-REQUEST to another", message(11, C + kOther), Count::DHCP6_OTHER_SERVER, ""},
      {"16.12 INFORMATION-REQUEST with an IA", message(11, C + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"16.3 ADVERTISE", message(2, C + S), Count::DHCP6_MALFORMED, ""},
      {"16.10 REPLY", message(7, C + S), Count::DHCP6_MALFORMED, ""},
      {"16.11 RECONFIGURE", message(10, C + S), Count::DHCP6_MALFORMED, ""},
      {"16.13 RELAY-FORW", message(12, C + S), Count::DHCP6_MALFORMED, ""},
      {"21.1: an option past the end", message(1, C + "00030020"), Count::DHCP6_MALFORMED, ""},
      {"21.4: an IA too short", message(1, C + "0003000400000001"), Count::DHCP6_MALFORMED, ""},
      {"21.6: an address too short", message(1, C + ia_na("00000001", option(5, kMine))), Count::DHCP6_MALFORMED, ""},
      {"21.2: two clients", message(1, C + C), Count::DHCP6_MALFORMED, ""},
      {"11.1: a DUID of nothing", message(1, "000100020003" + ia_na("00000001")), Count::DHCP6_MALFORMED, ""},
      {"21.7: half a code", message(1, C + option(6, "001700")), Count::DHCP6_MALFORMED, ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Outcome o = ask(row.in);
    EXPECT_EQ(name_of(o.count), name_of(row.count));
    EXPECT_EQ(hex(o.reply), row.out);
  }
}

TEST(Dhcp6, SilentWhereThereIsNoLease) {
  Client off = test_client(), four = test_client();
  off.services.dhcp = false;
  four.address.v6.reset();
  const std::string solicit = message(1, std::string(kClient) + ia_na("00000001"));
  EXPECT_EQ(name_of(ask(solicit, off).count), "DHCP6_OFF");
  EXPECT_EQ(name_of(ask(solicit, four).count), "DHCP6_OFF");
  EXPECT_TRUE(ask(solicit, four).reply.empty());
}

TEST(Dhcp6, NoDomainWhereTheVpcHasNone) {
  Client c = test_client();
  c.zone = std::make_shared<Zone>("", 7, Cidrs{});
  EXPECT_EQ(hex(ask(message(11, kClient), c).reply), message(7, std::string(kServer) + kClient + kDns));
}

TEST(Dhcp6, CutAnywhere) {
  const Bytes whole = unhex(message(1, std::string(kClient) + ia_na("00000001", ia_addr(kMine))));
  for (std::size_t n = 0; n < whole.size(); n++) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    const auto o = answer_dhcp6(part, test_client(), {3600, default_duid()});
    // Behind the client's id an option is whole: that is a sound message.
    EXPECT_EQ(name_of(o.count), n == 18 ? "DHCP6_ADVERTISE" : "DHCP6_MALFORMED") << n;
  }
}

TEST(Dhcp6, ManyIasAreNotAnswered) {
  std::string ias;
  for (int i = 0; i < 17; i++) ias += ia_na(fmt::format("{:08x}", i).c_str());
  EXPECT_EQ(name_of(ask(message(1, kClient + ias)).count), "DHCP6_MALFORMED");
}

}  // namespace
}  // namespace mizar::responder
