// SPDX-License-Identifier: Apache-2.0
// A Table that is a BPF map.
#pragma once

#include <bpf/bpf.h>

#include <algorithm>
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
    TablePosition at;
    while (!at.end) {
      auto some = next(at);
      if (!some) return read_one_by_one();
      all.insert(all.end(), some->begin(), some->end());
    }
    return all;
  }

  // The position is a bucket number of hashes, an index of arrays.
  Result<std::vector<std::pair<K, V>>> next(TablePosition& from) const override {
    std::vector<K> keys(kBatch);
    std::vector<V> values(kBatch);
    __u32 n = kBatch;
    auto* at = from.at.data();
    const int rc =
        bpf_map_lookup_batch(fd_, from.begun ? at : nullptr, at, keys.data(), values.data(), &n, nullptr);
    if (rc != 0 && errno != ENOENT) return error("list", errno);
    from.begun = true;
    from.end = rc != 0;
    std::vector<std::pair<K, V>> some;
    some.reserve(n);
    for (__u32 i = 0; i < n; i++)
      if (!(array_ && same_bytes(values[i], V{}))) some.emplace_back(keys[i], values[i]);
    return some;
  }

  std::uint32_t capacity() const override { return capacity_; }

 private:
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

  // A megabyte at most, which is cleared for every walk. A hash's bucket has to fit.
  static constexpr __u32 kBatch = std::clamp<__u32>((1 << 20) / (sizeof(K) + sizeof(V)), 256, 8192);

  int fd_ = -1;
  std::string name_;
  std::uint32_t capacity_ = 0;
  bool array_ = false;
};

}  // namespace mizar
