// SPDX-License-Identifier: Apache-2.0
// The host daemon without its RPC: one goal, kept in the store, made true in
// the data plane and on the host. Everything runs in one loop; the service
// posts into it.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "userspace/base/delivery.h"
#include "userspace/base/event_loop.h"
#include "userspace/dataplane/dataplane.h"
#include "userspace/net/monitor.h"
#include "userspace/net/queueing.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/transitd/flows.h"
#include "userspace/transitd/functions.h"
#include "userspace/transitd/gateways.h"
#include "userspace/transitd/goal.h"
#include "userspace/transitd/groups.h"
#include "userspace/transitd/interfaces.h"
#include "userspace/transitd/kept_state.h"
#include "userspace/transitd/policies.h"
#include "userspace/transitd/prober.h"
#include "userspace/transitd/qos.h"
#include "userspace/transitd/querier.h"
#include "userspace/transitd/store.h"
#include "userspace/transitd/table_sync.h"
#include "userspace/transitd/underlay.h"
#include "userspace/transitd/verdicts.h"
#include "userspace/transitd/vips.h"

namespace mizar {

constexpr std::array<std::uint32_t, MZ_FLOW_TIMER_COUNT> default_flow_seconds() {
  return {
#define X(name, option, seconds, text) seconds,
      MZ_FLOW_TIMERS(X)
#undef X
  };
}

// Paths stand no longer on any host: one that gives up a network keeps it as long, because
// others may send there.
inline constexpr std::chrono::seconds kPathTtl{30};

struct DaemonOptions {
  std::string uplink;  // empty: the interface that has this host's address
  Delivery delivery = Delivery::tc;  // of an endpoint that does not say
  std::chrono::seconds path_ttl{kPathTtl};  // 0: no direct paths
  std::chrono::milliseconds hint_interval{1000};
  std::string outside;        // interface of a gateway's way out; empty: this host is none
  std::string services;       // namespace of the host's services; empty: none
  std::vector<std::uint16_t> host_ports;  // TCP ports of endpoints that the host's processes reach
  std::uint32_t answers = 2000;  // an endpoint gets a second; 0: any number
  std::uint32_t group_packets = 5000;  // an endpoint may send to groups a second; 0: any number
  // Of the uplink: auto, none, or one kind's name (net/queueing.h).
  std::string queueing = "auto";
  bool replace_qdisc = false;  // also a root qdisc that somebody else set
  std::uint32_t query_seconds = 30;  // between two questions which groups an endpoint is in
  bool no_flows = false;
  bool keep_flows = false;  // allowed ones stay so when policy or labels change
  std::uint32_t max_flows = 32768;  // of an endpoint that does not say
  std::array<std::uint32_t, MZ_FLOW_TIMER_COUNT> flow_seconds = default_flow_seconds();
};

class Daemon {
 public:
  // Takes up the last good goal. Errors: as the parts give them.
  static Result<std::unique_ptr<Daemon>> start(EventLoop& loop, Dataplane& dp, Store& store,
                                               DaemonOptions options);

  ~Daemon() { finish_leaving(std::chrono::steady_clock::time_point::max()); }

