// SPDX-License-Identifier: Apache-2.0
// The daemon's pinned objects, reached without the daemon: what still works
// when it is dead.
#pragma once

#include <bpf/bpf.h>

#include <string>
#include <vector>

#include "tools/transit/context.h"
#include "userspace/base/unique_fd.h"

namespace transit {

// BPFFS/mizar/INSTANCE/ABI-VERSION
std::string pin_root(const Context& ctx);

// The folders below it.
inline constexpr const char* kMaps = "maps";
inline constexpr const char* kPrograms = "programs";
inline constexpr const char* kLinks = "links";

// Names in a folder, in order. Error: not_found if there is no such folder.
Result<std::vector<std::string>> pinned(const Context& ctx, const char* folder);

// Path of an object: a path stays what it is, a name is looked up in its
// folder, also with "mz_" in front.
std::string pin_path(const Context& ctx, const char* folder, const std::string& name);

Result<mizar::UniqueFd> open_pin(const Context& ctx, const char* folder, const std::string& name);

// What the kernel says of an object. `Info` is a bpf_*_info.
template <class Info>
Result<Info> info_of(const mizar::UniqueFd& fd, const std::string& name) {
  Info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
    return fail_errno(Code::internal, errno, name);
  return info;
}

// An errno of bpf(2) as an error; missing privilege says so.
Failure bpf_failed(int err, const std::string& what);

}  // namespace transit
