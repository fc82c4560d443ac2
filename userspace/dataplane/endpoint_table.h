// SPDX-License-Identifier: Apache-2.0
// The endpoints table of the kernel, and the lines by which packets find most of it. One thread
// at a time writes.
#pragma once

#include "userspace/dataplane/homes.h"
#include "userspace/dataplane/kernel_table.h"

namespace mizar {

class EndpointTable final : public Table<mz_ep_key, mz_endpoint> {
 public:
  using Key = mz_ep_key;
  using Value = mz_endpoint;

  EndpointTable() = default;
  EndpointTable(const EndpointTable&) = delete;
  EndpointTable& operator=(const EndpointTable&) = delete;
  ~EndpointTable() override;

  // Borrows the maps' descriptors, as KernelTable. Lines that are the same map as before stay as
  // they are; others become those of what is in the table. Error: internal.
  Result<> bind(int fd, std::uint32_t capacity, int lines_fd, std::uint32_t lines);

  Result<> put(const Key& key, const Value& value) override;
  Result<> erase(const Key& key) override;
  std::optional<Value> get(const Key& key) const override { return table_.get(key); }
  Result<std::vector<std::pair<Key, Value>>> entries() const override { return table_.entries(); }
  Result<std::vector<std::pair<Key, Value>>> next(TablePosition& from) const override { return table_.next(from); }
  std::uint32_t capacity() const override { return table_.capacity(); }

 private:
  void unmap();

  KernelTable<Key, Value> table_;
  Homes homes_;
  std::span<mz_home_line> lines_;
  std::uint32_t lines_id_ = 0;  // of the map that is mapped
};

}  // namespace mizar
