// SPDX-License-Identifier: Apache-2.0
// How long transitd takes to put other labels of one endpoint in force, by its own socket:
//   set_labels SOCKET ENDPOINT COUNT KIND NAMESPACE APPS
// KIND known: labels app=app-0..APPS-1 in turn. KIND fresh: each time another value of a
// label that policies tell sets apart by, with a number of its own, and the last one forgotten.
// Times are of SetLabels of the endpoint alone, to its reply. One JSON line.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "userspace/proto/transit.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
using mizar::v1::SetLabelsRequest;

double call(mizar::v1::Transit::Stub& stub, const SetLabelsRequest& r) {
  grpc::ClientContext context;
  mizar::v1::SetLabelsReply reply;
  const auto begun = Clock::now();
  if (const auto s = stub.SetLabels(&context, r, &reply); !s.ok()) {
    std::fprintf(stderr, "set_labels: %s\n", s.error_message().c_str());
    std::exit(1);
  }
  return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

void print(const char* what, std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double part) { return ms[static_cast<std::size_t>(part * static_cast<double>(ms.size() - 1))]; };
  std::printf("{\"what\": \"%s\", \"calls\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", what, ms.size(),
              at(0.5), at(0.99), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "set_labels SOCKET ENDPOINT COUNT known|fresh NAMESPACE APPS\n");
    return 2;
  }
  const std::string name = argv[2], kind = argv[4], ns = argv[5];
  const int count = std::atoi(argv[3]), apps = std::atoi(argv[6]);
  const std::string vpc = name.substr(0, name.find('/'));
  auto stub = mizar::v1::Transit::NewStub(grpc::CreateChannel("unix:" + std::string(argv[1]), grpc::InsecureChannelCredentials()));
  std::vector<double> endpoint, set, forget;
  for (int i = 0; i < count; i++) {
    const bool fresh = kind == "fresh";
    const std::string app = fresh ? "fresh-" + std::to_string(i) : "app-" + std::to_string(i % apps);
    SetLabelsRequest first, second, third;
    auto* e = second.add_endpoints();
    e->set_endpoint(name);
    e->set_namespace_(ns);
    (*e->mutable_labels())["app"] = app;
    if (fresh) {
      auto* s = first.add_sets();
      s->set_vpc(vpc);
      s->set_id(1u << 24 | static_cast<unsigned>(i));
      s->set_namespace_(ns);
      (*s->mutable_namespace_labels())["kubernetes.io/metadata.name"] = ns;
      (*s->mutable_labels())["app"] = app;
      set.push_back(call(*stub, first));
    }
    endpoint.push_back(call(*stub, second));
    if (fresh && i > 0) {
      auto* s = third.add_forget();
      s->set_vpc(vpc);
      s->set_id(1u << 24 | static_cast<unsigned>(i - 1));
      forget.push_back(call(*stub, third));
    }
  }
  print(("endpoint, " + kind).c_str(), endpoint);
  if (!set.empty()) print("set", set);
  if (!forget.empty()) print("forget", forget);
  return 0;
}
