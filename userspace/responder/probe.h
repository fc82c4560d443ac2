// SPDX-License-Identifier: Apache-2.0
// What a probe over HTTP says and hears (RFC 9112).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/balance.h"

namespace mizar::responder {

// The request for a backend that is known as `host` where it lives.
std::string http_request(const HealthSpec& how, const Addr& host);
// Of all that came: nothing, more has to come; 0, it is no HTTP; else the status.
std::optional<std::uint16_t> http_status(std::string_view received);

}  // namespace mizar::responder
