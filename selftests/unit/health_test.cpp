// SPDX-License-Identifier: Apache-2.0
// Health of backends in transit-responder: what is read of an answer, what hosts tell each
// other, and probes of real sockets, in a network namespace of its own.
#include "userspace/responder/health.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "selftests/unit/own_namespaces.h"
#include "selftests/unit/responder_world.h"
#include "userspace/net/netlink.h"
#include "userspace/responder/asker.h"

namespace mizar::responder {
namespace {

using namespace test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(Http, TheStatusOfAnAnswer) {
  const struct {
    const char* received;
    int status;  // -1: more has to come
  } rows[] = {
      {"HTTP/1.1 200 OK\r\n", 200}, {"HTTP/1.0 301 \r\n", 301},    {"HTTP/1.1 503\r\n", 503},    {"HTTP/1.1 204\n", 204},
      {"HTTP/1.1 999 x", 999},      {"", -1},                      {"HTTP/1.", -1},              {"HTTP/1.1 200", -1},
      {"HTTP/1.1 2000 OK", 0},      {"HTTP/1.1 20x OK", 0},        {"SSH-2.0-OpenSSH_9.2", 0},   {"HTTP/x.1 200 OK", 0},
      {"http/1.1 200 OK", 0},       {"HTTP/1.1  200 OK", 0},       {"\r\nHTTP/1.1 200 OK", 0},   {"HTTP/2.0 200 OK", 200},
  };
  for (const auto& row : rows) {
    const auto status = http_status(row.received);
    EXPECT_EQ(status ? *status : -1, row.status) << row.received;
  }
}

TEST(Http, TheRequestNamesTheBackendAsItIsKnown) {
  const HealthSpec how{true, 8080, "/well", 1000, 1000, 1, 3};
  EXPECT_EQ(http_request(how, addr("10.0.1.5")).substr(0, 49), "GET /well HTTP/1.1\r\nHost: 10.0.1.5:8080\r\nUser-Age");
  EXPECT_NE(http_request(how, addr("fd00::5")).find("\r\nHost: [fd00::5]:8080\r\n"), std::string::npos);
  EXPECT_TRUE(http_request(how, addr("fd00::5")).ends_with("\r\nConnection: close\r\n\r\n"));
}

TEST(Message, QuestionsComeThrough) {
  const HealthQuestion q{0x0102030405060708, 100, 50, "web"};
  const Bytes message = write_question(q);
  EXPECT_TRUE(is_health_question(message));
  EXPECT_EQ(read_question(message), q);
  for (std::size_t n = 0; n < message.size(); n++)
    EXPECT_EQ(read_question(View(message).first(n)), std::nullopt) << n << " bytes";
  Bytes longer = message;
  longer.push_back(0);
  EXPECT_EQ(read_question(longer), std::nullopt);
  EXPECT_FALSE(is_health_question(unhex("4d5a01000001000000000000"))) << "a DNS query of the same id";
}

TEST(Message, AnswersComeThroughInPages) {
  std::vector<Finding> all;
  for (std::uint32_t i = 0; i < 120; i++)
    all.push_back({Addr::v4(0x0a000000 + i), i % 3 != 0, i, {i % 3 ? Problem::none : Problem::status, 503}});
  std::vector<Finding> read;
  for (int page = 0; page < 3; page++) {
    const Bytes message = write_answer({7, 100, static_cast<std::uint16_t>(read.size()), "web"}, all);
    EXPECT_LE(message.size(), 1232u);
    const auto a = read_answer(message);
    ASSERT_TRUE(a);
    EXPECT_EQ(a->id, 7u);
    EXPECT_EQ(a->total, 120u);
    EXPECT_EQ(a->first, read.size());
    read.insert(read.end(), a->findings.begin(), a->findings.end());
  }
  EXPECT_EQ(read, all);
  const Bytes past = write_answer({7, 100, 9999, "web"}, all);
  EXPECT_TRUE(read_answer(past)->findings.empty());
  for (std::size_t n = 0; n < past.size(); n++) EXPECT_FALSE(read_answer(View(past).first(n))) << n << " bytes";
}

TEST(Message, ProblemsInWords) {
  EXPECT_EQ(text_of({Problem::status, 503}), "HTTP status 503");
  EXPECT_EQ(text_of({Problem::refused, 0}), "connection refused");
  EXPECT_EQ(text_of({static_cast<Problem>(99), 0}), "problem 99");
}

// A server that says one thing to everybody; nothing: it takes connections and is silent.
class Says {
 public:
  explicit Says(const Target& at, std::string what = "") : what_(std::move(what)) {
    listener_ = must(listen_at(at, SOCK_STREAM, ""));
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
        if (!fd.valid()) {
          std::this_thread::yield();
          continue;
        }
        taken++;
        std::array<char, 512> request;
        if (what_.empty()) {
          kept_.push_back(std::move(fd));
        } else if (::recv(fd.get(), request.data(), request.size(), 0) > 0) {
          ::send(fd.get(), what_.data(), what_.size(), MSG_NOSIGNAL);
        }
      }
    });
  }
  std::atomic<unsigned> taken = 0;

 private:
  std::string what_;
  UniqueFd listener_;
  std::vector<UniqueFd> kept_;
  std::jthread thread_;
};