  // ---- what the service offers; all on the loop's thread -------------------
  Result<v1::ApplyReply> apply(const v1::ApplyRequest& request);
  [[nodiscard]] v1::GoalState state() const;
  Result<> remove(const v1::DeleteRequest& request);
  Result<v1::EndpointStatus> add_endpoint(const v1::AddEndpointRequest& request);
  [[nodiscard]] v1::ListEndpointsReply endpoints() const;
  // Only the generation, if it still is `known`.
  [[nodiscard]] v1::GetLocalReply local(std::uint64_t known) const;
  Result<v1::ReportHealthReply> report_health(const v1::ReportHealthRequest& request);
  [[nodiscard]] v1::ListServicesReply services() const;
  v1::Status status();
  Result<v1::Stats> stats(const v1::GetStatsRequest& request);
  [[nodiscard]] Result<v1::ListFlowsReply> list_flows(const v1::ListFlowsRequest& request) const;
  Result<v1::FlushFlowsReply> flush_flows(const v1::FlushFlowsRequest& request);
  using TopDone = std::function<void(Result<v1::ListFlowsReply>)>;
  void top_flows(const v1::TopFlowsRequest& request, TopDone done);  // answers later
  Result<v1::FunctionStatus> load_function(const v1::LoadFunctionRequest& request);
  Result<v1::RemoveFunctionReply> remove_function(const v1::RemoveFunctionRequest& request);
  [[nodiscard]] v1::ListFunctionsReply list_functions() const;
  [[nodiscard]] Result<v1::ListGroupsReply> list_groups(const v1::ListGroupsRequest& request) const;
  Result<v1::ApplyReply> apply_policies(const v1::ApplyPoliciesRequest& request);
  Result<v1::SetLabelsReply> set_labels(const v1::SetLabelsRequest& request);
  // The same. Requests that wait at the same time are stored together: `done` is called
  // when that is done.
  using OnLabels = std::function<void(Result<v1::SetLabelsReply>)>;
  void set_labels(const v1::SetLabelsRequest& request, OnLabels done);
  [[nodiscard]] Result<v1::PolicyExplanation> explain_policy(const v1::ExplainPolicyRequest& request) const;
  [[nodiscard]] Result<v1::PolicyHits> policy_hits(const v1::GetPolicyHitsRequest& request) const;
  // Calls back for each flow that policy denies, until told to stop; `vpc` empty: of all.
  using OnDenial = std::function<void(const v1::Denial&)>;
  std::uint64_t watch_denials(std::string vpc, OnDenial on_denial);
  void stop_watching(std::uint64_t watch) { watches_.erase(watch); }
  Result<v1::SetQosReply> set_qos(const v1::SetQosRequest& request);
  [[nodiscard]] Result<v1::QosStatus> qos_status();
  // Of the uplink, as it stands; and why it is not better.
  [[nodiscard]] const std::string& queueing_problem() const { return queueing_problem_; }
  [[nodiscard]] net::Queueing uplink_queueing() const { return queueing_; }
  Result<v1::TraceReply> trace(const v1::TraceRequest& request);
  // `directory`: object files to run instead of those built in; empty: these.
  Result<v1::ReplaceProgramsReply> replace_programs(const std::string& directory);

  [[nodiscard]] const Goal& goal() const { return goal_; }
  [[nodiscard]] Dataplane& dataplane() { return dp_; }
  // Largest IP packet of an endpoint the underlay carries in one piece.
  [[nodiscard]] unsigned endpoint_mtu() const;
  // Bytes of TCP's superpackets over IPv4, of endpoints that are kept to no rate.
  unsigned largest_superpacket();
  // Endpoints that XDP delivers to.
  [[nodiscard]] std::size_t delivered_by_xdp() const { return by_xdp_.size(); }
  [[nodiscard]] unsigned uplink() const { return uplink_; }
  [[nodiscard]] const std::string& uplink_name() const { return uplink_name_; }

 private:
  Daemon(EventLoop& loop, Dataplane& dp, Store& store, DaemonOptions options,
         net::Netlink netlink, net::Netlink for_underlay, net::Netlink for_interfaces,
         net::Monitor monitor);
  Result<> recover();
  Result<> watch();

