// SPDX-License-Identifier: Apache-2.0
// Label changes as fast as told, and whether every packet meets the verdict of the labels
// that were acknowledged: for policy_churn_test.sh, which makes the hosts.
//   policy_churn RUN DIRECTORY SECONDS RATE BATCH CHURNING
// CHURNING endpoints c0, c1, ... are on w1 and w2 in turn. Each change of one goes to
// app=web or app=other, every tenth of them to a label set nobody has had: its number goes to
// both hosts first, and is forgotten by both when the endpoint has another. After each change
// two fresh flows judge it: from the endpoint to a server (the label in its packets), and from
// a fixed client to it (its group). RATE: endpoints a second in all, BATCH of them a request.
// Prints one JSON object.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "userspace/proto/transit.grpc.pb.h"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using mizar::v1::SetLabelsRequest;
using Stub = mizar::v1::Transit::Stub;

constexpr std::uint16_t kPort = 7;
constexpr unsigned kSockets = 64;     // of an endpoint that asks, each from a port of its own
constexpr unsigned kThreads = 6;      // that change labels, a host
constexpr unsigned kFreshEvery = 10;  // changes
constexpr std::uint32_t kFirstFresh = 1u << 20;  // beyond what a plan gives out
constexpr std::uint64_t kUnderWay = 1000;        // changes, after which DIRECTORY/under-way is there
constexpr std::size_t kMaxProbes = 4'000'000;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "policy_churn: %s\n", what.c_str());
  std::exit(2);
}

std::uint64_t real_ns() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

// ---- probes -----------------------------------------------------------------------------

// Datagrams with a number; when the first of a number came, by the kernel's clock.
struct Probe {
  bool allowed = false;
  std::uint64_t until = ~0ull;  // what comes later, no longer belongs to it
  std::atomic<std::uint64_t> came = 0;
};

std::vector<Probe> probes(kMaxProbes);
std::atomic<std::uint32_t> last_probe = 0;
std::atomic<std::int64_t> missing = 0;  // allowed, and have not come
std::atomic<bool> running = true, receiving = true;
std::mutex heard_mutex;
std::condition_variable heard;  // something has come

std::uint32_t new_probe(bool allowed) {
  const std::uint32_t id = ++last_probe;
  if (id >= kMaxProbes) die("too many probes");
  probes[id].allowed = allowed;
  missing += allowed;
  return id;
}

// Until `done`, which what is heard makes true; `most` at the most.
template <class Done>
void wait_for(Clock::duration most, Done done) {
  std::unique_lock lock(heard_mutex);
  heard.wait_for(lock, most, done);
}

struct Endpoint {
  std::string name;      // and its namespace's, behind RUN-
  unsigned host = 0;     // w1 is 0
  sockaddr_in address{};
  std::vector<int> asking = {};
  int hearing = -1;
  unsigned turn = 0;

  void ask(const Endpoint& to, std::uint32_t id) {
    (void)sendto(asking[turn++ % asking.size()], &id, sizeof id, 0, reinterpret_cast<const sockaddr*>(&to.address),
                 sizeof to.address);
  }
};

