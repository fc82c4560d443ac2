// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/service.h"

#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "userspace/base/log.h"
#include "userspace/proto/transit.grpc.pb.h"
#include "userspace/transitd/denial_stream.h"
#include "userspace/transitd/doctor.h"

namespace mizar {

namespace {

grpc::Status to_grpc(const Error& e) {
  static constexpr std::array codes = {
      grpc::StatusCode::INVALID_ARGUMENT,  grpc::StatusCode::NOT_FOUND,
      grpc::StatusCode::ALREADY_EXISTS,    grpc::StatusCode::FAILED_PRECONDITION,
      grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::PERMISSION_DENIED,
      grpc::StatusCode::UNAVAILABLE,       grpc::StatusCode::UNIMPLEMENTED,
      grpc::StatusCode::INTERNAL};
  return {codes[static_cast<size_t>(e.code)], e.what};
}

using Ctx = grpc::CallbackServerContext;
using Done = grpc::ServerUnaryReactor;

// What is not overridden is UNIMPLEMENTED.
class LocalService : public v1::Transit::CallbackService {
 public:
  LocalService(EventLoop& loop, Daemon& daemon) : loop_(loop), daemon_(daemon) {}

  Done* GetLocal(Ctx* c, const v1::GetLocalRequest* in, v1::GetLocalReply* out) override {
    return run(c, out, [this, in] { return Result<v1::GetLocalReply>(daemon_.local(in->generation())); });
  }

  Done* ReportHealth(Ctx* c, const v1::ReportHealthRequest* in, v1::ReportHealthReply* out) override {
    return run(c, out, [this, in] { return daemon_.report_health(*in); });
  }

 protected:
  // The call ends when the loop has done the work; `in` and `out` live so long.
  template <class Reply, class Work>
  Done* run(Ctx* c, Reply* out, Work work) {
    Done* done = c->DefaultReactor();
    loop_.post([done, out, work = std::move(work)] { finish(done, out, work()); });
    return done;
  }

  template <class Reply>
  static void finish(Done* done, Reply* out, Result<Reply> result) {
    if (result) *out = std::move(*result);
    done->Finish(result ? grpc::Status::OK : to_grpc(result.error()));
  }

  EventLoop& loop_;
  Daemon& daemon_;
};

class Service final : public LocalService {
 public:
  using LocalService::LocalService;

