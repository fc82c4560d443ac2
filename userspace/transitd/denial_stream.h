// SPDX-License-Identifier: Apache-2.0
// One caller of WatchDenials. Everything but gRPC's own calls runs in the daemon's loop.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <mutex>

#include "userspace/base/event_loop.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

// Deletes itself when gRPC is done with it. A caller who reads slowly loses the oldest.
class DenialStream final : public grpc::ServerWriteReactor<v1::Denial> {
 public:
  DenialStream(EventLoop& loop, Daemon& daemon, const std::string& vpc) : loop_(loop), daemon_(daemon) {
    loop_.post([this, vpc] { watch_ = daemon_.watch_denials(vpc, [this](const v1::Denial& d) { push(d); }); });
  }

  // Not ok: the caller has gone, and OnCancel() comes.
  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.pop_front();
      if (!ended_) {
        if (!ok)
          waiting_.clear();
        else if (!waiting_.empty())
          StartWrite(&waiting_.front());
        return;
      }
    }
    Finish(grpc::Status::CANCELLED);
  }
  // The caller has gone, or the daemon stops.
  void OnCancel() override {
    loop_.post([this] {
      daemon_.stop_watching(watch_);
      if (end()) Finish(grpc::Status::CANCELLED);
    });
  }
  void OnDone() override { delete this; }

 private:
  static constexpr std::size_t kWaiting = 1024;

  // Nothing is begun any more. Whether nothing is being written: else OnWriteDone() finishes.
  bool end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    return waiting_.empty();
  }
  void push(const v1::Denial& d) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaiting) waiting_.erase(waiting_.begin() + 1);  // the first is being written
    waiting_.push_back(d);
    if (waiting_.size() == 1) StartWrite(&waiting_.front());
  }

  EventLoop& loop_;
  Daemon& daemon_;
  std::uint64_t watch_ = 0;
  std::mutex mutex_;  // not held over Finish(), after which this may be gone
  bool ended_ = false;
  std::deque<v1::Denial> waiting_;  // its front is gRPC's until OnWriteDone()
};

}  // namespace mizar
