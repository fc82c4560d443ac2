// SPDX-License-Identifier: Apache-2.0
// Asks other hosts how the backends there are, one question a service and host at a time;
// who does not answer is asked again when the next is due. Lives in one loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/event_loop.h"
#include "userspace/responder/finding.h"
#include "userspace/responder/sockets.h"

namespace mizar::responder {

// A service's backends at one host.
struct HealthAsk {
  std::string service;  // VPC/NAME
  std::uint32_t vni = 0;
  std::string name;  // in the VPC
  Addr host;         // on the underlay
  std::set<Addr> backends;
  std::chrono::milliseconds interval{1000};
  bool operator==(const HealthAsk&) const = default;
};

class Asker {
 public:
  using Clock = std::chrono::steady_clock;
  // What a host said of one of its backends.
  using Heard = std::function<void(const std::string& service, const Finding&)>;

  Asker(EventLoop& loop, std::uint16_t port, Heard heard) : loop_(loop), port_(port), heard_(std::move(heard)) {}
  ~Asker();
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  // `self`: what questions come from, by which other hosts know us.
  void set_asks(const Addrs& self, const std::vector<HealthAsk>& asks);
  // To be called often: asks what is due.
  void tick(Clock::time_point now);

 private:
  struct Open {
    HealthAsk ask;
    Clock::time_point due;
    std::uint64_t id = 0;     // of the question under way; 0: none
    std::uint16_t first = 0;  // what it asks for from
  };
  using Key = std::pair<std::string, Addr>;  // service, host
  struct Socket {
    Addr self;
    UniqueFd fd;
  };

  void open_socket(Family family, const std::optional<Addr>& self);
  void send(Open& o, std::uint16_t first);
  void on_answers(Family family);
  void take(const Target& from, View message);

  EventLoop& loop_;
  std::uint16_t port_;
  Heard heard_;
  std::map<Key, Open> open_;
  std::map<std::uint64_t, Key> by_id_;  // of questions under way
  std::map<Family, Socket> sockets_;
  std::string problem_;  // last logged
};

}  // namespace mizar::responder
