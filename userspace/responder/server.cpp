// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/server.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "bpf/abi/local.h"
#include "userspace/base/log.h"
#include "userspace/net/netns.h"
#include "userspace/responder/metadata.h"

namespace mizar::responder {

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr unsigned kTicksASecond = 10;
constexpr std::size_t kParkedMax = 256;
constexpr int kBatch = 64;  // datagrams of one socket before others get their turn
constexpr auto kDeclineLog = std::chrono::minutes(1);

std::vector<Target> both(Addr (*address)(Family), std::uint16_t port) {
  return {{address(Family::v4), port}, {address(Family::v6), port}};
}

template <class T>
std::vector<T> or_else(const std::vector<T>& given, std::vector<T> usual) {
  return given.empty() ? std::move(usual) : given;
}

bool same(const Counters& a, const Counters& b) { return a.all() == b.all(); }

}  // namespace

Server::Server(EventLoop& loop, ServerOptions options, std::function<void()> unknown, Tell verdicts)
    : loop_(loop),
      options_(std::move(options)),
      unknown_(std::move(unknown)),
      snapshot_(std::make_shared<Snapshot>()),
      limit_(options_.rate, options_.burst),
      forwarder_(loop, options_.forwarder),
      streams_(loop, options_.streams),
      health_(
          loop, options_.probes, [this](Family f) { return make_probe_socket(f); },
          [this](const HealthKey& key) {
            if (const auto f = health_.find(key, Clock::now())) note_health(key.service, *f);
          },
          [this](bool passed) { counters_.add(passed ? Count::PROBE_PASSED : Count::PROBE_FAILED); }),
      asker_(loop, options_.peer_port, [this](const std::string& service, const Finding& f) { note_health(service, f); }),
      tell_(std::move(verdicts)) {
  if (options_.dhcp.duid.empty()) options_.dhcp.duid = default_duid();
}

Server::~Server() {
  for (const auto& l : listeners_)
    if (l->fd.valid()) loop_.unwatch(l->fd.get());
}

Result<> Server::start() {
  const auto& o = options_;
  for (const auto& at : or_else(o.dhcp4, {{dhcp_server(Family::v4), MZ_DHCP4_SERVER_PORT}}))
    add_listener(Service::dhcp4, at, SOCK_DGRAM);
  for (const auto& at : or_else(o.dhcp6, {{dhcp_server(Family::v6), MZ_DHCP6_SERVER_PORT}}))
    add_listener(Service::dhcp6, at, SOCK_DGRAM);
  for (const auto& at : or_else(o.dns, both(dns_server, MZ_DNS_PORT)))
    for (const int type : {SOCK_DGRAM, SOCK_STREAM}) add_listener(Service::dns, at, type);
  for (const auto& at : or_else(o.metadata, both(metadata_server, MZ_METADATA_PORT)))
    add_listener(Service::metadata, at, SOCK_STREAM);
  if (!o.netns.empty()) {  // now, while there is the right to
    auto ns = net::NetnsRef::open(o.netns);
    auto inside = ns ? net::Inside::enter(*ns) : Result<std::unique_ptr<net::Inside>>(tl::unexpected(ns.error()));
    if (!inside) log::warning("backends cannot be probed: {}", inside.error().what);
    if (inside) inside_ = std::move(*inside);
  }
  write_stats();
  return loop_.every(kTick, [this] { tick(); });
}

void Server::add_listener(Service service, const Target& at, int type) {
  listeners_.push_back(std::make_unique<Listener>(Listener{service, at, type, UniqueFd(), ""}));
  open(*listeners_.back());
}

// A socket stays where it was made: only these are in the endpoints' namespace.
Result<UniqueFd> Server::listen_for_endpoints(const Target& at, int type) const {
  if (options_.netns.empty()) return listen_at(at, type, options_.device);
  auto ns = net::NetnsRef::open(options_.netns);
  if (!ns) return tl::unexpected(ns.error());
  UniqueFd made;
  MZ_CHECK(net::run_in(*ns, [&]() -> Result<> {
    auto fd = listen_at(at, type, options_.device);
    if (!fd) return tl::unexpected(fd.error());
    made = std::move(*fd);
    return {};
  }));
  return made;
}

