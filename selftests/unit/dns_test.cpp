// SPDX-License-Identifier: Apache-2.0
// DNS messages: rows name where RFC 1035, 2308, 5452, 6891, 7766 or 8482 asks.
#include "userspace/responder/dns.h"

#include <gtest/gtest.h>

#include "selftests/unit/responder_world.h"
#include "userspace/responder/dns_message.h"

namespace mizar::responder {
namespace {

enum : unsigned { kA = 1, kNs = 2, kSoa = 6, kPtr = 12, kTxt = 16, kAaaa = 28, kAny = 255 };

struct Q {
  std::string name;
  unsigned type = kA;
  unsigned klass = 1;
  bool rd = true;
  int edns = -1;  // UDP size; -1: no OPT
  unsigned version = 0;
  bool dnssec = false;
  std::string options = "";  // of the OPT, in hexadecimal
};

// Letters as they are, and | for a dot within a label: the product's own writer
// is on trial.
Bytes wire_name(std::string name) {
  Writer w;
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    w.u8(static_cast<std::uint8_t>(label.size()));
    for (const char c : label) w.u8(static_cast<std::uint8_t>(c == '|' ? '.' : c));
    name.erase(0, label.size() + 1);
  }
  return w.u8(0).done();
}

Bytes opt(const Q& q) {
  const Bytes options = unhex(q.options);
  return Writer().u8(0).u16(41).u16(static_cast<std::uint16_t>(q.edns)).u8(0)
      .u8(static_cast<std::uint8_t>(q.version)).u16(q.dnssec ? 0x8000 : 0)
      .u16(static_cast<std::uint16_t>(options.size())).bytes(options).done();
}

Bytes write(const Q& q, unsigned flags = 0, unsigned questions = 1) {
  Writer w;
  w.u16(0xbeef).u16(static_cast<std::uint16_t>(flags | (q.rd ? 0x0100 : 0)));
  w.u16(static_cast<std::uint16_t>(questions)).u32(0).u16(q.edns >= 0);
  for (unsigned i = 0; i < questions; i++)
    w.bytes(wire_name(q.name)).u16(static_cast<std::uint16_t>(q.type)).u16(static_cast<std::uint16_t>(q.klass));
  if (q.edns >= 0) w.bytes(opt(q));
  return w.done();
}

std::string strip(std::string s) {
  for (auto& c : s)
    if (c == '\t' || c == '\n') c = ' ';
  while (!s.empty() && s.back() == ' ') s.pop_back();
  return s;
}

std::string records(const ldns_rr_list* list) {
  std::string out;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
    const std::unique_ptr<char, decltype(&std::free)> text(ldns_rr2str(ldns_rr_list_rr(list, i)), &std::free);
    out += (out.empty() ? "" : "; ") + strip(text.get());
  }
  return out;
}

struct Answer {
  unsigned rcode = 99;
  std::string flags, answer, authority;
  int edns = -1;
};

Answer read(const Bytes& b) {
  Answer a;
  if (b.size() < 12) return a;
  const Packet p = parse_packet(b);
  if (!p) return a;
  a.rcode = b[3] & 15u;
  if (ldns_pkt_edns(p.get())) {
    a.edns = ldns_pkt_edns_udp_size(p.get());
    a.rcode |= static_cast<unsigned>(ldns_pkt_edns_extended_rcode(p.get()) << 4);
    if (ldns_pkt_edns_do(p.get())) a.flags += "do ";
  }
  const unsigned f = static_cast<unsigned>(b[2]) << 8 | b[3];
  const std::pair<unsigned, const char*> names[] = {{0x8000, "qr "}, {0x0400, "aa "}, {0x0200, "tc "},
                                                    {0x0100, "rd "}, {0x0080, "ra "}, {0x0020, "ad "}, {0x0010, "cd "}};
  for (const auto& [bit, name] : names)
    if (f & bit) a.flags += name;
  a.answer = records(ldns_pkt_answer(p.get()));
  a.authority = records(ldns_pkt_authority(p.get()));
  return a;
}

Client forwarding() {
  Client c = test_client();
  c.services.dns = {addr("192.0.2.53"), addr("2001:db8::53")};
  return c;
}

// The same VPC where bucket after bucket is another host's.
Client with_holders() {
  auto z = test_zone();
  std::array<Zone::Holders, MZ_BUCKETS> h;
  for (auto& x : h) x = {false, {addr("192.0.2.3"), addr("192.0.2.4")}};
  z->set_holders(h);
  Client c = forwarding();
  c.zone = z;
  return c;
}

