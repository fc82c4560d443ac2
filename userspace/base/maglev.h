// SPDX-License-Identifier: Apache-2.0
// Maglev hashing (D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network
// Load Balancer", NSDI 2016, 3.4), with weights: a table of `size` rows in which each
// backend has its share, and in which few rows change when a backend comes or goes.
#pragma once

#include <cstdint>
#include <vector>

namespace mizar {

struct MaglevBackend {
  std::uint32_t id = 0;      // what stands in the rows, not 0
  std::uint32_t key = 0;     // hash of what the backend is: the same on every host
  std::uint32_t weight = 1;  // 0: none of the rows
  bool operator==(const MaglevBackend&) const = default;
};

// Rows for that many backends: a prime, at least 100 for each, by which shares differ
// by 1 % at most (section 5.3); some three out of four numbers keep it when one more
// comes. 0 for none; the largest there is for more than it has room for.
std::uint32_t maglev_size(std::size_t backends);

// The rows: ids of backends; empty if no backend has a weight. The order of
// `backends` does not matter. `size` is a prime.
std::vector<std::uint32_t> maglev_table(std::vector<MaglevBackend> backends, std::uint32_t size);

}  // namespace mizar
