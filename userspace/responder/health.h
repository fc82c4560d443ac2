// SPDX-License-Identifier: Apache-2.0
// Probes this host's backends: a TCP connection, or an HTTP GET, over and over, and the
// verdict that so many in a row make. What cannot be tried for reasons of this host's own
// is no failure. Lives in one loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/event_loop.h"
#include "userspace/responder/finding.h"
#include "userspace/responder/probe.h"
#include "userspace/responder/sockets.h"

namespace mizar::responder {

// A backend's address of a service.
struct HealthKey {
  std::string service;  // VPC/NAME
  Addr address;
  auto operator<=>(const HealthKey&) const = default;
};
struct HealthTarget {
  HealthKey key;
  std::optional<Target> at;  // where it is reached from here; nothing: nowhere, which is a failure
  HealthSpec how;
};

class Health {
 public:
  using Clock = std::chrono::steady_clock;
  // A socket that a probe may use, of that family.
  using MakeSocket = std::function<Result<UniqueFd>(Family)>;
  // A verdict is another now.
  using Changed = std::function<void(const HealthKey&)>;
  using Probed = std::function<void(bool passed)>;

  // `most`: probes at once.
  Health(EventLoop& loop, std::size_t most, MakeSocket make, Changed changed, Probed probed)
      : loop_(loop), most_(most), make_(std::move(make)), changed_(std::move(changed)), probed_(std::move(probed)) {}
  ~Health();
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // All there are from now on. Who was known keeps its verdict, unless it is asked
  // otherwise now.
  void set_targets(const std::vector<HealthTarget>& targets);
  // To be called often: begins what is due and ends what takes too long.
  void tick(Clock::time_point now);
  // The verdict, if there is one.
  [[nodiscard]] std::optional<Finding> find(const HealthKey& key, Clock::time_point now) const;
  // Of all backends of a service that have one.
  [[nodiscard]] std::vector<Finding> findings(const std::string& service, Clock::time_point now) const;
  [[nodiscard]] std::size_t open() const { return open_.size(); }

 private:
  struct State {
    HealthTarget target;
    std::optional<bool> healthy;
    Clock::time_point since, begun, due;
    Trouble trouble;
    unsigned passes = 0, failures = 0;  // in a row
    UniqueFd fd;
    bool connected = false;
    std::string received;
    std::string problem;  // of this host, last logged
  };
  using States = std::map<HealthKey, State>;

  void begin(State& s, Clock::time_point now);
  void on_ready(const HealthKey& key);
  void on_connected(State& s);
  void on_bytes(State& s);
  // Is it known now, of what came while nobody looked? It ends here.
  void end_late(State& s);
  // Each ends the probe under way.
  void pass(State& s);
  void fail_with(State& s, Trouble why);
  void give_up(State& s, const std::string& problem);  // nobody's failure but ours
  void end(State& s);
  void close(State& s);
  void judge(State& s, bool healthy, Trouble why);
  [[nodiscard]] Finding finding(const State& s, Clock::time_point now) const;

  EventLoop& loop_;
  std::size_t most_;
  MakeSocket make_;
  Changed changed_;
  Probed probed_;
  States states_;
  std::set<HealthKey> open_;
  std::set<std::pair<Clock::time_point, HealthKey>> due_;  // all others
};

}  // namespace mizar::responder