// Called in a thread of its own, which stays in that namespace.
void open_sockets(const std::string& run, Endpoint& e) {
  const int ns = open(("/run/netns/" + run + "-" + e.name).c_str(), O_RDONLY | O_CLOEXEC);
  if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) die("namespace of " + e.name);
  close(ns);
  for (unsigned i = 0; i < kSockets; i++) e.asking.push_back(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  e.hearing = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1, room = 8 << 20;
  setsockopt(e.hearing, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(e.hearing, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(e.hearing, reinterpret_cast<const sockaddr*>(&e.address), sizeof e.address) != 0) die("address of " + e.name);
}

void hear_one(int s) {
  std::uint32_t id = 0;
  alignas(cmsghdr) char control[64];
  iovec io{&id, sizeof id};
  msghdr m{};
  m.msg_iov = &io;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  while (recvmsg(s, &m, 0) == sizeof id) {
    std::uint64_t at = real_ns();
    if (const cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec t{};
      memcpy(&t, CMSG_DATA(c), sizeof t);
      at = static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
    }
    std::uint64_t none = 0;
    if (id != 0 && id < kMaxProbes && probes[id].came.compare_exchange_strong(none, at)) missing -= probes[id].allowed;
    m.msg_controllen = sizeof control;
  }
}

void hear(const std::vector<int>& sockets) {
  std::vector<pollfd> all;
  for (const int s : sockets) all.push_back({s, POLLIN, 0});
  while (receiving) {
    if (poll(all.data(), all.size(), 50) <= 0) continue;
    for (const pollfd& p : all)
      if (p.revents & POLLIN) hear_one(p.fd);
    { std::lock_guard lock(heard_mutex); }  // who looked before now waits
    heard.notify_all();
  }
}

// ---- label changes ------------------------------------------------------------------------

struct Labels {
  bool web = true;
  std::uint32_t fresh = 0;  // the number of its label set; 0: the region's
};

struct Churning {
  Endpoint* endpoint;
  Labels now{};
  std::uint32_t out = 0, in = 0;  // the probes of this change; 0: none yet
  unsigned tries = 0;
  std::uint64_t n = 0;
};

struct World {
  std::string directory;
  unsigned rate = 1000, batch = 1;
  std::array<std::unique_ptr<Stub>, 2> host{};
  std::array<Endpoint, 2> servers{}, clients{}, strangers{};
  std::vector<Endpoint> churning{};
  std::atomic<std::uint32_t> last_fresh = kFirstFresh;
  std::atomic<std::uint64_t> changes = 0, fresh = 0, late = 0, refused = 0;
};

void set(World& w, unsigned host, const SetLabelsRequest& r) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 10s);
  mizar::v1::SetLabelsReply reply;
  const grpc::Status s = w.host[host]->SetLabels(&context, r, &reply);
  if (s.ok()) return;
  if (w.refused++ == 0) std::fprintf(stderr, "policy_churn: w%u: %s\n", host + 1, s.error_message().c_str());
}

const char* app(const Labels& l) { return l.web ? "web" : "other"; }
std::string run_of(const Labels& l) { return "r" + std::to_string(l.fresh); }

void add_set(SetLabelsRequest& r, const Labels& l) {
  auto* s = r.add_sets();
  s->set_vpc("red");
  s->set_id(l.fresh);
  s->set_namespace_("shop");
  (*s->mutable_labels())["app"] = app(l);
  (*s->mutable_labels())["run"] = run_of(l);
}

void forget_set(SetLabelsRequest& r, std::uint32_t fresh) {
  auto* s = r.add_forget();
  s->set_vpc("red");
  s->set_id(fresh);
}

void add_endpoint(SetLabelsRequest& r, const Churning& c) {
  auto* e = r.add_endpoints();
  e->set_endpoint("red/" + c.endpoint->name);
  e->set_namespace_("shop");
  (*e->mutable_labels())["app"] = app(c.now);
  if (c.now.fresh != 0) (*e->mutable_labels())["run"] = run_of(c.now);
}

// The probes of the last change that are allowed have come.
bool arrived(const Churning& c) {
  for (const std::uint32_t id : {c.out, c.in})
    if (id != 0 && probes[id].allowed && probes[id].came == 0) return false;
  return true;
}

// What the probes of the last change have found is final, or another try is due.
bool settled(World& w, Churning& c) {
  if (!arrived(c) && c.tries < 100) {
    w.late += c.tries == 0;
    c.tries++;
    return false;
  }
  const std::uint64_t now = real_ns();
  for (const std::uint32_t id : {c.out, c.in})
    if (id != 0) probes[id].until = now;
  return true;
}

void probe(World& w, Churning& c) {
  const auto& server = w.servers[c.n % 2];
  c.endpoint->ask(server, c.out);
  w.clients[c.n / 2 % 2].ask(*c.endpoint, c.in);
}