const Target kAt{addr("127.0.0.1"), 8080};

class HealthTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto nl = must(net::Netlink::open());
    net::LinkChange up;
    up.up = true;
    ASSERT_OK(nl.set_link(must(nl.link("lo")).index, up));
  }
  static HealthTarget target(const char* name, const std::optional<Target>& at, HealthSpec how) {
    how.port = at ? at->port : 80;
    return {{std::string("red/web"), addr(name)}, at, how};
  }
  static HealthSpec quick(bool http = false) {
    HealthSpec how;
    how.http = http;
    how.interval_ms = 20;
    how.timeout_ms = 100;
    how.failures = 2;
    return how;
  }
  void SetUp() override {
    ASSERT_OK(loop->every(2ms, [this] { health.tick(Clock::now()); }));
    thread = std::jthread([this] { loop->run(); });
  }
  void TearDown() override {
    loop->stop();
    thread.join();
  }
  // On the loop's thread, where all of it lives.
  template <class F>
  auto there(F f) {
    std::promise<decltype(f())> out;
    loop->post([&] { out.set_value(f()); });
    return out.get_future().get();
  }
  bool until(const std::function<bool()>& done) {
    const auto end = Clock::now() + 5s;
    while (!there(done))
      if (Clock::now() > end) return false;
    return true;
  }
  void probe(const std::vector<HealthTarget>& targets) {
    there([&] { return health.set_targets(targets), 0; });
  }
  // "+", "-" and why, or "?".
  std::string verdict(const char* name) {
    const auto f = health.find({"red/web", addr(name)}, Clock::now());
    return !f ? "?" : f->healthy ? "+" : "- " + text_of(f->trouble);
  }

  std::unique_ptr<EventLoop> loop = must(EventLoop::create());
  std::vector<std::string> changes;
  unsigned passed = 0, failed = 0;
  std::string cannot;
  Health health{*loop, 8,
                [this](Family f) -> Result<UniqueFd> {
                  if (!cannot.empty()) return fail(Code::unavailable, "{}", cannot);
                  return make_socket({f == Family::v4 ? addr("127.0.0.1") : addr("::1"), 0}, SOCK_STREAM);
                },
                [this](const HealthKey& key) { changes.push_back(key.address.text() + " " + verdict(key.address.text().c_str())); },
                [this](bool ok) { ok ? passed++ : failed++; }};
  std::jthread thread;
};

TEST_F(HealthTest, TcpPassesWhereAConnectionIsTaken) {
  const Says server(kAt);
  probe({target("10.0.1.5", kAt, quick())});
  EXPECT_TRUE(until([&] { return passed >= 3; }));
  EXPECT_EQ(there([&] { return verdict("10.0.1.5"); }), "+");
  EXPECT_EQ(there([&] { return changes; }), std::vector<std::string>{"10.0.1.5 +"});
}

