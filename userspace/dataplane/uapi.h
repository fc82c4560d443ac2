// SPDX-License-Identifier: Apache-2.0
// Kernel interface newer than Debian 12's headers (6.1): TCX, Linux 6.6.
#pragma once

#include <linux/bpf.h>

#include <cstdint>

namespace mizar::uapi {

// enum bpf_attach_type
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);

// enum bpf_link_type
constexpr std::uint32_t kLinkXdp = 6;
constexpr std::uint32_t kLinkTcx = 11;

// struct bpf_link_info as far as we read it: the union begins with the ifindex
// for XDP and TCX links alike.
struct LinkInfo {
  std::uint32_t type;
  std::uint32_t id;
  std::uint32_t prog_id;
  std::uint32_t pad;
  std::uint32_t ifindex;
  std::uint32_t attach_type;
  std::uint8_t rest[40];
};

}  // namespace mizar::uapi
