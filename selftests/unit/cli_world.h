// SPDX-License-Identifier: Apache-2.0
// A daemon that answers transit from a script, and keeps what it was asked.
#pragma once

#include <grpcpp/grpcpp.h>

#include <future>
#include <memory>
#include <nlohmann/json.hpp>

#include "selftests/unit/run_cli.h"
#include "userspace/base/addr.h"
#include "userspace/proto/text.h"
#include "userspace/proto/transit.grpc.pb.h"

namespace transit_test {

namespace v1 = mizar::v1;
using grpc::ServerContext;
using grpc::Status;

inline constexpr const char* kState = R"(
revision: 5
host: w1
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: b1, id: 3, address: 192.0.2.3, address6: "2001:db8::3"}
vpcs:
  - {name: a, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00::/48"}
networks:
  - {name: front, vpc: a, cidr: 10.0.1.0/24, cidr6: "fd00:0:0:1::/64"}
endpoints:
  - {name: web, vpc: a, network: front, address: 10.0.1.2, address6: "fd00:0:0:1::2", host: w1}
services:
  - {name: www, vpc: a, address: 10.0.9.1, address6: "fd00:0:0:9::1",
     ports: [{protocol: tcp, port: 80, backend_port: 8080}, {protocol: udp, port: 53}],
     backends: [{name: web, address: 10.0.1.2}, {name: old, address: 10.0.1.3, weight: 0}]}
peerings:
  - {name: trade, vpc: a, peer: b, parts: [10.7.0.0/16, "fd07::/48"]}
  - {name: trade, vpc: b, peer: a, parts: [10.0.0.0/16], answers_only: true}
)";

class FakeTransit final : public v1::Transit::Service {
 public:
  FakeTransit() {
    EXPECT_TRUE(mizar::parse_text(kState, "fake", state));
    for (int b = 0; b < 128; b++) {
      state.mutable_networks(0)->mutable_bouncers()->add_primary(b == 5 ? 0 : 3);
      state.mutable_networks(0)->mutable_bouncers()->add_backup(b < 2 ? 1 : 0);
    }
  }

  Status Apply(ServerContext*, const v1::ApplyRequest* in, v1::ApplyReply* out) override {
    applied = *in;
    out->set_revision(in->state().revision());
    out->set_added(3);
    return answer;
  }
  Status GetState(ServerContext*, const v1::GetStateRequest*, v1::GoalState* out) override {
    *out = state;
    return answer;
  }
  Status Delete(ServerContext*, const v1::DeleteRequest* in, v1::DeleteReply*) override {
    deleted = *in;
    return answer;
  }
  Status AddEndpoint(ServerContext*, const v1::AddEndpointRequest* in,
                     v1::EndpointStatus* out) override {
    added = *in;
    *out = endpoint();
    return answer;
  }
  Status ListEndpoints(ServerContext*, const v1::ListEndpointsRequest*,
                       v1::ListEndpointsReply* out) override {
    *out->add_endpoints() = endpoint();
    return answer;
  }
  Status ListServices(ServerContext*, const v1::ListServicesRequest*, v1::ListServicesReply* out) override {
    v1::ListServicesReply more;
    *out->add_services()->mutable_service() = state.services(0);
    const auto read = mizar::parse_text(R"(
services:
  - service: {name: api, vpc: a, address: 10.0.9.2, ports: [{protocol: tcp, port: 80}], health: {protocol: http},
              backends: [{name: web, address: 10.0.1.2}, {name: db, address: 10.0.1.4}, {name: new, address: 10.0.1.5}]}
    backends:
      - {name: web, address: 10.0.1.2, host: w1, state: HEALTHY, since_ms: 5000, serving: true}
      - {name: web, address: "fd00:0:0:1::2", host: w1, state: HEALTHY, since_ms: 5000, serving: true}
      - {name: db, address: 10.0.1.4, host: b1, state: UNHEALTHY, since_ms: 12345, problem: HTTP status 503}
      - {name: new, address: 10.0.1.5, host: b1}
      - {name: new, address: "fd00:0:0:1::5", host: b1, state: HEALTHY, serving: true}
)", "services", more);
    EXPECT_TRUE(read) << read.error().what;
    out->MergeFrom(more);
    return answer;
  }
  Status GetStatus(ServerContext*, const v1::GetStatusRequest*, v1::Status* out) override {
    out->set_host("w1");
    out->set_host_id(1);
    out->add_roles("endpoint-host");
    auto* t = out->add_tables();
    t->set_name("endpoints");
    t->set_used(1);
    t->set_capacity(4);
    auto* p = out->add_peers();
    p->set_name("b1");
    p->set_address("192.0.2.3");
    p->set_address6("2001:db8::3");
    p->set_underlay("192.0.2.3");
    p->set_hop(true);
    p->set_resolved(true);
    p->set_rtt_us(85);
    p = out->add_peers();
    p->set_name("w6");
    p->set_address6("2001:db8::6");
    return answer;
  }
  Status ListFlows(ServerContext*, const v1::ListFlowsRequest* in, v1::ListFlowsReply* out) override {
    asked_flows = *in;
    return flows(out);
  }
  Status TopFlows(ServerContext*, const v1::TopFlowsRequest* in, v1::ListFlowsReply* out) override {
    asked_top = *in;
    return flows(out);
  }
  Status FlushFlows(ServerContext*, const v1::FlushFlowsRequest* in, v1::FlushFlowsReply* out) override {
    asked_flush = *in;
    out->set_flushed(4);
    return answer;
  }
  Status flows(v1::ListFlowsReply* out) const {
    auto* f = out->add_flows();
    f->set_endpoint("a/web");
    f->set_protocol("tcp");
    f->set_address("10.0.1.2");
    f->set_port(4000);
    f->set_remote_address("10.0.1.3");
    f->set_remote_port(80);
    f->set_backend_address("10.0.1.7");
    f->set_backend_port(8080);
    f->set_state("ESTABLISHED");
    f->set_opened_here(true);
    f->set_bytes_out(3000);
    f->set_bytes_in(7);
    f->set_idle_ms(5);
    f->set_ends_ms(60000);
    f = out->add_flows();
    f->set_endpoint("a/web");
    f->set_protocol("icmp");
    f->set_address("10.0.1.2");
    f->set_port(9);
    f->set_remote_address("10.0.1.3");
    f->set_remote_port(9);
    f->set_state("UNREPLIED");
    out->set_more(3);
    return answer;
  }
  Status GetStats(ServerContext*, const v1::GetStatsRequest* in, v1::Stats* out) override {
    asked_stats = *in;
    auto* r = out->add_rows();
    r->set_vpc("a");
    r->set_direction("egress");
    r->set_reason("SRC_IP");
    r->set_packets(12);
    r->set_bytes(3000);
    return answer;
  }
  Status Trace(ServerContext*, const v1::TraceRequest* in, v1::TraceReply* out) override {
    traced = *in;
    traces++;
    *out = trace;
    return answer;
  }
  Status Doctor(ServerContext*, const v1::DoctorRequest*, v1::DoctorReply* out) override {
    *out = doctor;
    return answer;
  }
  Status ReplacePrograms(ServerContext*, const v1::ReplaceProgramsRequest*,
                         v1::ReplaceProgramsReply* out) override {
    // A caller that does not give up gets its answer, and fails the test.
    if (answer_after.valid()) answer_after.wait_for(std::chrono::seconds(5));
    out->set_replaced(3);
    return answer;
  }

