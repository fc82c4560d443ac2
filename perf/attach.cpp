// SPDX-License-Identifier: Apache-2.0
// Row 23: milliseconds from nothing to a namespace with a working interface.
//   attach rpc SOCKET PREFIX N   namespace + AddEndpoint on a standing connection
//   attach netlink PREFIX N      namespace + veth pair + address + routes, no more
// PREFIX-1..N are made and left: the caller deletes them. Prints a JSON list.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "perf/need.h"
#include "userspace/net/netlink.h"
#include "userspace/net/netns.h"
#include "userspace/proto/transit.grpc.pb.h"

namespace {

using namespace mizar;

// As `ip netns add` does it; a thread of its own, so that ours stays here.
void make_netns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  const UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC | O_RDONLY, 0));
  if (!file.valid()) die(path);
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0 ||
        mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0)
      die("namespace " + name);
  }).join();
}

void by_netlink(net::Netlink& host, const std::string& name, int i) {
  make_netns(name);
  const auto ns = need(net::NetnsRef::open(name));
  net::VethSpec veth;
  veth.host_name = "pf" + std::to_string(i);
  veth.ns = &ns;
  veth.inner_name = "eth0";
  veth.mtu = 1434;
  const unsigned outer = need(host.add_veth(veth));
  net::LinkChange up;
  up.up = true;
  need(host.set_link(outer, up));
  auto inside = need(net::Netlink::open_in(ns));
  const unsigned inner = need(inside.link("eth0")).index;
  need(inside.set_link(inner, up));
  need(inside.add_address(inner, Prefix{Addr::v4(0x0a010000u + static_cast<unsigned>(i)), 16}));
  net::Route all;
  all.dst = Prefix{Addr::v4(0), 0};
  all.ifindex = inner;
  all.via = Addr::v4(0x0a01ff01u);
  all.onlink = true;
  need(inside.replace_route(all));
}

void by_rpc(v1::Transit::Stub& stub, const std::string& name) {
  make_netns(name);
  v1::AddEndpointRequest request;
  request.set_netns(name);
  request.set_vpc("attach");
  v1::EndpointStatus reply;
  grpc::ClientContext context;
  const auto status = stub.AddEndpoint(&context, request, &reply);
  if (!status.ok()) die(status.error_message());
  if (!reply.ready()) die(name + ": " + reply.problem());
}

void time_each(const std::string& prefix, int n, const std::function<void(const std::string&, int)>& step) {
  for (int i = 1; i <= n; i++) {
    const auto start = std::chrono::steady_clock::now();
    step(prefix + "-" + std::to_string(i), i);
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    std::printf("%s%.3f", i == 1 ? "[" : ", ", ms.count());
  }
  std::printf("]\n");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "netlink" && argc == 4) {
    auto host = need(net::Netlink::open());
    time_each(argv[2], std::atoi(argv[3]),
              [&](const std::string& name, int i) { by_netlink(host, name, i); });
    return 0;
  }
  if (mode == "rpc" && argc == 5) {
    auto channel = grpc::CreateChannel(std::string("unix:") + argv[2], grpc::InsecureChannelCredentials());
    channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5));
    auto stub = v1::Transit::NewStub(channel);
    time_each(argv[3], std::atoi(argv[4]),
              [&](const std::string& name, int) { by_rpc(*stub, name); });
    return 0;
  }
  std::fprintf(stderr, "usage: attach rpc SOCKET PREFIX N | attach netlink PREFIX N\n");
  return 2;
}
