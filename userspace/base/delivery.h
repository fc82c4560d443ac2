// SPDX-License-Identifier: Apache-2.0
// Which program hands an endpoint what comes from other hosts (decision 0025).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace mizar {

enum class Delivery : std::uint8_t {
  unsaid,  // as its host gives each
  tc,      // whole superpackets: most bytes
  xdp,     // frames, before the kernel has made anything of them: most packets
};
std::string name_of(Delivery d);  // "", "tc", "xdp"
// Error: invalid_argument.
Result<Delivery> parse_delivery(std::string_view text);

}  // namespace mizar
