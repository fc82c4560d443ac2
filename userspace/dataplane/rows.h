// SPDX-License-Identifier: Apache-2.0
// A table's rows as this process knows them: read once, then written where what is
// wanted is other. The known ones follow every write, so that after an error they say
// what stands.
#pragma once

#include <map>

#include "userspace/base/bytes.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

template <class K, class V>
using Rows = std::map<K, V, ByBytes>;

struct RowChanges {
  std::uint32_t added = 0, changed = 0, removed = 0;
};

template <class K, class V>
Result<> read_rows(const Table<K, V>& table, Rows<K, V>& known) {
  auto all = table.entries();
  if (!all) return tl::unexpected(all.error());
  known.clear();
  for (const auto& [k, v] : *all) known.emplace(k, v);
  return {};
}

// Writes what is new or other; counts in `n`. Error: as Table::put().
template <class K, class V>
Result<> put_rows(Table<K, V>& table, Rows<K, V>& known, const Rows<K, V>& want, RowChanges& n) {
  for (const auto& [key, value] : want) {
    const auto found = known.find(key);
    if (found != known.end() && same_bytes(found->second, value)) continue;
    MZ_CHECK(table.put(key, value));
    found == known.end() ? n.added++ : n.changed++;
    known.insert_or_assign(key, value);
  }
  return {};
}

template <class K, class V>
Result<> put_rows(Table<K, V>& table, Rows<K, V>& known, const Rows<K, V>& want) {
  RowChanges uncounted;
  return put_rows(table, known, want, uncounted);
}

// Removes what is not wanted; a row that has gone already is no error.
template <class K, class V, class Wanted>
Result<> erase_rows(Table<K, V>& table, Rows<K, V>& known, const Wanted& want, RowChanges& n) {
  for (auto at = known.begin(); at != known.end();) {
    if (want.contains(at->first)) {
      ++at;
      continue;
    }
    if (auto rc = table.erase(at->first); !rc && rc.error().code != Code::not_found) return rc;
    n.removed++;
    at = known.erase(at);
  }
  return {};
}

template <class K, class V, class Wanted>
Result<> erase_rows(Table<K, V>& table, Rows<K, V>& known, const Wanted& want) {
  RowChanges uncounted;
  return erase_rows(table, known, want, uncounted);
}

}  // namespace mizar
