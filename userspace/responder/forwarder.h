// SPDX-License-Identifier: Apache-2.0
// Asks DNS servers on behalf of clients: each try from a socket, and so a source
// port, of its own with a random id (RFC 5452), over TCP when the answer was cut
// (RFC 7766). Lives in one loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <vector>

#include "userspace/base/event_loop.h"
#include "userspace/responder/dns.h"
#include "userspace/responder/sockets.h"

namespace mizar::responder {

struct ForwarderSettings {
  std::chrono::milliseconds patience{1500};  // for one try
  unsigned tries = 3;
  std::size_t all = 1024;  // open questions
  std::size_t each = 64;   // of one client
};

class Forwarder {
 public:
  using Clock = std::chrono::steady_clock;
  // Empty: nobody answered.
  using Done = std::function<void(Bytes answer)>;

  Forwarder(EventLoop& loop, ForwarderSettings settings) : loop_(loop), settings_(settings) {}

  // Asks `whom` in turn. `done` is called once, later. False: too many are open.
  bool ask(std::uint32_t slot, const DnsQuery& query, std::vector<Target> whom,
           std::optional<std::uint32_t> vni, Done done);
  // To be called often: tries that took too long go on with the next server.
  void expire(Clock::time_point now);
  [[nodiscard]] std::size_t open() const { return open_.size(); }

 private:
  struct Question {
    std::uint32_t slot;
    DnsQuery query;
    std::vector<Target> whom;
    std::optional<std::uint32_t> vni;
    Done done;
    unsigned tries = 0;
    std::uint16_t id = 0;
    UniqueFd fd;
    Clock::time_point until;
    bool tcp = false, sent = false;
    Bytes received;  // over TCP
  };

  void try_next(std::uint64_t key);
  bool begin(std::uint64_t key, Question& q);
  void on_udp(std::uint64_t key);
  void on_tcp(std::uint64_t key);
  bool send_tcp(std::uint64_t key, Question& q);
  bool begin_tcp(std::uint64_t key, Question& q);
  void close(Question& q);
  void finish(std::uint64_t key, Bytes answer);
  [[nodiscard]] const Target& server(const Question& q) const {
    return q.whom[(q.tries - 1) % q.whom.size()];
  }

  EventLoop& loop_;
  ForwarderSettings settings_;
  std::map<std::uint64_t, Question> open_;
  std::map<std::uint32_t, std::size_t> per_slot_;
  std::uint64_t last_ = 0;
};

}  // namespace mizar::responder
