// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/feed.h"

#include <grpcpp/grpcpp.h>

#include "userspace/base/log.h"
#include "userspace/proto/transit.grpc.pb.h"

namespace mizar::responder {

namespace {
constexpr auto kPeriod = std::chrono::seconds(1);
constexpr auto kLeast = std::chrono::milliseconds(100);  // between two questions
constexpr auto kPatience = std::chrono::seconds(5);
constexpr int kBackoffMs = 500;
}  // namespace

struct Feed::Rpc {
  std::unique_ptr<v1::Transit::Stub> stub;
};

Feed::Feed(EventLoop& loop, std::string target, Sink sink)
    : loop_(loop),
      sink_(std::move(sink)),
      target_(std::move(target)),
      rpc_(std::make_unique<Rpc>()) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(-1);
  // A daemon that restarts is back in no time; gRPC would wait for minutes. The least one is how long an attempt
  // may take, or a host with much to do would never answer in time.
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffMs);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMs);
  rpc_->stub = v1::Transit::NewStub(
      grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), args));
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Feed::~Feed() = default;

void Feed::hurry() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  wake_.notify_one();
}

void Feed::tell(v1::ReportHealthRequest verdicts) {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = std::move(verdicts);
    hurry_ = true;
  }
  wake_.notify_one();
}

void Feed::tell_waiting(const std::stop_token& stop) {
  std::optional<v1::ReportHealthRequest> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(waiting_);
  }
  if (!all) return;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const std::stop_callback give_up(stop, [&context] { context.TryCancel(); });
  v1::ReportHealthReply reply;
  const grpc::Status status = rpc_->stub->ReportHealth(&context, *all, &reply);
  const std::string problem = status.ok() ? "" : status.error_message();
  if (!problem.empty() && problem != tell_problem_) log::warning("transitd does not take verdicts: {}; told again", problem);
  tell_problem_ = problem;
  if (status.ok()) return;
  const std::lock_guard lock(mutex_);
  if (!waiting_) waiting_ = std::move(all);
}

void Feed::run(const std::stop_token& stop) {
  do {
    poll(stop);
    tell_waiting(stop);
  } while (wait(stop));
}

// Until the next question is due. False: the end.
bool Feed::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, kLeast, [] { return false; });
  wake_.wait_for(lock, stop, kPeriod - kLeast, [this] { return hurry_; });
  return !stop.stop_requested();
}

void Feed::report(const std::string& problem) {
  if (problem == problem_) return;
  if (problem.empty())
    log::info("transitd at {} answers", target_);
  else
    log::warning("transitd at {}: {}; what was known stands", target_, problem);
  problem_ = problem;
}

void Feed::poll(const std::stop_token& stop) {
  bool hurried = false;
  {
    const std::lock_guard lock(mutex_);
    hurried = std::exchange(hurry_, false);
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  const std::stop_callback give_up(stop, [&context] { context.TryCancel(); });
  v1::GetLocalRequest request;
  request.set_generation(generation_);
  v1::GetLocalReply reply;
  const grpc::Status status = rpc_->stub->GetLocal(&context, request, &reply);
  if (stop.stop_requested()) return;
  report(status.ok() ? "" : status.error_message());
  if (status.ok() && reply.generation() != generation_) return take(reply);
  if (hurried) loop_.post([this] { sink_(nullptr); });
}

void Feed::take(const v1::GetLocalReply& reply) {
  generation_ = reply.generation();
  auto snapshot = Snapshot::from(reply);
  if (!snapshot) {
    log::error("what transitd knows cannot be read: {}", snapshot.error().what);
    return;
  }
  loop_.post([this, s = std::move(*snapshot)] { sink_(s); });
}

}  // namespace mizar::responder
