// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/probe.h"

#include <algorithm>

namespace mizar::responder {

std::string http_request(const HealthSpec& how, const Addr& host) {
  const std::string name = fmt::format(fmt::runtime(host.is_v4() ? "{}:{}" : "[{}]:{}"), host.text(), how.port);
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mizar-health\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                     how.path, name);
}

// "HTTP/1.1 200 OK" (RFC 9112 section 4); the reason may be missing with its space.
std::optional<std::uint16_t> http_status(std::string_view in) {
  constexpr std::string_view kForm = "HTTP/d.d ddd";
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < std::min(in.size(), kForm.size()); i++)
    if (kForm[i] == 'd' ? !digit(in[i]) : in[i] != kForm[i]) return 0;
  if (in.size() <= kForm.size()) return std::nullopt;
  const char behind = in[kForm.size()];
  if (behind != ' ' && behind != '\r' && behind != '\n') return 0;
  return static_cast<std::uint16_t>((in[9] - '0') * 100 + (in[10] - '0') * 10 + (in[11] - '0'));
}

}  // namespace mizar::responder
