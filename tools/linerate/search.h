// SPDX-License-Identifier: Apache-2.0
// RFC 2544's searches, as pure functions over a trial.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "tools/linerate/linerate_abi.h"
#include "userspace/base/result.h"

namespace linerate {

using mizar::Result;

// Latencies of a trial, by buckets 3 % wide.
struct Latency {
  std::uint64_t count = 0;
  std::uint64_t max = 0;  // ns, exact
  std::array<std::uint64_t, MZ_LR_BUCKETS> buckets{};

  void add(const Latency& more);
  // ns, the upper end of the bucket; 0 if nothing was timed. `share` 0..1.
  [[nodiscard]] std::uint64_t quantile(double share) const;
};

struct Outcome {
  double asked = 0;  // frames a second, 0: as fast as it goes
  double seconds = 0;
  std::uint64_t sent = 0, refused = 0;  // as in Sent
  std::uint64_t received = 0;           // once each
  std::uint64_t duplicates = 0, reordered = 0, late = 0, wrong_length = 0, corrupted = 0;
  bool interrupted = false;
  Latency latency = {};

  [[nodiscard]] std::uint64_t left() const { return sent - refused; }
  [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(left()) / seconds : 0; }
  [[nodiscard]] std::uint64_t lost() const { return left() > received ? left() - received : 0; }
  [[nodiscard]] double loss() const {
    return left() != 0 ? static_cast<double>(lost()) / static_cast<double>(left()) : 0;
  }
  // Nothing lost, and all of it as it was sent.
  [[nodiscard]] bool clean() const { return lost() == 0 && wrong_length == 0 && corrupted == 0; }
  // Else the generator is the limit, and nothing is said of the device under test.
  [[nodiscard]] bool generated() const { return rate() >= 0.99 * asked; }
};

// Why a search ended where it did.
enum class Limit { none, loss, generator };  // none: the highest rate passed

// Frames a second -> outcome. `full`: of full length; else as short as searching allows.
using TryRate = std::function<Result<Outcome>(double rate, bool full)>;

struct Throughput {
  double rate = 0;  // as it was asked for; 0: not even the lowest passed
  Limit limit = Limit::none;
  unsigned trials = 0;
  Outcome outcome;  // of the last full trial at that rate
};

// 26.1: the highest rate without loss, within `precision` (a share of `high`). Found by short trials, then
// held by `repeat` full ones; where those lose, the next lower rates are tried.
Result<Throughput> find_throughput(double high, double precision, unsigned repeat, const TryRate& try_rate);

// 26.3: at 100 %, 90 %, ... of `high`, until two in a row are without loss.
Result<std::vector<Outcome>> loss_curve(double high, const TryRate& try_rate);

// As many frames as fast as they go -> outcome.
using TryBurst = std::function<Result<Outcome>(std::uint64_t frames)>;

struct Burst {
  double frames = 0;  // mean of the repetitions
  bool all = false;   // each passed whole: the device's limit is beyond
};

// 26.4: the longest burst without loss, up to `most`, within 1 %.
Result<Burst> back_to_back(std::uint64_t most, unsigned repeat, const TryBurst& try_burst);

}  // namespace linerate
