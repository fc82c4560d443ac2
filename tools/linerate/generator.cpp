// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/generator.h"

#include <time.h>

#include <algorithm>
#include <cerrno>

namespace linerate {

namespace {
constexpr std::uint64_t kSpin = 100'000;  // ns: later than this a sleeper may wake
}

void Load::begin(mz_lr_sender& s) const {
  s.seq = 0;
  s.trial = trial;
  s.refused = 0;
  s.timed = time_every != 0;
  s.time_mask = time_every - 1;
  s.frames = frames;
  s.granted = 0;
  s.pace = {};
  if (rate == 0) return;
  s.pace.gap = static_cast<std::uint64_t>(kSecond / rate * (1 << MZ_LR_GAP_BITS));
  s.pace.most = static_cast<std::uint64_t>(std::max(2.0, rate * 1e-3));
}

double seconds_of(const Load& load, const mz_lr_pace& pace) {
  const double took = static_cast<double>(pace.last - pace.start) / kSecond;
  // The last frame's own gap is part of its time.
  return load.rate == 0 ? std::max(took, 1e-9) : std::max(took, static_cast<double>(load.frames) / load.rate);
}

std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

void wait_until(std::uint64_t ns) {
  if (ns > now_ns() + 2 * kSpin) {
    const std::uint64_t wake = ns - kSpin;
    const timespec t{static_cast<time_t>(wake / 1'000'000'000), static_cast<long>(wake % 1'000'000'000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
  }
  while (now_ns() < ns) {
  }
}

mizar::Failure refused(int err, const std::string& what) {
  using mizar::Code;
  if (err == EPERM || err == EACCES)
    return mizar::fail_errno(Code::permission_denied, err,
                             what + ": needs root (CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW)");
  return mizar::fail_errno(Code::failed_precondition, err, what);
}

}  // namespace linerate
