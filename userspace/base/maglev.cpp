// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/maglev.h"

#include <algorithm>
#include <array>

#include "bpf/abi/hash.h"

namespace mizar {

namespace {

// The largest primes below powers of two.
constexpr std::array<std::uint32_t, 9> kSizes = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521};
constexpr std::uint32_t kOffsetSalt = 0x6f666673, kSkipSalt = 0x736b6970;

// A backend's walk over the rows, in its own order.
struct Walker {
  std::uint32_t id, weight;
  std::uint32_t at, skip;
  std::uint64_t credit = 0;
};

}  // namespace

std::uint32_t maglev_size(std::size_t backends) {
  if (backends == 0) return 0;
  const auto fits = std::find_if(kSizes.begin(), kSizes.end(), [&](auto s) { return s >= backends * 100; });
  return fits == kSizes.end() ? kSizes.back() : *fits;
}

std::vector<std::uint32_t> maglev_table(std::vector<MaglevBackend> backends, std::uint32_t size) {
  std::erase_if(backends, [](const MaglevBackend& b) { return b.weight == 0; });
  if (backends.empty() || size < 2) return {};
  std::sort(backends.begin(), backends.end(), [](const MaglevBackend& a, const MaglevBackend& b) {
    return a.key != b.key ? a.key < b.key : a.id < b.id;
  });
  std::vector<Walker> walkers;
  std::uint64_t heaviest = 0;
  for (const MaglevBackend& b : backends) {
    walkers.push_back({b.id, b.weight, mz_mix32(b.key ^ kOffsetSalt) % size,
                       mz_mix32(b.key ^ kSkipSalt) % (size - 1) + 1});
    heaviest = std::max<std::uint64_t>(heaviest, b.weight);
  }
  std::vector<std::uint32_t> rows(size, 0);
  for (std::uint32_t filled = 0; filled < size;) {
    for (Walker& w : walkers) {
      w.credit += w.weight;
      if (w.credit < heaviest) continue;  // not every round is a light one's
      w.credit -= heaviest;
      while (rows[w.at] != 0) w.at = (w.at + w.skip) % size;
      rows[w.at] = w.id;
      if (++filled == size) break;
    }
  }
  return rows;
}

}  // namespace mizar