void Server::open(Listener& l) {
  auto fd = l.service == Service::peers ? listen_at(l.at, l.type, "") : listen_for_endpoints(l.at, l.type);
  const std::string problem = fd ? "" : fd.error().what;
  if (!fd && problem != l.problem) log::warning("{}; tried again until it can be had", problem);
  l.problem = problem;
  if (!fd) return;
  const auto ready = [this, &l] { l.type == SOCK_STREAM ? on_connections(l) : on_datagrams(l); };
  if (auto rc = loop_.watch(fd->get(), ready); !rc) {
    log::error("{}: {}", l.at.text(), rc.error().what);
    return;
  }
  l.fd = std::move(*fd);
}

// ---- who asks -------------------------------------------------------------------

const Client* Server::client(std::uint32_t slot) const { return snapshot_->client(slot); }

void Server::install(std::shared_ptr<const Snapshot> snapshot) {
  if (snapshot) {
    snapshot_ = std::move(snapshot);
    log::debug("{} endpoints known", snapshot_->size());
    listen_for_peers();
    health_.set_targets(snapshot_->health_targets());
    asker_.set_asks(snapshot_->self(), options_.peer_port ? snapshot_->health_asks() : std::vector<HealthAsk>());
    std::erase_if(known_, [this](const auto& k) { return !snapshot_->has_backend(k.first); });
    told_ = false;  // it may be another transitd
  }
  const auto waiting = std::exchange(parked_, {});
  for (const auto& p : waiting) on_datagram(*p.listener, p.from, p.message, true);
}

// The host's own addresses on the underlay, as soon as they are known.
void Server::listen_for_peers() {
  if (options_.peer_port == 0) return;
  std::vector<Target> wanted;
  for (const Addr& ip : snapshot_->self().all()) wanted.push_back({ip, options_.peer_port});
  for (auto& l : listeners_)
    if (l->service == Service::peers) {
      const auto at = std::find(wanted.begin(), wanted.end(), l->at);
      if (at != wanted.end()) {
        wanted.erase(at);
        if (!l->fd.valid()) open(*l);
      } else if (l->fd.valid()) {  // an address the host no longer has
        loop_.unwatch(l->fd.get());
        l->fd.reset();
      }
    }
  for (const auto& at : wanted) add_listener(Service::peers, at, SOCK_DGRAM);
}

void Server::park(Listener& l, const Target& from, View message) {
  parked_.push_back({&l, from, {message.begin(), message.end()}});
  unknown_();
}

// ---- datagrams --------------------------------------------------------------------

void Server::on_datagrams(Listener& l) {
  static std::array<std::uint8_t, 65535> buffer;
  for (int i = 0; i < kBatch; i++) {
    SocketAddress from;
    const ssize_t n =
        ::recvfrom(l.fd.get(), buffer.data(), buffer.size(), 0, from.raw(), &from.length);
    if (n < 0) return;
    const View message(buffer.data(), static_cast<std::size_t>(n));
    if (l.service == Service::peers)
      answer_peer_udp(l, from.target(), message);
    else
      on_datagram(l, from.target(), message, false);
  }
}

void Server::on_datagram(Listener& l, const Target& from, View message, bool last_chance) {
  const auto slot = slot_of(from.ip);
  const Client* c = slot ? client(*slot) : nullptr;
  if (!c) {
    if (slot && !last_chance && parked_.size() < kParkedMax) return park(l, from, message);
    return counters_.add(Count::UNKNOWN_CLIENT);
  }
  if (!limit_.take(*slot, Clock::now())) return counters_.add(Count::RATE_LIMITED);
  answer(l, from, *slot, *c, message);
}

void Server::answer(Listener& l, const Target& from, std::uint32_t slot, const Client& c,
                    View message) {
  if (l.service == Service::dns) return answer_dns_udp(l, from, slot, c, message);
  const bool four = l.service == Service::dhcp4;
  const Outcome o = four ? answer_dhcp4(message, c, options_.dhcp)
                         : answer_dhcp6(message, c, options_.dhcp);
  counters_.add(o.count);
  if (o.count == Count::DHCP4_DECLINE || o.count == Count::DHCP6_DECLINE) note_decline(slot, c);
  const std::uint16_t port = four ? MZ_DHCP4_CLIENT_PORT : MZ_DHCP6_CLIENT_PORT;
  if (!o.reply.empty()) send(l, {from.ip, port}, o.reply);
}

// A full queue or a client that has gone: it will ask again.
void Server::send(const Listener& l, Target to, View reply) {
  const SocketAddress address(to);
  ::sendto(l.fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL, address.raw(), address.length);
}

