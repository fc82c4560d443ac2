// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648 section 4), the text form of `bytes` fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mizar {

std::string base64_encode(std::string_view bytes);
// Nothing if the text is not padded base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace mizar