const std::string kRed = "red.internal. 5 IN SOA ns.red.internal. hostmaster.red.internal. 42 3600 600 86400 5";

TEST(Dns, NamesOfTheVpc) {
  const std::string soa = kRed;
  const struct {
    const char* name;
    Q q;
    Count count;
    unsigned rcode;
    std::string answer, authority;
  } rows[] = {
      {"short", {"web.red.internal", kA}, Count::DNS_ANSWERED, 0, "web.red.internal. 30 IN A 10.0.1.5", ""},
      {"full", {"web.front.red.internal", kA}, Count::DNS_ANSWERED, 0, "web.front.red.internal. 30 IN A 10.0.1.5", ""},
      {"AAAA", {"web.red.internal", kAaaa}, Count::DNS_ANSWERED, 0, "web.red.internal. 30 IN AAAA fd00:1:0:1::5", ""},
      {"without recursion, too", {.name = "web.red.internal", .rd = false}, Count::DNS_ANSWERED, 0, "web.red.internal. 30 IN A 10.0.1.5", ""},
      {"2308 2.2: no such record", {"db.red.internal", kAaaa}, Count::DNS_ANSWERED, 0, "", soa},
      {"2308 2.2: no such type", {"web.red.internal", kTxt}, Count::DNS_ANSWERED, 0, "", soa},
      {"2308 2.1: no such name", {"nobody.red.internal", kA}, Count::DNS_NO_NAME, 3, "", soa},
      {"in the wrong network", {"web.back.red.internal", kA}, Count::DNS_NO_NAME, 3, "", soa},
      {"below a name", {"a.web.red.internal", kA}, Count::DNS_NO_NAME, 3, "", soa},
      {"8020: a network's name exists", {"front.red.internal", kA}, Count::DNS_ANSWERED, 0, "", soa},
      {"the domain", {"red.internal", kA}, Count::DNS_ANSWERED, 0, "", soa},
      {"SOA", {"red.internal", kSoa}, Count::DNS_ANSWERED, 0, "red.internal. 30 IN SOA" + soa.substr(22), ""},
      {"NS", {"red.internal", kNs}, Count::DNS_ANSWERED, 0, "red.internal. 30 IN NS ns.red.internal.", ""},
      {"the name server", {"ns.red.internal", kA}, Count::DNS_ANSWERED, 0, "ns.red.internal. 30 IN A 169.254.169.253", ""},
      {"SOA of a name below", {"web.red.internal", kSoa}, Count::DNS_ANSWERED, 0, "", soa},
      {"8482 4.2: ANY", {"web.red.internal", kAny}, Count::DNS_ANSWERED, 0, "web.red.internal. 30 IN HINFO \"RFC8482\" \"\"", ""},
      {"ANY of a missing name", {"nobody.red.internal", kAny}, Count::DNS_NO_NAME, 3, "", soa},
      {"a dot within a label is no dot", {"web|front.red.internal", kA}, Count::DNS_NO_NAME, 3, "", soa},
      {"reverse", {"5.1.0.10.in-addr.arpa", kPtr}, Count::DNS_ANSWERED, 0, "5.1.0.10.in-addr.arpa. 30 IN PTR web.front.red.internal.", ""},
      {"reverse of nobody", {"7.1.0.10.in-addr.arpa", kPtr}, Count::DNS_NO_NAME, 3, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"reverse, other type", {"5.1.0.10.in-addr.arpa", kA}, Count::DNS_ANSWERED, 0, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"8020: half an address", {"1.0.10.in-addr.arpa", kPtr}, Count::DNS_ANSWERED, 0, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"below an address", {"x.5.1.0.10.in-addr.arpa", kPtr}, Count::DNS_NO_NAME, 3, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"no octet", {"261.1.0.10.in-addr.arpa", kPtr}, Count::DNS_NO_NAME, 3, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"not canonical", {"05.1.0.10.in-addr.arpa", kPtr}, Count::DNS_NO_NAME, 3, "", "0.10.in-addr.arpa. 5 IN SOA" + soa.substr(22)},
      {"reverse apex", {"0.10.in-addr.arpa", kNs}, Count::DNS_ANSWERED, 0, "0.10.in-addr.arpa. 30 IN NS ns.red.internal.", ""},
      {"ip6.arpa", {"5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", kPtr}, Count::DNS_ANSWERED, 0,
       "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa. 30 IN PTR web.front.red.internal.", ""},
      {"ip6.arpa of nobody", {"6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", kPtr}, Count::DNS_NO_NAME, 3,
       "", "0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa. 5 IN SOA" + soa.substr(22)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const DnsStep s = answer_dns(write(row.q), Transport::udp, test_client());
    EXPECT_EQ(name_of(s.count), name_of(row.count));
    EXPECT_FALSE(s.ask);
    const Answer a = read(s.reply);
    EXPECT_EQ(a.rcode, row.rcode);
    EXPECT_EQ(a.flags, row.q.rd ? "qr aa rd " : "qr aa ");
    EXPECT_EQ(a.answer, row.answer);
    EXPECT_EQ(a.authority, row.authority);
  }
}

// draft-vixie-dnsext-dns0x20: header and question come back letter by letter.
TEST(Dns, TheQuestionIsEchoedExactly) {
  const Bytes query = write({"wEb.FrOnT.rEd.InTeRnAl", kA});
  const DnsStep s = answer_dns(query, Transport::udp, test_client());
  EXPECT_EQ(hex(View(s.reply).first(2)), "beef");
  EXPECT_EQ(hex(View(s.reply).subspan(12, query.size() - 12)), hex(View(query).subspan(12)));
  EXPECT_EQ(read(s.reply).answer, "wEb.FrOnT.rEd.InTeRnAl. 30 IN A 10.0.1.5");
}

TEST(Dns, WhatIsNoQuestion) {
  const Q web{"web.red.internal"};
  Bytes two_opts = write({.name = "web.red.internal", .edns = 1232});
  two_opts[11] = 2;
  const Bytes more = opt({.name = "", .edns = 1232});
  two_opts.insert(two_opts.end(), more.begin(), more.end());
  Bytes loop = write({"x"});
  loop[12] = 0xc0, loop[13] = 12;
  const struct {
    const char* name;
    Bytes message;
    Count count;
    unsigned rcode;
  } rows[] = {
      {"1035 4.1.1: an answer", write(web, 0x8000), Count::DNS_MALFORMED, 99},
      {"half a header", Bytes(11), Count::DNS_MALFORMED, 99},
      {"a status query", write(web, 2 << 11), Count::DNS_ERROR, 4},
      {"NOTIFY", write(web, 4 << 11), Count::DNS_ERROR, 4},
      {"UPDATE", write(web, 5 << 11), Count::DNS_ERROR, 4},
      {"no question", write(web, 0, 0), Count::DNS_ERROR, 1},
      {"two questions", write(web, 0, 2), Count::DNS_ERROR, 1},
      {"6891 6.1.1: two OPT", two_opts, Count::DNS_ERROR, 1},
      {"a name that points to itself", loop, Count::DNS_ERROR, 1},
      {"AXFR", write({"red.internal", 252}), Count::DNS_REFUSED, 5},
      {"IXFR", write({"red.internal", 251}), Count::DNS_REFUSED, 5},
      {"MAILB", write({"red.internal", 253}), Count::DNS_ERROR, 4},
      {"OPT as a type", write({"red.internal", 41}), Count::DNS_ERROR, 1},
      {"class CHAOS", write({"version.bind", kTxt, 3}), Count::DNS_REFUSED, 5},
      {"class ANY", write({"web.red.internal", kA, 255}), Count::DNS_REFUSED, 5},
      {"6891 6.1.3: BADVERS", write({.name = "web.red.internal", .edns = 1232, .version = 1}), Count::DNS_ERROR, 16},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const DnsStep s = answer_dns(row.message, Transport::udp, forwarding());
    EXPECT_EQ(name_of(s.count), name_of(row.count));
    EXPECT_FALSE(s.ask);
    EXPECT_EQ(s.reply.empty(), row.rcode == 99);
    if (!s.reply.empty()) {
      EXPECT_EQ(read(s.reply).rcode, row.rcode);
      EXPECT_EQ(hex(View(s.reply).first(2)), "beef");
    }
  }
}

TEST(Dns, EdnsOnlyForWhoSpeaksIt) {
  const auto ask = [](Q q) { return read(answer_dns(write(q), Transport::udp, test_client()).reply); };
  EXPECT_EQ(ask({"web.red.internal"}).edns, -1);
  const Answer a = ask({.name = "web.red.internal", .edns = 4096, .dnssec = true, .options = "000a00080102030405060708"});
  EXPECT_EQ(a.edns, 1232);
  EXPECT_EQ(a.flags, "do qr aa rd ");
  EXPECT_EQ(a.answer, "web.red.internal. 30 IN A 10.0.1.5");
  EXPECT_EQ(ask({.name = "web.red.internal", .edns = 0}).edns, 1232);  // 6891 6.2.3: small counts as 512
}

TEST(Dns, WhoIsAsked) {
  const struct {
    const char* name;
    Q q;
    Client c;
    std::string whom, vni;
    unsigned rcode;
  } rows[] = {
      {"a foreign name goes to the forwarders", {"example.com"}, forwarding(), "192.0.2.53 2001:db8::53", "-", 99},
      {"no forwarders: refused", {"example.com"}, test_client(), "", "-", 5},
      {"recursion not desired: refused", {.name = "example.com", .rd = false}, forwarding(), "", "-", 5},
      {"another VPC's domain is foreign", {"web.blue.internal"}, forwarding(), "192.0.2.53 2001:db8::53", "-", 99},
      {"refused without forwarders, too", {"web.blue.internal"}, test_client(), "", "-", 5},
      {"only whole labels count", {"web.xred.internal"}, test_client(), "", "-", 5},
      {"the root", {""}, test_client(), "", "-", 5},
      {"reverse outside the VPC", {"5.1.1.10.in-addr.arpa", kPtr}, test_client(), "", "-", 5},
      {"reverse around the VPC", {"10.in-addr.arpa", kPtr}, test_client(), "", "-", 5},
      {"IPv4 written as IPv6 is nobody's", {"5.0.1.0.0.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", kPtr},
       test_client(), "", "-", 5},
      {"ANY of a foreign name", {"example.com", kAny}, forwarding(), "192.0.2.53 2001:db8::53", "-", 99},
      {"a name only dividers know", {"far.front.red.internal"}, with_holders(), "192.0.2.3 192.0.2.4", "7", 99},
      {"even a network's", {"front.red.internal"}, with_holders(), "192.0.2.3 192.0.2.4", "7", 99},
      {"an address only dividers know", {"9.1.0.10.in-addr.arpa", kPtr}, with_holders(), "192.0.2.3 192.0.2.4", "7", 99},
      {"a name known here is not asked for", {"web.red.internal"}, with_holders(), "", "-", 0},
      {"nor the domain", {"red.internal", kSoa}, with_holders(), "", "-", 0},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const DnsStep s = answer_dns(write(row.q), Transport::udp, row.c);
    std::string whom;
    if (s.ask)
      for (const Addr& ip : s.ask->whom) whom += (whom.empty() ? "" : " ") + ip.text();
    EXPECT_EQ(whom, row.whom);
    EXPECT_EQ(s.ask && s.ask->vni ? fmt::to_string(*s.ask->vni) : "-", row.vni);
    EXPECT_EQ(s.reply.empty() ? 99 : read(s.reply).rcode, row.rcode);
  }
}

TEST(Dns, ADividerNobodyReachesIsAFailure) {
  Client c = with_holders();
  auto z = test_zone();
  std::array<Zone::Holders, MZ_BUCKETS> h;
  for (auto& x : h) x = {false, {}};
  z->set_holders(h);
  c.zone = z;
  const DnsStep s = answer_dns(write({"far.red.internal"}), Transport::udp, c);
  EXPECT_EQ(name_of(s.count), "DNS_FAILED");
  EXPECT_EQ(read(s.reply).rcode, 2u);
}

TEST(Dns, PeersAnswerForTheVpcTheyAreAskedFor) {
  const auto red = test_zone();
  const auto zone_of = [&](std::uint32_t vni) -> const Zone* { return vni == 7 ? red.get() : nullptr; };
  DnsQuery query = answer_dns(write({"db.front.red.internal"}), Transport::udp, test_client()).query;
  const auto ask = [&](std::optional<std::uint32_t> vni) { return answer_peer(dns_question(query, 1, vni), zone_of); };
  EXPECT_EQ(name_of(ask(7).count), "PEER_ANSWERED");
  EXPECT_EQ(read(ask(7).reply).answer, "db.front.red.internal. 30 IN A 10.0.1.6");
  EXPECT_EQ(read(ask(7).reply).flags, "qr aa ");
  EXPECT_EQ(name_of(ask(8).count), "PEER_REFUSED");
  EXPECT_EQ(read(ask(8).reply).rcode, 5u);
  EXPECT_EQ(name_of(ask({}).count), "PEER_REFUSED");
  // What it does not know does not exist: nobody else is asked on.
  const Client c = with_holders();
  query = answer_dns(write({"far.red.internal"}), Transport::udp, c).query;
  const DnsStep far = answer_peer(dns_question(query, 1, 7), [&](std::uint32_t) { return c.zone.get(); });
  EXPECT_FALSE(far.ask);
  EXPECT_EQ(read(far.reply).rcode, 3u);
  query = answer_dns(write({"example.com"}), Transport::udp, c).query;
  EXPECT_EQ(name_of(answer_peer(dns_question(query, 1, 7), zone_of).count), "PEER_REFUSED");
}

// ---- asking and passing on -----------------------------------------------------

DnsQuery open_question(const Q& q, Transport t = Transport::udp) {
  return answer_dns(write(q), t, forwarding()).query;
}

// An upstream's answer: the question as asked, records from text.
Bytes upstream(Bytes question, const std::vector<std::string>& lines, unsigned flags = 0x8180) {
  const Packet p = parse_packet(question);
  for (const auto& line : lines) {
    ldns_rr* rr = nullptr;
    EXPECT_EQ(ldns_rr_new_frm_str(&rr, line.c_str(), 0, nullptr, nullptr), LDNS_STATUS_OK) << line;
    ldns_pkt_push_rr(p.get(), LDNS_SECTION_ANSWER, rr);
  }
  Bytes out = packet_bytes(*p);
  out[2] = static_cast<std::uint8_t>(flags >> 8), out[3] = static_cast<std::uint8_t>(flags);
  return out;
}

TEST(Dns, QuestionsUpstream) {
  const DnsQuery q = open_question({"ExAmple.com", kAaaa});
  const Bytes b = dns_question(q, 0x1234, {});
  EXPECT_EQ(hex(View(b).first(12)), "123401000001000000000001");  // RD, one question, one OPT
  EXPECT_EQ(hex(View(b).subspan(12, 17)), hex(Writer().bytes(wire_name("ExAmple.com")).u16(28).u16(1).done()));
  EXPECT_EQ(hex(View(b).subspan(29)), "00002904d0000000000000");  // 1232, no options
  const Bytes peer = dns_question(q, 0x1234, 0x010203);
  EXPECT_EQ(hex(View(peer).first(4)), "12340000");
  EXPECT_EQ(hex(View(peer).subspan(29)), "00002904d00000000000" "08" "fe35" "0004" "00010203");
}

// RFC 5452 section 9.1: id, question and direction have to be those of the question.
TEST(Dns, AnswersThatFit) {
  const DnsQuery q = open_question({"example.com"});
  const Bytes asked = dns_question(q, 0x1234, {});
  const Bytes good = upstream(asked, {"example.com. 60 IN A 192.0.2.80"});
  Bytes other_id = good, cut = good, question = good;
  other_id[1] ^= 1;
  question[2] &= 0x7f;
  cut[2] |= 2;
  Bytes middle(cut.begin(), cut.begin() + 35);
  const auto named = [&](const char* name, unsigned type) {
    return upstream(dns_question(open_question({name, type}), 0x1234, {}), {});
  };
  const struct {
    const char* name;
    Bytes message;
    DnsFit fit;
  } rows[] = {{"whole", good, DnsFit::whole},
              {"other letters", named("eXample.COM", kA), DnsFit::whole},
              {"another id", other_id, DnsFit::no},
              {"a question", question, DnsFit::no},
              {"another name", named("example.org", kA), DnsFit::no},
              {"another type", named("example.com", kAaaa), DnsFit::no},
              {"nothing", {}, DnsFit::no},
              {"cut", cut, DnsFit::truncated},
              {"cut within a record", middle, DnsFit::truncated},
              {"not well formed", Bytes(good.begin(), good.begin() + 35), DnsFit::no}};
  for (const auto& row : rows)
    EXPECT_EQ(static_cast<int>(dns_fit(row.message, q, 0x1234)), static_cast<int>(row.fit)) << row.name;
}

TEST(Dns, PassedOnInTheClientsForm) {
  const DnsQuery q = open_question({"eXample.com"});
  const Bytes answer = upstream(dns_question(q, 1, {}), {"example.com. 60 IN CNAME www.example.com.", "www.example.com. 60 IN A 192.0.2.80"}, 0x81a0);
  const Outcome plain = relay_dns(answer, q);
  EXPECT_EQ(name_of(plain.count), "DNS_ASKED");
  EXPECT_EQ(hex(View(plain.reply).first(2)), "beef");
  EXPECT_EQ(hex(View(plain.reply).subspan(12, 13)), hex(wire_name("eXample.com")));
  EXPECT_EQ(read(plain.reply).flags, "qr rd ra ");  // no AD for who did not ask for it
  EXPECT_EQ(read(plain.reply).edns, -1);
  // Compressed names share the question's letters.
  EXPECT_EQ(read(plain.reply).answer, "eXample.com. 60 IN CNAME www.eXample.com.; www.eXample.com. 60 IN A 192.0.2.80");
  const Outcome edns = relay_dns(answer, open_question({.name = "example.com", .edns = 1232, .dnssec = true}));
  EXPECT_EQ(read(edns.reply).flags, "do qr rd ra ad ");
  EXPECT_EQ(read(edns.reply).edns, 1232);
  EXPECT_EQ(read(relay_dns(upstream(dns_question(q, 1, {}), {}, 0x8183), q).reply).rcode, 3u);
  EXPECT_EQ(name_of(relay_dns(Bytes{1, 2, 3}, q).count), "DNS_FAILED");
  EXPECT_EQ(read(relay_dns(Bytes{1, 2, 3}, q).reply).rcode, 2u);
}

// RFC 1035 4.2.1, RFC 6891 6.2.5: the limit, and TC with nothing behind it.
TEST(Dns, Truncation) {
  const DnsQuery q = open_question({"example.com"});
  std::vector<std::string> lines;
  for (int i = 0; i < 60; i++) lines.push_back(fmt::format("example.com. 60 IN A 192.0.2.{}", i));
  const Bytes big = upstream(dns_question(q, 1, {}), lines);  // some 1,000 bytes
  const struct {
    const char* name;
    int edns;
    Transport transport;
    bool cut;
  } rows[] = {{"512", -1, Transport::udp, true},
              {"600", 600, Transport::udp, true},
              {"1232", 1232, Transport::udp, false},
              {"more than we send", 4096, Transport::udp, false},
              {"TCP", -1, Transport::tcp, false}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Outcome o = relay_dns(big, open_question({.name = "example.com", .edns = row.edns}, row.transport));
    EXPECT_EQ(read(o.reply).flags.find("tc") != std::string::npos, row.cut);
    EXPECT_EQ(read(o.reply).answer.empty(), row.cut);
    EXPECT_EQ(read(o.reply).edns, row.edns < 0 ? -1 : 1232);
    EXPECT_LE(o.reply.size(), row.cut ? 512u : 1232u);
  }
  for (int i = 60; i < 120; i++) lines.push_back(fmt::format("example.com. 60 IN A 192.0.2.{}", i));
  const Bytes bigger = upstream(dns_question(q, 1, {}), lines);
  EXPECT_EQ(read(relay_dns(bigger, open_question({.name = "example.com", .edns = 4096})).reply).flags, "qr tc rd ra ");
}

TEST(Dns, CutAnywhere) {
  const Bytes whole = write({.name = "web.red.internal", .edns = 1232, .options = "000a00080102030405060708"});
  for (std::size_t n = 0; n < whole.size(); n++) {
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    const DnsStep s = answer_dns(part, Transport::udp, test_client());
    EXPECT_EQ(name_of(s.count), n < 12 ? "DNS_MALFORMED" : "DNS_ERROR") << n;
  }
}

TEST(Dns, NoDomainNoNames) {
  Client c = test_client();
  c.zone = std::make_shared<Zone>("", 7, Cidrs{block("10.0.0.0/16"), {}});
  EXPECT_EQ(read(answer_dns(write({"web.red.internal"}), Transport::udp, c).reply).rcode, 5u);
  EXPECT_EQ(read(answer_dns(write({"5.1.0.10.in-addr.arpa", kPtr}), Transport::udp, c).reply).rcode, 5u);
}

}  // namespace
}  // namespace mizar::responder