  Done* Apply(Ctx* c, const v1::ApplyRequest* in, v1::ApplyReply* out) override {
    return run(c, out, [this, in] { return daemon_.apply(*in); });
  }
  Done* GetState(Ctx* c, const v1::GetStateRequest*, v1::GoalState* out) override {
    return run(c, out, [this] { return Result<v1::GoalState>(daemon_.state()); });
  }
  Done* Delete(Ctx* c, const v1::DeleteRequest* in, v1::DeleteReply* out) override {
    return run(c, out, [this, in]() -> Result<v1::DeleteReply> {
      MZ_CHECK(daemon_.remove(*in));
      return v1::DeleteReply();
    });
  }
  Done* AddEndpoint(Ctx* c, const v1::AddEndpointRequest* in, v1::EndpointStatus* out) override {
    return run(c, out, [this, in] { return daemon_.add_endpoint(*in); });
  }
  Done* ListEndpoints(Ctx* c, const v1::ListEndpointsRequest*, v1::ListEndpointsReply* out) override {
    return run(c, out, [this] { return Result<v1::ListEndpointsReply>(daemon_.endpoints()); });
  }
  Done* ListServices(Ctx* c, const v1::ListServicesRequest*, v1::ListServicesReply* out) override {
    return run(c, out, [this] { return Result<v1::ListServicesReply>(daemon_.services()); });
  }
  Done* GetStatus(Ctx* c, const v1::GetStatusRequest*, v1::Status* out) override {
    return run(c, out, [this] { return Result<v1::Status>(daemon_.status()); });
  }
  Done* GetStats(Ctx* c, const v1::GetStatsRequest* in, v1::Stats* out) override {
    return run(c, out, [this, in] { return daemon_.stats(*in); });
  }
  Done* ListFlows(Ctx* c, const v1::ListFlowsRequest* in, v1::ListFlowsReply* out) override {
    return run(c, out, [this, in] { return daemon_.list_flows(*in); });
  }
  Done* FlushFlows(Ctx* c, const v1::FlushFlowsRequest* in, v1::FlushFlowsReply* out) override {
    return run(c, out, [this, in] { return daemon_.flush_flows(*in); });
  }
  Done* TopFlows(Ctx* c, const v1::TopFlowsRequest* in, v1::ListFlowsReply* out) override {
    Done* done = c->DefaultReactor();
    loop_.post([this, done, in, out] {
      daemon_.top_flows(*in, [done, out](Result<v1::ListFlowsReply> result) { finish(done, out, std::move(result)); });
    });
    return done;
  }
  Done* LoadFunction(Ctx* c, const v1::LoadFunctionRequest* in, v1::FunctionStatus* out) override {
    return run(c, out, [this, in] { return daemon_.load_function(*in); });
  }
  Done* ListFunctions(Ctx* c, const v1::ListFunctionsRequest*, v1::ListFunctionsReply* out) override {
    return run(c, out, [this] { return Result<v1::ListFunctionsReply>(daemon_.list_functions()); });
  }
  Done* RemoveFunction(Ctx* c, const v1::RemoveFunctionRequest* in, v1::RemoveFunctionReply* out) override {
    return run(c, out, [this, in] { return daemon_.remove_function(*in); });
  }
  Done* ListGroups(Ctx* c, const v1::ListGroupsRequest* in, v1::ListGroupsReply* out) override {
    return run(c, out, [this, in] { return daemon_.list_groups(*in); });
  }
  Done* Trace(Ctx* c, const v1::TraceRequest* in, v1::TraceReply* out) override {
    return run(c, out, [this, in] { return daemon_.trace(*in); });
  }
  Done* ApplyPolicies(Ctx* c, const v1::ApplyPoliciesRequest* in, v1::ApplyReply* out) override {
    return run(c, out, [this, in] { return daemon_.apply_policies(*in); });
  }
  Done* SetQos(Ctx* c, const v1::SetQosRequest* in, v1::SetQosReply* out) override {
    return run(c, out, [this, in] { return daemon_.set_qos(*in); });
  }
  Done* GetQos(Ctx* c, const v1::GetQosRequest*, v1::QosStatus* out) override {
    return run(c, out, [this] { return daemon_.qos_status(); });
  }
  Done* SetLabels(Ctx* c, const v1::SetLabelsRequest* in, v1::SetLabelsReply* out) override {
    Done* done = c->DefaultReactor();
    loop_.post([this, done, in, out] {
      daemon_.set_labels(*in, [done, out](Result<v1::SetLabelsReply> result) { finish(done, out, std::move(result)); });
    });
    return done;
  }
  Done* ExplainPolicy(Ctx* c, const v1::ExplainPolicyRequest* in, v1::PolicyExplanation* out) override {
    return run(c, out, [this, in] { return daemon_.explain_policy(*in); });
  }
  Done* GetPolicyHits(Ctx* c, const v1::GetPolicyHitsRequest* in, v1::PolicyHits* out) override {
    return run(c, out, [this, in] { return daemon_.policy_hits(*in); });
  }
  grpc::ServerWriteReactor<v1::Denial>* WatchDenials(Ctx*, const v1::WatchDenialsRequest* in) override {
    return new DenialStream(loop_, daemon_, in->vpc());
  }
  Done* Doctor(Ctx* c, const v1::DoctorRequest*, v1::DoctorReply* out) override {
    return run(c, out, [this] { return Result<v1::DoctorReply>(examine(daemon_)); });
  }
  Done* ReplacePrograms(Ctx* c, const v1::ReplaceProgramsRequest* in,
                        v1::ReplaceProgramsReply* out) override {
    return run(c, out, [this, in] { return daemon_.replace_programs(in->directory()); });
  }
};

bool in_group(uid_t uid, gid_t primary, const std::string& group) {
  const struct group* g = getgrnam(group.c_str());
  if (!g) return false;
  if (primary == g->gr_gid) return true;
  const gid_t wanted = g->gr_gid;
  const passwd* user = getpwuid(uid);
  if (!user) return false;
  std::array<gid_t, 256> groups{};
  int n = groups.size();
  if (getgrouplist(user->pw_name, user->pw_gid, groups.data(), &n) < 0) return false;
  return std::find(groups.begin(), groups.begin() + n, wanted) != groups.begin() + n;
}

class UnixServer final : public Server {
 public:
  UnixServer(EventLoop& loop, std::unique_ptr<grpc::Service> service, UniqueFd listener, std::string path, std::string group)
      : loop_(loop),
        service_(std::move(service)),
        listener_(std::move(listener)),
        wake_(eventfd(0, EFD_CLOEXEC)),
        path_(std::move(path)),
        group_(std::move(group)) {
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    server_ = builder.BuildAndStart();
    acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_loop(stop); });
  }