TEST_F(HealthTest, SoManyInARowMakeTheVerdict) {
  HealthSpec how = quick();
  how.passes = 3;
  probe({target("10.0.1.5", kAt, how)});
  EXPECT_TRUE(until([&] { return failed == 1; }));
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") != "?"; }));
  EXPECT_GE(there([&] { return failed; }), 2u);
  EXPECT_EQ(there([&] { return changes; }), std::vector<std::string>{"10.0.1.5 - connection refused"});
  {
    const Says server(kAt);
    EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "+"; }));
    EXPECT_GE(there([&] { return passed; }), 3u);
  }
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "- connection refused"; }));
  EXPECT_EQ(there([&] { return changes.size(); }), 3u);
}

TEST_F(HealthTest, HttpPassesByItsStatus) {
  const struct {
    const char* says;
    const char* verdict;
  } rows[] = {{"HTTP/1.1 200 OK\r\n\r\n", "+"},
              {"HTTP/1.1 399 x\r\n\r\n", "+"},
              {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "- HTTP status 503"},
              {"HTTP/1.1 400 x\r\n\r\n", "- HTTP status 400"},
              {"HTTP/1.1 199 x\r\n\r\n", "- HTTP status 199"},
              {"220 mail ESMTP\r\n", "- the answer is not HTTP"},
              {"HTTP/1.1 2", "- connection closed without an answer"},
              {"", "- no answer in time"}};
  std::uint16_t port = 9000;
  for (const auto& row : rows) {
    const Target at{addr("127.0.0.1"), port++};
    const Says server(at, row.says);
    probe({target("10.0.1.5", at, quick(true))});
    EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == row.verdict; })) << row.says << ": " << row.verdict;
  }
}

TEST_F(HealthTest, OverIpv6) {
  const Target at{addr("::1"), 8080};
  const Says server(at, "HTTP/1.1 200 OK\r\n\r\n");
  probe({target("fd00::5", at, quick(true))});
  EXPECT_TRUE(until([&] { return verdict("fd00::5") == "+"; }));
}

// What this host cannot do says nothing of a backend.
TEST_F(HealthTest, OwnTroubleIsNoVerdict) {
  const Says server(kAt);
  probe({target("10.0.1.5", kAt, quick())});
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "+"; }));
  unsigned tries = 0;
  there([&] { return cannot = "no descriptors left", 0; });
  probe({target("10.0.1.5", kAt, quick()), target("10.0.1.6", {{addr("203.0.113.9"), 80}}, quick())});  // no route there
  EXPECT_TRUE(until([&] { return ++tries > 50; }));
  there([&] { return cannot.clear(), 0; });
  EXPECT_TRUE(until([&, before = there([&] { return passed; })] { return passed > before + 3; }));
  EXPECT_EQ(there([&] { return verdict("10.0.1.5") + verdict("10.0.1.6"); }), "+?");
  EXPECT_EQ(there([&] { return failed; }), 0u);
}

// One backend's trouble is said once, however well others are.
TEST_F(HealthTest, OwnTroubleIsLoggedOnce) {
  const Says server(kAt);
  ::testing::internal::CaptureStderr();
  probe({target("10.0.1.5", kAt, quick()), target("10.0.1.6", {{addr("203.0.113.9"), 80}}, quick())});  // no route there
  EXPECT_TRUE(until([&] { return passed >= 5; }));
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::string line = "service red/web: backend 10.0.1.6 cannot be probed: ";
  EXPECT_NE(log.find(line), std::string::npos) << log;
  EXPECT_EQ(log.find(line), log.rfind(line)) << log;
}

