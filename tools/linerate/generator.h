// SPDX-License-Identifier: Apache-2.0
// One sender: a stream of frames from one CPU out of one interface.
#pragma once

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tools/linerate/frame.h"
#include "userspace/base/result.h"

namespace linerate {

using mizar::Result;

struct Load {
  double rate = 0;  // frames a second, 0: as fast as it goes
  std::uint64_t frames = 0;
  std::uint32_t trial = 0;
  std::uint32_t time_every = 0;  // one frame in so many is timed, a power of two; 0: none

  // Where the sender begins; `seed` goes on.
  void begin(mz_lr_sender& s) const;
};

struct Sent {
  std::uint64_t frames = 0;   // handed to the interface
  std::uint64_t refused = 0;  // of them: which it did not take, so that they were never on the wire
  double seconds = 0;
};

// Not thread-safe: made on one thread, used on one.
class Generator {
 public:
  virtual ~Generator() = default;
  // Sequence numbers begin with 0. The calling thread is on the CPU that is to send.
  virtual Result<Sent> send(const Load& load, const std::atomic<bool>& stop) = 0;
  // From another thread: whether send() waits for kWake to its thread, as all is sent.
  [[nodiscard]] virtual bool waits() const { return false; }
};
inline constexpr int kWake = SIGUSR1;

enum class Kind { live, afxdp };

// `queue`: afxdp's; live frames take the CPU's.
// Errors: not_found, permission_denied, failed_precondition (the driver cannot), invalid_argument (the frame
// is too long for this kind).
Result<std::unique_ptr<Generator>> make_live(const std::string& interface, const Frame& frame);
Result<std::unique_ptr<Generator>> make_afxdp(const std::string& interface, unsigned queue,
                                              const Frame& frame);

inline constexpr double kSecond = 1e9;  // ns
std::uint64_t now_ns();                 // CLOCK_MONOTONIC
// Of frames that were paced so.
double seconds_of(const Load& load, const mz_lr_pace& pace);
// Waits until then: sleeps while there is time, then spins.
void wait_until(std::uint64_t ns);

// An errno of bpf(2) or of a socket, in a line.
mizar::Failure refused(int err, const std::string& what);

}  // namespace linerate
