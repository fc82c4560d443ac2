// SPDX-License-Identifier: Apache-2.0
// When frames are due: a rate, kept by batches.
#pragma once

#include <algorithm>
#include <cstdint>

namespace linerate {

inline constexpr double kSecond = 1e9;  // ns

class Pacer {
 public:
  // Frames a second, 0: all at once. Times in ns of CLOCK_MONOTONIC.
  Pacer(double rate, std::uint64_t frames, std::uint64_t now) : rate_(rate), frames_(frames), start_(now) {
    // Large enough to be cheap, small enough to be no burst: 0.1 ms of the rate.
    batch_ = static_cast<std::uint64_t>(std::clamp(rate * 1e-4, 1.0, 64.0));
    behind_ = std::max<double>(static_cast<double>(batch_), rate * 1e-3);
  }

  // Frames to send now, at most `most`. Who was kept from sending for more than a millisecond does
  // not make up for it: that would be a burst, which the rate does not say.
  std::uint64_t due(std::uint64_t now, std::uint64_t sent, std::uint64_t most) {
    const std::uint64_t left = std::min(frames_ - sent, most);
    if (rate_ == 0) return left;
    double owed = (static_cast<double>(now) - start_) * rate_ / kSecond - static_cast<double>(sent);
    if (owed > behind_) {
      start_ += (owed - behind_) / rate_ * kSecond;
      owed = behind_;
    }
    if (owed < static_cast<double>(std::min(batch_, frames_ - sent))) return 0;
    return std::min(left, static_cast<std::uint64_t>(owed));
  }

  // When the next batch is due.
  [[nodiscard]] std::uint64_t next(std::uint64_t sent) const {
    return static_cast<std::uint64_t>(start_ + static_cast<double>(sent + std::min(batch_, frames_ - sent)) / rate_ * kSecond);
  }

 private:
  double rate_;
  std::uint64_t frames_;
  double start_;
  std::uint64_t batch_;
  double behind_;
};

}  // namespace linerate
