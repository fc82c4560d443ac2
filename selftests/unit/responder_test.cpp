// SPDX-License-Identifier: Apache-2.0
// The process transit-responder, with a daemon that answers from a script, in a network
// namespace of its own.
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "bpf/abi/local.h"
#include "selftests/unit/local_world.h"
#include "selftests/unit/own_namespaces.h"
#include "selftests/unit/responder_world.h"
#include "userspace/net/netlink.h"
#include "userspace/proto/text.h"
#include "userspace/proto/transit.grpc.pb.h"
#include "userspace/responder/sockets.h"

extern char** environ;

namespace mizar::responder {
namespace {

using namespace test;
using namespace std::chrono_literals;

class FakeTransit final : public v1::Transit::Service {
 public:
  grpc::Status GetLocal(grpc::ServerContext*, const v1::GetLocalRequest* in, v1::GetLocalReply* out) override {
    const std::lock_guard lock(mutex_);
    asked_++;
    out->set_generation(reply_.generation());
    if (in->generation() != reply_.generation()) *out = reply_;
    return grpc::Status::OK;
  }
  void set(v1::GetLocalReply r) {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(r);
  }

 private:
  std::mutex mutex_;
  int asked_ = 0;
  v1::GetLocalReply reply_;
};

// Read before any namespace: afterwards the link may lead nowhere.
const std::filesystem::path kBin = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../../bin";

class Process : public ::testing::Test {
 protected:
  void SetUp() override {
    auto here = must(net::Netlink::open());
    const auto lo = must(here.link("lo"));
    EXPECT_OK(here.set_link(lo.index, {.up = true}));
    for (const Addr& ip : {dns_server(Family::v4), dns_server(Family::v6), metadata_server(Family::v4),
                           dhcp_server(Family::v4), dhcp_server(Family::v6), client_address(Family::v4, 5),
                           client_address(Family::v6, 5), client_address(Family::v4, 6), client_address(Family::v4, 9),
                           addr("192.0.2.1"), addr("192.0.2.2"), addr("192.0.2.9")})
      (void)here.add_address(lo.index, Prefix{ip, ip.is_v4() ? 32u : 128u});  // there from an earlier test
    dir_ = std::filesystem::temp_directory_path() / fmt::format("responder-test-{}", ::getpid());
    std::filesystem::create_directories(dir_);
    fake_.set(local());
    serve();
    start();
  }
  void TearDown() override {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    server_->Shutdown();
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] std::string at(const char* name) const { return dir_ / name; }

  void serve() {
    grpc::ServerBuilder b;
    b.AddListeningPort("unix:" + at("sock"), grpc::InsecureServerCredentials());
    b.RegisterService(&fake_);
    server_ = b.BuildAndStart();
  }
  void start() {
    std::vector<std::string> args{"transit-responder", "--transitd", "unix:" + at("sock"), "--stats", at("stats"),
                                  "--rate", "20", "--burst", "40", "--idle", "1", "--connections", "3", "-v"};
    std::vector<char*> argv;
    for (auto& a : args) argv.push_back(a.data());
    argv.push_back(nullptr);
    ASSERT_EQ(::posix_spawn(&pid_, (kBin / "transit-responder").c_str(), nullptr, nullptr, argv.data(), environ), 0);
    // It answers when its sockets are there; that they know the client comes later.
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (udp(5, Family::v4, query("web.red.internal"), 100).empty())
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "does not answer";
  }