// The tenant decides how often it declines, not how much is logged.
void Server::note_decline(std::uint32_t slot, const Client& c) {
  const auto now = Clock::now();
  const auto [at, fresh] = declined_.try_emplace(slot, now);
  if (!fresh && now - at->second < kDeclineLog) return;
  at->second = now;
  log::warning("endpoint {}/{} declines {}: it found the address in use", c.vpc, c.name,
               c.address.text());
}

// ---- names --------------------------------------------------------------------------

void Server::end_step(std::uint32_t slot, DnsStep step, std::function<void(View)> reply) {
  if (!step.ask) {
    counters_.add(step.count);
    if (!step.reply.empty()) reply(step.reply);
    return;
  }
  std::vector<Target> whom;
  for (const Addr& ip : step.ask->whom)
    whom.push_back({ip, step.ask->vni ? options_.peer_port : std::uint16_t{MZ_DNS_PORT}});
  const DnsQuery query = step.query;
  const auto done = [this, query, reply](const Bytes& answer) {
    const Outcome o = answer.empty() ? fail_dns(query) : relay_dns(answer, query);
    counters_.add(o.count);
    reply(o.reply);
  };
  if (forwarder_.ask(slot, query, std::move(whom), step.ask->vni, done)) return;
  counters_.add(Count::NO_ROOM);
  reply(fail_dns(query).reply);
}

void Server::answer_dns_udp(Listener& l, const Target& from, std::uint32_t slot, const Client& c,
                            View message) {
  end_step(slot, answer_dns(message, Transport::udp, c),
           [this, &l, from](View reply) { send(l, from, reply); });
}

void Server::answer_peer_udp(Listener& l, const Target& from, View message) {
  if (!snapshot_->is_host(from.ip)) return counters_.add(Count::PEER_REFUSED);
  if (is_health_question(message)) return answer_health(l, from, message);
  const DnsStep step =
      answer_peer(message, [this](std::uint32_t vni) { return snapshot_->zone(vni); });
  counters_.add(step.count);
  if (!step.reply.empty()) send(l, from, step.reply);
}

// ---- connections ----------------------------------------------------------------------

