// SPDX-License-Identifier: Apache-2.0
// Rows 26 to 28: a host that has, or knows as bouncer, so many endpoints.
//   goal have SOCKET VPC/NETWORK HOST N [NETNS]
//       transitd's goal state with N endpoints many-1..N of HOST, beside what else is in it, at
//       addresses from 10.64.0.1 on; those of its own host in namespaces NETNS-1..N
//   goal read STATE-DIR    the floor of a restart: reads what transitd stored there
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "perf/need.h"
#include "userspace/base/addr.h"
#include "userspace/proto/transit.grpc.pb.h"
#include "userspace/transitd/store.h"

namespace {

using namespace mizar;

void need(const grpc::Status& status) {
  if (!status.ok()) die(status.error_message());
}

const std::string kName = "many-";

void without_many(v1::GoalState& goal) {
  auto* all = goal.mutable_endpoints();
  all->erase(std::remove_if(all->begin(), all->end(), [](const auto& e) { return e.name().starts_with(kName); }), all->end());
}

void add_many(v1::GoalState& goal, const std::string& network, const std::string& host, unsigned n, const std::string& netns) {
  const auto slash = network.find('/');
  for (unsigned i = 1; i <= n; i++) {
    auto* e = goal.add_endpoints();
    e->set_name(kName + std::to_string(i));
    e->set_vpc(network.substr(0, slash));
    e->set_network(network.substr(slash + 1));
    e->set_address(Addr::v4(0x0a400000u + i).text());
    e->set_host(host);
    if (!netns.empty()) e->mutable_netns()->set_name(netns + "-" + std::to_string(i));
  }
}

int have(const std::string& socket, const std::string& network, const std::string& host, unsigned n, const std::string& netns) {
  grpc::ChannelArguments any;
  any.SetMaxReceiveMessageSize(-1);
  const auto stub =
      v1::Transit::NewStub(grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), any));
  grpc::ClientContext one, other;
  v1::ApplyRequest request;
  v1::ApplyReply reply;
  auto& goal = *request.mutable_state();
  need(stub->GetState(&one, v1::GetStateRequest(), &goal));
  without_many(goal);
  add_many(goal, network, host, n, netns);
  goal.set_revision(goal.revision() + 1);
  need(stub->Apply(&other, request, &reply));
  std::printf("{\"added\": %u, \"removed\": %u}\n", reply.added(), reply.removed());
  return 0;
}

int read(const std::string& directory) {
  auto store = open_lmdb_store(directory);
  if (!store) die(store.error().what);
  const auto bytes = (*store)->get("goal");
  if (!bytes) die(bytes.error().what);
  v1::StoredGoal goal;
  if (!*bytes || !goal.ParseFromString(**bytes)) die("store " + directory + ": holds no goal state; apply one");
  std::printf("{\"endpoints\": %d}\n", goal.applied().endpoints_size());
  std::fflush(stdout);
  std::quick_exit(0);  // what a daemon that goes on does not pay either
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "have" && (argc == 6 || argc == 7) && std::string(argv[3]).find('/') != std::string::npos)
    return have(argv[2], argv[3], argv[4], static_cast<unsigned>(std::atoi(argv[5])), argc == 7 ? argv[6] : "");
  if (mode == "read" && argc == 3) return read(argv[2]);
  std::fprintf(stderr, "usage: goal have SOCKET VPC/NETWORK HOST N [NETNS] | goal read STATE-DIR\n");
  return 2;
}