// An endpoint whose interface is gone answers nobody.
TEST_F(HealthTest, WhoHasNoInterfaceFails) {
  probe({target("10.0.1.5", {}, quick())});
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "- it has no interface"; }));
  EXPECT_GE(there([&] { return failed; }), 2u);
  const Says server(kAt);
  HealthSpec how = quick();
  probe({target("10.0.1.5", kAt, how)});
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "+"; }));
  how.port = kAt.port;
  there([&] {
    health.set_targets({HealthTarget{{"red/web", addr("10.0.1.5")}, {}, how}});
    health.tick(Clock::now());
    EXPECT_EQ(verdict("10.0.1.5"), "+") << "one failure is none";
    return 0;
  });
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") == "- it has no interface"; }));
}

// The loop may look late; what has come by then has come in time.
TEST_F(HealthTest, AnAnswerThatWaitsIsHeardBeforeItIsLate) {
  const Says server(kAt);
  HealthSpec how = quick();
  how.interval_ms = 60000;
  const auto looks_late = [&] {
    health.set_targets({target("10.0.1.5", kAt, how)});
    const auto now = Clock::now();
    health.tick(now + 1ms);
    health.tick(now + 10s);
    return 0;
  };
  there(looks_late);
  EXPECT_EQ(there([&] { return verdict("10.0.1.5"); }), "+");
  EXPECT_EQ(there([&] { return failed; }), 0u);
  how.http = true;  // a connection alone is no answer
  there(looks_late);
  EXPECT_EQ(there([&] { return failed; }), 1u);
  EXPECT_EQ(there([&] { return health.open(); }), 0u);
}

TEST_F(HealthTest, NotMoreAtOnceThanAllowed) {
  const Says server(kAt);  // silent: each takes as long as it may
  std::vector<HealthTarget> many;
  for (int i = 0; i < 40; i++) many.push_back(target(fmt::format("10.0.2.{}", i).c_str(), kAt, quick(true)));
  probe(many);
  std::size_t most = 0;
  EXPECT_TRUE(until([&] {
    most = std::max(most, health.open());
    return changes.size() == 40;
  }));
  EXPECT_EQ(most, 8u);
}

TEST_F(HealthTest, VerdictsGoWithTheirTargets) {
  const Says server(kAt);
  probe({target("10.0.1.5", kAt, quick()), target("10.0.1.6", kAt, quick())});
  EXPECT_TRUE(until([&] { return verdict("10.0.1.5") + verdict("10.0.1.6") == "++"; }));
  EXPECT_EQ(there([&] { return health.findings("red/web", Clock::now()).size(); }), 2u);
  EXPECT_EQ(there([&] { return health.findings("red/other", Clock::now()).size(); }), 0u);
  HealthSpec other = quick();
  other.passes = 100;
  probe({target("10.0.1.5", {{addr("127.0.0.1"), 8081}}, quick())});
  EXPECT_EQ(there([&] { return health.findings("red/web", Clock::now()).size(); }), 0u) << "another port is another question";
  probe({target("10.0.1.6", kAt, other)});
  EXPECT_EQ(there([&] { return verdict("10.0.1.5") + verdict("10.0.1.6"); }), "??");
}

// ---- asking other hosts -------------------------------------------------------------

class AskerTest : public HealthTest {
 protected:
  AskerTest() {
    ask.service = "red/web";
    ask.vni = 100;
    ask.name = "web";
    ask.host = addr("127.0.0.1");
    for (int i = 0; i < 120; i++) ask.backends.insert(Addr::v4(0x0a000000u + static_cast<unsigned>(i)));
    ask.interval = 20ms;
    for (int i = 0; i < 120; i++) all.push_back({Addr::v4(0x0a000000u + static_cast<unsigned>(i)), i % 2 == 0, 5, {}});
  }
  // The next question, as the other host gets it.
  std::pair<HealthQuestion, Target> question(int fd) {
    std::array<std::uint8_t, 2048> buffer;
    SocketAddress from;
    for (const auto end = Clock::now() + 5s; Clock::now() < end;) {
      const ssize_t n = ::recvfrom(fd, buffer.data(), buffer.size(), 0, from.raw(), &from.length);
      if (n < 0) continue;
      const auto q = read_question(View(buffer.data(), static_cast<std::size_t>(n)));
      EXPECT_TRUE(q);
      return {q.value_or(HealthQuestion()), from.target()};
    }
    ADD_FAILURE() << "no question came";
    return {};
  }
  static void answer(int fd, const Target& to, const Bytes& message) {
    const SocketAddress address(to);
    ASSERT_GT(::sendto(fd, message.data(), message.size(), 0, address.raw(), address.length), 0);
  }
  HealthAsk ask;
  std::vector<Finding> all;
  std::map<Addr, bool> heard;
  unsigned answers = 0;
  Asker asker{*loop, 6082, [this](const std::string& service, const Finding& f) {
                EXPECT_EQ(service, "red/web");
                heard[f.address] = f.healthy;
                answers++;
              }};
};

