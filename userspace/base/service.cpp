// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/service.h"

#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace mizar {

namespace {

sigset_t stopping() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// The service manager's two protocols, as sd_notify(3) and sd_watchdog_enabled(3) have them. By
// libsystemd they would be a megabyte of memory: it brings five libraries for compressed journals.
void notify(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::size_t n = path ? std::strlen(path) : 0;
  if (n == 0 || n >= sizeof to.sun_path) return;
  std::memcpy(to.sun_path, path, n);
  if (path[0] == '@') to.sun_path[0] = 0;  // an abstract one
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + n);
  // Nobody there: nobody wanted to know.
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
}

std::uint64_t number_of(const char* variable) {
  const char* text = std::getenv(variable);
  std::uint64_t n = 0;
  if (text) std::from_chars(text, text + std::strlen(text), n);
  return n;
}

// 0: no watchdog, or it is another process's.
std::chrono::microseconds watchdog() {
  const std::uint64_t pid = number_of("WATCHDOG_PID");
  return std::chrono::microseconds(pid == 0 || pid == static_cast<std::uint64_t>(getpid()) ? number_of("WATCHDOG_USEC") : 0);
}

}  // namespace

void block_signals() {
  const sigset_t signals = stopping();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Result<> serve_until_stopped(EventLoop& loop) {
  const sigset_t signals = stopping();
  const UniqueFd stop(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!stop.valid()) return fail_errno(Code::internal, errno, "signals");
  MZ_CHECK(loop.watch(stop.get(), [&loop] { loop.stop(); }));
  const auto third = std::chrono::duration_cast<std::chrono::milliseconds>(watchdog() / 3);
  if (third.count() > 0) MZ_CHECK(loop.every(third, [] { notify("WATCHDOG=1"); }));
  notify("READY=1");
  loop.run();
  notify("STOPPING=1");
  return {};
}

}  // namespace mizar
