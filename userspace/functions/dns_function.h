// SPDX-License-Identifier: Apache-2.0
// The worked function in user space: answers endpoints' DNS queries from a list of
// names. Frames in, frames out; no sockets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar::functions {

// Names in lower case without the last dot -> addresses.
using Names = std::map<std::string, std::vector<Addr>, std::less<>>;

// Lines "ADDRESS NAME...", as in hosts(5); # begins a comment.
// Errors: not_found, invalid_argument with the line.
Result<Names> read_names(const std::string& path);

// What answers a frame with a DNS query over UDP: to where it came from, both MAC
// addresses swapped. A name that is not in the list does not exist (NXDOMAIN).
// Nothing: not such a frame, or not a query.
std::optional<std::vector<std::uint8_t>> answer_frame(std::span<const std::uint8_t> frame, const Names& names);

}  // namespace mizar::functions
