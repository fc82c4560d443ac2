// SPDX-License-Identifier: Apache-2.0
// Offload switches and driver names of links, as ethtool shows them.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/net/netns.h"

namespace mizar::net {

enum class Offload { rx_csum, tx_csum, sg, tso, gso, gro };

struct Offloads {
  bool rx_csum = false;
  bool tx_csum = false;
  bool sg = false;
  bool tso = false;
  bool gso = false;
  bool gro = false;
};

// The ethtool interface of one namespace. Move-only; safe from several
// threads (each call is its own ioctl).
// Errors of all calls: invalid_argument (name), not_found (link),
// permission_denied, unimplemented (the driver cannot).
class Ethtool {
 public:
  static Result<Ethtool> open();  // the namespace of the calling thread
  static Result<Ethtool> open_in(const NetnsRef& ns);

  [[nodiscard]] Result<Offloads> get(const std::string& ifname) const;
  // Reads back what it set. Further error: failed_precondition when the
  // kernel kept the old value, as it does for tso without tx_csum or sg.
  [[nodiscard]] Result<> set(const std::string& ifname, Offload what, bool on) const;
  // One feature by the name that `ethtool -k` shows. Further errors: unimplemented (this kernel has
  // none of that name), failed_precondition (the kernel kept the old value).
  [[nodiscard]] Result<> set_feature(const std::string& ifname, std::string_view feature, bool on) const;
  // "veth", "virtio_net", "ena", ...
  [[nodiscard]] Result<std::string> driver(const std::string& ifname) const;
  // Bits a second; 0: the link does not say, or is down.
  [[nodiscard]] Result<std::uint64_t> rate(const std::string& ifname) const;

 private:
  explicit Ethtool(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace mizar::net
