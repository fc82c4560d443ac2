// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/store.h"

#include <lmdb.h>

#include <filesystem>

namespace mizar {

namespace {

struct EnvClose {
  void operator()(MDB_env* e) const { mdb_env_close(e); }
};
struct TxnAbort {
  void operator()(MDB_txn* t) const { mdb_txn_abort(t); }
};
using Env = std::unique_ptr<MDB_env, EnvClose>;
using Txn = std::unique_ptr<MDB_txn, TxnAbort>;

// The file grows only as it is used; this is address space.
constexpr size_t kMapSize = size_t{4} << 30;

Failure lmdb_error(int rc, const std::string& what) {
  const Code code = rc == MDB_MAP_FULL || rc == ENOSPC ? Code::resource_exhausted : Code::internal;
  return fail(code, "{}: {}", what, mdb_strerror(rc));
}

MDB_val view(const std::string& s) { return {s.size(), const_cast<char*>(s.data())}; }

class LmdbStore final : public Store {
 public:
  LmdbStore(Env env, MDB_dbi dbi, std::string directory)
      : env_(std::move(env)), dbi_(dbi), directory_(std::move(directory)) {}

  Result<std::optional<std::string>> get(const std::string& key) override {
    auto txn = begin(MDB_RDONLY);
    if (!txn) return tl::unexpected(txn.error());
    MDB_val k = view(key), v;
    const int rc = mdb_get(txn->get(), dbi_, &k, &v);
    if (rc == MDB_NOTFOUND) return std::optional<std::string>();
    if (rc != 0) return lmdb_error(rc, fmt::format("store {}: read {}", directory_, key));
    return std::optional(std::string(static_cast<const char*>(v.mv_data), v.mv_size));
  }

  Result<> put(const std::string& key, const std::string& value) override {
    auto txn = begin(0);
    if (!txn) return tl::unexpected(txn.error());
    MDB_val k = view(key), v = view(value);
    int rc = mdb_put(txn->get(), dbi_, &k, &v, 0);
    if (rc == 0) rc = mdb_txn_commit(txn->release());
    if (rc != 0) return lmdb_error(rc, fmt::format("store {}: write {}", directory_, key));
    return {};
  }

 private:
  Result<Txn> begin(unsigned flags) {
    MDB_txn* t = nullptr;
    if (const int rc = mdb_txn_begin(env_.get(), nullptr, flags, &t); rc != 0)
      return lmdb_error(rc, fmt::format("store {}", directory_));
    return Txn(t);
  }

  Env env_;
  MDB_dbi dbi_;
  std::string directory_;
};

class MemoryStore final : public Store {
 public:
  Result<std::optional<std::string>> get(const std::string& key) override {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::optional<std::string>();
    return std::optional(found->second);
  }
  Result<> put(const std::string& key, const std::string& value) override {
    values_[key] = value;
    return {};
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb_store(const std::string& directory) {
  const std::string what = fmt::format("store {}", directory);
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (!ec) std::filesystem::permissions(directory, std::filesystem::perms::owner_all, ec);
  if (ec) return fail_errno(Code::failed_precondition, ec.value(), what);

  MDB_env* raw = nullptr;
  if (const int rc = mdb_env_create(&raw); rc != 0) return lmdb_error(rc, what);
  Env env(raw);
  mdb_env_set_mapsize(env.get(), kMapSize);
  if (const int rc = mdb_env_open(env.get(), directory.c_str(), 0, 0600); rc != 0)
    return fail(Code::failed_precondition, "{}: {}", what, mdb_strerror(rc));
  MDB_txn* t = nullptr;
  if (const int rc = mdb_txn_begin(env.get(), nullptr, 0, &t); rc != 0) return lmdb_error(rc, what);
  Txn txn(t);
  MDB_dbi dbi = 0;
  int rc = mdb_dbi_open(txn.get(), nullptr, 0, &dbi);
  if (rc == 0) rc = mdb_txn_commit(txn.release());
  if (rc != 0) return lmdb_error(rc, what);
  return std::unique_ptr<Store>(std::make_unique<LmdbStore>(std::move(env), dbi, directory));
}

std::unique_ptr<Store> make_memory_store() { return std::make_unique<MemoryStore>(); }

}  // namespace mizar
