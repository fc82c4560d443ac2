// SPDX-License-Identifier: Apache-2.0
// Putting a program on a hook, and another in its place without a gap.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/dataplane.h"

namespace mizar {

// Links of one instance, pinned under `directory`. Not thread-safe.
class Hooks {
 public:
  Hooks(std::string directory, bool force_clsact, bool force_generic)
      : directory_(std::move(directory)), clsact_(force_clsact), generic_(force_generic) {}

  // Finds the links an earlier run pinned; those of interfaces that are gone
  // are removed.
  Result<> recover();
  // Attaches `prog_fd`, or puts it in the place of what is attached.
  Result<> attach(Hook hook, unsigned ifindex, int prog_fd);
  Result<> detach(Hook hook, unsigned ifindex);
  [[nodiscard]] std::vector<Attachment> list() const;

 private:
  struct Slot {
    UniqueFd link;  // invalid: clsact, which has none
    std::string mode;
  };
  [[nodiscard]] std::string pin(Hook hook, unsigned ifindex) const;
  Result<Slot> attach_tc(Hook which, unsigned ifindex, int prog_fd);
  Result<Slot> attach_xdp(unsigned ifindex, int prog_fd);

  std::string directory_;
  bool clsact_;
  bool generic_;
  std::map<std::pair<Hook, unsigned>, Slot> slots_;
};

}  // namespace mizar
