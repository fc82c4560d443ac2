// SPDX-License-Identifier: Apache-2.0
// Persistent tap devices, for endpoints that are virtual machines.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "userspace/base/result.h"

namespace mizar::net {

struct TapOptions {
  bool vnet_hdr = true;      // offloads between the VM and us; the VMM must ask for the same
  bool multi_queue = false;  // fixed for the life of the device
  std::optional<uid_t> owner = std::nullopt;  // who may attach without CAP_NET_ADMIN
};

struct TapInfo {
  unsigned ifindex = 0;
  bool created = false;  // false: it was there already
};

// Makes sure that the persistent tap `name` exists in the caller's namespace
// (run_in() for another one), down, without carrier until a VMM attaches.
// Idempotent, also while a VMM has it open. Netlink::delete_link() removes it.
// Errors: invalid_argument (name), already_exists (another kind of link, or a
// tap of other queue mode, has the name), permission_denied, unavailable (no
// /dev/net/tun).
Result<TapInfo> ensure_tap(const std::string& name, const TapOptions& options = {});

}  // namespace mizar::net
