// SPDX-License-Identifier: Apache-2.0
// Rows 26 and 28: what a call of the daemon costs, and how soon one is answered.
//   rpc serve SOCKET STATE-DIR              the floor: transitd's server with handlers that do
//                                           nothing; what is to survive is stored in STATE-DIR
//   rpc call SOCKET PID SECONDS CALLERS CALL [ENDPOINT...]
//       calls by so many threads, each one after the other: `unchanged` (GetLocal where nothing
//       changed), `read` (ListEndpoints), `change` (SetLabels of all of ENDPOINT, VPC/NAME);
//       prints {"calls": N, "seconds": N, "server_cpu": N}, the last of process PID
//   rpc start SOCKET LOG COMMAND...         starts it in the background, waits until GetStatus
//       is answered; prints {"pid": N, "ms": N}
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "perf/need.h"
#include "userspace/base/service.h"
#include "userspace/proto/transit.grpc.pb.h"
#include "userspace/transitd/service.h"
#include "userspace/transitd/store.h"

namespace {

using namespace mizar;
using Clock = std::chrono::steady_clock;
using Stub = v1::Transit::Stub;

constexpr auto kPatience = std::chrono::seconds(60);

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// ---- the floor ------------------------------------------------------------------

class Empty final : public v1::Transit::CallbackService {
 public:
  using Ctx = grpc::CallbackServerContext;
  using Done = grpc::ServerUnaryReactor;

  explicit Empty(Store& store) : store_(store) {}

  Done* GetLocal(Ctx* c, const v1::GetLocalRequest*, v1::GetLocalReply*) override { return done(c, grpc::Status::OK); }
  Done* ListEndpoints(Ctx* c, const v1::ListEndpointsRequest*, v1::ListEndpointsReply*) override {
    return done(c, grpc::Status::OK);
  }
  Done* GetStatus(Ctx* c, const v1::GetStatusRequest*, v1::Status*) override { return done(c, grpc::Status::OK); }
  Done* SetLabels(Ctx* c, const v1::SetLabelsRequest* in, v1::SetLabelsReply*) override {
    const std::lock_guard one(mutex_);
    const auto stored = store_.put("labels", in->SerializeAsString());
    return done(c, stored ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INTERNAL, stored.error().what));
  }

 private:
  static Done* done(Ctx* c, const grpc::Status& status) {
    Done* d = c->DefaultReactor();
    d->Finish(status);
    return d;
  }

  std::mutex mutex_;
  Store& store_;
};

int serve_empty(const std::string& socket, const std::string& directory) {
  block_signals();
  const auto loop = need(EventLoop::create());
  const auto store = need(open_lmdb_store(directory));
  const auto server = need(serve_at(*loop, std::make_unique<Empty>(*store), socket, "root"));
  if (auto rc = serve_until_stopped(*loop); !rc) die(rc.error().what);
  return 0;
}

// ---- calls ------------------------------------------------------------------------

bool listens(const std::string& socket) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  if (socket.size() >= sizeof at.sun_path) die("socket " + socket + ": its path is too long; choose a shorter one");
  socket.copy(at.sun_path, socket.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
}

std::unique_ptr<Stub> stub_of(const std::string& socket) {
  return v1::Transit::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
}

template <class Request, class Reply>
Reply ask(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*), const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  context.set_wait_for_ready(true);
  Reply reply;
  if (const auto status = (stub.*method)(&context, request, &reply); !status.ok()) die(status.error_message());
  return reply;
}

// Other labels than the last ones, each time.
v1::SetLabelsRequest labels(const std::vector<std::string>& endpoints, unsigned turn) {
  v1::SetLabelsRequest r;
  for (const auto& name : endpoints) {
    auto* e = r.add_endpoints();
    e->set_endpoint(name);
    (*e->mutable_labels())["app"] = turn % 2 ? "web" : "shop";
  }
  return r;
}

std::function<void()> caller(Stub& stub, const std::string& call, const std::vector<std::string>& endpoints) {
  if (call == "read") return [&stub] { ask(stub, &Stub::ListEndpoints, v1::ListEndpointsRequest()); };
  if (call == "change")
    return [&stub, turns = std::array{labels(endpoints, 0), labels(endpoints, 1)}, n = 0u]() mutable {
      ask(stub, &Stub::SetLabels, turns[n++ % 2]);
    };
  v1::GetLocalRequest known;
  known.set_generation(ask(stub, &Stub::GetLocal, known).generation());
  return [&stub, known] { ask(stub, &Stub::GetLocal, known); };
}

double cpu_of(pid_t pid) {
  clockid_t clock = 0;
  timespec t{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) die("process " + std::to_string(pid) + ": there is none");
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

int call_for(const std::string& socket, pid_t pid, double seconds, int callers, const std::string& call,
             const std::vector<std::string>& endpoints) {
  if (!listens(socket)) die("socket " + socket + ": nobody listens; start transitd");
  const auto stub = stub_of(socket);
  caller(*stub, call, endpoints)();  // the connection's first call pays for it
  std::atomic<unsigned> calls = 0;
  const double cpu = cpu_of(pid);
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < callers; i++)
      threads.emplace_back([&] {
        for (const auto once = caller(*stub, call, endpoints); since(begin) < seconds; calls++) once();
      });
  }
  std::printf("{\"calls\": %u, \"seconds\": %.6f, \"server_cpu\": %.6f}\n", calls.load(), since(begin), cpu_of(pid) - cpu);
  return 0;
}

// ---- a start ------------------------------------------------------------------------

pid_t spawn(const char* log, char** command) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  setsid();
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  execvp(command[0], command);
  std::perror(command[0]);
  _exit(127);
}

int start(const std::string& socket, const char* log, char** command) {
  const auto begin = Clock::now();
  const pid_t pid = spawn(log, command);
  if (pid < 0) die(std::string("fork: ") + std::strerror(errno));
  while (!listens(socket)) {
    if (waitpid(pid, nullptr, WNOHANG) == pid) die(std::string(command[0]) + ": ended before it answered; see " + log);
    if (Clock::now() - begin > kPatience) die("socket " + socket + ": nobody answers; see " + log);
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  ask(*stub_of(socket), &Stub::GetStatus, v1::GetStatusRequest());
  std::printf("{\"pid\": %d, \"ms\": %.3f}\n", pid, 1e3 * since(begin));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string call = argc > 6 ? argv[6] : "";
  if (mode == "serve" && argc == 4) return serve_empty(argv[2], argv[3]);
  const bool known = call == "unchanged" || call == "read" || (call == "change" && argc > 7);
  if (mode == "call" && known && std::atoi(argv[3]) > 0)
    return call_for(argv[2], std::atoi(argv[3]), std::atof(argv[4]), std::atoi(argv[5]), call, {argv + 7, argv + argc});
  if (mode == "start" && argc > 4) return start(argv[2], argv[3], argv + 4);
  std::fprintf(stderr,
               "usage: rpc serve SOCKET STATE-DIR | rpc call SOCKET PID SECONDS CALLERS unchanged|read|change [ENDPOINT...] | "
               "rpc start SOCKET LOG COMMAND...\n");
  return 2;
}