// As an orchestrator does it: new sets to all hosts, endpoints, old sets off all hosts.
void change(World& w, unsigned host, const std::vector<Churning*>& some, bool may_be_fresh, std::vector<float>& took) {
  SetLabelsRequest first, second, third;
  for (Churning* c : some) {
    if (c->now.fresh != 0) forget_set(third, c->now.fresh);
    c->now.web = !c->now.web;
    c->now.fresh = may_be_fresh && ++c->n % kFreshEvery == 0 ? ++w.last_fresh : 0;
    if (c->now.fresh != 0) {
      add_set(first, c->now);
      w.fresh++;
    }
    add_endpoint(second, *c);
  }
  if (first.sets_size() != 0)
    for (const unsigned h : {0u, 1u}) set(w, h, first);
  const auto begun = Clock::now();
  set(w, host, second);
  took.push_back(std::chrono::duration<float, std::milli>(Clock::now() - begun).count());
  for (Churning* c : some) {
    c->out = new_probe(c->now.web);
    c->in = new_probe(c->now.web);
    c->tries = 0;
    probe(w, *c);
  }
  if (const auto before = w.changes.fetch_add(some.size()); before < kUnderWay && before + some.size() >= kUnderWay)
    std::ofstream(w.directory + "/under-way");
  if (third.forget_size() != 0)
    for (const unsigned h : {0u, 1u}) set(w, h, third);
}

void churn(World& w, unsigned host, std::vector<Churning>& mine, std::vector<float>& took) {
  const auto step = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(2.0 * kThreads * w.batch / w.rate));
  auto due = Clock::now();
  for (std::size_t at = 0; running;) {
    std::vector<Churning*> some;
    for (std::size_t i = 0; i < mine.size() && some.size() < w.batch; i++) {
      Churning& c = mine[at++ % mine.size()];
      if (settled(w, c))
        some.push_back(&c);
      else
        probe(w, c);
    }
    if (!some.empty()) change(w, host, some, true, took);
    due += step;
    std::this_thread::sleep_until(due);
    due = std::max(due, Clock::now() - 1s);  // what cannot be caught up is not
  }
  // Nothing tells of a packet that is dropped: those denied have had so long to come.
  std::this_thread::sleep_for(300ms);
  for (Churning& c : mine) {
    while (!settled(w, c)) {
      probe(w, c);
      wait_for(10ms, [&] { return arrived(c); });
    }
    if (!c.now.web || c.now.fresh != 0) {  // back to what the plan says
      c.now.web = false;
      change(w, host, {&c}, false, took);
    }
  }
}

// Who may always, and who never.
void fixed(World& w) {
  for (auto due = Clock::now(); running; due += 4ms) {
    for (const unsigned from : {0, 1})
      for (const unsigned to : {0, 1}) {
        w.clients[from].ask(w.servers[to], new_probe(true));
        w.strangers[from].ask(w.servers[to], new_probe(false));
      }
    std::this_thread::sleep_until(due);
  }
}

// ---- the daemons -----------------------------------------------------------------------------

struct Use {
  double cpu = 0;  // seconds since it began
  long rss_kb = 0;
};

Use use_of(const std::string& pid) {
  Use u;
  std::ifstream stat("/proc/" + pid + "/stat"), memory("/proc/" + pid + "/statm");
  std::string field;
  for (int i = 1; i <= 15 && stat >> field; i++)
    if (i >= 14) u.cpu += std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
  long pages = 0;
  memory >> pages >> pages;
  u.rss_kb = pages * sysconf(_SC_PAGESIZE) / 1024;
  return u;
}

std::array<Use, 2> uses(const std::string& directory) {
  std::array<Use, 2> all;
  for (unsigned h = 0; h < 2; h++) {
    std::ifstream pid(directory + "/w" + std::to_string(h + 1) + "/pid");
    std::string number;
    pid >> number;
    all[h] = use_of(number);
  }
  return all;
}

Endpoint endpoint(std::string name, unsigned host, unsigned last_byte) {
  Endpoint e{.name = std::move(name), .host = host};
  e.address.sin_family = AF_INET;
  e.address.sin_port = htons(kPort);
  e.address.sin_addr.s_addr = htonl(0x0a000100 + last_byte);  // 10.0.1.x
  return e;
}