TEST_F(AskerTest, AsksOnUntilItHasHeardOfAll) {
  const UniqueFd peer = must(listen_at({addr("127.0.0.1"), 6082}, SOCK_DGRAM, ""));
  there([&] { return asker.set_asks({addr("127.0.0.1"), {}}, {ask}), asker.tick(Clock::now()), 0; });
  for (int page = 0; page < 3; page++) {
    const auto [q, from] = question(peer.get());
    EXPECT_EQ(q.service, "web");
    EXPECT_EQ(q.vni, 100u);
    EXPECT_EQ(q.first, page * 50);
    answer(peer.get(), from, write_answer(q, all));
  }
  EXPECT_TRUE(until([&] { return heard.size() == 120; }));
  const auto told = there([&] { return heard; });
  EXPECT_TRUE(told.at(Addr::v4(0x0a000000)));
  EXPECT_FALSE(told.at(Addr::v4(0x0a000001)));
}

// Who says the same page again and again is not asked again and again.
TEST_F(AskerTest, AnotherPageThanAskedForLeadsNowhere) {
  const UniqueFd peer = must(listen_at({addr("127.0.0.1"), 6082}, SOCK_DGRAM, ""));
  there([&] { return asker.set_asks({addr("127.0.0.1"), {}}, {ask}), asker.tick(Clock::now()), 0; });
  const auto [q, from] = question(peer.get());
  answer(peer.get(), from, write_answer(q, all));
  auto [next, same] = question(peer.get());
  EXPECT_EQ(next.first, 50u);
  next.first = 0;
  answer(peer.get(), same, write_answer(next, all));
  EXPECT_TRUE(until([&] { return answers == 100; })) << "what it says is heard";
  std::array<std::uint8_t, 2048> buffer;
  EXPECT_LT(::recv(peer.get(), buffer.data(), buffer.size(), 0), 0) << "and nothing asked";
}

TEST_F(AskerTest, OthersAreNotHeard) {
  const UniqueFd peer = must(listen_at({addr("127.0.0.1"), 6082}, SOCK_DGRAM, "")),
                 stranger = must(listen_at({addr("127.0.0.1"), 6083}, SOCK_DGRAM, ""));
  ask.backends = {addr("10.0.0.7")};
  there([&] { return asker.set_asks({addr("127.0.0.1"), {}}, {ask}), asker.tick(Clock::now()), 0; });
  const auto [q, from] = question(peer.get());
  all = {{addr("10.0.0.7"), true, 0, {}}};
  answer(stranger.get(), from, write_answer(q, all));  // another port
  HealthQuestion forged = q;
  forged.id++;
  answer(peer.get(), from, write_answer(forged, all));  // another number
  answer(peer.get(), from, write_answer(q, {{addr("10.0.0.8"), true, 0, {}}}));  // another host's backend
  answer(peer.get(), from, write_answer(q, all));  // a second answer
  for (int round = 0; round < 2; round++) there([] { return 0; });  // the loop has read them all
  there([&] { return asker.tick(Clock::now() + 1s), 0; });
  const auto [again, same] = question(peer.get());
  EXPECT_NE(again.id, q.id);
  EXPECT_EQ(there([&] { return answers; }), 0u);
  answer(peer.get(), same, write_answer(again, all));
  EXPECT_TRUE(until([&] { return answers == 1; }));
}

}  // namespace
}  // namespace mizar::responder
