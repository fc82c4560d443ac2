// SPDX-License-Identifier: Apache-2.0
// Liveness of the hops this host uses: a probe every 100 ms to each, which the
// hop's data plane sends back. Three without an answer and the hop is down;
// one answer and it is up. Nobody has to tell the daemon, and a hop whose
// daemon is dead but whose data plane works stays up.
//
// A thread of its own, so that long work in the daemon's loop does not make
// hops look dead.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "userspace/base/addr.h"
#include "userspace/base/unique_fd.h"

namespace mizar {

class Prober {
 public:
  using Changed = std::function<void(std::uint32_t host, bool down)>;

  // `changed` is called on the prober's thread. Probes leave from `source`, in
  // each family it has.
  // Errors: failed_precondition (an address is not usable here yet), internal.
  static Result<std::unique_ptr<Prober>> start(std::uint32_t self, const Addrs& source,
                                               Changed changed);
  ~Prober();

  // The hops to watch, and which of them are held to be down already.
  // Thread-safe, like all below.
  void set_targets(const std::map<std::uint32_t, Addr>& hops, const std::map<std::uint32_t, bool>& down);
  [[nodiscard]] std::optional<std::chrono::microseconds> rtt(std::uint32_t host) const;
  // Sends a control packet to a host; lost like any datagram.
  void send(const Addr& host, std::span<const std::uint8_t> payload) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Target {
    Addr address;
    bool down = false;
    unsigned unanswered = 0;
    Clock::time_point sent;
    std::chrono::microseconds rtt{0};
  };
  Prober() = default;
  void run(const std::stop_token& stop);
  void probe_all();
  void take_answers(const UniqueFd& socket);

  std::uint32_t self_ = 0;
  Changed changed_;
  UniqueFd socket4_, socket6_;  // not valid: no address of that family
  UniqueFd timer_;
  mutable std::mutex mutex_;  // guards targets_ and by_address_
  std::map<std::uint32_t, Target> targets_;
  std::map<Addr, std::uint32_t> by_address_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace mizar