  static v1::EndpointStatus endpoint() {
    v1::EndpointStatus s;
    s.mutable_endpoint()->set_name("web");
    s.mutable_endpoint()->set_vpc("a");
    s.mutable_endpoint()->set_network("front");
    s.mutable_endpoint()->set_address("10.0.1.2");
    s.mutable_endpoint()->set_address6("fd00:0:0:1::2");
    s.mutable_endpoint()->set_mac("02:00:00:00:00:01");
    s.mutable_endpoint()->set_host("w1");
    s.mutable_endpoint()->mutable_netns()->set_name("web");
    s.set_local(true);
    s.set_ready(true);
    s.set_interface("mz0");
    s.set_mtu(1414);
    return s;
  }

  v1::GoalState state;
  Status answer = Status::OK;
  v1::ApplyRequest applied;
  v1::DeleteRequest deleted;
  v1::AddEndpointRequest added;
  v1::GetStatsRequest asked_stats;
  v1::ListFlowsRequest asked_flows;
  v1::TopFlowsRequest asked_top;
  v1::FlushFlowsRequest asked_flush;
  v1::TraceRequest traced;
  v1::TraceReply trace;
  int traces = 0;
  v1::DoctorReply doctor;
  std::future<void> answer_after;  // when there is one
};

// One fake daemon on a socket of its own.
struct Daemon {
  explicit Daemon(const std::string& socket) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
    builder.RegisterService(&fake);
    server = builder.BuildAndStart();
  }
  ~Daemon() { server->Shutdown(); }
  FakeTransit fake;
  std::unique_ptr<grpc::Server> server;
};

class Cli : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> args, const std::string& input = "") {
    args.insert(args.end(), {"--socket", dir.at("w1.sock")});
    return run_transit(std::move(args), input);
  }
  nlohmann::json json(std::vector<std::string> args) {
    args.insert(args.end(), {"-o", "json"});
    const Outcome r = run(std::move(args));
    EXPECT_EQ(r.rc, 0) << r.err;
    EXPECT_EQ(r.err, "");
    auto value = nlohmann::json::parse(r.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << r.out;
    return value;
  }
  FakeTransit& fake() { return daemon.fake; }

  TempDir dir;
  Daemon daemon{dir.at("w1.sock")};
};

}  // namespace transit_test
