// SPDX-License-Identifier: Apache-2.0
// The lines of bpf/abi/homes.h, as the endpoints table's only writer keeps them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "bpf/abi/tables.h"
#include "userspace/base/bytes.h"

namespace mizar {

// Lines for as many endpoints: a power of two, one for three to six of them, a page of them at least.
std::uint32_t home_lines(std::uint32_t endpoints);
// mz_cfg::home_shift of as many lines.
std::uint32_t home_shift(std::uint32_t lines);

class Homes {
 public:
  using Entries = std::vector<std::pair<mz_ep_key, mz_endpoint>>;

  // Borrows the lines, which packets read meanwhile: home_lines() of them. Makes them those of
  // `entries`, whatever an earlier run has left.
  void bind(std::span<mz_home_line> lines, const Entries& entries);

  // When the endpoints table has it already.
  void put(const mz_ep_key& k, const mz_endpoint& e);
  // While the endpoints table still has it.
  void erase(const mz_ep_key& k);

 private:
  using Waiting = std::map<std::uint64_t, std::uint32_t>;  // key -> home, or kNoHome

  [[nodiscard]] std::uint32_t row_of(std::uint64_t key) const { return mz_home_row(key, shift_); }
  void put_home(std::uint64_t key, std::uint32_t home);
  void set_more(std::uint32_t row);

  std::span<mz_home_line> lines_;
  std::uint32_t shift_ = 0;
  std::map<std::uint32_t, Waiting> waiting_;  // by row: those their line has no room for
};

}  // namespace mizar
