// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/client.h"

#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>

#include "userspace/base/unique_fd.h"
#include "userspace/proto/transit.grpc.pb.h"

namespace transit {

struct Client::Rpc {
  std::unique_ptr<v1::Transit::Stub> stub;
  std::string socket;
  double timeout;

  template <class Request, class Reply>
  Result<Reply> call(grpc::Status (v1::Transit::Stub::*method)(grpc::ClientContext*,
                                                               const Request&, Reply*),
                     const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(static_cast<long>(timeout * 1000)));
    Reply reply;
    const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
    if (status.ok()) return reply;
    return error(status);
  }

  [[nodiscard]] Failure error(const grpc::Status& status) const;
};

namespace {

Code code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT: return Code::invalid_argument;
    case grpc::StatusCode::NOT_FOUND: return Code::not_found;
    case grpc::StatusCode::ALREADY_EXISTS: return Code::already_exists;
    case grpc::StatusCode::FAILED_PRECONDITION: return Code::failed_precondition;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return Code::resource_exhausted;
    case grpc::StatusCode::PERMISSION_DENIED: return Code::permission_denied;
    case grpc::StatusCode::UNIMPLEMENTED: return Code::unimplemented;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED: return Code::unavailable;
    default: return Code::internal;
  }
}

// gRPC says "unavailable" for every reason a socket has; the kernel knows more.
Result<> probe(const std::string& path) {
  sockaddr_un addr{};
  addr.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof addr.sun_path)
    return fail(Code::invalid_argument, "--socket '{}': must have 1..{} characters", path,
                sizeof addr.sun_path - 1);
  std::memcpy(addr.sun_path, path.c_str(), path.size() + 1);
  const mizar::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(Code::internal, errno, "socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&addr), sizeof addr) == 0) return {};
  const int err = errno;
  if (err == EACCES || err == EPERM)
    return fail(Code::permission_denied,
                "no permission to use transitd at {}: run as root, or join the socket's group",
                path);
  return fail(Code::unavailable,
              "cannot reach transitd at {}: start it (systemctl start transitd) or name it with "
              "--socket",
              path);
}

}  // namespace

Failure Client::Rpc::error(const grpc::Status& status) const {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return fail(Code::unavailable,
                "transitd at {} did not answer within {} s: look at its log, or give it longer "
                "with --timeout",
                socket, timeout);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return fail(Code::unavailable, "lost transitd at {}: {}: look at its log", socket,
                status.error_message());
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
    return fail(Code::unimplemented, "transitd at {} does not know this call: it is of another "
                "version; compare transit status and transit --version", socket);
  return fail(code_of(status.error_code()), "{}", status.error_message());
}

Client::Client(std::unique_ptr<Rpc> rpc) : rpc_(std::move(rpc)) {}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::connect(const Context& ctx, const std::string& socket) {
  MZ_CHECK(probe(socket));
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  args.SetMaxSendMessageSize(-1);
  auto channel =
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), args);
  auto rpc = std::make_unique<Rpc>();
  rpc->stub = v1::Transit::NewStub(channel);
  rpc->socket = socket;
  rpc->timeout = ctx.timeout;
  return Client(std::move(rpc));
}

using Stub = v1::Transit::Stub;

Result<v1::ApplyReply> Client::call(const v1::ApplyRequest& r) {
  return rpc_->call(&Stub::Apply, r);
}
Result<v1::GoalState> Client::call(const v1::GetStateRequest& r) {
  return rpc_->call(&Stub::GetState, r);
}
Result<v1::DeleteReply> Client::call(const v1::DeleteRequest& r) {
  return rpc_->call(&Stub::Delete, r);
}
Result<v1::EndpointStatus> Client::call(const v1::AddEndpointRequest& r) {
  return rpc_->call(&Stub::AddEndpoint, r);
}
Result<v1::ListServicesReply> Client::call(const v1::ListServicesRequest& r) {
  return rpc_->call(&Stub::ListServices, r);
}
Result<v1::ListEndpointsReply> Client::call(const v1::ListEndpointsRequest& r) {
  return rpc_->call(&Stub::ListEndpoints, r);
}
Result<v1::Status> Client::call(const v1::GetStatusRequest& r) {
  return rpc_->call(&Stub::GetStatus, r);
}
Result<v1::Stats> Client::call(const v1::GetStatsRequest& r) {
  return rpc_->call(&Stub::GetStats, r);
}
Result<v1::ListFlowsReply> Client::call(const v1::ListFlowsRequest& r) {
  return rpc_->call(&Stub::ListFlows, r);
}
Result<v1::FlushFlowsReply> Client::call(const v1::FlushFlowsRequest& r) {
  return rpc_->call(&Stub::FlushFlows, r);
}
Result<v1::ListFlowsReply> Client::call(const v1::TopFlowsRequest& r) {
  return rpc_->call(&Stub::TopFlows, r);
}
Result<v1::FunctionStatus> Client::call(const v1::LoadFunctionRequest& r) {
  return rpc_->call(&Stub::LoadFunction, r);
}
Result<v1::ListGroupsReply> Client::call(const v1::ListGroupsRequest& r) {
  return rpc_->call(&Stub::ListGroups, r);
}
Result<v1::ListFunctionsReply> Client::call(const v1::ListFunctionsRequest& r) {
  return rpc_->call(&Stub::ListFunctions, r);
}
Result<v1::RemoveFunctionReply> Client::call(const v1::RemoveFunctionRequest& r) {
  return rpc_->call(&Stub::RemoveFunction, r);
}
Result<v1::ApplyReply> Client::call(const v1::ApplyPoliciesRequest& r) {
  return rpc_->call(&Stub::ApplyPolicies, r);
}
Result<v1::SetLabelsReply> Client::call(const v1::SetLabelsRequest& r) {
  return rpc_->call(&Stub::SetLabels, r);
}
Result<v1::SetQosReply> Client::call(const v1::SetQosRequest& r) {
  return rpc_->call(&Stub::SetQos, r);
}
Result<v1::QosStatus> Client::call(const v1::GetQosRequest& r) {
  return rpc_->call(&Stub::GetQos, r);
}
Result<v1::PolicyExplanation> Client::call(const v1::ExplainPolicyRequest& r) {
  return rpc_->call(&Stub::ExplainPolicy, r);
}
Result<v1::PolicyHits> Client::call(const v1::GetPolicyHitsRequest& r) {
  return rpc_->call(&Stub::GetPolicyHits, r);
}
Result<> Client::watch(const v1::WatchDenialsRequest& r, const std::function<bool(const v1::Denial&)>& each) {
  grpc::ClientContext context;
  const auto reader = rpc_->stub->WatchDenials(&context, r);
  v1::Denial d;
  while (reader->Read(&d)) {
    if (each(d)) continue;
    context.TryCancel();
    return {};
  }
  const auto status = reader->Finish();
  return status.ok() ? Result<>() : Result<>(rpc_->error(status));
}
Result<v1::TraceReply> Client::call(const v1::TraceRequest& r) {
  return rpc_->call(&Stub::Trace, r);
}
Result<v1::DoctorReply> Client::call(const v1::DoctorRequest& r) {
  return rpc_->call(&Stub::Doctor, r);
}
Result<v1::ReplaceProgramsReply> Client::call(const v1::ReplaceProgramsRequest& r) {
  return rpc_->call(&Stub::ReplacePrograms, r);
}

}  // namespace transit
