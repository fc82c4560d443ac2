// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/service.h"

#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <csignal>

namespace mizar {

namespace {

sigset_t stopping() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
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
  std::uint64_t watchdog_us = 0;
  if (sd_watchdog_enabled(0, &watchdog_us) > 0)
    MZ_CHECK(loop.every(std::chrono::milliseconds(watchdog_us / 3000), [] { sd_notify(0, "WATCHDOG=1"); }));
  sd_notify(0, "READY=1");
  loop.run();
  sd_notify(0, "STOPPING=1");
  return {};
}

}  // namespace mizar
