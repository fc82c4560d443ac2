// SPDX-License-Identifier: Apache-2.0
// Keeps asking transitd for the endpoints, from a thread of its own: a daemon
// that hangs does not keep anybody's answer waiting.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "userspace/base/event_loop.h"
#include "userspace/responder/snapshot.h"

namespace mizar::responder {

class Feed {
 public:
  // On the loop's thread: a new snapshot; or nullptr when hurry() brought none.
  using Sink = std::function<void(std::shared_ptr<const Snapshot>)>;

  // `target` as gRPC names it: "unix:/run/transitd/local.sock".
  Feed(EventLoop& loop, std::string target, Sink sink);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // How backends are: told to transitd soon, and until it took it or there is newer.
  // Thread-safe.
  void tell(v1::ReportHealthRequest verdicts);
  // Somebody unknown asked: look again at once, unless that was just done.
  // Thread-safe.
  void hurry();

 private:
  struct Rpc;
  void run(const std::stop_token& stop);
  void poll(const std::stop_token& stop);
  void take(const v1::GetLocalReply& reply);
  void tell_waiting(const std::stop_token& stop);
  void report(const std::string& problem);
  bool wait(const std::stop_token& stop);

  EventLoop& loop_;
  Sink sink_;
  std::string target_;
  std::unique_ptr<Rpc> rpc_;
  std::uint64_t generation_ = 0;
  std::string problem_, tell_problem_;  // last logged
  std::mutex mutex_;     // guards hurry_ and waiting_
  std::condition_variable_any wake_;
  bool hurry_ = false;
  std::optional<v1::ReportHealthRequest> waiting_;
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace mizar::responder
