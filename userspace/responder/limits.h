// SPDX-License-Identifier: Apache-2.0
// How much one client may ask: a token bucket for each slot that asked lately.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>

namespace mizar::responder {

class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  // `rate` a second, `burst` at once. A rate of 0 limits nothing.
  RateLimit(double rate, double burst) : rate_(rate), burst_(burst) {}

  bool take(std::uint32_t slot, Clock::time_point now) {
    if (rate_ <= 0) return true;
    const auto [at, fresh] = buckets_.try_emplace(slot, Bucket{burst_, now});
    Bucket& b = at->second;
    if (!fresh) b.tokens = filled(b, now);
    b.at = now;
    if (b.tokens < 1) return false;
    b.tokens -= 1;
    return true;
  }
  // Forgets who has been quiet long enough to have a full bucket.
  void expire(Clock::time_point now) {
    std::erase_if(buckets_, [&](const auto& b) { return filled(b.second, now) >= burst_; });
  }
  [[nodiscard]] std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens;
    Clock::time_point at;
  };
  [[nodiscard]] double filled(const Bucket& b, Clock::time_point now) const {
    return std::min(burst_, b.tokens + rate_ * std::chrono::duration<double>(now - b.at).count());
  }
  double rate_, burst_;
  std::map<std::uint32_t, Bucket> buckets_;
};

}  // namespace mizar::responder
