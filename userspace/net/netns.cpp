// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "userspace/net/inside.h"
#include "userspace/net/wire.h"

namespace mizar::net {

Result<NetnsRef> NetnsRef::open_path(const std::string& path, const std::string& shown) {
  // O_NONBLOCK: a path that turns out to be a FIFO must not hang the daemon.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid())
    return fail_errno(wire::code_of(errno), errno, fmt::format("network namespace '{}'", shown));
  // A name whose bind mount is gone is a plain empty file: without this check
  // the failure would show up later, as an EINVAL of setns().
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
    return fail(Code::invalid_argument, "network namespace '{}': {} is not one", shown, path);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0)
    return fail_errno(Code::internal, errno, fmt::format("network namespace '{}'", shown));
  return NetnsRef(std::move(fd), st.st_ino);
}

Result<NetnsRef> NetnsRef::open(const std::string& name_or_path) {
  if (name_or_path.starts_with('/')) return open_path(name_or_path, name_or_path);
  if (name_or_path.empty() || name_or_path == "." || name_or_path == ".." ||
      name_or_path.find('/') != std::string::npos)
    return fail(Code::invalid_argument,
                "network namespace '{}': neither a name nor an absolute path", name_or_path);
  return open_path("/run/netns/" + name_or_path, name_or_path);
}

Result<NetnsRef> NetnsRef::current() { return open_path("/proc/thread-self/ns/net", "current"); }

Result<> run_in(const NetnsRef& ns, const std::function<Result<>()>& step) {
  auto inside = Inside::enter(ns);
  return inside ? (*inside)->run(step) : tl::unexpected(inside.error());
}

}  // namespace mizar::net
