// SPDX-License-Identifier: Apache-2.0
// Numbers as operators and orchestrators write them.
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/result.h"

namespace mizar {

// Bits or packets a second: "100M", "1.5G", "64k", "2500000", decimal, as links are; "10Mi",
// binary, as Kubernetes' quantities may be; "none" is 0. Error: invalid_argument.
Result<std::uint64_t> parse_rate(const std::string& text);
// Bytes: "64K", "1M"; binary, as memory is. Error: as above.
Result<std::uint64_t> parse_bytes(const std::string& text);

// "1.5G", which parse_rate() takes; exact.
std::string rate_text(std::uint64_t n);
// "1.5 Gbit/s"
std::string bit_rate_text(std::uint64_t bits);

}  // namespace mizar
