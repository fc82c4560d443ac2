// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a message of a tenant, of another host or of a
// forwarder, the first byte says which. Beyond what the sanitizers find, it
// checks what must hold for every answer: it fits, it is for this question, and
// it has no other VPC's address in it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "selftests/unit/responder_world.h"
#include "userspace/responder/dhcp6.h"
#include "userspace/responder/dns.h"
#include "userspace/responder/finding.h"
#include "userspace/responder/metadata.h"
#include "userspace/responder/probe.h"

using namespace mizar;
using namespace mizar::responder;

namespace {

#define MUST(cond)                                                         \
  do {                                                                     \
    if (!(cond)) {                                                         \
      std::fprintf(stderr, "responder_fuzz: does not hold: %s\n", #cond);  \
      std::abort();                                                        \
    }                                                                      \
  } while (0)

Client world(bool small) {
  Client c = test_client();
  if (!small) {
    c.services.dns = {addr("192.0.2.53")};
    c.services.routes = {{block("192.168.0.0/16"), addr("10.0.1.9")}};
    return c;
  }
  c.cidr.v4 = block("10.0.1.5/32");
  c.user_data.clear();
  return c;
}

void dhcp4(View in, const Client& c) {
  const Outcome o = answer_dhcp4(in, c, {3600, default_duid()});
  if (o.reply.empty()) return;
  MUST(o.reply.size() >= 300 && o.reply.size() <= 1280 - 28);
  MUST(std::equal(in.begin() + 4, in.begin() + 8, o.reply.begin() + 4));  // xid
  MUST(o.reply[0] == 2);
}

void dhcp6(View in, const Client& c) {
  const Outcome o = answer_dhcp6(in, c, {3600, default_duid()});
  if (o.reply.empty()) return;
  MUST(o.reply.size() < 4096);
  MUST(std::equal(in.begin() + 1, in.begin() + 4, o.reply.begin() + 1));
}

// Id and question come back as they were sent.
void check_dns(View in, const DnsStep& s) {
  if (s.reply.empty()) return;
  MUST(s.reply.size() >= 12 && (s.reply[2] & 0x80));
  MUST(std::equal(in.begin(), in.begin() + 2, s.reply.begin()));
  if (s.query.transport == Transport::udp) MUST(s.reply.size() <= std::max<std::size_t>(512, s.query.udp_size));
  const std::size_t name = s.query.name.size();
  if (name == 0) return;
  MUST(s.reply.size() >= 12 + name + 4);
  MUST(std::equal(s.query.name.begin(), s.query.name.end(), s.reply.begin() + 12));
}

void dns(View in, Transport t, const Client& c) {
  const DnsStep s = answer_dns(in, t, c);
  check_dns(in, s);
  if (!s.ask) return;
  MUST(s.reply.empty() && !s.ask->whom.empty());
  const Bytes asked = dns_question(s.query, 7, s.ask->vni);
  MUST(asked.size() >= 12 + s.query.name.size() + 4 && asked.size() <= 512);
  MUST(dns_fit(asked, s.query, 7) == DnsFit::no);  // a question answers nothing
  check_dns(in, {Count::DNS_FAILED, fail_dns(s.query).reply, std::nullopt, s.query});
}

void peer(View in) {
  static const auto zone = test_zone();
  const DnsStep s = answer_peer(in, [](std::uint32_t vni) { return vni == 7 ? zone.get() : nullptr; });
  check_dns(in, s);
  MUST(!s.ask);
}

// An upstream's answer to a question that was asked.
void upstream(View in, const Client& c) {
  static const Bytes question = unhex("beef01000001000000000000" "076578616d706c6503636f6d00" "00010001");
  const DnsQuery q = answer_dns(question, Transport::udp, c).query;
  if (dns_fit(in, q, 0x1234) == DnsFit::no) return;
  const Outcome o = relay_dns(in, q);
  MUST(o.reply.size() <= 512);
  MUST(std::equal(question.begin(), question.begin() + 2, o.reply.begin()));
}

void metadata(View in, const Client& c) {
  const auto o = answer_metadata({reinterpret_cast<const char*>(in.data()), in.size()}, c);
  MUST(o || in.size() < kHeadMax);
  if (!o) return;
  const std::string reply(o->reply.begin(), o->reply.end());
  MUST(reply.starts_with("HTTP/1.1 "));
  MUST(reply.find("\r\n\r\n") < 400);  // nothing of the request gets into the head
}

// Another host's question about backends, its answer, and what a backend says to a probe.
void health(View in) {
  static const std::vector<Finding> all(70, Finding{addr("10.0.1.5"), true, 7, {}});
  if (const auto q = read_question(in)) {
    const Bytes again = write_question(*q);
    MUST(std::equal(again.begin(), again.end(), in.begin(), in.end()));
    const auto a = read_answer(write_answer(*q, all));
    MUST(a && a->id == q->id && a->first + a->findings.size() <= all.size());
  }
  if (const auto a = read_answer(in)) MUST(a->findings.size() * 24 < in.size());
  const std::string_view text(reinterpret_cast<const char*>(in.data()), in.size());
  const auto status = http_status(text);
  MUST(status || text.size() < 13);
  if (status && *status != 0) MUST(*status < 1000 && text.starts_with("HTTP/"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  static const std::array<Client, 2> clients{world(false), world(true)};
  const Client& c = clients[data[0] >> 7];
  // A buffer of exactly that size: a read past the end is seen.
  const Bytes in(data + 1, data + size);
  switch (data[0] & 7) {
    case 0: dhcp4(in, c); break;
    case 1: dhcp6(in, c); break;
    case 2: dns(in, Transport::udp, c); break;
    case 3: dns(in, Transport::tcp, c); break;
    case 4: peer(in); break;
    case 5: upstream(in, c); break;
    case 6: metadata(in, c); break;
    default: health(in); break;
  }
  return 0;
}

// Writes the seeds: one message of each sort. `responder_fuzz_seeds DIR`.
#ifdef MZ_FUZZ_SEEDS
namespace {
void save(const std::string& dir, const char* name, std::uint8_t kind, const Bytes& message) {
  std::ofstream out(dir + "/" + name, std::ios::binary);
  out.put(static_cast<char>(kind)).write(reinterpret_cast<const char*>(message.data()), static_cast<std::streamsize>(message.size()));
  if (!out) std::exit(1);
}

Bytes dhcp4_seed(const std::string& options) {
  return Writer().u32(0x01010600).u32(7).zeros(20).bytes(unhex("020000000005")).zeros(10 + 192)
      .bytes(unhex("63825363" + options + "ff")).done();
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string dir = argv[1];
  const std::string client = "0001000a00030001020000000005", server = "0002000a00030001024d5a000001";
  const std::string ia = "000300280000000100000000000000000005001800000000000000000000000000000000" "0000000000000000";
  save(dir, "discover", 0, dhcp4_seed("3501013d0702aabbccddeeff390203e8370401036f79"));
  save(dir, "request", 0, dhcp4_seed("35010332040a000105"));
  save(dir, "overload", 0, dhcp4_seed("350101340103"));
  save(dir, "small", 0x80, dhcp4_seed("350101370401037906"));
  save(dir, "solicit", 1, unhex("01abcdef" + client + ia + "000e0000" "0006000400170018"));
  save(dir, "request6", 1, unhex("03abcdef" + client + server + ia));
  save(dir, "information", 1, unhex("0babcdef" "00060002" "0017"));
  const std::string head = "beef01000001000000000001", edns = "00002904d0000000000000";
  const std::string web = "03776562037265640869" "6e7465726e616c00";
  save(dir, "query", 2, unhex(head + web + "00010001" + edns));
  save(dir, "tcp", 3, unhex(head + web + "001c0001" + edns));
  save(dir, "reverse", 2, unhex(head + "01350131013002313007696e2d61646472046172706100" "000c0001" + edns));
  save(dir, "foreign", 2, unhex(head + "076578616d706c6503636f6d00" "00010001" + edns));
  save(dir, "peer", 4, unhex(head + web + "00010001" "00002904d000000000" "0008fe35000400000007"));
  save(dir, "upstream", 5, unhex("123481800001000100000000" "076578616d706c6503636f6d00" "00010001"
                                 "c00c000100010000003c0004c0000250"));
  const std::string get = "GET /latest/meta-data/mac HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
  save(dir, "get", 6, Bytes(get.begin(), get.end()));
  const HealthQuestion ask{7, 100, 0, "web"};
  save(dir, "ask", 7, write_question(ask));
  save(dir, "told", 7, write_answer(ask, {{addr("10.0.1.5"), false, 7, {Problem::status, 503}}}));
  const std::string status = "HTTP/1.1 200 OK\r\n";
  save(dir, "status", 7, Bytes(status.begin(), status.end()));
  return 0;
}
#endif