  static Bytes query(const std::string& name, std::uint16_t type = 1) {
    Writer w;
    w.u16(0xbeef).u16(0x0100).u16(1).u32(0).u16(0);
    for (std::size_t i = 0; i < name.size();) {
      const auto dot = std::min(name.find('.', i), name.size());
      w.u8(static_cast<std::uint8_t>(dot - i)).text(std::string_view(name).substr(i, dot - i));
      i = dot + 1;
    }
    return w.u8(0).u16(type).u16(1).done();
  }
  static UniqueFd client_socket(std::uint32_t slot, Family f, int type, std::uint16_t port, const Target& to) {
    auto fd = must(make_socket(to, type));
    const SocketAddress me({client_address(f, slot), port}), there(to);
    EXPECT_EQ(::bind(fd.get(), me.raw(), me.length), 0) << std::strerror(errno);
    const int rc = ::connect(fd.get(), there.raw(), there.length);
    EXPECT_TRUE(rc == 0 || errno == EINPROGRESS) << std::strerror(errno);
    return fd;
  }
  // The next bytes, within a limit; empty: none, or the end.
  static Bytes receive(const UniqueFd& fd, int ms = 3000) {
    pollfd p{fd.get(), POLLIN, 0};
    if (::poll(&p, 1, ms) != 1) return {};
    Bytes b(65536);
    const ssize_t n = ::recv(fd.get(), b.data(), b.size(), 0);
    b.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return b;
  }
  static Bytes udp(std::uint32_t slot, Family f, const Bytes& message, int ms = 3000) {
    const auto fd = client_socket(slot, f, SOCK_DGRAM, 0, {dns_server(f), MZ_DNS_PORT});
    ::send(fd.get(), message.data(), message.size(), 0);
    return receive(fd, ms);
  }
  static UniqueFd tcp(std::uint32_t slot, const Target& to) {
    auto fd = client_socket(slot, Family::v4, SOCK_STREAM, 0, to);
    pollfd p{fd.get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&p, 1, 3000), 1);
    return fd;
  }
  std::uint64_t count(Count c) const {
    std::ifstream in(at("stats"));
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string name;
      std::uint64_t n = 0;
      if (words >> name >> n; name == text_of(c).name) return n;
    }
    return 0;
  }
  // The file is written each second.
  bool counts(Count c, std::uint64_t wanted) const {
    for (int i = 0; i < 300 && count(c) < wanted; i++) ::poll(nullptr, 0, 10);
    return count(c) >= wanted;
  }
  // Slot 5's port again under another ifindex, slot 9's.
  static v1::GetLocalReply moved() {
    auto r = local();
    r.set_generation(6);
    r.mutable_ports(0)->set_ifindex(9);
    return r;
  }

  std::filesystem::path dir_;
  FakeTransit fake_;
  std::unique_ptr<grpc::Server> server_;
  pid_t pid_ = 0;
};

int exit_code(std::vector<std::string> args) {
  args.insert(args.begin(), "transit-responder");
  std::vector<char*> argv;
  for (auto& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, (kBin / "transit-responder").c_str(), nullptr, nullptr, argv.data(), environ), 0);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(CommandLine, WrongUseIsTwo) {
  const struct {
    std::vector<std::string> args;
    int rc;
  } rows[] = {{{"--version"}, 0},
              {{"--help"}, 0},
              {{"--nonsense"}, 2},
              {{"--transitd", "192.0.2.1:1"}, 2},
              {{"--dns", "192.0.2.1"}, 2},
              {{"--metadata", "[fd00::1]"}, 2},
              {{"--duid", "zzzzzz"}, 2},
              {{"--duid", "00030"}, 2},
              {{"--duid", "0003"}, 2},
              {{"--lease", "59"}, 2},
              {{"--rate", "-1"}, 2},
              {{"--burst", "0"}, 2},
              {{"--peer-port", "65536"}, 2}};
  for (const auto& row : rows) EXPECT_EQ(exit_code(row.args), row.rc) << row.args[0] << " " << row.args.back();
}

const Target kDns{dns_server(Family::v4), MZ_DNS_PORT}, kMetadata{metadata_server(Family::v4), MZ_METADATA_PORT};

TEST_F(Process, AnswersEachClientByItsAddress) {
  // The same name, asked by two tenants: one has it.
  EXPECT_EQ(udp(5, Family::v4, query("db.red.internal"))[3] & 15, 0);
  EXPECT_EQ(udp(5, Family::v6, query("db.red.internal"))[3] & 15, 0);
  EXPECT_EQ(udp(6, Family::v4, query("db.red.internal"))[3] & 15, 5);
  EXPECT_EQ(udp(6, Family::v4, query("db.corp.example"))[3] & 15, 3);
}

TEST_F(Process, Dhcp4ComesFromTheServersAddressToPort68) {
  const auto fd = client_socket(5, Family::v4, SOCK_DGRAM, MZ_DHCP4_CLIENT_PORT, {dhcp_server(Family::v4), MZ_DHCP4_SERVER_PORT});
  Writer w;
  const MacBytes mac = default_mac(7, addr("10.0.1.5"));
  w.u8(1).u8(1).u8(6).u8(0).u32(7).zeros(20).bytes(mac).zeros(10 + 192).u32(0x63825363).bytes(Bytes{53, 1, 1, 255});
  const Bytes message = w.done();
  ::send(fd.get(), message.data(), message.size(), 0);
  const Bytes offer = receive(fd);  // connected: from 169.254.169.252:67 alone
  ASSERT_GE(offer.size(), 300u);
  EXPECT_EQ(hex(View(offer).subspan(16, 4)), "0a000105");
}

