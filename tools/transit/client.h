// SPDX-License-Identifier: Apache-2.0
// Calls to a host's daemon. Each has a deadline and gives an Error that says
// what to do next.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tools/transit/context.h"
#include "userspace/proto/transit.pb.h"

namespace transit {

namespace v1 = mizar::v1;

// One connection. Not thread-safe.
class Client {
 public:
  // Errors: unavailable, nobody listens at `socket`; permission_denied.
  static Result<Client> connect(const Context& ctx, const std::string& socket);
  static Result<Client> connect(const Context& ctx) { return connect(ctx, ctx.socket); }
  Client(Client&&) noexcept;
  ~Client();

  // Errors: what the daemon answered; unavailable also when the deadline passed.
  Result<v1::ApplyReply> call(const v1::ApplyRequest& request);
  Result<v1::GoalState> call(const v1::GetStateRequest& request);
  Result<v1::DeleteReply> call(const v1::DeleteRequest& request);
  Result<v1::EndpointStatus> call(const v1::AddEndpointRequest& request);
  Result<v1::ListEndpointsReply> call(const v1::ListEndpointsRequest& request);
  Result<v1::ListServicesReply> call(const v1::ListServicesRequest& request);
  Result<v1::Status> call(const v1::GetStatusRequest& request);
  Result<v1::Stats> call(const v1::GetStatsRequest& request);
  Result<v1::ListFlowsReply> call(const v1::ListFlowsRequest& request);
  Result<v1::FlushFlowsReply> call(const v1::FlushFlowsRequest& request);
  Result<v1::ListFlowsReply> call(const v1::TopFlowsRequest& request);
  Result<v1::FunctionStatus> call(const v1::LoadFunctionRequest& request);
  Result<v1::ListFunctionsReply> call(const v1::ListFunctionsRequest& request);
  Result<v1::RemoveFunctionReply> call(const v1::RemoveFunctionRequest& request);
  Result<v1::ListGroupsReply> call(const v1::ListGroupsRequest& request);
  Result<v1::ApplyReply> call(const v1::ApplyPoliciesRequest& request);
  Result<v1::SetLabelsReply> call(const v1::SetLabelsRequest& request);
  Result<v1::SetQosReply> call(const v1::SetQosRequest& r);
  Result<v1::QosStatus> call(const v1::GetQosRequest& r);
  Result<v1::PolicyExplanation> call(const v1::ExplainPolicyRequest& request);
  Result<v1::PolicyHits> call(const v1::GetPolicyHitsRequest& request);
  // Calls back for each, until it returns false or the daemon stops. No deadline.
  Result<> watch(const v1::WatchDenialsRequest& request, const std::function<bool(const v1::Denial&)>& each);
  Result<v1::TraceReply> call(const v1::TraceRequest& request);
  Result<v1::DoctorReply> call(const v1::DoctorRequest& request);
  Result<v1::ReplaceProgramsReply> call(const v1::ReplaceProgramsRequest& request);

 private:
  struct Rpc;
  explicit Client(std::unique_ptr<Rpc> rpc);
  std::unique_ptr<Rpc> rpc_;
};

// Connects and makes one call: what most commands are.
template <class Request>
auto call(const Context& ctx, const Request& request)
    -> decltype(std::declval<Client&>().call(request)) {
  auto client = Client::connect(ctx);
  if (!client) return Failure(client.error());
  return client->call(request);
}

}  // namespace transit
