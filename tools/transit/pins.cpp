// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/pins.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "bpf/abi/tables.h"

namespace transit {

std::string pin_root(const Context& ctx) {
  return fmt::format("{}/mizar/{}/{}", ctx.bpffs, ctx.instance, MZ_ABI_VERSION);
}

Result<std::vector<std::string>> pinned(const Context& ctx, const char* folder) {
  const std::string path = pin_root(ctx) + "/" + folder;
  std::vector<std::string> names;
  std::error_code ec;
  for (std::filesystem::directory_iterator at(path, ec), end; !ec && at != end; at.increment(ec))
    names.push_back(at->path().filename().string());
  if (ec == std::errc::no_such_file_or_directory)
    return fail(Code::not_found,
                "{}: nothing is pinned there: has transitd run, and is --instance right?", path);
  if (ec) return bpf_failed(ec.value(), path);
  std::sort(names.begin(), names.end());
  return names;
}

std::string pin_path(const Context& ctx, const char* folder, const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const std::string base = pin_root(ctx) + "/" + folder + "/";
  struct stat st {};
  if (::stat((base + name).c_str(), &st) != 0 && ::stat((base + "mz_" + name).c_str(), &st) == 0)
    return base + "mz_" + name;
  return base + name;
}

Result<mizar::UniqueFd> open_pin(const Context& ctx, const char* folder,
                                 const std::string& name) {
  const std::string path = pin_path(ctx, folder, name);
  mizar::UniqueFd fd(bpf_obj_get(path.c_str()));
  if (fd.valid()) return fd;
  const int err = errno;
  if (err == ENOENT)
    return fail(Code::not_found, "{}: nothing is pinned there: see transit {} list", path,
                folder == kMaps ? "map" : "program");
  return bpf_failed(err, path);
}

Failure bpf_failed(int err, const std::string& what) {
  if (err == EPERM || err == EACCES)
    return fail(Code::permission_denied, "{}: not permitted: run as root", what);
  return fail_errno(Code::internal, err, what);
}

}  // namespace transit
