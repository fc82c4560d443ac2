// SPDX-License-Identifier: Apache-2.0
// The data plane in the Linux kernel: BPF programs on TCX (clsact where the
// kernel is older than 6.6) and XDP, their maps and links pinned so that
// packets need no daemon.
#pragma once

#include <memory>
#include <string>

#include "userspace/dataplane/dataplane.h"

namespace mizar {

struct KernelOptions {
  std::string instance = "default";
  TableSizes sizes;
  bool force_clsact = false;   // as on kernels without TCX
  bool force_generic = false;  // XDP without the driver
  std::string bpffs = "/sys/fs/bpf";
};

// Where an instance's pins stand: <bpffs>/mizar/<instance>/<ABI version>.
std::string pin_root(const std::string& bpffs, const std::string& instance);

// Opens the kernel data plane; nothing is loaded yet.
// Errors: failed_precondition when bpffs is not mounted or BPF is not allowed:
// says which and how to get it.
Result<std::unique_ptr<Dataplane>> open_kernel_dataplane(KernelOptions options);

}  // namespace mizar
