// SPDX-License-Identifier: Apache-2.0
// Network namespaces: handles on them, and running a step inside one without
// the calling thread ever leaving its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace mizar::net {

// An open handle to a network namespace; keeps it alive. Move-only; const use
// from several threads is safe.
class NetnsRef {
 public:
  // "NAME" means /run/netns/NAME, an absolute path is taken as is.
  // Errors: not_found, invalid_argument (bad name, or no network namespace),
  // permission_denied.
  static Result<NetnsRef> open(const std::string& name_or_path);
  // The namespace of the calling thread.
  static Result<NetnsRef> current();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Identity: two handles with the same inode are the same namespace. The
  // kernel reuses an inode only after the last handle on it is closed.
  [[nodiscard]] std::uint64_t inode() const { return inode_; }

 private:
  NetnsRef(UniqueFd fd, std::uint64_t inode) : fd_(std::move(fd)), inode_(inode) {}
  static Result<NetnsRef> open_path(const std::string& path, const std::string& shown);

  UniqueFd fd_;
  std::uint64_t inode_ = 0;
};

// Runs `step` inside `ns` on a thread of its own that ends before this
// returns: about 50 us. `step` must not throw; what it opens (sockets,
// /dev/net/tun) stays bound to `ns`.
// Errors: those of `step`; permission_denied (setns), resource_exhausted.
Result<> run_in(const NetnsRef& ns, const std::function<Result<>()>& step);

}  // namespace mizar::net