  ~UnixServer() override {
    acceptor_.request_stop();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = write(wake_.get(), &one, sizeof one);
    acceptor_.join();
    ::unlink(path_.c_str());
    // Its loop has ended; calls that wait for it would keep the server for ever.
    bool down = false;
    const std::jthread waiting([&] {
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
      loop_.post([&down] { down = true; });
    });
    while (!down) loop_.run_posted();
  }

 private:
  // gRPC does not ask who calls: we accept, look, and hand the socket over.
  void accept_loop(const std::stop_token& stop) {
    std::array<pollfd, 2> fds = {pollfd{listener_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
    while (!stop.stop_requested()) {
      if (poll(fds.data(), fds.size(), -1) < 0 || !(fds[0].revents & POLLIN)) continue;
      UniqueFd caller(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!caller.valid()) continue;
      ucred who{};
      socklen_t len = sizeof who;
      if (getsockopt(caller.get(), SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) continue;
      if (who.uid != 0 && !in_group(who.uid, who.gid, group_)) {
        log::warning("refused uid {} (pid {}): not root and not in group {}", who.uid, who.pid, group_);
        continue;
      }
      grpc::AddInsecureChannelFromFd(server_.get(), caller.release());
    }
  }

  EventLoop& loop_;
  std::unique_ptr<grpc::Service> service_;
  UniqueFd listener_;
  UniqueFd wake_;
  std::string path_;
  std::string group_;
  std::unique_ptr<grpc::Server> server_;
  std::jthread acceptor_;
};

}  // namespace

Result<std::unique_ptr<Server>> serve_at(EventLoop& loop, std::unique_ptr<grpc::Service> service,
                                         const std::string& path, const std::string& group) {
  const std::string what = fmt::format("socket {}", path);
  sockaddr_un sa{};
  sa.sun_family = AF_UNIX;
  if (path.size() >= sizeof sa.sun_path)
    return fail(Code::invalid_argument, "{}: longer than {} bytes; choose a shorter path", what,
                sizeof sa.sun_path - 1);
  path.copy(sa.sun_path, path.size());
  std::error_code ec;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ec);
  ::unlink(path.c_str());  // ours alone: the instance is locked
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Tight from the first instant, not after a chmod.
  const mode_t old = umask(0117);
  const int rc = bind(listener.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa);
  const int err = errno;
  umask(old);
  if (rc != 0) return fail_errno(Code::failed_precondition, err, what);
  if (const struct group* g = getgrnam(group.c_str()); g && chown(path.c_str(), 0, g->gr_gid) != 0)
    return fail_errno(Code::failed_precondition, errno, what);
  if (listen(listener.get(), 64) != 0) return fail_errno(Code::failed_precondition, errno, what);
  return std::unique_ptr<Server>(
      std::make_unique<UnixServer>(loop, std::move(service), std::move(listener), path, group));
}

Result<std::unique_ptr<Server>> serve(EventLoop& loop, Daemon& daemon, const std::string& path,
                                      const std::string& group) {
  return serve_at(loop, std::make_unique<Service>(loop, daemon), path, group);
}

Result<std::unique_ptr<Server>> serve_local(EventLoop& loop, Daemon& daemon, const std::string& path,
                                            const std::string& group) {
  return serve_at(loop, std::make_unique<LocalService>(loop, daemon), path, group);
}

}  // namespace mizar