  // Goal of both halves: what was applied, and what was added here.
  // Labels that are newer go first. A host without a plan numbers label sets here.
  [[nodiscard]] Result<Goal> merged(const KeptState& applied, const KeptState& added, v1::StoredLabels& newer) const;
  // `moved`: endpoints that are not in it any more live elsewhere now, and what
  // they have in their sockets is still to be answered; else they go at once.
  Result<RowChanges> adopt(Goal next, const KeptState& applied, const KeptState& added,
                           const v1::StoredLabels& newer, bool moved = false);
  // Would the goal fit in the tables, and can these programs do what it asks?
  // Errors: resource_exhausted, failed_precondition.
  [[nodiscard]] Result<> check(const Goal& goal);
  Result<> save(const KeptState& applied, const KeptState& added);
  Result<> save(const v1::StoredLabels& newer);
  [[nodiscard]] bool standalone(const KeptState& applied) const { return applied.rest().host().empty(); }
  // `in_use`: label sets of endpoints, by VPC.
  static Result<> number_labels(const std::map<std::string, std::set<policy::LabelSet>>& in_use, Goal& goal,
                                v1::StoredLabels& newer);
  // Makes `goal_` true: programs, hosts, interfaces, tables.
  Result<RowChanges> reconcile();
  Result<> ensure_programs();
  Result<> ensure_uplink();
  void ensure_services();
  void ensure_host();
  void drop_host();
  Result<Vips::Changes> ensure_vips();
  Result<> meet_verdicts();
  void log_verdicts();
  // Endpoints that only listen have to hear that who sent is no more.
  void ask_where_they_stand(const std::vector<Flows::Entry>& forgotten) const;
  [[nodiscard]] Result<> check_outside(const Goal& goal) const;
  void on_outside_changes(const net::Monitor::Changes& c);
  Result<> ensure_outside();
  Result<> ensure_gateways();
  Result<> ensure_pool_routes();
  Result<> attach_gateway();
  [[nodiscard]] const GatewaySpec* served() const;  // a gateway that this host is, or NULL
  // Qdiscs of the uplink and of endpoints for what is kept to rates, then shapers and levels.
  Result<> ensure_qos();
  void ensure_queueing();
  void follow_uplink(std::chrono::steady_clock::time_point now);
  void ensure_uplink_queueing();
  void ensure_endpoint_queueing();
  [[nodiscard]] std::uint64_t uplink_rate(const Goal& goal) const;  // bits a second; 0 = none
  [[nodiscard]] std::pair<net::QueueingSpec, std::string> wanted_queueing();
  Result<> read_qos();
  Result<> make_qos_true();
  Result<> overlay_qos(const v1::StoredQos& stored, Goal& goal) const;
  [[nodiscard]] std::vector<std::string> qos_warnings(const Goal& goal) const;
  // What a target's queues counted, and when: the middle of the look.
  struct Counted {
    std::vector<v1::QosQueue> queues;
    std::uint64_t time_ns = 0, took_ns = 0;
  };
  Result<Counted> counted_once(Qos::Kind kind, const std::string& name);
  Result<Counted> counted_of(Qos::Kind kind, const std::string& name);
  void ensure_hops();
  // Asks members, looks after the tables and tells bouncers; `now`: else only when it is
  // time, or something changed.
  void ensure_groups(bool now);
  void tell_group(const Groups::Tell& t) const;
  [[nodiscard]] std::vector<unsigned> multicast_interfaces() const;
  void ensure_prober();
  Result<> sync_functions();
  Result<RowChanges> apply_tables(const std::function<void()>& ports_known = {});
  bool uplink_is_wire() const;
  Result<RowChanges> sync_endpoints(const std::vector<const EndpointSpec*>& fresh);
  void connect_pending();
  void connect_services();
  void connect_host();
  std::vector<const EndpointSpec*> make_interfaces();
  void disconnect(const EndpointSpec& e);
  Result<> make_standalone(v1::GoalState& added) const;
  Result<> ensure_network(const v1::AddEndpointRequest& r, v1::GoalState& added, v1::Endpoint& e) const;
  Result<> choose_addresses(const v1::GoalState& all, v1::Endpoint& e) const;
  void report(const std::string& key, const Result<>& rc);
  void retry_pending();

