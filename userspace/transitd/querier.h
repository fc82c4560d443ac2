// SPDX-License-Identifier: Apache-2.0
// Asks endpoints which groups they are in, as the querier of their link: one port is one
// link. IGMPv3 (RFC 3376) and MLDv2 (RFC 3810) queries, which hosts of older versions take
// for their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

// General queries, as Ethernet frames. `within`: members answer in so much time; at most
// 12 s. `gateway`: of the network; nothing: it has none (RFC 4541 2.1.1: from 0.0.0.0).
std::vector<std::uint8_t> igmp_query(const std::optional<Addr>& gateway, std::chrono::milliseconds interval,
                                     std::chrono::milliseconds within);
std::vector<std::uint8_t> mld_query(std::chrono::milliseconds interval, std::chrono::milliseconds within);

class Querier {
 public:
  using Clock = std::chrono::steady_clock;

  // How often each endpoint is asked.
  Querier(Dataplane& dp, std::chrono::milliseconds interval) : dp_(dp), interval_(interval) {}

  // Time in which members answer, and after which who has not is none.
  [[nodiscard]] std::chrono::milliseconds within() const;
  [[nodiscard]] std::chrono::milliseconds patience() const { return 2 * interval_ + within(); }
  // Asks whose turn it is: a new interface at once, again a second later, then at intervals.
  void ask(const std::vector<unsigned>& interfaces, Clock::time_point now);

 private:
  struct Asked {
    unsigned times = 0;
    Clock::time_point last;
  };
  void send(unsigned ifindex, const mz_port& port);

  Dataplane& dp_;
  std::chrono::milliseconds interval_;
  UniqueFd socket_;
  std::map<unsigned, Asked> asked_;
};

}  // namespace mizar
