// SPDX-License-Identifier: Apache-2.0
// One thread's loop: file descriptors, timers, and work other threads hand it.
// A module that lives in a loop needs no locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mizar {

class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> create();

  enum class For { reading, writing };
  // Calls `ready` whenever `fd` is readable, or takes bytes, or has failed. The
  // loop does not own `fd`. Watched again, it is watched for that alone.
  Result<> watch(int fd, std::function<void()> ready, For what = For::reading);
  void unwatch(int fd);
  // Calls `tick` every `period`, first after one period, for ever.
  Result<> every(std::chrono::milliseconds period, std::function<void()> tick);

  // Runs `work` on the loop's thread, soon. Thread-safe.
  void post(std::function<void()> work);
  void run();   // until stop()
  void stop();  // thread-safe
  // In place of run() that has ended: waits for something posted, and does it.
  void run_posted();

 private:
  EventLoop() = default;
  void drain();

  UniqueFd epoll_;
  UniqueFd wake_;
  std::vector<UniqueFd> timers_;
  struct Watch {
    std::uint32_t serial;  // of this call of watch(): its number may be another file's soon
    std::function<void()> ready;
  };
  std::map<int, Watch> watches_;
  std::uint32_t last_serial_ = 0;
  std::mutex mutex_;  // guards posted_ and stopped_
  std::vector<std::function<void()>> posted_;
  bool stopped_ = false;
};

}  // namespace mizar