float at(const std::vector<float>& sorted, double part) {
  return sorted.empty() ? 0 : sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

void report(const World& w, std::vector<float> took, double seconds, const std::array<std::array<Use, 2>, 3>& use) {
  std::uint64_t allowed = 0, denied = 0, lost = 0, leaked = 0;
  for (std::uint32_t id = 1; id <= last_probe; id++) {
    const Probe& p = probes[id];
    (p.allowed ? allowed : denied)++;
    lost += p.allowed && p.came == 0;
    leaked += !p.allowed && p.came != 0 && p.came < p.until;
  }
  std::sort(took.begin(), took.end());
  std::printf("{\"changes\": %lu, \"a_second\": %.0f, \"a_request\": %u, \"fresh_sets\": %lu, \"refused\": %lu, \"late\": %lu,\n",
              w.changes.load(), static_cast<double>(w.changes) / seconds, w.batch, w.fresh.load(), w.refused.load(), w.late.load());
  std::printf(" \"allowed\": %lu, \"lost\": %lu, \"denied\": %lu, \"leaked\": %lu,\n", allowed, lost, denied, leaked);
  std::printf(" \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f", at(took, 0.5), at(took, 0.99), at(took, 1));
  for (unsigned h = 0; h < 2; h++)
    std::printf(",\n \"w%u\": {\"cpu\": [%.2f, %.2f], \"rss_kb\": [%ld, %ld]}", h + 1, use[1][h].cpu - use[0][h].cpu,
                use[2][h].cpu - use[1][h].cpu, use[1][h].rss_kb, use[2][h].rss_kb);
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) die("RUN DIRECTORY SECONDS RATE BATCH CHURNING");
  const std::string run = argv[1];
  const double seconds = std::atof(argv[3]);
  World w{.directory = argv[2], .rate = static_cast<unsigned>(std::atoi(argv[4])), .batch = static_cast<unsigned>(std::atoi(argv[5]))};
  std::vector<int> hearing;
  const auto opened = [&](Endpoint& e) {
    std::thread(open_sockets, run, std::ref(e)).join();
    hearing.push_back(e.hearing);
  };
  for (unsigned h = 0; h < 2; h++) {
    const std::string of = std::to_string(h + 1);
    w.host[h] = mizar::v1::Transit::NewStub(grpc::CreateChannel("unix:" + w.directory + "/w" + of + "/transitd.sock",
                                                                grpc::InsecureChannelCredentials()));
    opened(w.servers[h] = endpoint("s" + of, h, 10 + h));
    opened(w.clients[h] = endpoint("f" + of, h, 12 + h));
    opened(w.strangers[h] = endpoint("n" + of, h, 14 + h));
  }
  for (unsigned i = 0; i < static_cast<unsigned>(std::atoi(argv[6])); i++) w.churning.push_back(endpoint("c" + std::to_string(i), i % 2, 20 + i));
  for (Endpoint& e : w.churning) opened(e);

  std::thread ears(hear, hearing);
  std::vector<std::vector<Churning>> shares(2 * kThreads);
  for (std::size_t i = 0; i < w.churning.size(); i++) shares[i % shares.size()].push_back({.endpoint = &w.churning[i]});
  std::vector<std::vector<float>> took(shares.size());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < shares.size(); i++)
    threads.emplace_back(churn, std::ref(w), i % 2, std::ref(shares[i]), std::ref(took[i]));
  threads.emplace_back(fixed, std::ref(w));

  std::array<std::array<Use, 2>, 3> use;
  const auto begun = Clock::now();
  for (unsigned i = 0; i < 3; i++) {  // the first second is no measure: groups still come that later go
    std::this_thread::sleep_until(begun + 2s + std::chrono::duration<double>(i * (seconds - 2) / 2));
    use[i] = uses(w.directory);
  }
  running = false;
  const double lasted = std::chrono::duration<double>(Clock::now() - begun).count();
  for (auto& t : threads) t.join();
  wait_for(2s, [] { return missing == 0; });
  receiving = false;
  ears.join();
  std::vector<float> all;
  for (const auto& t : took) all.insert(all.end(), t.begin(), t.end());
  report(w, std::move(all), lasted, use);
  return 0;
}
