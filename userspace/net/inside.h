// SPDX-License-Identifier: Apache-2.0
// A thread that stays in a network namespace, for who has to make sockets there after it
// has given up the right to enter.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "userspace/net/netns.h"

namespace mizar::net {

class Inside {
 public:
  // Errors: permission_denied (setns), resource_exhausted.
  static Result<std::unique_ptr<Inside>> enter(const NetnsRef& ns);
  ~Inside();

  // Runs `step` there and waits for it. What it opens stays bound to the namespace.
  Result<> run(const std::function<Result<>()>& step);

 private:
  Inside() = default;
  void serve(const std::stop_token& stop);

  std::mutex mutex_;  // guards all below
  std::condition_variable_any wake_;
  const std::function<Result<>()>* step_ = nullptr;
  Result<> out_;
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace mizar::net
