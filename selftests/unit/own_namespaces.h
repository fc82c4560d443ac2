// SPDX-License-Identifier: Apache-2.0
// For tests of links and addresses: the process moves into a network and a
// mount namespace of its own first, so nothing outlives it and the machine's
// links are never touched. Needs root; skips visibly without.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/net/netns.h"

namespace mizar::test {

class OwnNamespaces : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    // /run/netns may not exist: a tmpfs on /run hides the machine's own.
    ASSERT_EQ(::mount("none", "/run", "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(::mkdir("/run/netns", 0755), 0);
  }
};
[[maybe_unused]] const auto* const kOwnNamespaces =
    ::testing::AddGlobalTestEnvironment(new OwnNamespaces);

template <class T>
::testing::AssertionResult is_ok(const Result<T>& r) {
  if (r) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << r.error().what;
}
// The error's code; none on success, where error() must not be touched.
template <class T>
std::optional<Code> code(const Result<T>& r) {
  return r ? std::nullopt : std::optional(r.error().code);
}
#define ASSERT_OK(r) ASSERT_TRUE(is_ok(r))
#define EXPECT_OK(r) EXPECT_TRUE(is_ok(r))

template <class T>
T must(Result<T> r) {
  EXPECT_OK(r);
  return std::move(r.value());  // throws, and fails the test, when there is none
}

// A network namespace with a name, as `ip netns add` makes it.
inline net::NetnsRef make_ns(const std::string& name, const std::function<Result<>()>& inside = {}) {
  const std::string path = "/run/netns/" + name;
  UniqueFd file(::open(path.c_str(), O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444));
  EXPECT_TRUE(file.valid());
  EXPECT_OK(net::run_in(must(net::NetnsRef::current()), [&]() -> Result<> {
    if (::unshare(CLONE_NEWNET) != 0 ||
        ::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return fail_errno(Code::internal, errno, "make namespace " + name);
    return inside ? inside() : Result<>();
  }));
  return must(net::NetnsRef::open(name));
}

inline void remove_ns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  EXPECT_EQ(::umount2(path.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(::unlink(path.c_str()), 0);
}

}  // namespace mizar::test