TEST_F(Process, Dhcp6) {
  const auto fd = client_socket(5, Family::v6, SOCK_DGRAM, MZ_DHCP6_CLIENT_PORT, {dhcp_server(Family::v6), MZ_DHCP6_SERVER_PORT});
  const Bytes solicit = unhex("01abcdef" "0001000a00030001020000000005" "0003000c000000010000000000000000");
  ::send(fd.get(), solicit.data(), solicit.size(), 0);
  const Bytes advertise = receive(fd);
  ASSERT_GT(advertise.size(), 40u);
  EXPECT_EQ(hex(View(advertise).first(4)), "02abcdef");
}

// RFC 7766 section 6.2.1: several questions on one connection, also in pieces.
TEST_F(Process, ManyQuestionsOnOneConnection) {
  const auto fd = tcp(5, kDns);
  Writer w;
  for (const char* name : {"web.red.internal", "db.red.internal", "nobody.red.internal"}) {
    const Bytes q = query(name);
    w.u16(static_cast<std::uint16_t>(q.size())).bytes(q);
  }
  const Bytes all = w.done();
  ::send(fd.get(), all.data(), 1, 0);
  ::send(fd.get(), all.data() + 1, 20, 0);
  ::send(fd.get(), all.data() + 21, all.size() - 21, 0);
  Bytes got;
  std::string rcodes;
  while (rcodes.size() < 3) {
    const Bytes more = receive(fd);
    ASSERT_FALSE(more.empty());
    got.insert(got.end(), more.begin(), more.end());
    for (Reader r(got);;) {
      const View m = r.take(r.u16());
      if (!r.ok()) break;
      rcodes += fmt::format("{}", m[3] & 15);
      got.erase(got.begin(), got.begin() + 2 + static_cast<std::ptrdiff_t>(m.size()));
      r = Reader(got);
    }
  }
  EXPECT_EQ(rcodes, "003");
  // And left alone it is closed (--idle 1).
  EXPECT_TRUE(receive(fd, 5000).empty());
  pollfd p{fd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 0), 1);
}

TEST_F(Process, ConnectionsOfOneClientAreBounded) {
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; i++) held.push_back(tcp(5, kDns));
  const auto fourth = tcp(5, kDns);
  pollfd p{fourth.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&p, 1, 3000), 1);  // closed at once
  EXPECT_TRUE(receive(fourth, 0).empty());
  EXPECT_TRUE(counts(Count::NO_ROOM, 1));
  // Another client is not touched.
  const auto other = tcp(6, kMetadata);
  const std::string get = "GET /latest/meta-data/vpc HTTP/1.1\r\nHost: x\r\n\r\n";
  ::send(other.get(), get.data(), get.size(), 0);
  const Bytes answer = receive(other);
  EXPECT_NE(std::string(answer.begin(), answer.end()).find("\r\n\r\nblue"), std::string::npos);
}

TEST_F(Process, TheRateOfOneClientIsBounded) {
  const auto fd = client_socket(5, Family::v4, SOCK_DGRAM, 0, kDns);
  const Bytes q = query("web.red.internal");
  for (int i = 0; i < 200; i++) ::send(fd.get(), q.data(), q.size(), 0);
  EXPECT_TRUE(counts(Count::RATE_LIMITED, 100));
  EXPECT_FALSE(udp(6, Family::v4, query("web.corp.example")).empty());
}

// A client nobody knows yet waits for the next look, not for its own next try.
TEST_F(Process, ANewEndpointIsKnownAtItsFirstQuestion) {
  fake_.set(moved());
  const Bytes answer = udp(9, Family::v4, query("web.red.internal"), 800);
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer[3] & 15, 0);
}

TEST_F(Process, WhoIsNoEndpointIsNotAnswered) {
  EXPECT_TRUE(udp(9, Family::v4, query("web.red.internal"), 500).empty());
  EXPECT_TRUE(counts(Count::UNKNOWN_CLIENT, 1));
  // Nor is who has no client's address.
  auto fd = must(make_socket(kDns, SOCK_DGRAM));
  const SocketAddress me({addr("192.0.2.9"), 0}), there(kDns);
  ASSERT_EQ(::bind(fd.get(), me.raw(), me.length), 0);
  ASSERT_EQ(::connect(fd.get(), there.raw(), there.length), 0);
  const Bytes q = query("web.red.internal");
  ::send(fd.get(), q.data(), q.size(), 0);
  EXPECT_TRUE(receive(fd, 300).empty());
}

