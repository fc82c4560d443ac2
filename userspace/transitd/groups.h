// SPDX-License-Identifier: Apache-2.0
// Groups (bpf/abi/groups.h) beside the data plane, which notes who joins and leaves by
// itself: members that went or answer no more are taken out, all endpoints of a network
// with broadcast stand in its broadcast groups, and each group's bouncers are told that
// there are members here. Lives in the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/dataplane/dataplane.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/table_sync.h"

namespace mizar {

class Groups {
 public:
  using Clock = std::chrono::steady_clock;

  // What a bouncer has to know.
  struct Tell {
    std::uint32_t host = 0;
    std::uint32_t vni = 0;
    Addr source;  // an address of the network
    Addr group;
    bool member = false;  // there is one here; else none any more
  };
  struct Group {
    std::string network;  // VPC/NAME
    Addr address;
    std::vector<std::pair<std::string, std::uint32_t>> members;  // endpoint, jiffies last heard of
    std::vector<std::pair<std::uint32_t, std::uint32_t>> hosts;  // host id, the same
  };
  // Jiffies after which who says nothing is taken out.
  struct Patience {
    std::uint32_t members = 0;
    std::uint32_t hosts = 0;
  };

  explicit Groups(Dataplane& dp) : dp_(dp) {}

  // Somebody came or left.
  void changed() { changed_ = true; }
  // Is it time for walk()? Every second, sooner after changes, and always `at_once`. If so
  // the time counts from now.
  [[nodiscard]] bool begin_walk(Clock::time_point now, bool at_once);
  // Makes the tables fit goal and ports at `now` (the data plane's clock): nobody is in a
  // group who is no endpoint of its network, or has been silent for too long, which
  // members have not been before the first walk. Does what it can; its first error.
  Result<> walk(const Goal& goal, const TableSync::Ports& ports, std::uint32_t now, const Patience& patience);
  // Whom to tell what, after walk(): each change at once, again a second later, twice, and
  // then every ten, because what is told may be lost.
  std::vector<Tell> tells(const Goal& goal, Clock::time_point now);
  // This host knows nothing any more, or did not hear.
  void tell_again(std::uint32_t host);
  // A copy came for a group that nobody here is in: what its bouncer is to be told, if so.
  [[nodiscard]] std::optional<Tell> nobody(const Goal& goal, std::uint32_t vni, const Addr& source,
                                           const Addr& group, std::uint32_t host) const;
  // All that stands in the tables.
  [[nodiscard]] Result<std::vector<Group>> list(const Goal& goal, const TableSync::Ports& ports) const;
  // Groups with members here, as of the last walk.
  [[nodiscard]] std::uint64_t used() const { return joined_.size(); }

 private:
  using Network = std::pair<const std::string, NetworkSpec>;
  using Place = std::pair<std::uint32_t, std::uint32_t>;  // VNI, first shard row
  // A network with groups, and its endpoints here.
  struct Local {
    const Network* network;
    std::map<std::uint32_t, std::string> interfaces;  // endpoint keys
  };
  using Locals = std::map<Place, Local>;  // by where the data plane has them
  struct Told {
    unsigned times = 0;
    Clock::time_point last;
    Tell what;
  };
  [[nodiscard]] Locals locals(const Goal& goal, const TableSync::Ports& ports) const;
  Result<> put_broadcast(const Goal& goal, std::uint32_t now, const Locals& locals);
  Result<> walk_members(const TableSync::Ports& ports, std::uint32_t now, std::uint32_t patience,
                        const Locals& locals);
  // Are there any?
  Result<bool> walk_hosts(const Goal& goal, std::uint32_t now, std::uint32_t patience, const Locals& locals);
  // Takes out whom `stays` does not want; the group when nobody is left. How many are?
  template <class Stays>
  Result<std::size_t> thin_out(Table<mz_group_key, mz_group>& table, const mz_group_key& key, const mz_group& seen,
                               Stays stays);

  Dataplane& dp_;
  std::vector<std::pair<std::string, Addr>> joined_;  // network, group: with members here
  std::map<std::pair<std::pair<std::string, Addr>, std::uint32_t>, Told> told_;
  std::set<std::string> crowded_;  // networks of more endpoints than a broadcast reaches
  std::optional<std::uint32_t> since_;  // first walk, on the data plane's clock
  bool asked_ = false;  // members had time to answer since then
  bool idle_ = false;  // no network has groups, and the tables are empty
  bool changed_ = false;
  Clock::time_point walked_;
};

// The IPv4 addresses that reach all of a network.
std::vector<Addr> broadcast_addresses(const NetworkSpec& network);

}  // namespace mizar
