// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/search.h"

#include <algorithm>
#include <cmath>

namespace linerate {

void Latency::add(const Latency& more) {
  count += more.count;
  max = std::max(max, more.max);
  for (std::size_t i = 0; i < buckets.size(); i++) buckets[i] += more.buckets[i];
}

namespace {

// The last value that mz_lr_bucket() puts there.
std::uint64_t bucket_end(std::uint32_t bucket) {
  if (bucket < 64) return bucket;
  const std::uint32_t shift = bucket / 32 - 1;
  return ((std::uint64_t{bucket} - shift * 32 + 1) << shift) - 1;
}

}  // namespace

std::uint64_t Latency::quantile(double share) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
  std::uint64_t below = 0;
  for (std::uint32_t i = 0; i < MZ_LR_BUCKETS; i++) {
    below += buckets[i];
    if (below >= rank && below != 0) return std::min(bucket_end(i), max);
  }
  return max;
}

namespace {

// Rates between what passed and what did not.
class RateSearch {
 public:
  RateSearch(double high, double precision, const TryRate& try_rate)
      : try_(try_rate), high_(high), precision_(precision) {}

  Result<bool> holds(double rate, unsigned repeat) {
    for (unsigned i = 0; i < repeat; i++) {
      auto rc = passes(rate, true);
      if (!rc || !*rc) return rc;
    }
    return true;
  }

  // Whether the rate passes; remembers why not.
  Result<bool> passes(double rate, bool full) {
    auto o = try_(rate, full);
    if (!o) return tl::unexpected(o.error());
    found_.trials++;
    if (o->interrupted) return mizar::fail(mizar::Code::internal, "interrupted");
    if (o->clean() && o->generated()) {
      if (full) found_.outcome = *o;
      low_ = rate;
      return true;
    }
    found_.limit = o->generated() ? Limit::loss : Limit::generator;
    high_ = rate;
    // What the generator did not reach needs no trial.
    if (!o->generated()) high_ = std::min(rate, std::max(low_, o->rate()));
    return false;
  }

  Result<> search() {
    auto top = passes(high_, false);
    if (!top) return tl::unexpected(top.error());
    step_ = precision_ * high_;  // where the line is far beyond the generator
    while (!*top && high_ - low_ > step_) {
      auto rc = passes((low_ + high_) / 2, false);
      if (!rc) return tl::unexpected(rc.error());
    }
    return {};
  }

  // What passed for a moment has to pass for the full length, else some lower rate.
  Result<Throughput> hold(unsigned repeat) {
    double good = low_, bad = 0;
    for (double down = step_; good > 0; down *= 2) {
      auto rc = holds(good, repeat);
      if (!rc) return tl::unexpected(rc.error());
      if (*rc) break;
      bad = good;
      good = std::max(0.0, good - down);
    }
    while (good > 0 && bad - good > step_) {
      const double middle = (good + bad) / 2;
      auto rc = holds(middle, repeat);
      if (!rc) return tl::unexpected(rc.error());
      (*rc ? good : bad) = middle;
    }
    found_.rate = good;
    return found_;
  }

 private:
  const TryRate& try_;
  double low_ = 0, high_, precision_, step_ = 0;
  Throughput found_;
};

}  // namespace

Result<Throughput> find_throughput(double high, double precision, unsigned repeat, const TryRate& try_rate) {
  RateSearch s(high, precision, try_rate);
  MZ_CHECK(s.search());
  return s.hold(repeat);
}

Result<std::vector<Outcome>> loss_curve(double high, const TryRate& try_rate) {
  std::vector<Outcome> out;
  unsigned clean = 0;
  for (unsigned tenths = 10; tenths > 0 && clean < 2; tenths--) {
    auto o = try_rate(high * tenths / 10, true);
    if (!o) return tl::unexpected(o.error());
    if (o->interrupted) return mizar::fail(mizar::Code::internal, "interrupted");
    clean = o->lost() == 0 ? clean + 1 : 0;
    out.push_back(std::move(*o));
  }
  return out;
}

namespace {

Result<std::uint64_t> longest_burst(std::uint64_t most, const TryBurst& try_burst) {
  std::uint64_t low = 0, high = most + 1;
  for (std::uint64_t n = most; high - low > std::max<std::uint64_t>(1, high / 100);
       n = low + (high - low) / 2) {
    auto o = try_burst(n);
    if (!o) return tl::unexpected(o.error());
    if (o->interrupted) return mizar::fail(mizar::Code::internal, "interrupted");
    // What the interface refused was no burst.
    (o->clean() && o->refused == 0 ? low : high) = n;
    if (low == most) break;
  }
  return low;
}

}  // namespace

Result<Burst> back_to_back(std::uint64_t most, unsigned repeat, const TryBurst& try_burst) {
  Burst out;
  out.all = true;
  for (unsigned i = 0; i < repeat; i++) {
    auto n = longest_burst(most, try_burst);
    if (!n) return tl::unexpected(n.error());
    out.frames += static_cast<double>(*n) / repeat;
    out.all = out.all && *n == most;
  }
  return out;
}

}  // namespace linerate
