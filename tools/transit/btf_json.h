// SPDX-License-Identifier: Apache-2.0
// Bytes of a map's keys and values as typed JSON and back, by the map's BTF.
#pragma once

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tools/transit/context.h"
#include "tools/transit/output.h"

namespace transit {

// The types of one map. struct mz_addr reads as an IP address, six bytes as a
// MAC address, a network-order number (__be32) as the number it means. A map
// without BTF shows its bytes in hexadecimal.
class BtfJson {
 public:
  static Result<BtfJson> of(const bpf_map_info& map);

  [[nodiscard]] Json key(std::span<const std::byte> bytes) const;
  [[nodiscard]] Json value(std::span<const std::byte> bytes) const;

  // Writes `in` over `bytes`; members it does not name stay as they are.
  // Numbers may also be given as text. Error: invalid_argument naming the
  // member: "key.ip: 'x' is not an IP address".
  Result<> set_key(const Json& in, std::span<std::byte> bytes) const;
  Result<> set_value(const Json& in, std::span<std::byte> bytes) const;

 private:
  std::unique_ptr<btf, void (*)(btf*)> btf_{nullptr, btf__free};
  __u32 key_ = 0, value_ = 0;  // type ids, 0 = unknown
};

// YAML flow text (or JSON) as a value whose scalars are all texts.
Result<Json> parse_flow(std::string_view text, std::string_view what);

}  // namespace transit