TEST_F(Process, WithoutTheDaemonWhatWasKnownStands) {
  server_->Shutdown();
  server_.reset();
  std::filesystem::remove(at("sock"));
  EXPECT_FALSE(udp(5, Family::v4, query("web.red.internal")).empty());
  EXPECT_TRUE(udp(9, Family::v4, query("web.red.internal"), 300).empty());
  fake_.set(moved());
  serve();
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (udp(9, Family::v4, query("web.red.internal"), 300).empty())
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "does not come back to the daemon";
}

// An upstream that plays a script: forged answers, then a cut one, then TCP.
TEST_F(Process, ForwardsAndTakesTheRightAnswerOnly) {
  const Target upstream{addr("192.0.2.9"), MZ_DNS_PORT};
  const auto server = must(listen_at(upstream, SOCK_DGRAM, ""));
  const auto stream = must(listen_at(upstream, SOCK_STREAM, ""));
  const auto client = client_socket(5, Family::v4, SOCK_DGRAM, 0, kDns);
  const Bytes q = query("eXample.com");
  ::send(client.get(), q.data(), q.size(), 0);

  pollfd p{server.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&p, 1, 3000), 1);
  SocketAddress from;
  Bytes asked(512);
  asked.resize(static_cast<std::size_t>(::recvfrom(server.get(), asked.data(), asked.size(), 0, from.raw(), &from.length)));
  ASSERT_GT(asked.size(), 29u);
  EXPECT_EQ(hex(View(asked).subspan(12, 17)), hex(View(q).subspan(12, 17)));
  const auto reply = [&](Bytes m) { ::sendto(server.get(), m.data(), m.size(), 0, from.raw(), from.length); };
  Bytes wrong = asked;
  wrong[2] |= 0x80, wrong[1] ^= 1;
  reply(wrong);  // another id
  Bytes cut = asked;
  cut[2] |= 0x82;
  reply(cut);

  pollfd s{stream.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&s, 1, 3000), 1);
  const UniqueFd conn(::accept(stream.get(), nullptr, nullptr));
  const Bytes framed = receive(conn);
  ASSERT_GT(framed.size(), 31u);
  Bytes whole(framed.begin() + 2, framed.end());
  whole[2] |= 0x80, whole[3] = 0x83;  // NXDOMAIN, and recursion is available
  const Bytes back = Writer().u16(static_cast<std::uint16_t>(whole.size())).bytes(whole).done();
  ::send(conn.get(), back.data(), back.size(), 0);
  const Bytes answer = receive(client);
  ASSERT_EQ(answer.size(), q.size());
  EXPECT_EQ(hex(View(answer).first(4)), "beef8183");
  EXPECT_EQ(hex(View(answer).subspan(12)), hex(View(q).subspan(12)));
}

TEST_F(Process, NobodyAnswersUpstream) {
  const Bytes answer = udp(5, Family::v4, query("example.com"));  // nothing listens there
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer[3] & 15, 2);
  EXPECT_TRUE(counts(Count::DNS_FAILED, 1));
}

// Hosts ask each other; who is no host of the region is not answered.
TEST_F(Process, OtherHostsAreAnsweredForAVpc) {
  const Target peers{addr("192.0.2.1"), 6082};
  const Bytes name = query("far.red.internal");
  const Bytes message = Writer().bytes(View(name).first(10)).u16(1).bytes(View(name).subspan(12))
                            .bytes(unhex("00002904d00000000000" "08" "fe35" "0004" "00000007")).done();
  for (const auto& [ip, answered] : {std::pair{"192.0.2.2", true}, std::pair{"192.0.2.9", false}}) {
    auto fd = must(make_socket(peers, SOCK_DGRAM));
    const SocketAddress me({addr(ip), 0}), there(peers);
    ASSERT_EQ(::bind(fd.get(), me.raw(), me.length), 0);
    ASSERT_EQ(::connect(fd.get(), there.raw(), there.length), 0);
    ::send(fd.get(), message.data(), message.size(), 0);
    const Bytes answer = receive(fd, answered ? 3000 : 300);
    EXPECT_EQ(!answer.empty(), answered) << ip;
    if (answered && !answer.empty()) {
      EXPECT_EQ(hex(View(answer).subspan(2, 6)), "850000010001");  // AA, one answer
    }
  }
}

}  // namespace
}  // namespace mizar::responder