  void on_host_changed(std::uint32_t id);
  void on_liveness(std::uint32_t id, bool down);
  void on_event(const mz_event& e);
  // What SetLabels changes; after exchange() what was there before. Of the goal that stands.
  struct LabelChange {
    struct OfEndpoint {
      EndpointSpec* endpoint;
      policy::PodLabels labels;
    };
    using Numbers = std::map<std::uint32_t, policy::LabelSet>;
    std::vector<OfEndpoint> endpoints = {};
    std::map<std::pair<std::string, std::uint32_t>, std::optional<policy::LabelSet>> sets = {};
    std::map<std::string, Numbers> numbered = {};  // by VPC, on a host without a plan: all of its sets
    v1::StoredLabels newer = {};
    v1::SetLabelsReply reply = {};
    OnLabels done = {};
  };
  [[nodiscard]] Result<LabelChange> label_change(const v1::SetLabelsRequest& request);
  Result<> read_sets(const v1::SetLabelsRequest& request, LabelChange& change);
  void exchange(LabelChange& change);
  Result<> make_true(LabelChange& change);
  void take_back(LabelChange& change);
  Result<> store_labels();
  void tend_policies();
  void expire_groups();
  Result<> reserve_groups();
  Result<> recover_groups();
  void on_denial(const mz_denial& d) const;
  [[nodiscard]] v1::Denial denial_message(const mz_denial& d) const;
  void on_monitor();
  void fill_host(std::uint32_t id, mz_host& entry) const;
  [[nodiscard]] bool is_hop_host() const;
  // XDP on the uplink: hosts that hop, or whose endpoints want it.
  [[nodiscard]] bool wants_xdp() const { return is_hop_host() || !by_xdp_.empty(); }
  Result<> ensure_xdp();
  // Makes those endpoints ready for it that XDP is to deliver to, before the tables say so.
  // Returns those of before that are to be TC's, when the tables say so.
  std::vector<const EndpointSpec*> choose_delivery();
  [[nodiscard]] std::string endpoint_by_ifindex(unsigned ifindex) const;
  [[nodiscard]] std::vector<std::string> roles() const;
  [[nodiscard]] std::string describe(const mz_note& note, const std::vector<std::uint8_t>& frame) const;
  [[nodiscard]] std::string describe_service(const mz_note& note) const;
  // A rule of a list, as a packet met it.
  [[nodiscard]] std::string describe_rule(std::uint32_t list, std::uint32_t rule) const;
  [[nodiscard]] std::string host_label(std::uint32_t id) const;
  // What plans and callers have said of endpoints, by key: read once for all of them.
  struct Said {
    v1::GoalState all;  // its endpoints alone
    std::unordered_map<std::string, v1::Endpoint*> endpoints;  // of `all`
    std::unordered_set<std::string> added;                     // here, by AddEndpoint
  };
  [[nodiscard]] Said said() const;
  // Labels that are newer than what `all` says of its endpoints.
  void add_newer_labels(v1::GoalState& all) const;
  Result<v1::EndpointStatus> endpoint_status(const std::string& key) const;
  // Takes what was said of it out of `said`.
  [[nodiscard]] v1::EndpointStatus status_of(const std::string& key, const EndpointSpec& e, Said& said) const;

  // A caller who waits for the second look.
  struct PendingTop {
    std::chrono::steady_clock::time_point began, due;
    FlowFilter filter;
    v1::TopFlowsRequest request;
    std::map<mz_flow_key, mz_flow, ByBytes> before;
    TopDone done;
  };
  [[nodiscard]] std::set<unsigned> port_interfaces() const;
  [[nodiscard]] Result<FlowFilter> flow_filter(const v1::FlowFilter& f) const;
  [[nodiscard]] v1::Flow flow_message(const Flows::Entry& entry, std::uint32_t now) const;
  [[nodiscard]] Result<v1::ListFlowsReply> second_look(const PendingTop& top) const;
  void tend();  // what is due every 100 ms
  void let_drain(const EndpointSpec& e);
  // Disconnects those whose time is over by `now`; were there any?
  bool finish_leaving(std::chrono::steady_clock::time_point now);

