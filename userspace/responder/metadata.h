// SPDX-License-Identifier: Apache-2.0
// The metadata service: GET and HEAD over HTTP/1.1 (RFC 9110, RFC 9112), one
// request a connection, nothing but plain text about the endpoint that asks.
#pragma once

#include <optional>
#include <string_view>

#include "userspace/responder/client.h"

namespace mizar::responder {

inline constexpr std::size_t kHeadMax = 8192;  // request line and fields

// `received` is all a connection brought so far. Nothing: more has to come.
// Afterwards the connection is closed, whatever the answer.
std::optional<Outcome> answer_metadata(std::string_view received, const Client& client);

}  // namespace mizar::responder
