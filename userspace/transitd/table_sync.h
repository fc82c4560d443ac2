// SPDX-License-Identifier: Apache-2.0
// Turns a goal into the data plane's tables, by differences: what stands is
// not written again, what is not wanted any more goes last. After a restart
// it first reads what stands. Lives in the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "userspace/dataplane/rows.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/policies.h"
#include "userspace/transitd/qos.h"

namespace mizar {

// A local endpoint's interface, once it is made.
struct LocalPort {
  unsigned ifindex = 0;
  bool peer = false;  // veth: deliver with redirect_peer
  unsigned mtu = 0;
};

class TableSync {
 public:
  using Ports = std::map<std::string, LocalPort>;  // by endpoint key
  // What is known of a host besides its address: next hop and liveness.
  using HostState = std::function<void(std::uint32_t id, mz_host& entry)>;
  using Clock = std::chrono::steady_clock;

  // `linger`: how long a network or VPC that is not wanted any more still
  // leads packets to its hops, because others still send here by old paths.
  // `max_flows`: of an endpoint that does not say.
  TableSync(Dataplane& dp, HostState host_state, Clock::duration linger, std::uint32_t max_flows = 32768)
      : dp_(dp), host_state_(std::move(host_state)), linger_(linger), max_flows_(max_flows) {}

  // Flags an endpoint's rows have besides their own: MZ_EP_F_*. Asked at each apply().
  void set_flags(std::function<std::uint32_t(const EndpointSpec&)> flags) { flags_ = std::move(flags); }

  // The group by which an endpoint is judged, and the label set of its packets. Asked when
  // its rows are written.
  void set_policy(std::function<Policies::Place(const EndpointSpec&)> policy) { policy_ = std::move(policy); }

  // Its class and rates, by the interface it has. Asked when its rows are written.
  void set_qos(std::function<Qos::Place(const EndpointSpec&, unsigned)> qos) { qos_ = std::move(qos); }

  // Reads the tables of an earlier run.
  Result<> recover();

  // Would the goal fit? Error: resource_exhausted, names the table.
  [[nodiscard]] Result<> check(const Goal& goal) const;
  // Makes the tables those of the goal. On an error some are old, some new:
  // call it again with the goal that was in force. `ports_known` runs when new
  // interfaces may send, and nothing is delivered to them yet.
  Result<RowChanges> apply(const Goal& goal, const Ports& ports,
                           const std::function<void()>& ports_known = {});
  // A port whose endpoint has left keeps its row for a while: what is still in its
  // sockets may be answered. apply() spares it until drained().
  void drain(unsigned ifindex) { draining_.insert(ifindex); }
  Result<> drained(unsigned ifindex);
  void keep(unsigned ifindex) { draining_.erase(ifindex); }  // it has not left after all
  // One endpoint's flags or policy are others now; nothing else of it is.
  Result<> update_endpoint(const Goal& goal, const Ports& ports, const EndpointSpec& e);
  // One host's next hop or liveness is another now.
  Result<> update_host(const Goal& goal, std::uint32_t id);
  // Removes what has lingered long enough at that time.
  Result<> expire(Clock::time_point now = Clock::now());

  // VPC counter slots in use; 0 where there were too many VPCs.
  [[nodiscard]] const std::map<std::uint32_t, std::uint32_t>& vpc_slots() const { return slots_; }
  // Entries in use, by table name.
  [[nodiscard]] std::map<std::string, std::uint64_t> used() const;

 private:
  struct Wanted {
    Rows<std::uint32_t, mz_host> hosts;
    Rows<mz_addr, std::uint32_t> host_ids;
    Rows<std::uint32_t, mz_shard> shards;
    Rows<std::uint32_t, mz_vpc> vpcs;
    Rows<mz_net_key, mz_network> networks;
    Rows<mz_ep_key, mz_endpoint> endpoints;
    Rows<std::uint32_t, mz_port> ports;
  };
  Result<Wanted> want(const Goal& goal, const Ports& ports);
  void want_hosts(const Goal& goal, Wanted& w) const;
  Result<> want_vpcs(const Goal& goal, Wanted& w);
  Result<> want_networks(const Goal& goal, Wanted& w);
  Result<> want_ways_out(const Goal& goal, Wanted& w);
  void want_peers(const Goal& goal, Wanted& w) const;
  void want_endpoints(const Goal& goal, const Ports& ports, Wanted& w) const;
  // `offers`: what its VPC has, in flags of its port.
  void want_endpoint(const Goal& goal, const EndpointSpec& e, const LocalPort* port, std::uint32_t offers, Wanted& w) const;
  void keep_lingering(Wanted& w);
  // First row of a table's MZ_BUCKETS rows, one for all of these names: that
  // which one of them has already, unless another object of `w` took it.
  Result<std::uint32_t> shard_table(const std::vector<std::string>& names, const Wanted& w);
  void name_shard_tables(const Wanted& w);
  void release_tables(const Wanted& w);
  std::uint32_t vpc_slot(std::uint32_t vni);
  [[nodiscard]] std::uint32_t slot_of(std::uint32_t vni) const;

  Dataplane& dp_;
  HostState host_state_;
  std::function<std::uint32_t(const EndpointSpec&)> flags_ = [](const EndpointSpec&) { return 0u; };
  std::function<Qos::Place(const EndpointSpec&, unsigned)> qos_ = [](const EndpointSpec&, unsigned) { return Qos::Place(); };
  std::function<Policies::Place(const EndpointSpec&)> policy_ = [](const EndpointSpec&) { return Policies::Place(); };
  Clock::duration linger_;
  std::uint32_t max_flows_;
  std::set<unsigned> draining_;
  Wanted actual_;
  std::map<std::uint32_t, std::uint32_t> slots_;            // VNI -> counter slot
  // Name -> first row. A network has a name for each of its blocks, all of
  // which lead to one table.
  std::map<std::string, std::uint32_t> shard_tables_;
  Rows<std::uint32_t, Clock::time_point> lingering_vpcs_;   // key -> until
  Rows<mz_net_key, Clock::time_point> lingering_networks_;
};

// The data plane's keys.
mz_ep_key endpoint_key(std::uint32_t vni, const Addr& ip);
mz_net_key network_key(std::uint32_t vni, const Prefix& cidr);

}  // namespace mizar
