// SPDX-License-Identifier: Apache-2.0
// The gRPC service on a Unix socket. Handlers decode nothing and decide
// nothing: they post into the daemon's loop and translate the answer.
#pragma once

#include <memory>
#include <string>

#include "userspace/base/event_loop.h"
#include "userspace/transitd/daemon.h"

namespace grpc {
class Service;
}

namespace mizar {

class Server {
 public:
  virtual ~Server() = default;  // stops serving; running calls get UNAVAILABLE
};

// Listens on `socket_path` (mode 0660, owned by root and `group` if that
// exists) and serves callers that are root or members of `group`; the kernel
// vouches for them (SO_PEERCRED). Others are hung up on.
// Errors: failed_precondition (the socket cannot be made).
Result<std::unique_ptr<Server>> serve_at(EventLoop& loop, std::unique_ptr<grpc::Service> service,
                                         const std::string& socket_path, const std::string& group);

// The daemon's service there.
Result<std::unique_ptr<Server>> serve(EventLoop& loop, Daemon& daemon,
                                      const std::string& socket_path, const std::string& group);

// The same for processes that only have to know the endpoints and say how backends are:
// GetLocal and ReportHealth are all they may call, so whoever takes one of them over can
// take backends in and out where health is asked for, and change nothing else.
Result<std::unique_ptr<Server>> serve_local(EventLoop& loop, Daemon& daemon,
                                            const std::string& socket_path,
                                            const std::string& group);

}  // namespace mizar