  EventLoop& loop_;
  Dataplane& dp_;
  Store& store_;
  DaemonOptions options_;
  net::Netlink netlink_;
  net::Monitor monitor_;
  Underlay underlay_;
  Interfaces interfaces_;
  Policies policies_;
  Qos qos_;
  TableSync tables_;
  Verdicts verdicts_;
  bool verdicts_met_ = true;  // the tables are as they say
  std::string verdicts_problem_;  // why not, last logged
  Vips vips_;
  Gateways gateways_;
  Flows flows_;
  Functions functions_;
  Groups groups_;
  Querier querier_;
  std::string groups_problem_;  // what was last wrong with them
  std::vector<PendingTop> tops_;
  struct DenialWatch {
    std::string vpc;
    OnDenial on_denial;
  };
  std::map<std::uint64_t, DenialWatch> watches_;
  std::uint64_t last_watch_ = 0;
  bool labels_changed_ = false;  // and what nobody has any more may still stand
  bool expiring_ = false;        // it goes on with that when others were served
  std::uint32_t reserved_groups_ = 0;  // stored: no group has had a number beyond
  std::unique_ptr<Prober> prober_;
  HostSpec probing_as_;
  std::string probing_problem_;  // why there is no prober

  KeptState applied_, added_;
  v1::StoredLabels newer_;  // labels that are newer than those of the two
  v1::StoredQos stored_qos_;  // rates that were set here
  std::optional<net::QueueingSupport> queueing_support_;  // once it was needed
  net::Queueing queueing_ = net::Queueing::none;          // of the uplink
  bool queueing_known_ = false;                           // else an earlier run's may stand
  std::string queueing_problem_;                          // why it is not better
  std::uint64_t link_rate_ = 0;                           // bits a second; 0 = it does not say
  std::map<unsigned, net::Queueing> endpoint_queueing_;   // by ifindex
  std::map<std::string, std::pair<unsigned, unsigned>> superpackets_;  // bytes made and given, by endpoint
  std::set<std::string> by_xdp_;                          // endpoints that XDP delivers to
  unsigned largest_superpacket_ = 0;                      // bytes, of endpoints without a rate
  std::chrono::steady_clock::time_point next_look_;       // at the uplink's
  std::vector<LabelChange> unstored_;  // in force, and not yet told
  Goal goal_;
  std::optional<mz_cfg> cfg_;  // of the loaded programs
  unsigned hz_ = 0;
  unsigned uplink_ = 0;
  std::string uplink_name_;
  unsigned uplink_mtu_ = 0;
  bool uplink_is_veth_ = false;
  struct Leaving {
    EndpointSpec endpoint;
    std::chrono::steady_clock::time_point due;
  };
  std::vector<Leaving> leaving_;
  unsigned outside_ = 0;           // ifindex of a gateway's outside interface
  unsigned outside_mtu_ = 0;
  Addrs outside_address_;          // the first of each family there
  std::optional<std::set<Prefix>> pool_routes_;  // which the kernel has from us, once known
  unsigned services_ = 0;          // ifindex of the services' veth, host end
  unsigned services_mtu_ = 0;
  unsigned host_ = 0;  // ifindex of the host's own veth, far end
  unsigned host_mtu_ = 0;
  std::string services_problem_;  // why there is none
  TableSync::Ports ports_;
  std::uint64_t generation_;  // of goal and ports; see GetLocalReply
  std::optional<std::chrono::steady_clock::time_point> trim_due_;  // a goal was changed: of what that took
  std::map<std::string, std::string> problems_;  // endpoint key -> why it is not ready
  std::set<std::string> grown_;  // endpoints with an address more than their interface
  std::map<std::uint32_t, bool> down_;
  std::set<std::uint32_t> hops_;
  std::set<std::uint32_t> watched_;  // hosts of backends with health: probed as well
  // Hints of the last moments, so that a burst of packets asks once.
  std::map<mz_event, std::chrono::steady_clock::time_point, ByBytes> recent_events_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// The first address of each family that is not link-local, if there is any.
Result<Addrs> addresses_of_interface(const std::string& name);
// The first IPv4 address of an interface; without one, the first IPv6 address
// that is not link-local. Errors: not_found.
Result<Addr> address_of_interface(const std::string& name);

}  // namespace mizar
