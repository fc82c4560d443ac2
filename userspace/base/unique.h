// SPDX-License-Identifier: Apache-2.0
// Who took a value first: the checks for duplicates and overlaps.
#pragma once

#include <map>
#include <string>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar {

// Values that only one object may have.
template <class Key>
class Unique {
 public:
  // Error: invalid_argument "10.0.0.5 is already that of endpoint a/web".
  Result<> claim(const Key& key, const std::string& owner, std::string_view shown) {
    const auto [at, fresh] = owners_.emplace(key, owner);
    if (fresh) return {};
    if (at->second == owner) return fail(Code::invalid_argument, "'{}' is given twice", shown);
    return fail(Code::invalid_argument, "{} is already that of {}", shown, at->second);
  }

 private:
  std::map<Key, std::string> owners_;
};

// Blocks of one VPC, none of which may overlap another.
class DisjointBlocks {
 public:
  Result<> claim(const Prefix& block, const std::string& owner) {
    // Disjoint blocks in order: only the neighbours can overlap a new one.
    const auto after = blocks_.lower_bound(block);
    if (after != blocks_.end() && block.overlaps(after->first)) return clash(block, *after);
    if (after != blocks_.begin() && block.overlaps(std::prev(after)->first))
      return clash(block, *std::prev(after));
    blocks_.emplace(block, owner);
    return {};
  }

 private:
  static Failure clash(const Prefix& block, const std::pair<const Prefix, std::string>& other) {
    return fail(Code::invalid_argument, "{} overlaps {} of {}", block.text(), other.first.text(),
                other.second);
  }
  std::map<Prefix, std::string> blocks_;
};

}  // namespace mizar