void Server::on_connections(Listener& l) {
  for (int i = 0; i < kBatch; i++) {
    SocketAddress from;
    UniqueFd fd(::accept4(l.fd.get(), from.raw(), &from.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) return;
    const auto slot = slot_of(from.target().ip);
    if (!slot) {
      counters_.add(Count::UNKNOWN_CLIENT);
      continue;
    }
    if (!client(*slot)) unknown_();  // its first bytes may find it known
    const bool dns = l.service == Service::dns;
    const auto handler = [this, dns](Streams::Id id, std::uint32_t s, View bytes) {
      return dns ? on_dns_stream(id, s, bytes) : on_metadata_stream(id, s, bytes);
    };
    if (!streams_.add(std::move(fd), *slot, handler)) counters_.add(Count::NO_ROOM);
  }
}

// As many messages as have come whole (RFC 7766 section 6.2.1.1: each is answered
// when its answer is there).
std::size_t Server::on_dns_stream(Streams::Id id, std::uint32_t slot, View bytes) {
  std::size_t taken = 0;
  for (;;) {
    Reader r(bytes.subspan(taken));
    const View message = r.take(r.u16());
    if (!r.ok()) return taken;
    taken += 2 + message.size();
    if (!answer_dns_tcp(id, slot, message)) {
      streams_.close(id);
      return bytes.size();
    }
  }
}

// False: nothing more from this connection.
bool Server::answer_dns_tcp(Streams::Id id, std::uint32_t slot, View message) {
  const Client* c = client(slot);
  const bool allowed = c && limit_.take(slot, Clock::now());
  if (!allowed) {
    counters_.add(c ? Count::RATE_LIMITED : Count::UNKNOWN_CLIENT);
    return false;
  }
  DnsStep step = answer_dns(message, Transport::tcp, *c);
  if (step.count == Count::DNS_MALFORMED) {
    counters_.add(step.count);
    return false;
  }
  end_step(slot, std::move(step), [this, id](View reply) {
    streams_.send(id, Writer().u16(static_cast<std::uint16_t>(reply.size())).bytes(reply).done());
  });
  return true;
}

std::size_t Server::on_metadata_stream(Streams::Id id, std::uint32_t slot, View bytes) {
  const Client* c = client(slot);
  if (!c) {
    counters_.add(Count::UNKNOWN_CLIENT);
    streams_.close(id);
    return bytes.size();
  }
  const auto o = answer_metadata({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, *c);
  if (!o) return 0;
  const bool allowed = limit_.take(slot, Clock::now());
  counters_.add(allowed ? o->count : Count::RATE_LIMITED);
  if (allowed) streams_.send(id, o->reply);
  streams_.close(id);
  return bytes.size();
}

// ---- health of backends ----------------------------------------------------------------

// From the services' namespace, and from the address that endpoints answer without having
// let it in. A port is chosen when it is known whom the connection goes to.
Result<UniqueFd> Server::make_probe_socket(Family family) {
  const Target from{prober_address(family), 0};
  UniqueFd made;
  const auto make = [&]() -> Result<> {
    auto fd = make_socket(from, SOCK_STREAM);
    if (!fd) return tl::unexpected(fd.error());
    const int on = 1;
    ::setsockopt(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const SocketAddress address(from);
    if (::bind(fd->get(), address.raw(), address.length) != 0)
      return fail_errno(Code::unavailable, errno, fmt::format("probe from {}", from.ip.text()));
    made = std::move(*fd);
    return {};
  };
  if (!options_.netns.empty() && !inside_)
    return fail(Code::unavailable, "network namespace '{}' was not there at the start; start transit-responder again",
                options_.netns);
  MZ_CHECK(inside_ ? inside_->run(make) : make());
  return made;
}

void Server::note_health(const std::string& service, const Finding& f) {
  const auto now = Clock::now();
  const auto [at, fresh] = known_.try_emplace({service, f.address});
  if (!fresh && at->second.finding.healthy == f.healthy) return;
  at->second = {f, now - std::chrono::milliseconds(f.since_ms)};
  told_ = false;
}

void Server::answer_health(Listener& l, const Target& from, View message) {
  const auto q = read_question(message);
  const auto service = q ? snapshot_->service(q->vni, q->service) : std::nullopt;
  if (!service) return counters_.add(Count::PEER_REFUSED);
  counters_.add(Count::PEER_HEALTH);
  send(l, from, write_answer(*q, health_.findings(*service, Clock::now())));
}

// Several that change at once are told at once.
void Server::tell_health() {
  if (std::exchange(told_, true) || known_.empty()) return;
  const auto now = Clock::now();
  v1::ReportHealthRequest all;
  for (const auto& [key, k] : known_) {
    auto* v = all.add_verdicts();
    v->set_service(key.service);
    v->set_address(key.address.text());
    v->set_healthy(k.finding.healthy);
    v->set_since_ms(static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(now - k.since).count())));
    v->set_problem(static_cast<std::uint32_t>(k.finding.trouble.what));
    v->set_detail(k.finding.trouble.detail);
  }
  tell_(std::move(all));
}

// ---- now and then ------------------------------------------------------------------------

void Server::tick() {
  const auto now = Clock::now();
  forwarder_.expire(now);
  health_.tick(now);
  asker_.tick(now);
  tell_health();
  ticks_++;
  if (ticks_ % kTicksASecond == 0) each_second();
  if (ticks_ % (60 * kTicksASecond) == 0) each_minute();
}

void Server::each_second() {
  const auto now = Clock::now();
  streams_.expire(now);
  limit_.expire(now);
  for (auto& l : listeners_)
    if (!l->fd.valid() && (l->service != Service::peers || !l->problem.empty())) open(*l);
  if (!same(counters_, written_)) write_stats();
}

void Server::each_minute() {
  std::string lost;
  for (std::size_t i = 0; i < kCounts.size(); i++) {
    const auto more = counters_.all()[i] - reported_.all()[i];
    if (kCounts[i].drop && more > 0)
      lost += fmt::format("{}{} {}", lost.empty() ? "" : ", ", kCounts[i].name, more);
  }
  if (!lost.empty()) log::warning("not answered in the last minute: {}", lost);
  reported_ = counters_;
  const auto now = Clock::now();
  std::erase_if(declined_, [&](const auto& d) { return now - d.second >= kDeclineLog; });
}

// A new file in place of the old one: a reader never sees half of it.
void Server::write_stats() {
  written_ = counters_;
  if (options_.stats.empty()) return;
  const std::string fresh = options_.stats + ".new";
  {
    std::ofstream out(fresh);
    for (std::size_t i = 0; i < kCounts.size(); i++)
      out << fmt::format("{:<20} {:>12}  {}\n", kCounts[i].name, counters_.all()[i],
                         kCounts[i].text);
  }
  if (std::rename(fresh.c_str(), options_.stats.c_str()) != 0)
    log::warning("{}: cannot be written: {}", options_.stats,
                 std::generic_category().message(errno));
}

}  // namespace mizar::responder
