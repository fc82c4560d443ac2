// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/endpoint_table.h"

#include <sys/mman.h>

namespace mizar {

EndpointTable::~EndpointTable() { unmap(); }

void EndpointTable::unmap() {
  if (!lines_.empty()) ::munmap(lines_.data(), lines_.size_bytes());
  lines_ = {};
}

Result<> EndpointTable::bind(int fd, std::uint32_t capacity, int lines_fd, std::uint32_t lines) {
  table_.bind(fd, "mz_endpoints", capacity, false);
  bpf_map_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(lines_fd, &info, &size) != 0) return fail_errno(Code::internal, errno, "table mz_homes");
  if (info.id == lines_id_) return {};
  auto standing = table_.entries();
  if (!standing) return tl::unexpected(standing.error());
  void* at = ::mmap(nullptr, lines * sizeof(mz_home_line), PROT_READ | PROT_WRITE, MAP_SHARED, lines_fd, 0);
  if (at == MAP_FAILED) return fail_errno(Code::internal, errno, "table mz_homes: map it");
  unmap();
  lines_ = {static_cast<mz_home_line*>(at), lines};
  lines_id_ = info.id;
  homes_.bind(lines_, *standing);
  return {};
}

// In the table first: a line that has no room for it sends packets there.
Result<> EndpointTable::put(const Key& key, const Value& value) {
  MZ_CHECK(table_.put(key, value));
  homes_.put(key, value);
  return {};
}

Result<> EndpointTable::erase(const Key& key) {
  homes_.erase(key);
  return table_.erase(key);
}

}  // namespace mizar
