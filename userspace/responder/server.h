// SPDX-License-Identifier: Apache-2.0
// The sockets of transit-responder: takes what clients send, finds who they are,
// and sends what dhcp4, dhcp6, dns and metadata make of it. Lives in one loop.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "userspace/base/event_loop.h"
#include "userspace/net/inside.h"
#include "userspace/responder/asker.h"
#include "userspace/responder/counts.h"
#include "userspace/responder/dhcp6.h"
#include "userspace/responder/forwarder.h"
#include "userspace/responder/health.h"
#include "userspace/responder/limits.h"
#include "userspace/responder/snapshot.h"
#include "userspace/responder/streams.h"

namespace mizar::responder {

struct ServerOptions {
  // Where to listen; where nothing is named, at the addresses of bpf/abi/local.h.
  std::vector<Target> dns, metadata, dhcp4, dhcp6;
  std::string netns;              // where endpoints are served; empty: here
  std::string device;             // only what comes in by it; empty: any
  std::uint16_t peer_port = 6082;  // hosts ask each other for names; 0: they do not
  double rate = 100, burst = 200;  // requests of one endpoint a second, and at once
  std::size_t probes = 256;  // of backends, at once
  DhcpSettings dhcp;
  ForwarderSettings forwarder;
  StreamLimits streams;
  std::string stats;  // file of counters; empty: none
};

class Server {
 public:
  using Clock = std::chrono::steady_clock;

  // `unknown`: somebody asked whom the snapshot does not know. `verdicts`: all that are
  // known of backends' health, whenever one is another.
  using Tell = std::function<void(v1::ReportHealthRequest verdicts)>;
  Server(EventLoop& loop, ServerOptions options, std::function<void()> unknown, Tell verdicts);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Begins to listen and to tick. What cannot be bound yet is tried again.
  Result<> start();
  // nullptr: there is none newer.
  void install(std::shared_ptr<const Snapshot> snapshot);
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  enum class Service { dhcp4, dhcp6, dns, metadata, peers };
  struct Listener {
    Service service;
    Target at;
    int type;
    UniqueFd fd;
    std::string problem;  // last logged
  };
  // A datagram of somebody unknown, kept until the next snapshot.
  struct Parked {
    Listener* listener;
    Target from;
    Bytes message;
  };

  void add_listener(Service service, const Target& at, int type);
  void open(Listener& l);
  void listen_for_peers();
  [[nodiscard]] Result<UniqueFd> listen_for_endpoints(const Target& at, int type) const;
  void on_datagrams(Listener& l);
  void on_connections(Listener& l);
  void on_datagram(Listener& l, const Target& from, View message, bool last_chance);
  void answer(Listener& l, const Target& from, std::uint32_t slot, const Client& c, View message);
  void answer_dns_udp(Listener& l, const Target& from, std::uint32_t slot, const Client& c,
                      View message);
  void answer_peer_udp(Listener& l, const Target& from, View message);
  std::size_t on_dns_stream(Streams::Id id, std::uint32_t slot, View bytes);
  bool answer_dns_tcp(Streams::Id id, std::uint32_t slot, View message);
  std::size_t on_metadata_stream(Streams::Id id, std::uint32_t slot, View bytes);
  // Ends a step: answers now, or asks and answers then.
  void end_step(std::uint32_t slot, DnsStep step, std::function<void(View)> reply);
  void park(Listener& l, const Target& from, View message);
  void send(const Listener& l, Target to, View reply);
  void note_decline(std::uint32_t slot, const Client& c);
  [[nodiscard]] const Client* client(std::uint32_t slot) const;

  // ---- backends' health
  [[nodiscard]] Result<UniqueFd> make_probe_socket(Family family);
  void note_health(const std::string& service, const Finding& f);
  void answer_health(Listener& l, const Target& from, View message);
  void tell_health();

  void tick();
  void each_second();
  void each_minute();
  void write_stats();

  EventLoop& loop_;
  ServerOptions options_;
  std::function<void()> unknown_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Parked> parked_;
  RateLimit limit_;
  Forwarder forwarder_;
  Streams streams_;
  struct Known {
    Finding finding;
    Clock::time_point since;
  };
  std::unique_ptr<net::Inside> inside_;  // where probes come from, if not from here
  Health health_;
  Asker asker_;
  std::map<HealthKey, Known> known_;  // of backends here and elsewhere
  bool told_ = true;                  // transitd knows, or will
  Tell tell_;
  Counters counters_, written_, reported_;
  std::map<std::uint32_t, Clock::time_point> declined_;
  std::uint64_t ticks_ = 0;
};

}  // namespace mizar::responder
