// SPDX-License-Identifier: Apache-2.0
// What must survive the daemon: a few keys and their bytes. Implementations:
// LMDB on disk, and memory for tests. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "userspace/base/result.h"

namespace mizar {

class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(const std::string& key) = 0;
  // Durable when it returns; a crash leaves the old value or the new one.
  virtual Result<> put(const std::string& key, const std::string& value) = 0;
};

// An LMDB environment in `directory`, made with mode 0700 if absent.
// Errors: failed_precondition (cannot be made or opened, names it).
Result<std::unique_ptr<Store>> open_lmdb_store(const std::string& directory);

std::unique_ptr<Store> make_memory_store();

}  // namespace mizar
