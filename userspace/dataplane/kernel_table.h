// SPDX-License-Identifier: Apache-2.0
// A Table that is a BPF map.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "userspace/base/bytes.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

template <class K, class V>
class KernelTable final : public Table<K, V> {
 public:
  // Borrows `fd`, which must outlive it or be replaced with a new bind().
  void bind(int fd, std::string name, std::uint32_t capacity, bool array) {
    fd_ = fd;
    name_ = std::move(name);
    capacity_ = capacity;
    array_ = array;
  }

  Result<> put(const K& key, const V& value) override {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) == 0) return {};
    return error("update", errno);
  }

  Result<> erase(const K& key) override {
    if (array_) return put(key, V{});
    if (bpf_map_delete_elem(fd_, &key) == 0) return {};
    return error("delete", errno);
  }

  std::optional<V> get(const K& key) const override {
    V v;
    if (bpf_map_lookup_elem(fd_, &key, &v) != 0) return std::nullopt;
    return v;
  }

  // Thousands of entries a system call; one by one where the kernel cannot.
  Result<std::vector<std::pair<K, V>>> entries() const override {
    std::vector<std::pair<K, V>> all;
    if (auto rc = read_batches(all); rc) return all;
    all.clear();
    return read_one_by_one();
  }

  std::uint32_t capacity() const override { return capacity_; }

 private:
  Result<> read_batches(std::vector<std::pair<K, V>>& all) const {
    std::vector<K> keys(kBatch);
    std::vector<V> values(kBatch);
    // Opaque position: a bucket number for hashes, an index for arrays.
    std::uint64_t at[4] = {};
    bool first = true;
    for (;;) {
      __u32 n = kBatch;
      const int rc = bpf_map_lookup_batch(fd_, first ? nullptr : at, at, keys.data(), values.data(), &n, nullptr);
      if (rc != 0 && errno != ENOENT) return error("list", errno);
      const bool last = rc != 0;
      for (__u32 i = 0; i < n; i++)
        if (!(array_ && same_bytes(values[i], V{}))) all.emplace_back(keys[i], values[i]);
      if (last) return {};
      first = false;
    }
  }

  Result<std::vector<std::pair<K, V>>> read_one_by_one() const {
    std::vector<std::pair<K, V>> all;
    K key, next;
    const K* prev = nullptr;
    V v;
    while (bpf_map_get_next_key(fd_, prev, &next) == 0) {
      if (bpf_map_lookup_elem(fd_, &next, &v) == 0 && !(array_ && same_bytes(v, V{})))
        all.emplace_back(next, v);
      key = next;
      prev = &key;
    }
    if (errno != ENOENT) return error("list", errno);
    return all;
  }

  Failure error(const char* what, int err) const {
    const Code code = err == E2BIG || err == ENOSPC || err == ENOMEM ? Code::resource_exhausted
                      : err == ENOENT                                ? Code::not_found
                                                                     : Code::internal;
    return fail_errno(code, err, fmt::format("table {}: {}", name_, what));
  }

  static constexpr __u32 kBatch = 8192;

  int fd_ = -1;
  std::string name_;
  std::uint32_t capacity_ = 0;
  bool array_ = false;
};

}  // namespace mizar
